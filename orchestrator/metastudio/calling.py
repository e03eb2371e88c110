"""How operations are called: what every call takes, when one is sent again, and what the typed methods stand on."""

import asyncio
import math
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypedDict, TypeVar, Unpack

from orchestrator.errors import RetryClass, UsageError
from orchestrator.metastudio.errors import CallError, Executed
from orchestrator.metastudio.operation import Operation

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

#: A query parameter that takes several values.
OneOrMore: TypeAlias = T | list[T] | tuple[T, ...]

#: Wait before the second sending, doubled each time up to the longest; a random part of up to half is taken off, so
#: that many callers who failed together don't come back together.
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 20.0
#: A server that asks for more is asked again after this.
LONGEST_RETRY_AFTER_S = 60.0


#: Headers that the client sets itself.
_OWN_HEADERS = frozenset(
    {
        *("host", "connection", "transfer-encoding", "content-length", "content-type", "accept"),
        *("authorization", "x-sdk-date", "x-project-id", "x-security-token", "x-auth-token"),
    }
)


class CallOptions(TypedDict, total=False):
    """Keywords that every operation takes beside its own parameters."""

    #: Bounds one sending, in seconds, not the waiting; 30 when not given.
    timeout_s: float
    #: Bounds the whole call, in seconds: waiting for the quota, sending, sending again. Unbounded when not given.
    deadline_s: float | None
    #: Further headers that the operation knows, such as X-App-UserId, X-User-Privilege, X-Request-Id.
    headers: Mapping[str, str] | None
    #: Place in the quota's queue: lowest first, then by arrival; 0 when not given.
    order: float
    #: Only when no other call waits for the same quota.
    low: bool
    #: Under which the limiter shows the call while it waits.
    label: str
    #: Awaited each time right before the request leaves.
    before_send: Callable[[], Awaitable[None]] | None


class DeadlineEndedError(CallError):
    """The call's deadline ended before the request could leave."""


class Caller(ABC):
    """What the typed methods call."""

    @abstractmethod
    async def call(
        self,
        operation: Operation[Q, R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: Q | None = None,
        **options: Unpack[CallOptions],
    ) -> R:
        """The answer of one operation."""

    @abstractmethod
    def pages(
        self,
        operation: Operation[None, R],
        key: str = "",
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        limit: int = 100,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[Any]:
        """The items of every page of a list operation."""


def delay_s(error: CallError, repeats: int, chance: float) -> float | None:
    """Seconds until a failed call may be sent again; None: never by itself.

    Only what the server surely has not acted on, and what passes by itself, is sent again: a read, a call that never
    left, a refusal. `repeats` says how often it was sent again before, `chance` is a random number from 0 to 1.
    """
    if error.executed is not Executed.NO or error.retry is not RetryClass.LATER:
        return None
    backoff_s: float = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(repeats, 16)) * (1 - chance / 2)
    return max(backoff_s, min(error.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))


def end_of(operation: str, options: CallOptions) -> float:
    """When the call ends, on the loop's clock; infinite without a deadline. Raises UsageError for a time that is none."""
    if not 0 < options.get("timeout_s", 1.0) < math.inf:
        raise UsageError(f"timeout_s of {operation} has to be a number of seconds over 0.")
    deadline_s = options.get("deadline_s")
    if deadline_s is None:
        return math.inf
    if math.isnan(deadline_s):
        raise UsageError(f"deadline_s of {operation} has to be a number of seconds.")
    return asyncio.get_running_loop().time() + deadline_s


def refuse_late(ends_at: float, operation: str) -> None:
    """Raises DeadlineEndedError once `ends_at`, on the loop's clock, is reached."""
    if asyncio.get_running_loop().time() >= ends_at:
        raise _too_late(operation)


@asynccontextmanager
async def before(ends_at: float, operation: str) -> AsyncIterator[None]:
    """Bounds what happens before a request leaves; `ends_at` on the loop's clock. Raises DeadlineEndedError."""
    if math.isinf(ends_at):
        yield
        return
    # What never has to wait isn't interrupted by a timeout, so its time is looked at as well.
    refuse_late(ends_at, operation)
    try:
        async with asyncio.timeout_at(ends_at) as deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise _too_late(operation) from error


def _too_late(operation: str) -> DeadlineEndedError:
    return DeadlineEndedError(
        hint="Allow more time, or look at what waits for the quota.", operation=operation
    )


def checked_headers(operation: str, headers: Mapping[str, object]) -> dict[str, str]:
    """The headers that a call adds. Raises UsageError for one that is the client's own, given twice or can't be sent."""
    checked: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            raise UsageError(f"The client sets the header {name} of {operation} itself.")
        if name.lower() in seen:
            raise UsageError(f"The header {name} of {operation} is given twice.")
        if not isinstance(value, str):
            raise UsageError(
                f"The header {name!r} of {operation} has to be text, not {type(value).__name__}."
            )
        if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not re.fullmatch(r"[ -~]*", value):
            raise UsageError(f"The header {name!r} of {operation} has characters that can't be sent.")
        seen.add(name.lower())
        checked[name] = value
    return checked
