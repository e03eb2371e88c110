"""The dispatcher of a single process: order, room, withdrawal and the end."""

import asyncio
from typing import Any, cast

from orchestrator.domain.decide import Perform
from orchestrator.domain.ids import RunId
from orchestrator.engine.dispatch.base import Job
from orchestrator.engine.dispatch.local import LocalDispatcher
from tests.unit.engine.carried import step


class Work:
    """Jobs that go on until they are let go."""

    def __init__(self, concurrency: int) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.cut_off: list[str] = []
        self.roomy = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.dispatcher = LocalDispatcher(self._perform, concurrency=concurrency, has_room=self._has_room)

    def _has_room(self) -> None:
        self.roomy += 1

    async def _perform(self, job: Job) -> None:
        name = str(job.run_id)
        self.began.append(name)
        try:
            await self.gates.setdefault(name, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cut_off.append(name)
            raise
        self.ended.append(name)

    async def add(self, *names: str) -> None:
        """Jobs, the order of which their names say."""
        for name in names:
            state = cast("Any", None)
            order = float("".join(filter(str.isdigit, name)))
            self.dispatcher.dispatch(Job(RunId(name), order, Perform(step("s"), 1, {}), state))
        await asyncio.sleep(0)

    async def let_go(self, name: str) -> None:
        self.gates.setdefault(name, asyncio.Event()).set()
        for _ in range(4):
            await asyncio.sleep(0)

    def withdraw(self, name: str) -> None:
        self.dispatcher.withdraw(RunId(name), step("s").id)


async def test_room_is_for_new_runs_what_has_begun_goes_on_beside_them() -> None:
    """More jobs than runs may begin are performed; ten times as many, then the oldest first."""
    work = Work(concurrency=1)
    await work.add(*(f"{n}" for n in range(12)))
    assert work.began == [str(n) for n in range(10)]
    assert (work.dispatcher.room, work.dispatcher.room_to_go_on) == (-11, -2)
    await work.add("5b")
    await work.let_go("3")
    assert work.began[10:] == ["5b"]
    assert work.roomy == 1
    await work.dispatcher.stop(0)


async def test_a_job_in_the_queue_is_withdrawn() -> None:
    """It never begins; its place is free."""
    work = Work(concurrency=1)
    await work.add(*(f"{n}" for n in range(12)))
    work.withdraw("10")
    assert work.dispatcher.room_to_go_on == -1
    for n in range(10):
        await work.let_go(str(n))
    assert work.began[10:] == ["11"]
    await work.dispatcher.stop(0)


async def test_a_job_that_runs_is_cut_off() -> None:
    """And makes room for the next."""
    work = Work(concurrency=1)
    await work.add(*(f"{n}" for n in range(11)))
    work.withdraw("4")
    await work.let_go("0")
    assert work.cut_off == ["4"]
    assert "10" in work.began
    await work.dispatcher.stop(0)


async def test_a_job_that_was_about_to_begin_never_does() -> None:
    """Taken, withdrawn, and taken once more: done once."""
    work = Work(concurrency=1)
    state = cast("Any", None)
    job = Job(RunId("1"), 1.0, Perform(step("s"), 1, {}), state)
    work.dispatcher.dispatch(job)
    work.withdraw("1")
    work.dispatcher.dispatch(job)
    await work.let_go("1")
    assert (work.began, work.ended) == (["1"], ["1"])
    assert work.dispatcher.room == 1


async def test_what_is_not_there_is_withdrawn_without_a_word() -> None:
    """Nothing of the others is touched."""
    work = Work(concurrency=1)
    await work.add("1")
    work.withdraw("2")
    await work.let_go("1")
    assert work.ended == ["1"]


async def test_the_end_lets_what_runs_end_in_time() -> None:
    """What has not begun never does; what does not end in time is cut off."""
    work = Work(concurrency=1)
    await work.add(*(f"{n}" for n in range(11)))
    stopping = asyncio.ensure_future(work.dispatcher.stop(0.05))
    for n in range(9):
        await work.let_go(str(n))
    await stopping
    await work.add("12")
    assert work.ended == [str(n) for n in range(9)]
    assert work.cut_off == ["9"]
    assert len(work.began) == 10
    assert (work.dispatcher.room, work.dispatcher.room_to_go_on) == (0, 0)
