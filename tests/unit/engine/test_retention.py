"""Forgetting finished runs, by the clock of a simulated world."""

import asyncio
from datetime import timedelta

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.run import RunStatus
from orchestrator.engine.retention import Retention, forget
from orchestrator.store.base import Append, Pruned, RunFilter, StoreError, Summary
from orchestrator.store.memory import MemoryStore
from tests.simulation.loop import EPOCH, VirtualLoop, run_virtual

DAY = timedelta(days=1)


def ended(run_id: str, age: timedelta, parent: str | None = None) -> Append:
    """A run that was over so long before the simulated world began."""
    body = ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {})
    summary = Summary(
        *(RunId(run_id), RunKey("k"), "n", "p", DefinitionHash("d"), RunStatus.SUCCEEDED),
        *(EPOCH - age, EPOCH - age, 1, 1, 1),
        parent=RunId(parent) if parent else None,
    )
    return Append(RunId(run_id), 0, [ev.Event(RunId(run_id), 1, EPOCH, body)], summary)


async def left(store: MemoryStore) -> list[str]:
    return [run.id for run in await store.summaries(RunFilter())]


async def test_what_is_old_goes_with_all_that_it_began() -> None:
    """However many there are, and children of children, too."""
    store = MemoryStore()
    for number in range(250):
        await store.append(ended(f"r{number}", 3 * DAY))
    await store.append(ended("child", 3 * DAY, parent="r7"))
    await store.append(ended("grandchild", 3 * DAY, parent="child"))
    await store.append(ended("young", DAY))
    assert await forget(store, EPOCH - 2 * DAY) == 252
    assert await left(store) == ["young"]


def test_runs_are_forgotten_as_their_time_comes() -> None:
    """At the start what is due by then; later what has become due, within the hour."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        store = MemoryStore()
        for name, age in (("a", 31 * DAY), ("b", 30 * DAY - timedelta(hours=5)), ("c", DAY)):
            await store.append(ended(name, age))
        task = loop.create_task(Retention(store, 30 * DAY, clock=loop.now).run())
        await asyncio.sleep(1)
        assert await left(store) == ["c", "b"]
        await asyncio.sleep(5 * 3600)
        assert await left(store) == ["c"]
        await asyncio.sleep(29 * 86400 + 3600)
        assert await left(store) == []
        task.cancel()

    run_virtual(play())


def test_a_state_that_cannot_be_written_now_is_tried_again() -> None:
    """Retention ends no process: whether work can go on is for those to say who do it."""

    class Moody(MemoryStore):
        moods = 0

        async def prune(self, *args: object, **options: object) -> Pruned:
            self.moods += 1
            if self.moods == 1:
                raise StoreError("The disk is full.")
            return Pruned(0, None)

    async def play() -> None:
        store = Moody()
        task = asyncio.get_running_loop().create_task(
            Retention(store, DAY, clock=lambda: EPOCH + 2 * DAY).run()
        )
        await asyncio.sleep(3601)
        assert store.moods == 2
        task.cancel()

    run_virtual(play())
