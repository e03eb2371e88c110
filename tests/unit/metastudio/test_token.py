import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.metastudio.auth.credentials import TokenLogin
from orchestrator.metastudio.auth.token import RENEW_BEFORE, TokenSource
from orchestrator.metastudio.errors import AnswerLost, Unauthorized
from orchestrator.metastudio.wire import Request, Response

LOGIN = TokenLogin("me", "s3cret", "account", "cn-north-4", "https://iam.example/")
START = datetime(2025, 8, 19, tzinfo=UTC)


class Iam:
    """Answers with token-1, token-2, … valid for a day of its own clock."""

    def __init__(self) -> None:
        self.now = START
        self.requests: list[Request] = []
        self.answer: Response | None = None

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        assert timeout_s > 0
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.answer is not None:
            return self.answer
        body = {"token": {"expires_at": (self.now + timedelta(hours=24)).isoformat()}}
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
    source.reject(old)
    assert await source.get() == "token-2"
    source.reject(old)
    assert await source.get() == "token-2"


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
    """The next in line obtains the token."""
    iam = Iam()
    source = iam.source()
    first, second = asyncio.create_task(source.get()), asyncio.create_task(source.get())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "token-2"
