"""An event loop whose time is a number: it jumps to the next timer instead of waiting for it.

It counts its steps (a step runs a task from one await to the next), and can let something strike between any two of
them. What belongs to a process that was killed is never run again: no `finally`, no farewell.
"""

import asyncio
import heapq
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
#: Every pass of the loop takes some time, so that two deadlines are never the same forever.
_PASS_S = 1e-6
#: Which process the running code belongs to; tasks and callbacks inherit it. 0: the world, which nobody kills.
OWNER: ContextVar[int] = ContextVar("owner", default=0)


class StalledError(AssertionError):
    """Nothing is ready, no timer is set: everybody waits for ever."""


class _Passed(selectors.SelectSelector):
    """What the base class wants; it is never asked, but holds the time."""

    passed_s = 0.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at time 0; the same coroutine takes the same course every time."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._passed = _Passed()
        super().__init__(self._passed)
        #: Steps so far, and the number of the step before which `strike` is called.
        self.steps = 0
        self.strike_at: int | None = None
        self.strike: Callable[[], None] = _nothing
        #: Processes whose code is not run any more, and what would have been run.
        self.dead: set[int] = set()
        self._left: list[asyncio.Handle] = []
        self._tasks: list[tuple[int, asyncio.Task[Any]]] = []

    def time(self) -> float:
        return self._passed.passed_s

    def now(self) -> datetime:
        """The wall clock of the simulated world."""
        return EPOCH + timedelta(seconds=self._passed.passed_s)

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """As the base class does it; whose task it is stays known."""
        task = super().create_task(coro, **options)
        context = options.get("context")
        owner = OWNER.get() if context is None else context.get(OWNER, 0)
        self._tasks.append((owner, task))
        return task

    def tasks_of(self, owner: int) -> "list[asyncio.Task[Any]]":
        """The tasks of a process that have not ended."""
        return [task for whose, task in self._tasks if whose == owner and not task.done()]

    def _run_once(self) -> None:
        """One pass: what is ready now, in its order, and before it the timers that have come due meanwhile."""
        ready, timers, passed = self._ready, self._scheduled, self._passed
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]  # the base class's own mark
        passed.passed_s += _PASS_S
        if not ready:
            if not timers:
                raise StalledError
            passed.passed_s = max(passed.passed_s, timers[0].when())
        while timers and timers[0].when() <= passed.passed_s:
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]  # as above
            ready.append(timer)
        for _ in range(len(ready)):
            self._step(ready.popleft())

    def _step(self, handle: asyncio.Handle) -> None:
        if handle._cancelled or (self.dead and self._is_left(handle)):
            return
        self.steps += 1
        if self.strike_at == self.steps:
            self.strike()
            if self._is_left(handle):
                return
        handle._run()

    def _is_left(self, handle: asyncio.Handle) -> bool:
        context = handle._context  # type: ignore[attr-defined]  # what its task was made with
        dead = context.get(OWNER, 0) in self.dead
        if dead:
            self._left.append(handle)
        return dead

    def tidy_up(self) -> None:
        """End every task. The dead may do so, too, now that nobody looks: the garbage collector would complain."""
        self.strike_at = None
        self.dead.clear()
        for _, task in self._tasks:
            task.cancel()  # before any of them takes the step that was kept from it
        self._ready.extend(self._left)
        self._tasks = [(owner, task) for owner, task in self._tasks if not task.done()]
        self.run_until_complete(self._all_ended())

    async def _all_ended(self) -> None:
        me = asyncio.current_task()
        while others := [task for _, task in self._tasks if task is not me and not task.done()]:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)


def _nothing() -> None:
    """Strikes nobody."""


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Play a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.tidy_up()
        loop.close()
