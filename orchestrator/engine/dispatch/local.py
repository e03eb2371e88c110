"""The dispatcher of a single process: tasks on this event loop."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from orchestrator.domain.ids import RunId, StepId
from orchestrator.engine.dispatch.base import Job

#: Jobs of runs that have begun may be so many times as many as runs begin side by side: none of them waits for a
#: younger one, and a burst of callbacks still does not fill the memory.
_STARTED_TIMES = 10


class LocalDispatcher:
    """New runs begin while fewer than `concurrency` jobs are under way; what has begun goes on beside them."""

    def __init__(
        self,
        perform: Callable[[Job], Coroutine[Any, Any, None]],
        *,
        concurrency: int,
        has_room: Callable[[], None] = lambda: None,
    ) -> None:
        """`perform` does a job and records its outcome; it raises nothing but cancellation.

        `has_room` is called when there may be room for another run.
        """
        self._perform = perform
        self._has_room = has_room
        self._concurrency = concurrency
        self._most = concurrency * _STARTED_TIMES
        self._queue: list[tuple[float, int, Job]] = []
        self._count = 0
        self._running: dict[tuple[RunId, StepId], asyncio.Task[None]] = {}
        self._stopped = False

    @property
    def room(self) -> int:
        """As `Dispatcher.room`."""
        return self._left_of(self._concurrency)

    @property
    def room_to_go_on(self) -> int:
        """As `Dispatcher.room_to_go_on`."""
        return self._left_of(self._most)

    def _left_of(self, most: int) -> int:
        return 0 if self._stopped else most - len(self._running) - len(self._queue)

    def dispatch(self, job: Job) -> None:
        """Take a job; it is performed as soon as there is room."""
        if self._stopped:
            return
        self._count += 1
        heapq.heappush(self._queue, (job.order, self._count, job))
        self._fill()

    def withdraw(self, run_id: RunId, step: StepId) -> None:
        """As `Dispatcher.withdraw`."""
        if (task := self._running.get((run_id, step))) is not None:
            task.cancel()
            return
        left = [
            entry for entry in self._queue if (entry[2].run_id, entry[2].action.step.id) != (run_id, step)
        ]
        if len(left) < len(self._queue):
            heapq.heapify(left)
            self._queue = left

    def _fill(self) -> None:
        while self._queue and len(self._running) < self._most and not self._stopped:
            _, _, job = heapq.heappop(self._queue)
            key = (job.run_id, job.action.step.id)
            task = self._running[key] = asyncio.get_running_loop().create_task(self._perform(job))
            task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: tuple[RunId, StepId], task: "asyncio.Task[None]") -> None:
        if self._running.get(key) is task:
            del self._running[key]
        self._fill()
        self._has_room()
        if not task.cancelled():
            # A failure here is a defect of the engine itself: let the loop's handler report it.
            task.result()

    async def stop(self, grace_s: float) -> None:
        """Take no more, let what runs end within `grace_s`, then abandon it."""
        self._stopped = True
        self._queue.clear()
        if not self._running:
            return
        _, pending = await asyncio.wait(self._running.values(), timeout=grace_s)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
