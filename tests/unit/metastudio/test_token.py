import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.metastudio.auth.credentials import TokenLogin
from orchestrator.metastudio.auth.token import (
    LONGEST_VALIDITY,
    REFUSAL_HOLDS,
    RENEW_BEFORE,
    RETRY_AFTER,
    YOUNG,
    TokenSource,
)
from orchestrator.metastudio.errors import AnswerLost, ApiError, Forbidden, ServerError, Unauthorized
from orchestrator.metastudio.wire import Request, Response

LOGIN = TokenLogin("me", "s3cret", "account", "cn-north-4", "https://iam.example/")
START = datetime(2025, 8, 19, tzinfo=UTC)


class Iam:
    """Answers with token-1, token-2, … valid for a day of its own clock."""

    def __init__(self) -> None:
        self.now = START
        self.requests: list[Request] = []
        self.answer: Response | None = None
        #: How far IAM's clock is ahead of ours.
        self.ahead = timedelta()
        self.gate, self.arrived, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.validity = timedelta(hours=24)

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        assert timeout_s > 0
        self.requests.append(request)
        self.arrived.set()
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.answer is not None:
            return self.answer
        issued_at = self.now + self.ahead
        body = {
            "token": {
                "issued_at": issued_at.isoformat(),
                "expires_at": (issued_at + self.validity).isoformat(),
            }
        }
        return Response(201, {"x-subject-token": f"token-{len(self.requests)}"}, json.dumps(body).encode())

    def source(self) -> TokenSource:
        return TokenSource(LOGIN, self, lambda: self.now)


async def test_a_token_is_obtained_once_for_many_waiters() -> None:
    """A hundred calls at the start ask IAM once, in the documented form."""
    iam = Iam()
    source = iam.source()
    assert set(await asyncio.gather(*(source.get() for _ in range(100)))) == {"token-1"}
    (request,) = iam.requests
    assert (request.method, request.url) == ("POST", "https://iam.example/v3/auth/tokens")
    auth = json.loads(request.body)["auth"]
    assert auth["scope"] == {"project": {"name": "cn-north-4"}}
    assert auth["identity"]["password"]["user"]["domain"] == {"name": "account"}


async def test_a_token_is_renewed_before_it_ends() -> None:
    """Renewal comes well before the end that IAM stated."""
    iam = Iam()
    source = iam.source()
    await source.get()
    iam.now = START + timedelta(hours=24) - RENEW_BEFORE - timedelta(seconds=1)
    assert await source.get() == "token-1"
    iam.now += timedelta(seconds=1)
    assert await source.get() == "token-2"


@pytest.mark.parametrize("ahead_h", [-48, -1, 1, 48])
async def test_a_wrong_clock_does_not_shorten_or_stretch_a_token(ahead_h: int) -> None:
    """How long it holds comes from IAM's own two times, whatever our clock says."""
    iam = Iam()
    iam.ahead = timedelta(hours=ahead_h)
    source = iam.source()
    await source.get()
    iam.now = START + timedelta(hours=23, minutes=29)
    assert await source.get() == "token-1"
    iam.now = START + timedelta(hours=23, minutes=30)
    assert await source.get() == "token-2"


async def test_a_short_token_is_not_renewed_at_every_call() -> None:
    """One that holds ten minutes is renewed after five."""
    iam = Iam()
    iam.validity = timedelta(minutes=10)
    source = iam.source()
    await source.get()
    iam.now = START + timedelta(minutes=4)
    assert await source.get() == "token-1"
    iam.now = START + timedelta(minutes=5)
    assert await source.get() == "token-2"


async def test_a_failed_renewal_is_no_failure_while_the_token_holds() -> None:
    """That is what early is for: IAM is asked again a minute later, and at the end its error is raised."""
    iam = Iam()
    source = iam.source()
    await source.get()
    iam.answer = Response(503, {}, b"<html>")
    iam.now = START + timedelta(hours=23, minutes=45)
    assert set(await asyncio.gather(*(source.get() for _ in range(10)))) == {"token-1"}
    assert await source.get() == "token-1"
    assert len(iam.requests) == 2
    iam.now += RETRY_AFTER
    assert await source.get() == "token-1"
    assert len(iam.requests) == 3
    iam.now = START + timedelta(hours=24)
    with pytest.raises(ServerError):
        await source.get()
    iam.answer = None
    assert await source.get() == "token-5"


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    """What passes by itself is asked again by the next call."""
    iam = Iam()
    iam.answer = Response(503, {}, b"<html>")
    source = iam.source()
    outcomes = await asyncio.gather(*(source.get() for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {ServerError}
    assert len(iam.requests) == 1
    iam.answer = None
    assert await source.get() == "token-2"


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Forbidden)])
async def test_a_refused_login_is_tried_once_a_minute(status: int, kind: type[ApiError]) -> None:
    """Not by every call until the account is locked: until then all fail with the same words, each with its own error."""
    iam = Iam()
    iam.answer = Response(status, {}, b'{"error": {"code": 401, "message": "The account is locked."}}')
    source = iam.source()
    errors = []
    for seconds in (0, 30, 59):
        iam.now = START + timedelta(seconds=seconds)
        with pytest.raises(kind, match="account is locked") as caught:
            await source.get()
        errors.append(caught.value)
    assert (len(iam.requests), len({id(error) for error in errors})) == (1, 3)
    iam.answer = None
    iam.now = START + REFUSAL_HOLDS
    assert await source.get() == "token-2"


