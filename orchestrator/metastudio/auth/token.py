"""Tokens of IAM (reference 3.1, 11.3): obtained once for many waiters, renewed before they end."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.metastudio.auth.credentials import TokenLogin
from orchestrator.metastudio.errors import AnswerLost, Executed
from orchestrator.metastudio.operation import Operation
from orchestrator.metastudio.transport import Transport
from orchestrator.metastudio.wire import Request, Response, read_response

#: Valid for 24 hours unless IAM says otherwise.
VALIDITY = timedelta(hours=24)
#: A call may wait in a queue and then take minutes, so a token is renewed well before its end.
RENEW_BEFORE = timedelta(minutes=30)
TIMEOUT_S = 30.0

#: IAM isn't part of the rate table; the row gives its errors a name.
CREATE_TOKEN: Operation[None, None] = Operation(
    id="iam_create_token",
    method="POST",
    path="/v3/auth/tokens",
    category="IAM",
    section="11.3",
    summary="Exchange user and password for a token",
    reads=True,
)


@dataclass(frozen=True, slots=True)
class _Held:
    value: str
    expires_at: datetime


class TokenSource:
    """Holds the current token of one login."""

    def __init__(self, login: TokenLogin, transport: Transport, now: Callable[[], datetime]) -> None:
        self._login = login
        self._transport = transport
        self._now = now
        self._held: _Held | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """A valid token. Raises CallError: Unauthorized for a wrong password, ConnectFailed, AnswerLost."""
        async with self._lock:
            if self._held is None or self._now() >= self._held.expires_at - RENEW_BEFORE:
                self._held = await self._obtain()
            return self._held.value

    def reject(self, value: str) -> None:
        """The service refused `value`: the next `get` obtains another, unless that has already happened."""
        if self._held is not None and self._held.value == value:
            self._held = None

    async def _obtain(self) -> _Held:
        login = self._login
        user = {"name": login.user, "password": login.password, "domain": {"name": login.domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": login.project}}}}
        request = Request(
            method=CREATE_TOKEN.method,
            url=login.iam_endpoint.rstrip("/") + CREATE_TOKEN.path,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=json.dumps(body).encode(),
            operation=CREATE_TOKEN.id,
            # A token too many costs nothing.
            reads=True,
        )
        response = await self._transport.send(request, timeout_s=TIMEOUT_S)
        read_response(CREATE_TOKEN, response)
        return _Held(_value(response), _expiry(response) or self._now() + VALIDITY)


def _value(response: Response) -> str:
    value = response.header("X-Subject-Token")
    if not value:
        raise AnswerLost("IAM answered without a token.", operation=CREATE_TOKEN.id, executed=Executed.NO)
    return value


def _expiry(response: Response) -> datetime | None:
    """The end that IAM states, None if it states none that can be read."""
    try:
        data: Any = json.loads(response.body)
        expires_at = datetime.fromisoformat(data["token"]["expires_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
