"""When to look at which run again: one heap, one timer of the event loop."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime

from orchestrator.domain.ids import RunId


class Timers:
    """Calls `wake(run_id)` at or after the time set last for the run."""

    def __init__(self, clock: Callable[[], datetime], wake: Callable[[RunId], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._heap: list[tuple[datetime, RunId]] = []
        self._set: dict[RunId, datetime] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for: datetime | None = None

    def set(self, run_id: RunId, at: datetime | None) -> None:
        """Wake the run then, instead of at its earlier time; None: not at all."""
        if at is None:
            self._set.pop(run_id, None)
        elif self._set.get(run_id) != at:
            self._set[run_id] = at
            heapq.heappush(self._heap, (at, run_id))
            self._arm()

    def stop(self) -> None:
        """Wake nobody any more."""
        self._heap.clear()
        self._set.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        if not self._heap:
            return
        first = self._heap[0][0]
        if self._handle is not None:
            if self._armed_for is not None and self._armed_for <= first:
                return
            self._handle.cancel()
        delay_s = max(0.0, (first - self._clock()).total_seconds())
        self._armed_for = first
        self._handle = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            at, run_id = heapq.heappop(self._heap)
            if self._set.get(run_id) == at:
                del self._set[run_id]
                self._wake(run_id)
        self._arm()