async def test_a_clock_that_is_put_back_does_not_stretch_a_refusal() -> None:
    """It holds for a minute after it came, by whatever clock."""
    iam = Iam()
    iam.answer = Response(401, {}, b"{}")
    source = iam.source()
    with pytest.raises(Unauthorized):
        await source.get()
    iam.answer = None
    iam.now = START - timedelta(hours=1)
    assert await source.get() == "token-2"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": {"expires_at": "soon"}}', b'{"token": 1}'])
async def test_without_a_readable_end_a_token_holds_a_day(body: bytes) -> None:
    """The documented validity serves when IAM states none."""
    iam = Iam()
    iam.answer = Response(201, {"X-Subject-Token": "t"}, body)
    source = iam.source()
    await source.get()
    iam.now = START + timedelta(hours=23)
    await source.get()
    assert len(iam.requests) == 1
    iam.now = START + timedelta(hours=24)
    await source.get()
    assert len(iam.requests) == 2


async def test_a_refused_token_is_replaced_once() -> None:
    """Many calls that were refused with the same token cause one renewal."""
    iam = Iam()
    source = iam.source()
    old = await source.get()
    iam.now += YOUNG
    assert source.reject(old)
    assert await source.get() == "token-2"
    assert source.reject(old)
    assert await source.get() == "token-2"


async def test_a_new_token_that_is_refused_is_not_replaced() -> None:
    """The fault is another's, and IAM would be asked by every call."""
    iam = Iam()
    source = iam.source()
    token = await source.get()
    iam.now += YOUNG - timedelta(seconds=1)
    assert not source.reject(token)
    assert await source.get() == "token-1"


async def test_a_token_that_no_header_carries_is_an_answer_lost() -> None:
    """It would fail every call later on."""
    iam = Iam()
    iam.answer = Response(201, {"X-Subject-Token": "a b\u20ac"}, b"{}")
    with pytest.raises(AnswerLost, match="can't be sent"):
        await iam.source().get()


async def test_an_endless_validity_is_not_believed() -> None:
    """Nor does it overflow the calendar."""
    iam = Iam()
    body = b'{"token": {"issued_at": "0001-01-01T00:00:00Z", "expires_at": "9999-12-31T00:00:00Z"}}'
    iam.answer = Response(201, {"X-Subject-Token": "t"}, body)
    source = iam.source()
    assert await source.get() == "t"
    iam.now += LONGEST_VALIDITY
    await source.get()
    assert len(iam.requests) == 2


async def test_a_wrong_password_is_named_without_it() -> None:
    """IAM's message arrives, the password doesn't."""
    iam = Iam()
    iam.answer = Response(
        401, {}, b'{"error": {"code": 401, "message": "The username or password is wrong."}}'
    )
    with pytest.raises(Unauthorized, match="password is wrong") as caught:
        await iam.source().get()
    assert "s3cret" not in str(caught.value)


async def test_an_answer_without_a_token_is_an_answer_lost() -> None:
    """A proxy's 200 is no token."""
    iam = Iam()
    iam.answer = Response(200, {}, b"{}")
    with pytest.raises(AnswerLost, match="without a token"):
        await iam.source().get()


async def test_a_cancelled_waiter_does_not_stop_the_others() -> None:
    """The others get the token that is on its way, whichever gives up first."""
    iam = Iam()
    source = iam.source()
    tasks = [asyncio.create_task(source.get()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[1].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [asyncio.CancelledError, asyncio.CancelledError, str]
    assert len(iam.requests) == 1


async def test_when_all_give_up_the_request_ends_and_the_next_call_starts_anew() -> None:
    """Nothing goes on behind the backs of those who were cancelled."""
    iam = Iam()
    iam.gate.clear()
    source = iam.source()
    tasks = [asyncio.create_task(source.get()) for _ in range(3)]
    await iam.arrived.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(iam.cancelled.wait(), 5)
    iam.gate.set()
    assert await source.get() == "token-2"
