"""An event loop whose time is a number: it jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
#: Every pass of the loop takes some time, so that two deadlines are never the same forever.
_PASS_S = 1e-6


class StalledError(AssertionError):
    """Nothing is ready, no timer is set: everybody waits for ever."""


class _NoSockets(selectors.SelectSelector):
    """Never waits: tells the loop how far its time has moved."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StalledError
        self.passed_s += max(timeout, _PASS_S)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at time 0; the same coroutine takes the same course every time."""

    def __init__(self) -> None:
        self._passed = _NoSockets()
        super().__init__(self._passed)

    def time(self) -> float:
        return self._passed.passed_s

    def now(self) -> datetime:
        """The wall clock of the simulated world."""
        return EPOCH + timedelta(seconds=self.time())


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Play a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(_settled(loop))
        loop.close()


async def _settled(loop: asyncio.AbstractEventLoop) -> None:
    others = asyncio.all_tasks(loop) - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
