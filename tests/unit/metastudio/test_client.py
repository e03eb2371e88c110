"""The client over a transport that answers what it was told to."""

import json
import subprocess
import sys
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from orchestrator.errors import UsageError
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio.client import SAME_PAGES, MetaStudio
from orchestrator.metastudio.errors import (
    AnswerLost,
    ConnectFailed,
    Throttled,
)
from orchestrator.metastudio.operations import (
    OPERATIONS,
    create_digital_asset,
    create_file,
    list_assets,
    show_asset,
)
from orchestrator.metastudio.transport import AioHttpTransport
from orchestrator.metastudio.wire import Response
from tests.unit.metastudio.scripted import (
    BODY,
    KEYS,
    OK,
    THROTTLE,
    OpenLimiter,
    Script,
    client,
    patient,
)


async def test_a_call_passes_limiter_and_signer_and_returns_the_model() -> None:
    """Order, priority and label reach the limiter; the request is signed for its moment and project."""
    transport, limiter = Script(OK), OpenLimiter()
    answer = await client(transport, limiter).call(
        create_digital_asset, body=BODY, order=7.5, low=True, label="run/step"
    )
    assert answer.asset_id == "a"
    assert limiter.passed == [("create_digital_asset", 7.5, True, "run/step")]
    (request,) = transport.sent
    assert request.headers["X-Sdk-Date"] == "20250819T080000Z"
    assert request.headers["X-Project-Id"] == "p"
    assert request.headers["Authorization"].startswith("SDK-HMAC-SHA256 Access=ak, SignedHeaders=accept;")
    assert limiter.unused == 0


async def test_a_wrong_call_takes_no_permit() -> None:
    """What can't be built never waits for the quota."""
    limiter = OpenLimiter()
    with pytest.raises(UsageError):
        await client(Script(OK), limiter).call(show_asset)
    assert limiter.passed == []


async def test_what_never_left_costs_no_permit() -> None:
    """A failed connection and a failed announcement give the permit back at once, and nothing is sent."""
    limiter = OpenLimiter()
    with pytest.raises(ConnectFailed):
        await client(Script(ConnectFailed("no route")), limiter).call(create_digital_asset, body=BODY)
    assert limiter.unused == 1

    async def journal_is_full() -> None:
        raise OSError

    transport = Script(OK)
    with pytest.raises(OSError):
        await client(transport, limiter).call(create_digital_asset, body=BODY, before_send=journal_is_full)
    assert limiter.unused == 2
    assert transport.sent == []


