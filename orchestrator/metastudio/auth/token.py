"""Tokens of IAM (reference 3.1, 11.3): obtained once for many waiters, renewed before they end."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from orchestrator.metastudio import strict_json
from orchestrator.metastudio.auth.credentials import TokenLogin, is_sendable
from orchestrator.metastudio.auth.once import Once
from orchestrator.metastudio.errors import CallError, Forbidden, Unauthorized
from orchestrator.metastudio.operation import Operation
from orchestrator.metastudio.wire import Request, Response, malformed, read_response

if TYPE_CHECKING:
    from orchestrator.metastudio.transport import Transport

_log = structlog.get_logger(__name__)

#: Valid for 24 hours unless IAM says otherwise.
VALIDITY = timedelta(hours=24)
#: A call may wait in a queue and then take minutes, so a token is renewed well before its end.
RENEW_BEFORE = timedelta(minutes=30)
#: Wait between tries to renew a token that still holds.
RETRY_AFTER = timedelta(minutes=1)
#: A login that IAM refused isn't tried again for so long: each try counts towards locking the account.
REFUSAL_HOLDS = timedelta(minutes=1)
#: A token that is refused so soon after it was made isn't at fault, and neither would another be.
YOUNG = timedelta(minutes=1)
#: What IAM says beyond is not believed.
LONGEST_VALIDITY = timedelta(days=30)
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
    value: str = field(repr=False)
    #: By our clock, all.
    obtained_at: datetime
    renew_at: datetime
    expires_at: datetime


class TokenSource:
    """Holds the current token of one login."""

    def __init__(self, login: TokenLogin, transport: "Transport", now: Callable[[], datetime]) -> None:
        self._login = login
        self._transport = transport
        self._now = now
        self._held: _Held | None = None
        #: IAM's last answer when it was a refusal, and when it came.
        self._refused: tuple[Response, datetime] | None = None
        self._renew = Once(self._obtain)

    async def get(self) -> str:
        """A valid token, obtained once for all who wait for it.

        Raises CallError: Unauthorized for a wrong password, ConnectFailed, AnswerLost, ServerError; to all who waited,
        and the next call asks again, but for a refused login only a minute later: until then it fails with the same
        refusal. While the present token is still valid, a failed renewal is no failure: the token serves on, and IAM is
        asked again a minute later.
        """
        held, now = self._held, self._now()
        if held is not None and now < held.renew_at:
            return held.value
        if held is None or now >= held.expires_at:
            return (await self._renew()).value
        try:
            return (await self._renew()).value
        except CallError as error:
            _log.warning("token not renewed", error=str(error), valid_until=held.expires_at.isoformat())
            if self._held is held:
                self._held = replace(held, renew_at=now + RETRY_AFTER)
            return held.value

    def reject(self, value: str) -> bool:
        """The service refused `value`: whether the next `get` has another. A new one it obtains only for an old one."""
        held = self._held
        if held is not None and held.value == value:
            if _within(YOUNG, held.obtained_at, self._now()):
                return False
            self._held = None
        return True

    async def _obtain(self) -> _Held:
        asked_at = self._now()
        if self._refused is not None and _within(REFUSAL_HOLDS, self._refused[1], asked_at):
            read_response(CREATE_TOKEN, self._refused[0])
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
        try:
            read_response(CREATE_TOKEN, response)
        except (Unauthorized, Forbidden):
            self._refused = (response, asked_at)
            raise
        self._refused = None
        validity = min(_validity(response) or VALIDITY, LONGEST_VALIDITY)
        early = min(RENEW_BEFORE, validity / 2)
        self._held = _Held(_value(response), asked_at, asked_at + validity - early, asked_at + validity)
        return self._held


def _value(response: Response) -> str:
    value = response.header("X-Subject-Token")
    if not value:
        raise malformed(CREATE_TOKEN, response, "comes without a token")
    if not is_sendable(value):
        raise malformed(CREATE_TOKEN, response, "comes with a token that can't be sent")
    return value


def _within(span: timedelta, since: datetime, now: datetime) -> bool:
    # A clock that was put back would stretch the span.
    return timedelta() <= now - since < span


def _validity(response: Response) -> timedelta | None:
    """How long the token holds, None if IAM doesn't say so.

    From both of IAM's own times: our clock may differ from its clock.
    """
    try:
        data: Any = strict_json.loads(response.body)
        issued_at, expires_at = (_time(data["token"][name]) for name in ("issued_at", "expires_at"))
    except (ValueError, KeyError, TypeError):
        return None
    validity = expires_at - issued_at
    return validity if validity > timedelta() else None


def _time(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)
