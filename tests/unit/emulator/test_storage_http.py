"""Object storage over real HTTP: what it checks, what it keeps, what it gives back."""

import asyncio
import base64
import hashlib
import io
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import File, FileState

DATA = bytes(range(256)) * 5000


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


async def raw_put(url: str, *headers: str, body: bytes = b"") -> str:
    """The answer to a PUT that is written byte for byte."""
    host, _, target = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    lines = [f"PUT /{target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def large(tenant: Any, parts: int, **changes: Any) -> tuple[str, list[str]]:
    asset = await tenant.ok("POST", "/digital-assets", {"asset_name": "B", "asset_type": "VIDEO"})
    body = {
        "asset_id": asset["asset_id"],
        "file_name": "a.mp4",
        "file_type": "mp4",
        "asset_file_category": "MAIN",
    }
    made = await tenant.ok("POST", "/large-files", {**body, "file_multipart_count": parts, **changes})
    return made["file_id"], made["upload_urls"]


async def put_part(tenant: Any, url: str, data: bytes) -> tuple[int, str]:
    async with tenant.session.put(url, data=data, skip_auto_headers=["Content-Type"]) as answer:
        return answer.status, await answer.text()


async def test_an_upload_makes_an_asset_usable_and_comes_back_whole(connect: Any) -> None:
    """PUT, confirm, ACTIVED; the download is what was sent, also in ranges."""
    tenant = await connect()
    asset_id = await tenant.uploaded(DATA)
    shown = await tenant.ok("GET", f"/digital-assets/{asset_id}")
    assert (shown["asset_state"], shown["files"][0]["state"]) == ("ACTIVED", "CREATED")
    url = shown["files"][0]["download_url"]
    for header, status, part in (
        (None, 200, DATA),
        ("bytes=10-19", 206, DATA[10:20]),
        ("bytes=-7", 206, DATA[-7:]),
        (f"bytes={len(DATA) - 3}-", 206, DATA[-3:]),
        ("bytes=5-99999999", 206, DATA[5:]),
        ("bytes=9-5", 200, DATA),
        ("bytes=0-1,4-5", 200, DATA),
        ("lines=1-2", 200, DATA),
    ):
        async with tenant.session.get(url, headers={"Range": header} if header else {}) as answer:
            assert (answer.status, await answer.read()) == (status, part)
    async with tenant.session.get(url, headers={"Range": f"bytes={len(DATA)}-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")
    async with tenant.session.head(url) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(DATA)))


async def test_the_etag_is_the_digest_and_a_second_put_replaces(connect: Any) -> None:
    """An upload that is repeated is as good as one."""
    tenant = await connect()
    _, file_id, url = await tenant.file(DATA)
    headers = {"Content-MD5": _md5(DATA), "Content-Type": "image/png"}
    for _ in range(2):
        async with tenant.session.put(url, data=io.BytesIO(DATA), headers=headers) as answer:
            assert answer.headers["ETag"] == f'"{hashlib.md5(DATA).hexdigest()}"'
    await tenant.ok("POST", f"/files/{file_id}/complete", {"state": "CREATED"})


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"data": b"x" * 300, "Content-MD5": "DATA"}, 400, "BadDigest"),
        ({"data": b"x" * 299, "Content-MD5": "DATA"}, 400, "EntityTooSmall"),
        ({"data": b"x" * 301, "Content-MD5": "DATA"}, 400, "EntityTooLarge"),
        ({"data": b"x" * 300}, 403, "SignatureDoesNotMatch"),
        ({"data": b"a" * 300, "Content-MD5": ""}, 403, "SignatureDoesNotMatch"),
    ],
)
async def test_an_upload_that_is_not_what_was_announced(
    connect: Any, change: dict[str, Any], status: int, code: str
) -> None:
    """Wrong bytes, wrong size, another or no Content-MD5: refused with the storage's own codes, nothing stored."""
    tenant = await connect()
    _, file_id, url = await tenant.file(b"a" * 300)
    sent = dict(change)
    if sent.get("Content-MD5") == "DATA":
        sent["Content-MD5"] = _md5(b"a" * 300)
    answer = await tenant.put(url, sent.pop("data"), **sent)
    assert answer[0] == status
    assert f"<Code>{code}</Code>" in answer[1]
    assert (await tenant.send("POST", f"/files/{file_id}/complete", {"state": "CREATED"}))[0] == 400


