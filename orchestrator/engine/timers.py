"""When to look at which run again: one heap, one timer of the event loop."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime

from orchestrator.domain.ids import RunId

#: The wall clock may be set while a timer runs: it is looked at again at least this often.
_LONGEST_S = 60.0


class Timers:
    """Calls `wake(run_id)` at or after the time set last for the run. Times are seconds since 1970: many may wait."""

    def __init__(self, clock: Callable[[], datetime], wake: Callable[[RunId], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._heap: list[tuple[float, RunId]] = []
        self._set: dict[RunId, float] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._stopped = False

    def load(self, times: list[tuple[float, RunId]]) -> None:
        """Set many at once, for runs that have no time yet."""
        self._set.update((run_id, at) for at, run_id in times)
        self._heap += times
        heapq.heapify(self._heap)
        self._arm()

    def set(self, run_id: RunId, at: datetime | None) -> None:
        """Wake the run then, instead of at its earlier time; None: not at all."""
        if at is None:
            self._set.pop(run_id, None)
            return
        seconds = at.timestamp()
        if self._set.get(run_id) != seconds:
            self._set[run_id] = seconds
            heapq.heappush(self._heap, (seconds, run_id))
            self._sweep()
            self._arm()

    def stop(self) -> None:
        """Wake nobody any more."""
        self._stopped = True
        self._heap.clear()
        self._set.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _sweep(self) -> None:
        # Times that were set anew stay in the heap until they come up; not too many of them.
        if len(self._heap) > 2 * len(self._set) + 64:
            self._heap = [(at, run_id) for run_id, at in self._set.items()]
            heapq.heapify(self._heap)

    def _arm(self) -> None:
        if not self._heap or self._stopped:
            return
        first = self._heap[0][0]
        if self._handle is not None:
            if self._armed_for <= first:
                return
            self._handle.cancel()
        delay_s = min(max(0.0, first - self._clock().timestamp()), _LONGEST_S)
        self._armed_for = first
        self._handle = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock().timestamp()
        while self._heap and self._heap[0][0] <= now:
            at, run_id = heapq.heappop(self._heap)
            if self._set.get(run_id) == at:
                del self._set[run_id]
                self._wake(run_id)
        self._arm()
