"""The client: every operation by a method of its own, paced by the quota, signed, logged, sent again where that is safe."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

import structlog

from orchestrator.errors import UsageError
from orchestrator.limits.base import Limiter, Permit
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio import regions, wire
from orchestrator.metastudio.api import Api
from orchestrator.metastudio.auth.credentials import Credentials, Token, TokenLogin
from orchestrator.metastudio.auth.identity import Identity
from orchestrator.metastudio.auth.project import ProjectSource
from orchestrator.metastudio.calling import (
    CallOptions,
    DeadlineEndedError,
    before,
    checked_headers,
    delay_s,
    end_of,
    refuse_late,
)
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
from orchestrator.metastudio.operations import OPERATIONS, RATES

if TYPE_CHECKING:
    from orchestrator.metastudio.transport import Transport

Q = TypeVar("Q")
R = TypeVar("R")

#: A throttled call surely wasn't executed, so it is sent again this often in all before it fails.
THROTTLE_TRIES = 8
#: How often another call that surely had no effect is sent again.
REPEATS = 2
#: Bounds one sending when the call doesn't say.
TIMEOUT_S = 30.0
#: A list whose full page comes again so often in a row, one after the other, doesn't heed the offset.
SAME_PAGES = 3
#: Stands in the URL of a request that is only checked.
_UNKNOWN_PROJECT = "project"

_log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The time as an aware UTC datetime."""
    return datetime.now(UTC)


