"""The limiter of one process: an ordered queue and a bucket per operation, woken by timers of the event loop."""

import asyncio
import heapq
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

from orchestrator.errors import UsageError
from orchestrator.limits.base import BucketState, Permit, Waiting
from orchestrator.limits.bucket import Bucket

#: A timer may fire a rounding error early; waiting once more for that would spin.
_TOLERANCE_S = 1e-6


class _Waiter:
    """One place in a queue."""

    __slots__ = ("granted", "key", "label", "since")

    def __init__(self, key: tuple[bool, float, int], label: str, since: float) -> None:
        self.key = key
        self.label = label
        self.since = since
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: "_Waiter") -> bool:
        return self.key < other.key


class _Permit:
    __slots__ = ("is_unused",)

    def __init__(self) -> None:
        self.is_unused = False

    def unused(self) -> None:
        self.is_unused = True


class _Queue:
    """The waiters of one operation and the pump that lets them go: one timer, no task."""

    def __init__(self, operation: str, rate: float) -> None:
        self.operation = operation
        self.bucket = Bucket(rate)
        #: Holds some who have gone, until they come up or are swept out.
        self._heap: list[_Waiter] = []
        self._live = 0
        self._timer: asyncio.TimerHandle | None = None

    def live(self) -> list[_Waiter]:
        """Those that still wait, in order."""
        return sorted(waiter for waiter in self._heap if not waiter.granted.done())

    def __len__(self) -> int:
        return self._live

    async def enter(self, waiter: _Waiter) -> float:
        """Waits for the turn; returns when it came, on the loop's clock."""
        heapq.heappush(self._heap, waiter)
        self._live += 1
        self.pump()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                # The turn came in the same moment as the cancellation.
                self.bucket.untake()
            else:
                self._live -= 1
                self._sweep()
            self.pump()
            raise
        return asyncio.get_running_loop().time()

    def _sweep(self) -> None:
        # Removing from the middle of a heap is slow, so it is done for many at once.
        if len(self._heap) > 2 * self._live + 64:
            self._heap = [waiter for waiter in self._heap if not waiter.granted.done()]
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
        return self._permit(self._queue(operation), order=order, low=low, label=label)

    @asynccontextmanager
    async def _permit(self, queue: _Queue, *, order: float, low: bool, label: str) -> AsyncIterator[Permit]:
        loop = asyncio.get_running_loop()
        permit = _Permit()
        sent_at = await queue.enter(_Waiter((low, order, next(self._arrivals)), label, loop.time()))
        try:
            yield permit
        finally:
            if permit.is_unused:
                queue.bucket.untake()
            else:
                queue.bucket.replied(sent_at, loop.time())
            queue.pump()

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
            Waiting(queue.operation, waiter.label, ahead, queue.bucket.wait_s(now, ahead), now - waiter.since)
            for queue in self._queues.values()
            if operation in {None, queue.operation}
            for ahead, waiter in enumerate(queue.live())
            if label in {None, waiter.label}
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
        )
