"""Uploads against a real storage server."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from orchestrator.errors import RetryClass
from orchestrator.transfer.content_type import content_type_of
from orchestrator.transfer.digest import digest
from orchestrator.transfer.errors import FileChangedError, LocalFileError, TransferError
from orchestrator.transfer.upload import PutReceipt, Uploader
from tests.unit.transfer.conftest import Answer, EarlyCloser, Storage

MIB = 1024**2


def answering(status: int, text: str = "", headers: dict[str, str] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def no_wait(_seconds: float) -> None:
    """A backoff that takes no time."""


@pytest.fixture
def uploader(session: aiohttp.ClientSession, executor: ThreadPoolExecutor) -> Uploader:
    return Uploader(session, executor=executor, concurrency=4, part_bytes=MIB, sleep=no_wait)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(3 * MIB + 12345))
    return path


async def test_single_put(
    storage: Storage, uploader: Uploader, executor: ThreadPoolExecutor, media: Path
) -> None:
    """A file arrives whole, with its length, type and MD5, under the URL as it was signed."""
    found = await digest(media, executor=executor)
    seen: list[tuple[int, int]] = []
    receipt = await uploader.put(
        media,
        storage.url("clip"),
        content_type=content_type_of(media),
        md5_base64=found.md5_base64,
        stamp=found.stamp,
        on_progress=lambda sent, total: seen.append((sent, total)),
    )
    data = media.read_bytes()
    assert storage.objects["/clip"] == data
    assert receipt == PutReceipt(hashlib.md5(data).hexdigest(), len(data))
    request = storage.requests[0]
    assert request.headers["Content-Type"] == "video/mp4"
    assert request.headers["Content-Length"] == str(len(data))
    assert "Transfer-Encoding" not in request.headers
    assert request.raw_path == storage.url("clip").removeprefix(storage.base)
    assert seen[-1] == (len(data), len(data))
    assert len(seen) == 4


async def test_no_content_type(storage: Storage, uploader: Uploader, media: Path) -> None:
    """Without a content type no such header is sent: the URL was signed without one."""
    await uploader.put(media, storage.url("clip"), content_type=None)
    assert "Content-Type" not in storage.requests[0].headers


async def test_empty_file(storage: Storage, uploader: Uploader, tmp_path: Path) -> None:
    """An empty file is stored as an empty object."""
    path = tmp_path / "empty.png"
    path.touch()
    receipt = await uploader.put(path, storage.url("empty"), content_type="image/png")
    assert (storage.objects["/empty"], receipt.bytes) == (b"", 0)
    assert storage.requests[0].headers["Content-Length"] == "0"


async def test_slice(storage: Storage, uploader: Uploader, media: Path) -> None:
    """Only the asked bytes are sent."""
    await uploader.put(media, storage.url("clip"), offset=10, length=2 * MIB, content_type=None)
    assert storage.objects["/clip"] == media.read_bytes()[10 : 10 + 2 * MIB]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", (RetryClass.LATER, True, False)),
        (403, "RequestTimeTooSkewed", (RetryClass.LATER, True, False)),
        (403, "SignatureDoesNotMatch", (RetryClass.LATER, True, False)),
        (403, "", (RetryClass.LATER, True, False)),
        (400, "RequestExpired", (RetryClass.LATER, True, False)),
        (404, "NoSuchUpload", (RetryClass.LATER, True, False)),
        (400, "BadDigest", (RetryClass.LATER, False, True)),
        (400, "InvalidDigest", (RetryClass.LATER, False, True)),
        (400, "MalformedXML", (RetryClass.NEVER, False, False)),
        (400, "EntityTooLarge", (RetryClass.NEVER, False, False)),
        (403, "InsufficientStorageSpace", (RetryClass.SUPPORT, False, False)),
        (411, "MissingContentLength", (RetryClass.NEVER, False, False)),
        (413, "", (RetryClass.NEVER, False, False)),
        (500, "InternalError", (RetryClass.LATER, False, False)),
        (503, "SlowDown", (RetryClass.LATER, False, False)),
    ],
)
async def test_refusals(
    storage: Storage,
    uploader: Uploader,
    media: Path,
    status: int,
    code: str,
    expected: tuple[RetryClass, bool, bool],
) -> None:
    """Every refusal carries the storage's code, its retry class and what to do, never the URL's query."""
    xml = (
        f"<Error><Code>{code}</Code><Message>see http://x/?Signature=c2VjcmV0</Message></Error>"
        if code
        else ""
    )
    storage.answer("clip", answering(status, xml))
    with pytest.raises(TransferError) as caught:
        await uploader.put(media, storage.url("clip"), content_type=None)
    error = caught.value
    assert (error.retry, error.expired, error.md5_rejected) == expected
    assert (error.status, error.code) == (status, code)
    assert error.hint
    assert str(status) in str(error)
    assert code in str(error)
    assert "Signature=" not in f"{error} {error!r}"
    assert len(storage.requests) == 1


async def test_wrong_md5(storage: Storage, uploader: Uploader, media: Path) -> None:
    """A digest that is not that of the bytes is refused and told apart from other refusals."""
    with pytest.raises(TransferError) as caught:
        await uploader.put(
            media, storage.url("clip"), content_type=None, md5_base64="1B2M2Y8AsgTpgAmY7PhCfg=="
        )
    assert caught.value.md5_rejected
    assert not caught.value.repeatable


async def test_redirect_is_not_followed(storage: Storage, uploader: Uploader, media: Path) -> None:
    """A redirect would take the file elsewhere: it is an error, and nothing is sent there."""
    storage.answer("clip", answering(307, headers={"Location": f"{storage.base}/elsewhere"}))
    with pytest.raises(TransferError) as caught:
        await uploader.put(media, storage.url("clip"), content_type=None)
    assert (caught.value.status, caught.value.retry) == (307, RetryClass.LATER)
    assert list(storage.objects) == []


async def test_early_refusal(early_closer: EarlyCloser, uploader: Uploader, tmp_path: Path) -> None:
    """A refusal that comes before the body is sent is read, not lost in the broken connection."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(32 * MIB))
    body = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    head = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    url = await early_closer(head + body)
    with pytest.raises(TransferError) as caught:
        await uploader.put(path, url, content_type=None)
    # The peer's reset may win the race against its own answer; then it is at least a transient error.
    assert caught.value.expired or caught.value.repeatable


