"""The limiter of one process: an ordered queue and a bucket per operation, woken by timers of the event loop."""

import asyncio
import heapq
import math
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from itertools import count
from types import TracebackType
from typing import assert_never

from orchestrator.errors import UsageError
from orchestrator.limits.base import BucketState, Permit, Waiting
from orchestrator.limits.bucket import Bucket

#: A timer may fire a rounding error early; waiting once more for that would spin.
_TOLERANCE_S = 1e-6


class _Fate(Enum):
    """What became of a call."""

    UNKNOWN = auto()
    UNUSED = auto()
    ANSWERED = auto()


class _Turn:
    """A place in a queue, then the permit; may be entered again once it was left.

    All in one object, because thousands may wait.
    """

    __slots__ = ("_answered_at", "_fate", "_queue", "_sent_at", "granted", "key", "label", "since")

    def __init__(self, queue: "_Queue", key: tuple[bool, float, int], label: str) -> None:
        self.key = key
        self.label = label
        self.since = asyncio.get_running_loop().time()
        self._queue = queue

    def __lt__(self, other: "_Turn") -> bool:
        return self.key < other.key

    async def __aenter__(self) -> Permit:
        loop = asyncio.get_running_loop()
        self._fate = _Fate.UNKNOWN
        self.granted: asyncio.Future[None] = loop.create_future()
        self._queue.join(self)
        try:
            await self.granted
        except asyncio.CancelledError:
            self._queue.leave(self)
            raise
        self._sent_at = loop.time()
        return self

    async def __aexit__(
        self, failure: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        now = asyncio.get_running_loop().time()
        if self._fate is _Fate.UNKNOWN and failure is None:
            self.answered()
        bucket = self._queue.bucket
        match self._fate:
            case _Fate.UNUSED:
                bucket.untake()
            case _Fate.ANSWERED:
                bucket.replied(self._sent_at, self._answered_at)
            case _Fate.UNKNOWN:
                bucket.lost(self._sent_at, now)
            case _:
                assert_never(self._fate)
        self._queue.pump()

    def unused(self) -> None:
        self._fate = _Fate.UNUSED

    def answered(self) -> None:
        self._fate = _Fate.ANSWERED
        self._answered_at = asyncio.get_running_loop().time()


class _Queue:
    """The waiters of one operation and the pump that lets them go: one timer, no task."""

    def __init__(self, operation: str, rate: float) -> None:
        self.operation = operation
        self.bucket = Bucket(rate)
        #: Holds some who have gone, until they come up or are swept out.
        self._heap: list[_Turn] = []
        self._live = 0
        self._timer: asyncio.TimerHandle | None = None

    def live(self) -> list[_Turn]:
        """Those that still wait, in order."""
        return sorted(turn for turn in self._heap if not turn.granted.done())

    def __len__(self) -> int:
        return self._live

    def join(self, turn: _Turn) -> None:
        """Lines up; `turn.granted` is done when the turn comes."""
        heapq.heappush(self._heap, turn)
        self._live += 1
        # Nothing changes for those before, and their timer is set.
        if self._heap[0] is turn or self._timer is None:
            self.pump()

    def leave(self, turn: _Turn) -> None:
        """Gives up before the call could be sent."""
        if turn.granted.done() and not turn.granted.cancelled():
            # The turn came in the same moment as the cancellation.
            self.bucket.untake()
        else:
            self._live -= 1
            self._sweep()
        self.pump()

    def _sweep(self) -> None:
        # Removing from the middle of a heap is slow, so it is done for many at once.
        if len(self._heap) > 2 * self._live + 64:
            self._heap = [turn for turn in self._heap if not turn.granted.done()]
            heapq.heapify(self._heap)

    def pump(self) -> None:
        """Lets go whoever may, and sets the timer for the next."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._heap:
            if self._heap[0].granted.done():
                heapq.heappop(self._heap)
                continue
            now = loop.time()
            free_at = self.bucket.free_at(now)
            if free_at > now + _TOLERANCE_S:
                if not math.isinf(free_at):
                    self._timer = loop.call_at(free_at, self.pump)
                return
            self.bucket.take(now)
            self._live -= 1
            heapq.heappop(self._heap).granted.set_result(None)


class LocalLimiter:
    """Implements `limits.base.Limiter` inside one event loop, by the loop's own clock."""

    def __init__(self, rates: Mapping[str, float], *, categories: Mapping[str, str] | None = None) -> None:
        """`rates` in calls per second by operation, `categories` only for display."""
        self._rates = dict(rates)
        self._categories = categories or {}
        self._queues: dict[str, _Queue] = {}
        self._arrivals = count()

    def permit(
        self, operation: str, *, order: float = 0.0, low: bool = False, label: str = ""
    ) -> AbstractAsyncContextManager[Permit]:
        """As `Limiter.permit`."""
        return _Turn(self._queue(operation), (low, order, next(self._arrivals)), label)

    def throttled(self, operation: str, retry_after_s: float | None = None) -> None:
        """As `Limiter.throttled`."""
        queue = self._queue(operation)
        queue.bucket.throttled(asyncio.get_running_loop().time(), retry_after_s)
        queue.pump()

    def snapshot(self) -> list[BucketState]:
        """As `Limiter.snapshot`."""
        now = asyncio.get_running_loop().time()
        states = [self._state(queue, now) for queue in self._queues.values()]
        return sorted(states, key=lambda state: (state.category, state.operation))

    def waiting(self, operation: str | None = None, *, label: str | None = None) -> list[Waiting]:
        """As `Limiter.waiting`."""
        now = asyncio.get_running_loop().time()
        return [
            Waiting(
                queue.operation,
                turn.label,
                ahead,
                queue.bucket.wait_s(now, ahead),
                now - turn.since,
                queue.bucket.why(now),
            )
            for queue in self._queues.values()
            if operation in {None, queue.operation}
            for ahead, turn in enumerate(queue.live())
            if label in {None, turn.label}
        ]

    def _queue(self, operation: str) -> _Queue:
        queue = self._queues.get(operation)
        if queue is None:
            if operation not in self._rates:
                raise UsageError(f"No rate is known for {operation}.", hint="Add it to `limits`.")
            queue = self._queues[operation] = _Queue(operation, self._rates[operation])
        return queue

    def _state(self, queue: _Queue, now: float) -> BucketState:
        bucket = queue.bucket
        free_at = bucket.free_at(now)
        return BucketState(
            operation=queue.operation,
            category=self._categories.get(queue.operation, ""),
            rate=bucket.rate,
            effective_rate=bucket.effective_rate,
            waiting=len(queue),
            in_flight=bucket.in_flight,
            next_free_s=None if math.isinf(free_at) else free_at - now,
            sent=bucket.sent,
            throttles=bucket.throttles,
            why=bucket.why(now) if len(queue) else None,
        )