async def test_a_length_is_needed(connect: Any) -> None:
    """411 for a chunked upload, 400 for a Content-MD5 that is none on a part."""
    tenant = await connect()
    _, _, url = await tenant.file(b"abc")
    md5 = f"Content-MD5: {_md5(b'abc')}"
    answer = await raw_put(url, md5, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 411")
    assert "<Code>MissingContentLength</Code>" in answer
    _, urls = await large(tenant, 2)
    answer = await raw_put(urls[0], "Content-MD5: nope", "Content-Length: 3", body=b"abc")
    assert "<Code>InvalidDigest</Code>" in answer


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Signature=", "Signature=x", 403),
        ("Expires=", "Expires=9", 403),
        ("Expires=", "Expires=x", 403),
        ("AccessKeyId=", "AccessKeyId=x", 403),
        ("?", "?Expires=1&", 400),
        ("&Signature=", "&signature=", 403),
        (".png", "%2E%2E/.png", 403),
        (".png?", ".png?partNumber=0&", 400),
        (".png?", ".png?partNumber=1&uploadId=x&", 403),
    ],
)
async def test_a_url_that_was_changed_is_refused(connect: Any, old: str, new: str, status: int) -> None:
    """In XML, whatever was changed."""
    tenant = await connect()
    _, _, url = await tenant.file(b"abc")
    answer = await tenant.put(url.replace(old, new, 1), b"abc")
    assert answer[0] == status
    assert "<Code>" in answer[1]


async def test_a_url_is_for_its_method_and_its_time(connect: Any) -> None:
    """A PUT URL doesn't download, and a day later it is no longer valid."""
    tenant = await connect()
    _, _, url = await tenant.file(b"abc")
    assert (await tenant.put(url, b"abc"))[0] == 200
    async with tenant.session.get(url) as answer:
        assert answer.status == 403
    async with tenant.session.delete(url) as answer:
        assert answer.status == 405
    await tenant.control("POST", "advance", {"seconds": 86401})
    status, text = await tenant.put(url, b"abc")
    assert (status, "Request has expired" in text) == (403, True)