def _page(names: list[str], count: int | None = None) -> Response:
    body: dict[str, Any] = {"assets": [{"asset_name": name} for name in names]}
    if count is not None:
        body["count"] = count
    return Response(200, {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("pages", "calls"),
    [
        ([_page(["a", "b"], 3), _page(["c"], 3)], 2),
        ([_page(["a", "b"]), _page(["c"])], 2),
        ([_page(["a"], 3), _page(["b"], 3), _page(["c"], 3)], 3),
        ([_page(["a", "b"], 9), _page(["c"], 9), _page([], 9)], 3),
    ],
    ids=["by count", "by a short page", "short pages", "a count that is too high"],
)
async def test_pages_are_followed_to_the_end(pages: list[Response], calls: int) -> None:
    """Offsets follow what came, so that a service that gives fewer than asked loses nothing."""
    transport = Script(*pages)
    found = [
        item.asset_name
        async for item in client(transport).pages(list_assets, "assets", query={"name": "x"}, limit=2)
    ]
    assert found == ["a", "b", "c"]
    assert len(transport.sent) == calls
    assert transport.sent[0].url.endswith("?name=x&offset=0&limit=2")


async def test_a_service_that_repeats_a_page_is_no_endless_loop() -> None:
    """A list call that ignores the offset is noticed."""
    transport = Script(_page(["a", "b"], 100))
    with pytest.raises(AnswerLost, match="repeats"):
        async for _ in client(transport).pages(list_assets, "assets", limit=2):
            pass
    assert len(transport.sent) == 1 + SAME_PAGES


@pytest.mark.parametrize(
    ("limit", "pages", "found"),
    [
        (1, [["a"], ["a"], ["b"], ["c"]], "aabc"),
        (1, [["a"], ["a"], ["a"], ["a"], ["a"], ["b"]], "aaaaab"),
        (2, [["a", "b"], ["a", "b"], ["c"]], "ababc"),
        (3, [["a", "b"], ["a", "b"], ["a", "b"], ["a", "b"], ["c"]], "ababababc"),
    ],
    ids=["one item a page", "several new ones", "a page of new ones", "short pages"],
)
async def test_a_list_that_grows_meanwhile_is_no_fault(
    limit: int, pages: list[list[str]], found: str
) -> None:
    """What was inserted in front moves the rest on, so that it comes again."""
    transport = Script(*(_page(page, len(found)) for page in pages))
    items = [item async for item in client(transport).pages(list_assets, limit=limit)]
    assert "".join(item.asset_name for item in items) == found


async def test_an_empty_list_has_no_items() -> None:
    """Null and nothing are an empty page."""
    transport = Script(Response(200, {}, b'{"assets": null, "count": 0}'))
    assert [item async for item in client(transport).pages(list_assets, "assets")] == []


async def test_the_log_tells_the_call_without_its_secrets() -> None:
    """Operation, status, request id and duration; no URL, key or body."""
    answer = Response(
        200, {"X-Request-Id": "r9"}, b'{"file_id": "f", "upload_url": "https://s/?Signature=s3cret"}'
    )
    body = create_file.request
    assert body is not None
    file = body(
        file_name="s3cret.png",
        file_md5="A" * 24,
        file_size=1,
        file_type="png",
        asset_id="a",
        asset_file_category="MAIN",
    )
    with capture_logs() as logs:
        await client(Script(answer)).call(create_file, body=file)
        with pytest.raises(Throttled):
            await client(Script(THROTTLE)).call(show_asset, path={"asset_id": "a"})
    assert {**logs[0], "ms": 0} == {
        "event": "api.call",
        "log_level": "info",
        "operation": "create_file",
        "region": "cn-north-4",
        "status": 200,
        "request_id": "r9",
        "ms": 0,
    }
    assert logs[1]["code"] == "APIGW.0308"
    assert "s3cret" not in str(logs)


async def test_over_a_real_connection() -> None:
    """Limiter, signer, aiohttp and models together."""

    async def service(request: web.BaseRequest) -> web.Response:
        assert request.headers["Authorization"].startswith("SDK-HMAC-SHA256 Access=ak")
        if request.method == "POST":
            return web.json_response({"asset_id": (await request.json())["asset_name"]})
        return web.json_response({"asset_id": request.path.rpartition("/")[2], "asset_state": "ACTIVED"})

    runner = web.ServerRunner(web.Server(service))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    limiter = LocalLimiter(dict.fromkeys(OPERATIONS, 1000.0))
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with (
            AioHttpTransport() as transport,
            MetaStudio(
                KEYS,
                region="cn-north-4",
                endpoint=endpoint,
                project_id="p",
                limiter=limiter,
                transport=transport,
            ) as client,
        ):
            made = await client.call(create_digital_asset, body=BODY)
            assert made.asset_id == "a"
            shown = await client.call(show_asset, path={"asset_id": "a"})
            assert shown.asset_state == "ACTIVED"
    finally:
        await runner.cleanup()
    assert {state.operation: state.sent for state in limiter.snapshot()} == {
        "create_digital_asset": 1,
        "show_asset": 1,
    }


async def test_a_client_that_is_not_open_says_so() -> None:
    """Connections are opened by `async with`."""
    with pytest.raises(UsageError, match="async with"):
        await MetaStudio(KEYS, region="cn-north-4", project_id="p").show_asset("a")


async def test_own_headers_are_sent_and_signed() -> None:
    """But not those that the client makes, nor any that would break the request apart."""
    transport = Script(OK)
    api = patient(transport)
    await api.show_asset("a", headers={"X-App-UserId": "u-1"})
    assert transport.sent[0].headers["X-App-UserId"] == "u-1"
    assert "x-app-userid" in transport.sent[0].headers["Authorization"]
    wrong: list[dict[str, Any]] = [
        {"X-Project-Id": "other"},
        {"X-App-UserId": "a\r\nHost: b"},
        {"X-App-UserId": None},
        {"X-App-UserId": 5},
        {"X-App-UserId": "a", "x-app-userid": "b"},
        {"X App": "a"},
    ]
    for headers in wrong:
        with pytest.raises(UsageError, match="header"):
            await api.show_asset("a", headers=headers)
    assert len(transport.sent) == 1


async def test_an_operation_without_pages_has_none_to_follow() -> None:
    """The error comes before any call."""
    transport = Script(OK)
    with pytest.raises(UsageError, match="pages"):
        _ = [item async for item in patient(transport).pages(show_asset)]
    assert transport.sent == []


def test_importing_the_client_is_light() -> None:
    """Neither the models nor the HTTP library come with it."""
    code = (
        "import sys; from orchestrator.metastudio import MetaStudio;"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'aiohttp', 'yarl', 'ruamel'}),"
        "*(m for m in sys.modules if m.startswith('orchestrator.metastudio.models.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