async def test_connection_cut(early_closer: EarlyCloser, uploader: Uploader, media: Path) -> None:
    """A connection that ends without an answer is transient, is not sent again unasked, and shows no signature."""
    url = await early_closer(b"")
    with pytest.raises(TransferError) as caught:
        await uploader.put(media, url, content_type=None)
    assert caught.value.repeatable
    assert "Signature" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_reused_connection_cut(uploader: Uploader, media: Path) -> None:
    """A PUT that fails on a pooled connection is not sent a second time by the HTTP library with a half-read file."""
    heads = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heads
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            heads += 1
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            if heads > 1:
                await reader.readexactly(100)
                break
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    await uploader.put(media, url, content_type=None)
    with pytest.raises(TransferError) as caught:
        await uploader.put(media, url, content_type=None)
    assert caught.value.repeatable
    assert heads == 2
    server.close()


async def test_standstill(
    session: aiohttp.ClientSession, executor: ThreadPoolExecutor, media: Path, storage: Storage
) -> None:
    """A server that stops reading or never answers is given up after `stall_s`."""

    async def silent(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    storage.answer("clip", silent)
    uploader = Uploader(session, executor=executor, stall_s=0.05)
    with pytest.raises(TransferError, match="stood still") as caught:
        await uploader.put(media, storage.url("clip"), content_type=None)
    assert caught.value.repeatable


async def test_total_time(
    session: aiohttp.ClientSession, executor: ThreadPoolExecutor, media: Path, storage: Storage
) -> None:
    """`timeout_s` bounds the whole PUT."""

    async def silent(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    storage.answer("clip", silent)
    uploader = Uploader(session, executor=executor)
    with pytest.raises(TransferError, match="took too long"):
        await uploader.put(media, storage.url("clip"), content_type=None, timeout_s=0.05)


async def test_missing_and_odd_files(uploader: Uploader, storage: Storage, tmp_path: Path) -> None:
    """A missing file, a folder and a pipe are refused before anything is sent."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing.png", ".", "pipe"):
        with pytest.raises(LocalFileError) as caught:
            await uploader.put(tmp_path / name, storage.url("x"), content_type=None)
        assert caught.value.retry is RetryClass.NEVER
    assert storage.requests == []


async def test_changed_since_hashing(
    uploader: Uploader, executor: ThreadPoolExecutor, storage: Storage, media: Path
) -> None:
    """A file that was rewritten after it was hashed is not sent."""
    found = await digest(media, executor=executor)
    media.write_bytes(b"other")
    with pytest.raises(FileChangedError) as caught:
        await uploader.put(media, storage.url("x"), content_type=None, stamp=found.stamp)
    assert caught.value.retry is RetryClass.LATER
    assert not caught.value.repeatable
    assert storage.requests == []


async def test_shrinks_while_sending(uploader: Uploader, storage: Storage, tmp_path: Path) -> None:
    """A file cut short while it is sent ends the upload instead of hanging it."""
    path = tmp_path / "clip.bin"
    path.write_bytes(bytes(64 * MIB))

    def cut(_sent: int, _total: int) -> None:
        if path.stat().st_size:
            path.write_bytes(b"")

    with pytest.raises(FileChangedError):
        await uploader.put(path, storage.url("x"), content_type=None, on_progress=cut)
    assert storage.objects == {}


async def test_touched_while_sending(uploader: Uploader, storage: Storage, media: Path) -> None:
    """A file that changed while it was sent is reported even though the storage took it."""

    def touch(_sent: int, _total: int) -> None:
        os.utime(media, ns=(1, 1))

    with pytest.raises(FileChangedError):
        await uploader.put(media, storage.url("x"), content_type=None, on_progress=touch)


@pytest.mark.parametrize(
    "url", ["ftp://host/x?Signature=abc", "no url", "http://[bad/?Signature=abc", "http:///x"]
)
async def test_malformed_url(uploader: Uploader, media: Path, url: str) -> None:
    """A URL that is none is refused for good without being shown."""
    with pytest.raises(TransferError) as caught:
        await uploader.put(media, url, content_type=None)
    assert caught.value.retry is RetryClass.NEVER
    assert "Signature" not in str(caught.value)


async def test_parts(storage: Storage, uploader: Uploader, media: Path) -> None:
    """A file in parts arrives whole, one receipt a part, in order."""
    urls = [storage.url(f"part{index}") for index in range(4)]
    seen: list[tuple[int, int]] = []
    receipts = await uploader.put_parts(media, urls, on_progress=lambda *now: seen.append(now))
    data = media.read_bytes()
    assert b"".join(storage.objects[f"/part{index}"] for index in range(4)) == data
    assert [r.etag for r in receipts] == [
        hashlib.md5(storage.objects[f"/part{index}"]).hexdigest() for index in range(4)
    ]
    assert max(seen) == (len(data), len(data))


async def test_part_is_retried_alone(storage: Storage, uploader: Uploader, media: Path) -> None:
    """A part that meets transient errors is sent again, whole, and the others only once."""
    storage.answer("part1", answering(503), answering(500), answering(408))
    urls = [storage.url(f"part{index}") for index in range(4)]
    seen: list[int] = []
    await uploader.put_parts(media, urls, on_progress=lambda sent, _total: seen.append(sent))
    assert b"".join(storage.objects[f"/part{index}"] for index in range(4)) == media.read_bytes()
    assert sorted(request.path for request in storage.requests) == [
        "/part0",
        *["/part1"] * 4,
        "/part2",
        "/part3",
    ]
    assert seen[-1] == media.stat().st_size


async def test_part_tries_are_bounded(storage: Storage, uploader: Uploader, media: Path) -> None:
    """A part is given up after its tries, and the error is the storage's."""
    storage.answer("part0", *[answering(503, "<Code>SlowDown</Code>")] * 9)
    with pytest.raises(TransferError) as caught:
        await uploader.put_parts(media, [storage.url("part0")])
    assert (caught.value.code, len(storage.requests)) == ("SlowDown", 4)


async def test_part_fails_for_good(storage: Storage, uploader: Uploader, media: Path) -> None:
    """A lasting error of one part ends the upload at once and speaks for it."""
    storage.answer("part2", answering(403, "<Code>AccessDenied</Code>"))
    with pytest.raises(TransferError) as caught:
        await uploader.put_parts(media, [storage.url(f"part{index}") for index in range(4)])
    assert caught.value.expired
    assert [request.path for request in storage.requests].count("/part2") == 1


async def test_parts_taken_up_again(storage: Storage, uploader: Uploader, media: Path) -> None:
    """Parts that an earlier try got through are not sent again."""
    kept: dict[int, PutReceipt] = {}

    async def keep(index: int, receipt: PutReceipt) -> None:
        kept[index] = receipt

    urls = [storage.url(f"part{index}") for index in range(4)]
    whole = await uploader.put_parts(media, urls, on_part=keep)
    assert kept == dict(enumerate(whole))
    del kept[3]
    storage.requests.clear()
    again = await uploader.put_parts(media, urls, done=kept)
    assert again == whole
    assert [request.path for request in storage.requests] == ["/part3"]


async def test_budget_is_shared(
    session: aiohttp.ClientSession, executor: ThreadPoolExecutor, storage: Storage, tmp_path: Path
) -> None:
    """All uploads together never have more PUTs under way than `concurrency`."""
    under_way = peak = 0

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal under_way, peak
        under_way += 1
        peak = max(peak, under_way)
        try:
            return await storage.store(request)
        finally:
            under_way -= 1

    uploader = Uploader(session, executor=executor, concurrency=2)
    uploads: list[Awaitable[object]] = []
    for upload in range(3):
        path = tmp_path / str(upload)
        path.write_bytes(os.urandom(256 * 1024))
        names = [f"{upload}-{index}" for index in range(4)]
        for name in names:
            storage.answer(name, slow)
        uploads.append(uploader.put_parts(path, [storage.url(name) for name in names]))
    await asyncio.gather(*uploads)
    assert 1 <= peak <= 2


async def test_backoff_grows(
    session: aiohttp.ClientSession, executor: ThreadPoolExecutor, storage: Storage, media: Path
) -> None:
    """The waits between the tries of a part double, give or take the jitter."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    storage.answer("p", *[answering(500)] * 3)
    await Uploader(session, executor=executor, sleep=note).put_parts(media, [storage.url("p")])
    assert [0.25 <= waits[0] <= 0.75, 0.5 <= waits[1] <= 1.5, 1 <= waits[2] <= 3] == [True] * 3


async def test_cancelled_upload_closes_its_file(
    session: aiohttp.ClientSession, executor: ThreadPoolExecutor, storage: Storage, media: Path
) -> None:
    """A cancelled upload leaves no open file behind."""
    started = asyncio.Event()

    async def silent(_request: web.Request) -> web.StreamResponse:
        started.set()
        await asyncio.Event().wait()
        return web.Response()

    storage.answer("clip", silent)
    open_files = _descriptors_of(media)
    task = asyncio.create_task(
        Uploader(session, executor=executor).put(media, storage.url("clip"), content_type=None)
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    executor.shutdown(wait=True)
    assert _descriptors_of(media) == open_files == 0


def _descriptors_of(path: Path) -> int:
    fds = Path("/proc/self/fd")
    return sum(1 for fd in fds.iterdir() if fd.exists() and fd.resolve() == path)