async def test_parts_are_put_in_any_order_and_again(connect: Any) -> None:
    """The object is its parts in their order, the last word of each; complete only when all are there."""
    tenant = await connect()
    file_id, urls = await large(tenant, 3, file_size=9)
    complete = ("POST", f"/files/{file_id}/complete", {"state": "CREATED"})
    for index, data in ((2, b"ghi"), (0, b"xxx"), (0, b"abc")):
        assert (await put_part(tenant, urls[index], data))[0] == 200
    status, refusal = await tenant.send(*complete)
    assert (status, refusal["error_code"]) == (400, "MSS.10001016")
    assert "2 of 3" in refusal["error_msg"]
    assert (await put_part(tenant, urls[1], b"def"))[0] == 200
    await tenant.ok(*complete)
    status, text = await put_part(tenant, urls[1], b"def")
    assert (status, "NoSuchUpload" in text) == (404, True)
    (asset,) = (await tenant.ok("GET", "/digital-assets"))["assets"]
    async with tenant.session.get(
        asset["files"][0]["download_url"], headers={"Range": "bytes=2-6"}
    ) as answer:
        assert await answer.read() == b"cdefg"
        digests = b"".join(hashlib.md5(data).digest() for data in (b"abc", b"def", b"ghi"))
        assert answer.headers["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'


async def test_parts_that_are_too_few_bytes_fail(connect: Any) -> None:
    """The sizes have to sum up to what was announced: MSS.10001018."""
    tenant = await connect()
    file_id, urls = await large(tenant, 1, file_size=9)
    assert (await put_part(tenant, urls[0], b"abc"))[0] == 200
    status, refusal = await tenant.send("POST", f"/files/{file_id}/complete", {"state": "CREATED"})
    assert (status, refusal["error_code"]) == (400, "MSS.10001018")


async def test_an_upload_that_breaks_off_leaves_nothing(connect: Any) -> None:
    """A connection that ends in the middle of the body stores nothing, and the server goes on."""
    tenant = await connect()
    _, file_id, url = await tenant.file(DATA)
    host = url.removeprefix("http://").partition("/")[0]
    _, writer = await asyncio.open_connection(host.partition(":")[0], int(host.partition(":")[2]))
    head = f"PUT /{url.partition('//')[2].partition('/')[2]} HTTP/1.1\r\nHost: {host}\r\n"
    writer.write(
        f"{head}Content-MD5: {_md5(DATA)}\r\nContent-Length: {len(DATA)}\r\n\r\n".encode() + DATA[:1000]
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await tenant.send("POST", f"/files/{file_id}/complete", {"state": "CREATED"}))[0] == 400
    assert (await tenant.put(url, DATA))[0] == 200


def plan(on: str, do: Fault, **rule: Any) -> FaultPlan:
    return FaultPlan(rules=(FaultRule(on=on, do=do, nth=1, **rule),))


@pytest.mark.parametrize(
    ("do", "stored"),
    [(Fault.RESET_BEFORE, False), (Fault.RESET_AFTER, True)],
)
async def test_a_put_whose_connection_is_cut(connect: Any, do: Fault, stored: bool) -> None:
    """The caller sees the cut; the bytes are there only after the later one."""
    tenant = await connect(faults=plan("storage.put", do))
    _, file_id, url = await tenant.file(b"abc")
    headers = (f"Content-MD5: {_md5(b'abc')}", "Content-Length: 3")
    with pytest.raises(ConnectionError):
        # Not with aiohttp, which sends a PUT again by itself.
        await raw_put(url, *headers, body=b"abc")
    status, _ = await tenant.send("POST", f"/files/{file_id}/complete", {"state": "CREATED"})
    assert status == (200 if stored else 400)


@pytest.mark.parametrize(
    ("rule", "status", "text"),
    [
        ({"do": Fault.ERROR, "status": 503}, 503, "SlowDown"),
        ({"do": Fault.ERROR, "status": 400, "code": "InvalidDigest"}, 400, "InvalidDigest"),
        ({"do": Fault.THROTTLE}, 503, "SlowDown"),
        ({"do": Fault.HTML}, 502, "<html>"),
    ],
)
async def test_a_put_that_is_refused_by_plan(
    connect: Any, rule: dict[str, Any], status: int, text: str
) -> None:
    """With the storage's code, or a proxy's page; the next PUT passes."""
    tenant = await connect(faults=plan("storage.put", **rule))
    _, _, url = await tenant.file(b"abc")
    answer = await tenant.put(url, b"abc")
    assert (answer[0], text in answer[1]) == (status, True)
    assert (await tenant.put(url, b"abc"))[0] == 200


async def test_a_download_that_breaks_off(connect: Any) -> None:
    """The head promises all of it, half comes."""
    tenant = await connect(faults=plan("storage.get", Fault.TRUNCATE))
    asset_id = await tenant.uploaded(DATA)
    url = (await tenant.ok("GET", f"/digital-assets/{asset_id}"))["files"][0]["download_url"]
    async with tenant.session.get(url) as answer:
        assert answer.headers["Content-Length"] == str(len(DATA))
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    async with tenant.session.get(url) as answer:
        assert await answer.read() == DATA


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"If-None-Match": "TAG"}, 304),
        ({"If-None-Match": 'W/TAG, "other"'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Range": "TAG", "Range": "bytes=0-0"}, 206),
        ({"If-Range": '"other"', "Range": "bytes=0-0"}, 200),
    ],
)
async def test_a_download_that_depends_on_what_the_caller_has(
    connect: Any, header: dict[str, str], status: int
) -> None:
    """304 without a body for the same ETag; a range of another object is all of it."""
    tenant = await connect()
    asset_id = await tenant.uploaded(b"abc")
    url = (await tenant.ok("GET", f"/digital-assets/{asset_id}"))["files"][0]["download_url"]
    tag = f'"{hashlib.md5(b"abc").hexdigest()}"'
    sent = {name: value.replace("TAG", tag) for name, value in header.items()}
    async with tenant.session.get(url, headers=sent) as answer:
        assert (answer.status, answer.headers["ETag"]) == (status, tag)
        assert await answer.read() == {304: b"", 200: b"abc", 206: b"a"}[status]


async def test_a_page_of_any_origin_may_use_a_presigned_url(connect: Any) -> None:
    """Downloads, uploads and refusals tell so, and a browser that asks first is let through."""
    tenant = await connect()
    asset_id = await tenant.uploaded(b"abc")
    url = (await tenant.ok("GET", f"/digital-assets/{asset_id}"))["files"][0]["download_url"]
    asked = {"Origin": "http://page.test", "Access-Control-Request-Method": "PUT"}
    async with tenant.session.options(url, headers=asked) as answer:
        assert answer.status == 204
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    for target, status in ((url, 200), (f"{url}x", 403)):
        async with tenant.session.get(target) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")


