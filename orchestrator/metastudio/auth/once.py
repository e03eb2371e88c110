"""One piece of work for many waiters."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Runs `work` at most once at a time: who asks while it runs shares its outcome, good or bad.

    Nothing is kept: who asks after the end starts it anew. It belongs to no waiter: one that is cancelled leaves the
    others theirs, and only when none is left does the work stop.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._waiters = 0

    async def __call__(self) -> T:
        """What `work` returns; raises what it raises."""
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.create_task(self._run())
            self._waiters = 0
        self._waiters += 1
        try:
            return await asyncio.shield(task)
        finally:
            # After a new start the count is another's.
            if task is self._task:
                self._waiters -= 1
                if not self._waiters:
                    self._task = None
                    task.cancel()

    async def _run(self) -> T:
        return await self._work()
