"""The client: one `call` for every operation, paced by the quota, signed, logged."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self, TypeVar, assert_never

import structlog

from orchestrator.limits.base import Limiter, Permit
from orchestrator.metastudio import wire
from orchestrator.metastudio.auth import aksk
from orchestrator.metastudio.auth.credentials import AkSk, Credentials, Token, TokenLogin
from orchestrator.metastudio.auth.token import TokenSource
from orchestrator.metastudio.errors import (
    AnswerLost,
    ApiError,
    CallError,
    ConnectFailed,
    Executed,
    Throttled,
    Unauthorized,
)
from orchestrator.metastudio.operation import Operation
from orchestrator.metastudio.transport import Transport

Q = TypeVar("Q")
R = TypeVar("R")

#: A throttled call surely wasn't executed, so it is sent again this often in all before it fails.
THROTTLE_TRIES = 8

_log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The time as an aware UTC datetime."""
    return datetime.now(UTC)


class MetaStudio:
    """MetaStudio for one project. The transport is the caller's to open and close."""

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        limiter: Limiter,
        endpoint: str,
        project_id: str,
        *,
        region: str = "",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`endpoint` is `https://` and the host (reference Table 1-1); `region` is only logged."""
        self.project_id = project_id
        self._transport = transport
        self._credentials = credentials
        self._limiter = limiter
        self._endpoint = endpoint
        self._clock = clock
        self._tokens = (
            TokenSource(credentials, transport, clock) if isinstance(credentials, TokenLogin) else None
        )
        self._log = _log.bind(region=region) if region else _log

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to release: what the client uses belongs to its maker."""

    async def call(
        self,
        operation: Operation[Q, R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: Q | None = None,
        order: float = 0.0,
        low: bool = False,
        label: str = "",
        before_send: Callable[[], Awaitable[None]] | None = None,
        timeout_s: float = 30.0,
    ) -> R:
        """The answer of one operation.

        Waits for the quota (see `Limiter.permit` for `order`, `low`, `label`), then awaits `before_send` each time
        right before the request leaves. A throttled call is sent again up to `THROTTLE_TRIES` times, a refused token
        is renewed once; every other failure is raised: ApiError, ConnectFailed, AnswerLost (their `executed` says
        whether the server may have acted), UsageError for wrong parameters. `timeout_s` bounds one sending, not the
        waiting.
        """
        unsigned = wire.build_request(
            operation, self._endpoint, self.project_id, path=path, query=query, body=body
        )
        renewed = False
        throttles = 0
        while True:
            token: str | None = None
            try:
                async with self._limiter.permit(operation.id, order=order, low=low, label=label) as permit:
                    try:
                        token = await self._token()
                        if before_send is not None:
                            await before_send()
                    except BaseException:
                        permit.unused()
                        raise
                    request = self._authorized(unsigned, token)
                    return await self._exchange(operation, request, permit, timeout_s)
            except Throttled as error:
                if error.operation != operation.id:
                    raise
                self._limiter.throttled(operation.id, error.retry_after_s)
                throttles += 1
                if throttles == THROTTLE_TRIES:
                    raise
            except Unauthorized as error:
                if self._tokens is None or token is None or renewed or error.operation != operation.id:
                    raise
                self._tokens.reject(token)
                renewed = True

    async def pages(
        self,
        operation: Operation[None, R],
        key: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        limit: int = 100,
        order: float = 0.0,
        low: bool = False,
        label: str = "",
    ) -> AsyncIterator[Any]:
        """The items of every page of a list operation; `key` is the answer's field that holds them.

        Raises as `call` does, and AnswerLost when the service sends the same full page again and again.
        """
        offset = 0
        last: list[Any] = []
        while True:
            paged = {**(query or {}), "offset": offset, "limit": limit}
            page: Any = await self.call(operation, path=path, query=paged, order=order, low=low, label=label)
            items: list[Any] = getattr(page, key) or []
            if items and items == last:
                raise AnswerLost("The service repeats a page.", operation=operation.id, executed=Executed.NO)
            for item in items:
                yield item
            offset += len(items)
            total: int | None = getattr(page, "count", None)
            if not items or (len(items) < limit if total is None else offset >= total):
                return
            last = items

    async def _token(self) -> str | None:
        """The token to send; None when requests are signed instead."""
        credentials = self._credentials
        match credentials:
            case AkSk():
                return None
            case TokenLogin():
                assert self._tokens is not None, "made with the login"
                return await self._tokens.get()
            case Token():
                return credentials.value
            case _:
                assert_never(credentials)

    def _authorized(self, request: wire.Request, token: str | None) -> wire.Request:
        if token is not None:
            return replace(request, headers={**request.headers, "X-Auth-Token": token})
        assert isinstance(self._credentials, AkSk), "every other kind has a token"
        headers = aksk.sign(
            self._credentials,
            method=request.method,
            url=request.url,
            headers={**request.headers, "X-Project-Id": self.project_id},
            body=request.body,
            now=self._clock(),
        )
        return replace(request, headers=headers)

    async def _exchange(
        self, operation: Operation[Q, R], request: wire.Request, permit: Permit, timeout_s: float
    ) -> R:
        began = time.perf_counter()
        log = self._log.bind(operation=operation.id)
        try:
            response = await self._transport.send(request, timeout_s=timeout_s)
            answer = wire.read_response(operation, response)
        except CallError as error:
            if isinstance(error, ConnectFailed):
                permit.unused()
            log.warning("api.call failed", **_facts(error), ms=_ms(began))
            raise
        log.info("api.call", status=response.status, request_id=response.request_id, ms=_ms(began))
        return answer


def _facts(error: CallError) -> dict[str, object]:
    facts: dict[str, object] = {
        "error": type(error).__name__,
        "executed": error.executed.value,
        "retry": error.retry.value,
        "request_id": error.request_id,
    }
    if isinstance(error, ApiError):
        facts |= {"status": error.status, "code": error.code}
    return facts


def _ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
