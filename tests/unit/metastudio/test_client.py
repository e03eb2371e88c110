import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from orchestrator.errors import UsageError
from orchestrator.limits.base import BucketState, Permit, Waiting
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio.auth.credentials import AkSk, Credentials, Token, TokenLogin
from orchestrator.metastudio.client import THROTTLE_TRIES, MetaStudio
from orchestrator.metastudio.errors import AnswerLost, ApiError, ConnectFailed, Throttled, Unauthorized
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.metastudio.operations import (
    OPERATIONS,
    create_digital_asset,
    create_file,
    list_assets,
    show_asset,
)
from orchestrator.metastudio.transport import AioHttpTransport
from orchestrator.metastudio.wire import Request, Response

HOST = "https://metastudio.example"
KEYS = AkSk("ak", "s3cret")
LOGIN = TokenLogin("me", "s3cret", "account", "p", "https://iam.example")
BODY = CreateDigitalAssetRequestBody(asset_name="a", asset_type="IMAGE")
OK = Response(200, {"X-Request-Id": "r1"}, b'{"asset_id": "a"}')
THROTTLE = Response(429, {"Retry-After": "3"}, b'{"error_code": "APIGW.0308", "error_msg": "throttled"}')
REFUSED = Response(401, {}, b'{"error_code": "APIGW.0307", "error_msg": "token must be updated"}')


