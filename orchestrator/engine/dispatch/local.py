"""The dispatcher of a single process: tasks on this event loop."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable

from orchestrator.engine.dispatch.base import Job


class LocalDispatcher:
    """At most `concurrency` jobs at once, the oldest runs' first."""

    def __init__(self, perform: Callable[[Job], Awaitable[None]], *, concurrency: int) -> None:
        """`perform` does a job and records its outcome; it raises nothing but cancellation."""
        self._perform = perform
        self._concurrency = concurrency
        self._queue: list[tuple[float, int, Job]] = []
        self._count = 0
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = False

    def dispatch(self, job: Job) -> None:
        """Take a job; it is performed as soon as there is room."""
        if self._stopped:
            return
        self._count += 1
        heapq.heappush(self._queue, (job.order, self._count, job))
        self._fill()

    def _fill(self) -> None:
        while self._queue and len(self._running) < self._concurrency and not self._stopped:
            _, _, job = heapq.heappop(self._queue)
            task = asyncio.get_running_loop().create_task(self._run(job))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _run(self, job: Job) -> None:
        await self._perform(job)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._fill()
        if not task.cancelled():
            # A failure here is a defect of the engine itself: let the loop's handler report it.
            task.result()

    async def stop(self, grace_s: float) -> None:
        """Take no more, let what runs end within `grace_s`, then abandon it."""
        self._stopped = True
        self._queue.clear()
        if not self._running:
            return
        _, pending = await asyncio.wait(self._running, timeout=grace_s)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
