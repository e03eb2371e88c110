"""When runs are looked at again: on a loop whose time the test moves, beside a wall clock that may be set."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.domain.ids import RunId
from orchestrator.engine.timers import Timers

A, B = RunId("a"), RunId("b")


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """What the timers need of an event loop; `pass_` moves its time and, unless told otherwise, the wall clock's."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.set: list[tuple[float, Callable[[], None], Handle]] = []
        self.time_s = 0.0

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Handle:
        handle = Handle()
        self.set.append((self.time_s + delay_s, call, handle))
        return handle

    def pass_(self, seconds: float) -> None:
        """A second at a time."""
        for _ in range(int(seconds)):
            self.time_s += 1
            self.now += timedelta(seconds=1)
            due = [one for one in self.set if one[0] <= self.time_s]
            self.set = [one for one in self.set if one[0] > self.time_s]
            for _, call, handle in due:
                if not handle.cancelled:
                    call()

    def armed(self) -> int:
        return sum(not handle.cancelled for _, _, handle in self.set)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    one: Any = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: one)
    return one  # type: ignore[no-any-return] # it stands for a loop


@pytest.fixture
def woken() -> list[RunId]:
    return []


@pytest.fixture
def timers(loop: Loop, woken: list[RunId]) -> Timers:
    return Timers(lambda: loop.now, woken.append)


def at(loop: Loop, seconds: float) -> datetime:
    return loop.now + timedelta(seconds=seconds)


def test_each_at_its_time(loop: Loop, timers: Timers, woken: list[RunId]) -> None:
    """The earliest first, each once, with one timer of the loop."""
    timers.set(A, at(loop, 20))
    timers.set(B, at(loop, 10))
    assert loop.armed() == 1
    loop.pass_(9)
    assert woken == []
    loop.pass_(1)
    assert woken == [B]
    loop.pass_(100)
    assert woken == [B, A]
    assert loop.armed() == 0


def test_the_time_set_last_counts(loop: Loop, timers: Timers, woken: list[RunId]) -> None:
    """Earlier, later, or none at all."""
    timers.set(A, at(loop, 50))
    timers.set(A, at(loop, 5))
    timers.set(B, at(loop, 5))
    timers.set(B, None)
    loop.pass_(6)
    assert woken == [A]
    timers.set(A, at(loop, 5))
    timers.set(A, at(loop, 30))
    loop.pass_(10)
    assert woken == [A]
    loop.pass_(30)
    assert woken == [A, A]


def test_a_past_time_is_at_once(loop: Loop, timers: Timers, woken: list[RunId]) -> None:
    """Without waiting for the others."""
    timers.set(B, at(loop, 100))
    timers.set(A, at(loop, -5))
    loop.pass_(1)
    assert woken == [A]


def test_many_are_loaded_at_once(loop: Loop, timers: Timers, woken: list[RunId]) -> None:
    """Those of before the start, beside one that is set already."""
    timers.set(A, at(loop, 2))
    timers.load([(at(loop, n).timestamp(), RunId(f"r{n}")) for n in (30, 1, 3)])
    loop.pass_(40)
    assert woken == ["r1", A, "r3", "r30"]


def test_a_clock_that_is_set_forward_is_noticed_in_a_minute(
    loop: Loop, timers: Timers, woken: list[RunId]
) -> None:
    """What is due by the new time does not wait for the old one."""
    timers.set(A, at(loop, 3600))
    loop.pass_(10)
    loop.now += timedelta(hours=2)
    loop.pass_(60)
    assert woken == [A]


def test_a_clock_that_is_set_back_wakes_nobody_early(loop: Loop, timers: Timers, woken: list[RunId]) -> None:
    """Times are the wall clock's, before and after it was set."""
    timers.set(A, at(loop, 30))
    loop.now -= timedelta(hours=1)
    timers.set(B, at(loop, 5))
    loop.pass_(60)
    assert woken == [B]
    loop.pass_(3600)
    assert woken == [B, A]


def test_times_that_were_set_anew_do_not_pile_up(loop: Loop, timers: Timers, woken: list[RunId]) -> None:
    """However often a run's time changes, it costs about one entry."""
    for n in range(10_000):
        timers.set(A, at(loop, 1000 + n))
    assert len(timers._heap) < 200


def test_nobody_is_woken_after_the_end(loop: Loop, timers: Timers, woken: list[RunId]) -> None:
    """Nor can anything be set then."""
    timers.set(A, at(loop, 5))
    timers.stop()
    timers.set(B, at(loop, 1))
    loop.pass_(10)
    assert woken == []
    assert loop.armed() == 0