class Script:
    """A transport that answers what it was told to, in order, the last one for ever; keeps what it was sent."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []
        self.tokens = 0

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        if request.operation == "iam_create_token":
            self.tokens += 1
            return Response(201, {"X-Subject-Token": f"token-{self.tokens}"})
        self.sent.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class OpenLimiter:
    """Lets everything pass at once and remembers what it was told."""

    def __init__(self) -> None:
        self.passed: list[tuple[str, float, bool, str]] = []
        self.throttles: list[float | None] = []
        self.unused = 0

    def permit(
        self, operation: str, *, order: float = 0.0, low: bool = False, label: str = ""
    ) -> AbstractAsyncContextManager[Permit]:
        self.passed.append((operation, order, low, label))
        return self._permit()

    @asynccontextmanager
    async def _permit(self) -> AsyncIterator[Permit]:
        limiter = self

        class Counted:
            def unused(self) -> None:
                limiter.unused += 1

        yield Counted()

    def throttled(self, operation: str, retry_after_s: float | None = None) -> None:
        self.throttles.append(retry_after_s)

    def snapshot(self) -> list[BucketState]:
        return []

    def waiting(self, operation: str | None = None, *, label: str | None = None) -> list[Waiting]:
        return []


def _client(
    transport: Script, limiter: OpenLimiter | None = None, credentials: Credentials = KEYS
) -> MetaStudio:
    return MetaStudio(
        transport,
        credentials,
        limiter or OpenLimiter(),
        HOST,
        "p",
        region="cn-north-4",
        clock=lambda: datetime(2025, 8, 19, 8, tzinfo=UTC),
    )


async def test_a_call_passes_limiter_and_signer_and_returns_the_model() -> None:
    """Order, priority and label reach the limiter; the request is signed for its moment and project."""
    transport, limiter = Script(OK), OpenLimiter()
    answer = await _client(transport, limiter).call(
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
        await _client(Script(OK), limiter).call(show_asset)
    assert limiter.passed == []


async def test_a_throttled_call_is_sent_again_and_announced_each_time() -> None:
    """`before_send` runs before each sending, and the limiter learns of every throttle."""
    transport, limiter = Script(THROTTLE, THROTTLE, OK), OpenLimiter()
    announced = []

    async def before_send() -> None:
        announced.append(len(transport.sent))

    await _client(transport, limiter).call(create_digital_asset, body=BODY, before_send=before_send)
    assert announced == [0, 1, 2]
    assert limiter.throttles == [3.0, 3.0]
    assert len(limiter.passed) == 3


async def test_endless_throttling_fails_in_the_end() -> None:
    """After the last try the throttle is raised, surely not executed."""
    transport, limiter = Script(THROTTLE), OpenLimiter()
    with pytest.raises(Throttled):
        await _client(transport, limiter).call(create_digital_asset, body=BODY)
    assert len(transport.sent) == len(limiter.throttles) == THROTTLE_TRIES


@pytest.mark.parametrize(
    "failure",
    [
        AnswerLost("gone"),
        Response(500, {}, b'{"error_code": "MSS.00000004", "error_msg": "Internal Error"}'),
        Response(400, {}, b'{"error_code": "MSS.00000003", "error_msg": "Invalid parameter"}'),
        Response(429, {}, b'{"error_code": "MSS.20010011", "error_msg": "Too many tasks"}'),
    ],
)
async def test_everything_else_is_raised_at_once(failure: Response | Exception) -> None:
    """Whether to try again is for the step to decide, which knows how to look first."""
    transport = Script(failure, OK)
    with pytest.raises((AnswerLost, ApiError)):
        await _client(transport).call(create_digital_asset, body=BODY)
    assert len(transport.sent) == 1


async def test_what_never_left_costs_no_permit() -> None:
    """A failed connection and a failed announcement give the permit back at once, and nothing is sent."""
    limiter = OpenLimiter()
    with pytest.raises(ConnectFailed):
        await _client(Script(ConnectFailed("no route")), limiter).call(create_digital_asset, body=BODY)
    assert limiter.unused == 1

    async def journal_is_full() -> None:
        raise OSError

    transport = Script(OK)
    with pytest.raises(OSError):
        await _client(transport, limiter).call(create_digital_asset, body=BODY, before_send=journal_is_full)
    assert limiter.unused == 2
    assert transport.sent == []


async def test_a_refused_token_is_renewed_once() -> None:
    """The second sending carries another token; a second refusal is raised."""
    transport = Script(REFUSED, OK)
    assert (
        await _client(transport, credentials=LOGIN).call(show_asset, path={"asset_id": "a"})
    ).asset_id == "a"
    assert [request.headers["X-Auth-Token"] for request in transport.sent] == ["token-1", "token-2"]

    transport = Script(REFUSED)
    with pytest.raises(Unauthorized):
        await _client(transport, credentials=LOGIN).call(show_asset, path={"asset_id": "a"})
    assert len(transport.sent) == 2


@pytest.mark.parametrize("credentials", [KEYS, Token("given")])
async def test_without_a_login_a_refusal_is_final(credentials: Credentials) -> None:
    """Neither a key pair nor a given token gets better by trying again."""
    transport = Script(REFUSED)
    with pytest.raises(Unauthorized):
        await _client(transport, credentials=credentials).call(show_asset, path={"asset_id": "a"})
    assert len(transport.sent) == 1


async def test_a_login_that_iam_refuses_is_raised_unsent() -> None:
    """A wrong password is no refused token: nothing is announced, sent or tried again."""

    class Refusing(Script):
        async def send(self, request: Request, *, timeout_s: float) -> Response:
            self.tokens += 1
            return Response(401, {}, b'{"error": {"message": "wrong password", "code": 401}}')

    transport, limiter = Refusing(OK), OpenLimiter()
    with pytest.raises(Unauthorized, match="wrong password"):
        await _client(transport, limiter, LOGIN).call(show_asset, path={"asset_id": "a"})
    assert (transport.tokens, limiter.unused, transport.sent) == (1, 1, [])


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
        async for item in _client(transport).pages(list_assets, "assets", query={"name": "x"}, limit=2)
    ]
    assert found == ["a", "b", "c"]
    assert len(transport.sent) == calls
    assert transport.sent[0].url.endswith("?name=x&offset=0&limit=2")


async def test_a_service_that_repeats_a_page_is_no_endless_loop() -> None:
    """A list call that ignores the offset is noticed."""
    with pytest.raises(AnswerLost, match="repeats"):
        async for _ in _client(Script(_page(["a", "b"], 100))).pages(list_assets, "assets", limit=2):
            pass


async def test_an_empty_list_has_no_items() -> None:
    """Null and nothing are an empty page."""
    transport = Script(Response(200, {}, b'{"assets": null, "count": 0}'))
    assert [item async for item in _client(transport).pages(list_assets, "assets")] == []


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
        await _client(Script(answer)).call(create_file, body=file)
        with pytest.raises(Throttled):
            await _client(Script(THROTTLE)).call(show_asset, path={"asset_id": "a"})
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
            MetaStudio(transport, KEYS, limiter, endpoint, "p") as client,
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