async def single_use_file(tenant: Any, content_type: str) -> str:
    """The URL of a file that belongs to a job, as trainings hand them out."""
    emulator = tenant.server.emulator
    now = emulator.now
    file = File(
        id=emulator.world.new_id(),
        asset_id="a-job",
        name="a.zip",
        type="zip",
        category="MAIN",
        state=FileState.CREATING,
        created_at=now,
        updated_at=now,
        single_use=True,
    )
    emulator.world.add_file(file)
    ref = ObjectRef(f"{emulator.config.project_id}/a-job/{file.id}.zip")
    return str(emulator.links.put_url(ref, now + timedelta(hours=1), content_type=content_type))


async def test_a_url_that_serves_once(connect: Any) -> None:
    """A failed try leaves it good, a success uses it up; its content type is signed."""
    tenant = await connect()
    url = await single_use_file(tenant, "application/zip")
    typed = {"Content-Type": "application/zip"}
    for headers, expected in (
        ({}, (403, "SignatureDoesNotMatch")),
        ({**typed, "Content-MD5": _md5(b"abc")}, (403, "SignatureDoesNotMatch")),
        (typed, (200, "")),
        (typed, (403, "has been used")),
    ):
        async with tenant.session.put(
            url, data=b"abc", headers=headers, skip_auto_headers=["Content-Type"]
        ) as answer:
            assert answer.status == expected[0]
            assert expected[1] in await answer.text()


async def test_of_two_uploads_at_once_one_uses_the_url_up(connect: Any) -> None:
    """The one whose body is there last is refused, and what it sent is not kept."""
    tenant = await connect()
    url = await single_use_file(tenant, "")
    host, _, target = url.removeprefix("http://").partition("/")
    lines = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection(host.partition(":")[0], int(host.partition(":")[2]))
        head = f"PUT /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
        writer.write(head.encode() + b"ab")
        await writer.drain()
        lines.append((reader, writer))
    statuses = []
    for reader, writer in lines:
        writer.write(b"c")
        await writer.drain()
        statuses.append((await reader.read()).split()[1])
        writer.close()
        await writer.wait_closed()
    assert statuses == [b"200", b"403"]
    assert (await tenant.control("GET", "stats"))["uploads"]["puts"] == 1


async def test_a_download_that_is_not_what_was_stored(connect: Any) -> None:
    """As long as announced, but only its digest tells the truth."""
    tenant = await connect(faults=plan("storage.get", Fault.MALFORMED))
    asset_id = await tenant.uploaded(DATA)
    url = (await tenant.ok("GET", f"/digital-assets/{asset_id}"))["files"][0]["download_url"]
    for same in (False, True):
        async with tenant.session.get(url) as answer:
            body = await answer.read()
        assert (len(body), body == DATA) == (len(DATA), same)


async def test_a_part_that_fails_by_plan(connect: Any) -> None:
    """The other parts are there; the one is put again."""
    tenant = await connect(faults=plan("storage.part", Fault.ERROR, status=503))
    file_id, urls = await large(tenant, 2, file_size=6)
    assert [(await put_part(tenant, url, b"abc"))[0] for url in urls] == [503, 200]
    assert (await put_part(tenant, urls[0], b"abc"))[0] == 200
    await tenant.ok("POST", f"/files/{file_id}/complete", {"state": "CREATED"})


async def test_a_url_expires_by_plan(connect: Any) -> None:
    """One PUT is refused as if the URL's time were over."""
    tenant = await connect(faults=plan("storage.put", Fault.EXPIRED_URL))
    _, _, url = await tenant.file(b"abc")
    status, text = await tenant.put(url, b"abc")
    assert (status, "Request has expired" in text) == (403, True)
    assert (await tenant.put(url, b"abc"))[0] == 200


async def test_an_expired_url_is_handed_out_by_plan(connect: Any) -> None:
    """The upload is refused as expired; a new file's URL serves."""
    tenant = await connect(faults=plan("create_file", Fault.EXPIRED_URL))
    _, _, url = await tenant.file(b"abc")
    status, text = await tenant.put(url, b"abc")
    assert (status, "Request has expired" in text) == (403, True)


async def test_uploads_are_counted(connect: Any) -> None:
    """PUTs and bytes that were stored; the journal shows them without their query."""
    tenant = await connect()
    await tenant.uploaded(DATA)
    stats = await tenant.control("GET", "stats")
    assert stats["uploads"] == {"puts": 1, "bytes": len(DATA)}
    journal = await tenant.control("GET", "journal?operation=storage.put")
    assert "?" not in journal["requests"][0]["target"]
    assert len({row["request_id"] for row in (await tenant.control("GET", "journal"))["requests"]}) == 4