class MetaStudio(Api):
    """MetaStudio for one project, opened by `async with`.

    Each operation of the API is a method (`await api.list_assets(limit=10)`), and each list that comes in pages an
    iterator (`async for asset in api.iter_assets()`). They take the keywords of `CallOptions` and raise as `call` does.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        region: str = "",
        endpoint: str = "",
        project_id: str | None = None,
        iam_endpoint: str | None = None,
        large_bodies: Token | TokenLogin | None = None,
        limiter: Limiter | None = None,
        transport: "Transport | None" = None,
        repeats: int = REPEATS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """A client for a region, or for an endpoint (`https://` and host, reference Table 1-1) that tells the region.

        `project_id`: looked up at IAM by the region's name when it isn't given. `iam_endpoint`: the region's, but an
        `endpoint` on this machine is an emulator, which plays IAM as well. `large_bodies`: what bodies over 12 MiB go
        with when `credentials` is a key pair. `limiter`: to be shared by all who call for the same tenant; without one
        the client paces itself by the region's rates. `transport`: the caller's to open and close; without one the
        client has connections of its own. `repeats`: how often a call is sent again that surely had no effect and
        failed for what passes by itself. Raises UsageError when the region isn't known, for an address that is none and
        for credentials that can't be sent.
        """
        if endpoint:
            regions.checked_address(endpoint, "The endpoint")
        self.region = region or regions.region_of(endpoint)
        self._endpoint = endpoint or regions.checked_address(
            regions.api_endpoint(self.region), f"The endpoint of the region {self.region!r}"
        )
        self._limiter = limiter or _limiter(self.region)
        self._line = _Line(transport)
        self._owns_line = transport is None
        self._repeats = repeats
        self._identity = Identity(credentials, large_bodies, self._line, clock)
        self._project_id = project_id
        iam = iam_endpoint or regions.iam_endpoint(self.region, self._endpoint)
        self._project = ProjectSource(
            self.region, regions.checked_address(iam, "The endpoint of IAM"), self._ask_iam
        )
        self._stack = AsyncExitStack()
        self._log = _log.bind(region=self.region)

    async def __aenter__(self) -> Self:
        if self._owns_line:
            from orchestrator.metastudio.transport import (  # noqa: PLC0415  aiohttp is slow to import, and half of who imports this brings a transport or opens none
                AioHttpTransport,
            )

            self._line.transport = await self._stack.enter_async_context(AioHttpTransport())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the client's own connections; what it was given belongs to its maker."""
        if self._owns_line:
            self._line.transport = None
        await self._stack.aclose()

    async def project_id(self) -> str:
        """The project's id: as given, else looked up once. Raises as `ProjectSource.get`."""
        return self._project_id if self._project_id is not None else await self._project.get()

    async def call(
        self,
        operation: Operation[Q, R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: Q | None = None,
        **options: Unpack[CallOptions],
    ) -> R:
        """The answer of one operation.

        Waits for the quota, then awaits `before_send` each time right before the request leaves. A throttled call is
        sent again up to `THROTTLE_TRIES` times, a refused token is renewed once unless it was just made, and what
        surely had no effect and passes by itself is sent again after a while (see `calling.delay_s`), the look-up of
        the project as well. Every other failure is raised: ApiError, ConnectFailed, AnswerLost (their `executed` says
        whether the server may have acted), DeadlineEndedError when nothing was sent in time, UsageError for wrong
        parameters and options, before anything is sent.
        """
        ends_at = end_of(operation.id, options)
        headers = checked_headers(operation.id, options.get("headers") or {})

        def request(project_id: str) -> wire.Request:
            built = wire.build_request(
                operation, self._endpoint, project_id, path=path, query=query, body=body
            )
            return replace(built, headers={**built.headers, **headers})

        project_id = self._project_id if self._project_id is not None else self._project.found
        # A wrong call is refused before the project is looked up for it.
        built = request(_UNKNOWN_PROJECT if project_id is None else project_id)
        turn = self._limiter.permit(
            operation.id,
            order=options.get("order", 0.0),
            low=options.get("low", False),
            label=options.get("label", ""),
        )
        call = _Call(operation, built, project_id, options, ends_at, turn)
        failure: CallError | None = None
        while True:
            try:
                if call.project_id is None:
                    async with before(ends_at, operation.id):
                        project_id = await self.project_id()
                    call.request, call.project_id = request(project_id), project_id
                return await self._send(call)
            except DeadlineEndedError as ended:
                # Why it had to be sent again says more than that there was no time for it.
                if failure is not None:
                    raise failure from ended
                raise
            except CallError as error:
                wait_s = self._again(call, error)
                if wait_s is None:
                    raise
                failure = error
                self._log.info("api.call again", operation=operation.id, wait_s=round(wait_s, 1))
            await asyncio.sleep(wait_s)

    async def pages(
        self,
        operation: Operation[None, R],
        key: str = "",
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        limit: int = 100,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[Any]:
        """The items of every page of a list operation, `limit` a page; options hold for each page's call.

        `key` is the answer's field that holds them, the operation's own when left out. Raises as `call` does,
        UsageError for an operation without pages, and AnswerLost when the service sends the same full page again and
        again. A list that grows or shrinks meanwhile moves under the pages: an item may come twice, or be missed.
        """
        key = key or operation.items
        if not key:
            raise UsageError(f"The answer of {operation.id} doesn't come in pages.")
        offset = 0
        last: list[Any] = []
        repeated = 0
        while True:
            paged = {**(query or {}), "offset": offset, "limit": limit}
            page: Any = await self.call(operation, path=path, query=paged, **options)
            items: list[Any] = getattr(page, key) or []
            # A list that grew at its front by a page, or by the one item of a page, repeats what it said without a fault.
            repeated = repeated + 1 if items == last and len(items) == limit > 1 else 0
            if repeated == SAME_PAGES:
                raise AnswerLost("The service repeats a page.", operation=operation.id, executed=Executed.NO)
            for item in items:
                yield item
            offset += len(items)
            total: int | None = getattr(page, "count", None)
            if not items or (len(items) < limit if total is None else offset >= total):
                return
            last = items

    async def _send(self, call: "_Call[Q, R]") -> R:
        """Sends a call once, when its turn has come."""
        options, operation = call.options, call.operation
        async with AsyncExitStack() as held:
            async with before(call.ends_at, operation.id):
                permit = await held.enter_async_context(call.turn)
                try:
                    call.token = None
                    call.token = await self._identity.token(call.request)
                    if (before_send := options.get("before_send")) is not None:
                        await before_send()
                    refuse_late(call.ends_at, operation.id)
                except BaseException:
                    permit.unused()
                    raise
            return await self._exchange(call, permit)

    async def _exchange(self, call: "_Call[Q, R]", permit: Permit) -> R:
        began = time.perf_counter()
        log = self._log.bind(operation=call.operation.id)
        request = self._identity.authorized(call.request, call.token, call.project_id)
        try:
            response = await self._transmit(request, call)
            permit.answered()
            answer = wire.read_response(call.operation, response)
        except CallError as error:
            if isinstance(error, ConnectFailed):
                permit.unused()
            log.warning("api.call failed", **_facts(error), ms=_ms(began))
            raise
        log.info("api.call", status=response.status, request_id=response.request_id, ms=_ms(began))
        return answer

    async def _transmit(self, request: wire.Request, call: "_Call[Any, Any]") -> wire.Response:
        timeout_s = call.options.get("timeout_s", TIMEOUT_S)
        if math.isinf(call.ends_at):
            return await self._line.send(request, timeout_s=timeout_s)
        try:
            async with asyncio.timeout_at(call.ends_at):
                return await self._line.send(request, timeout_s=timeout_s)
        except TimeoutError as error:
            # The transport's own timeouts are CallErrors by now.
            raise AnswerLost(
                "The deadline ended before the answer came.",
                operation=request.operation,
                executed=Executed.NO if request.reads else Executed.UNKNOWN,
            ) from error

    def _again(self, call: "_Call[Any, Any]", error: CallError) -> float | None:
        """Seconds until a failed call is sent again; None: it isn't."""
        wait_s = self._wait_s(call, error)
        if wait_s is None or asyncio.get_running_loop().time() + wait_s >= call.ends_at:
            return None
        return wait_s

    def _wait_s(self, call: "_Call[Any, Any]", error: CallError) -> float | None:
        """As `_again`, whenever the call's deadline is."""
        own = error.operation == call.operation.id
        if isinstance(error, Throttled) and own:
            self._limiter.throttled(call.operation.id, error.retry_after_s)
            call.throttles += 1
            again = error.executed is Executed.NO and call.throttles < THROTTLE_TRIES
            return 0.0 if again else None
        if isinstance(error, Unauthorized) and own and not call.renewed:
            call.renewed = True
            if self._identity.renews(call.request, call.token):
                return 0.0
        wait_s = delay_s(error, call.repeats, random.random())  # noqa: S311  spreads callers, guards no secret
        if call.repeats >= self._repeats:
            return None
        call.repeats += 1
        return wait_s

    async def _ask_iam(self, request: wire.Request) -> wire.Response:
        token = await self._identity.token(request)
        while True:
            authorized = self._identity.authorized(request, token, None)
            response = await self._line.send(authorized, timeout_s=TIMEOUT_S)
            if response.status != 401 or not self._identity.renews(request, token):
                return response
            refused, token = token, await self._identity.token(request)
            if token == refused:
                return response


@dataclass(slots=True)
class _Call(Generic[Q, R]):
    """A call on its way, and what became of it so far."""

    operation: Operation[Q, R]
    #: For no project while `project_id` is None.
    request: wire.Request
    project_id: str | None
    options: CallOptions
    #: On the loop's clock.
    ends_at: float
    #: Entered for each sending; it keeps its place in the queue.
    turn: AbstractAsyncContextManager[Permit]
    token: str | None = None
    throttles: int = 0
    repeats: int = 0
    renewed: bool = False


@dataclass(slots=True)
class _Line:
    """The transport, once the client is open."""

    transport: "Transport | None"

    async def send(self, request: wire.Request, *, timeout_s: float) -> wire.Response:
        """As `Transport.send`."""
        if self.transport is None:
            raise UsageError(
                "The client is not open.", hint="Use it in `async with MetaStudio(...) as api:`."
            )
        return await self.transport.send(request, timeout_s=timeout_s)


def _limiter(region: str) -> LocalLimiter:
    if region not in RATES:
        raise UsageError(f"No rates are known for the region {region}.", hint=f"Known: {', '.join(RATES)}.")
    return LocalLimiter(RATES[region], categories={one.id: one.category for one in OPERATIONS.values()})


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
