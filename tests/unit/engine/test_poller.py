"""The poller on virtual time: what it asks, how often, and that nothing stops it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, RunKey, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState
from orchestrator.engine.changes import Change
from orchestrator.engine.poller import Poller, PollPolicy
from orchestrator.engine.turns import StuckRunError
from orchestrator.metastudio.errors import Throttled
from orchestrator.steps.base import Done, Ended, Parameters, StepContext, StepKind, Surroundings
from orchestrator.store.base import StoreError, Wait
from orchestrator.store.memory import MemoryStore
from tests.simulation.loop import EPOCH, VirtualLoop, run_virtual

POLICY = PollPolicy(first_s=15.0, max_s=300.0)


class Kind(StepKind[Parameters]):
    """Waits for jobs of a provider that the test plays."""

    summary = "a test's own"
    params = Parameters
    outputs = frozenset()

    def __init__(self, world: "World", name: str, *, sweeps: bool) -> None:
        self.world, self.name = world, name
        self.sweeps = sweeps  # type: ignore[misc]  # two sorts of kind for one class of the tests
        #: Jobs that are over, the latest last.
        self.over: list[Ended] = []
        self.swept: list[tuple[float, datetime]] = []
        self.looked: list[tuple[float, list[str]]] = []
        self.sweep_takes_s = 0.0
        self.sweep_fails: Exception | None = None
        self.poll_fails: Callable[[Sequence[Wait]], Exception | None] = lambda _: None
        self.answer: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda over: over

    async def act(self, params: Parameters, ctx: StepContext) -> Done:
        raise NotImplementedError

    def end(self, job: str, *, at: datetime | None = None) -> None:
        self.over.append(Ended(job, "SUCCEED", at or self.world.loop.now()))

    async def sweep(self, around: Surroundings, since: datetime) -> AsyncIterator[Ended]:
        self.swept.append((self.world.loop.time(), since))
        await asyncio.sleep(self.sweep_takes_s)
        if self.sweep_fails is not None:
            raise self.sweep_fails
        for ended in reversed(self.over):
            if ended.at < since:
                return
            yield ended

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        self.looked.append((self.world.loop.time(), [wait.correlation for wait in waits]))
        if (error := self.poll_fails(waits)) is not None:
            raise error
        wanted = {wait.correlation for wait in waits}
        return self.answer({one.correlation: one.result for one in self.over if one.correlation in wanted})


@dataclass
class World:
    """A poller and what it works with."""

    loop: VirtualLoop
    store: MemoryStore = field(default_factory=MemoryStore)
    kinds: dict[str, Kind] = field(default_factory=dict)
    #: Time and job of each find.
    found: list[tuple[float, str]] = field(default_factory=list)
    refuses: Mapping[str, Exception] = field(default_factory=dict)
    runs: int = 0

    def kind(self, name: str = "job.wait", *, sweeps: bool = True) -> Kind:
        self.kinds[name] = Kind(self, name, sweeps=sweeps)
        return self.kinds[name]

    def poller(self) -> Poller:
        return Poller(
            self.store, self.kinds, cast("Any", None), policy=POLICY, clock=self.loop.now, found=self._found
        )

    async def _found(self, run_id: RunId, body: ev.PollFound) -> None:
        if body.correlation in self.refuses:
            raise self.refuses[body.correlation]
        self.found.append((self.loop.time(), body.correlation))

    async def add(self, *jobs: str, kind: str = "job.wait") -> list[RunState]:
        """A run for each job, waiting for it."""
        return [await self._waiting(job, kind) for job in jobs]

    async def _waiting(self, job: str, kind: str) -> RunState:
        self.runs += 1
        step = StepId("s")
        pipeline = Pipeline("p", steps=(Step(step, kind),))
        state = RunState(RunId(f"r{self.runs:07}"), pipeline)
        change = Change(state, self.loop.now())
        change.add(ev.RunCreated("r", "p", pipeline.hash, RunKey(f"k{self.runs}"), {}))
        change.add(ev.RunStarted())
        change.add(ev.StepIntended(step, 1))
        change.add(ev.StepWaiting(step, 1, job, None))
        await self.store.append(change.append(wake_at=None, polls=POLICY))
        return state

    async def end(self, state: RunState) -> None:
        """The run ends: nobody waits for its job any more."""
        change = Change(state, self.loop.now())
        change.add(ev.StepSucceeded(StepId("s"), 1, {}))
        change.add(ev.RunSucceeded({}))
        await self.store.append(change.append(wake_at=None, polls=POLICY))


def play(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await test(World(loop))

    run_virtual(main())


async def passing(poller: Poller, seconds: float) -> "asyncio.Task[None]":
    """Let the poller live so long; it goes on."""
    task = asyncio.get_running_loop().create_task(poller.run())
    await asyncio.wait({task}, timeout=seconds)
    return task


def test_a_lost_callback_is_found_as_soon_as_the_first_poll() -> None:
    """One run, its job over after ten seconds: found after `first_s`."""

    async def test(world: World) -> None:
        kind = world.kind()
        await world.add("job")
        kind.end("job")
        await passing(world.poller(), 20)
        assert world.found[0][1] == "job"
        assert world.found[0][0] == pytest.approx(15, abs=0.1)

    play(test)


def test_sweeps_space_out_while_nothing_ends_and_come_back_when_something_does() -> None:
    """Pauses double up to `max_s`; a find, or a new wait, brings them back to `first_s`."""

    async def test(world: World) -> None:
        kind = world.kind()
        await world.add("old", "late")
        poller = world.poller()
        task = await passing(poller, 1000)
        at = [round(time) for time, _ in kind.swept]
        assert at == [15, 45, 105, 225, 465, 765]
        kind.end("old")
        await asyncio.wait({task}, timeout=90)  # found by the sweep at 1065
        await world.add("new")
        poller.notice()
        await asyncio.wait({task}, timeout=80)
        assert [round(time) for time, _ in kind.swept[6:]] == [1065, 1080, 1106, 1136]

    play(test)


def test_what_waits_costs_nothing_what_ends_is_found() -> None:
    """2,500 waits for ten minutes: two calls a minute, a round of looks that is paced, and each end told once."""

    async def test(world: World) -> None:
        kind = world.kind()
        states = await world.add(*(f"job{n}" for n in range(2500)))
        task = await passing(world.poller(), 300)
        for n in range(300):
            kind.end(f"job{n}")
        await asyncio.wait({task}, timeout=300)
        assert len(kind.swept) < 12
        assert len(kind.looked) <= 5
        assert max(len(jobs) for _, jobs in kind.looked) == 1000
        swept = [job for _, job in world.found]
        assert {f"job{n}" for n in range(300)} == set(swept)
        for n in range(300):
            await world.end(states[n])
        world.found.clear()
        await asyncio.wait({task}, timeout=600)
        assert world.found == []

    play(test)


def test_looks_are_paced_over_all_waits() -> None:
    """However many are due, no more than five a second are asked for, the longest due first."""

    async def test(world: World) -> None:
        kind = world.kind(sweeps=False)
        await world.add(*(f"job{n}" for n in range(2200)))
        await passing(world.poller(), 3600)
        first_round = [job for _, jobs in kind.looked[:3] for job in jobs]
        assert set(first_round) == {f"job{n}" for n in range(2200)}
        times = [time for time, _ in kind.looked]
        for (before, jobs), after in zip(kind.looked, times[1:], strict=False):
            assert after - before >= max(5, len(jobs) / 5) - 0.01

    play(test)


def test_a_sweep_goes_back_to_where_the_last_one_ended_and_a_little_further() -> None:
    """The first reaches back to the oldest wait, later ones to the latest end that was seen, by the API's clock."""

    async def test(world: World) -> None:
        kind = world.kind()
        await world.add("a", "b")
        slow = EPOCH + timedelta(seconds=3)
        kind.end("other", at=slow)
        await passing(world.poller(), 50)
        first, second, *_ = [since for _, since in kind.swept]
        assert first <= EPOCH - timedelta(minutes=4)
        assert second == slow - timedelta(minutes=1)

    play(test)


def test_an_end_in_the_future_blinds_nobody() -> None:
    """A wrong time in one answer does not keep later sweeps from what ends after it."""

    async def test(world: World) -> None:
        kind = world.kind()
        await world.add("a")
        kind.end("other", at=EPOCH + timedelta(days=400))
        task = await passing(world.poller(), 20)
        kind.over.insert(0, Ended("a", "SUCCEED", world.loop.now()))
        await asyncio.wait({task}, timeout=40)
        assert "a" in [job for _, job in world.found]
        assert all(since <= world.loop.now() for _, since in kind.swept)

    play(test)


def test_what_was_told_is_not_told_again_by_every_sweep() -> None:
    """A job that the list calls over and the API does not is told once by a sweep, then at its own looks."""

    async def test(world: World) -> None:
        kind = world.kind()
        kind.answer = lambda _: {}
        await world.add("job")
        kind.end("job")
        await passing(world.poller(), 3600)
        assert [job for _, job in world.found] == ["job"]

    play(test)


@pytest.mark.parametrize(
    "error",
    [Throttled(status=429, code="APIGW.0308"), RuntimeError("a defect"), TypeError("a malformed answer")],
)
def test_a_failed_sweep_backs_off_and_fails_nothing(error: Exception) -> None:
    """Pauses grow up to `max_s`, not in step with each other; looks go on, and sweeps when they can again."""

    async def test(world: World) -> None:
        kind = world.kind()
        kind.sweep_fails = error
        await world.add("job")
        task = await passing(world.poller(), 3600)
        times = [time for time, _ in kind.swept]
        pauses = [after - before for before, after in pairwise(times)]
        assert 12 <= len(times) <= 30
        assert all(150 <= pause <= 301 for pause in pauses[5:])
        assert len(set(pauses)) == len(pauses)
        assert len(kind.looked) >= 10
        kind.sweep_fails = None
        kind.poll_fails = lambda _: RuntimeError("down")
        kind.end("job")
        await asyncio.wait({task}, timeout=310)
        assert [job for _, job in world.found] == ["job"]

    play(test)


def test_a_wait_that_cannot_be_asked_for_keeps_nobody_from_being_asked_for() -> None:
    """A batch that fails is asked in smaller ones, until the bad wait stands alone and is put off."""

    async def test(world: World) -> None:
        kind = world.kind(sweeps=False)
        kind.poll_fails = lambda waits: (
            ValueError("bad") if any(wait.correlation == "bad" for wait in waits) else None
        )
        await world.add(*(f"job{n}" for n in range(20)), "bad", *(f"job{n}" for n in range(20, 40)))
        for n in range(40):
            kind.end(f"job{n}")
        await passing(world.poller(), 3600)
        assert {job for _, job in world.found} == {f"job{n}" for n in range(40)}

    play(test)


@pytest.mark.parametrize("answer", [None, 7, ["job"]])
def test_a_malformed_answer_counts_as_a_failed_look(answer: Any) -> None:
    """Nothing is told, and the next look comes later."""

    async def test(world: World) -> None:
        kind = world.kind(sweeps=False)
        kind.answer = lambda _: answer
        await world.add("job")
        kind.end("job")
        task = await passing(world.poller(), 300)
        assert world.found == []
        assert 3 <= len(kind.looked) <= 10
        kind.answer = lambda over: over
        await asyncio.wait({task}, timeout=310)
        assert world.found

    play(test)


def test_one_kind_that_fails_stops_no_other() -> None:
    """Each kind has its own pace; one that this version does not know is left alone."""

    async def test(world: World) -> None:
        broken, good = world.kind("broken.wait"), world.kind("good.wait")
        broken.sweep_fails = RuntimeError("broken")
        broken.poll_fails = lambda _: RuntimeError("broken")
        await world.add("a", kind="broken.wait")
        await world.add("b", kind="gone.wait")
        await world.add("c", kind="good.wait")
        good.end("c")
        await passing(world.poller(), 20)
        assert {job for _, job in world.found} == {"c"}

    play(test)


def test_a_run_that_cannot_take_what_was_found_keeps_nobody_from_it() -> None:
    """Its failure is logged; the others are told."""

    async def test(world: World) -> None:
        kind = world.kind()
        world.refuses = {"a": StuckRunError(RunId("r"), ValueError("damaged"))}
        await world.add("a", "b")
        kind.end("a")
        kind.end("b")
        task = await passing(world.poller(), 60)
        assert "b" in [job for _, job in world.found]
        assert not task.done()

    play(test)


def test_a_store_that_fails_ends_the_poller() -> None:
    """That is the engine's end, and it has to be told of it."""

    async def test(world: World) -> None:
        kind = world.kind()
        world.refuses = {"a": StoreError("the disk is full")}
        await world.add("a")
        kind.end("a")
        task = await passing(world.poller(), 60)
        with pytest.raises(StoreError):
            task.result()

    play(test)


def test_a_hurried_wait_is_swept_for_soon_but_not_at_every_cry() -> None:
    """Reason to think that a job is over brings a sweep within seconds; repeated, no more than one each."""

    async def test(world: World) -> None:
        kind = world.kind()
        await world.add("job")
        poller = world.poller()
        task = await passing(poller, 500)
        before = len(kind.swept)
        kind.end("job")
        for _ in range(60):
            poller.notice(hurried=True)
            await asyncio.wait({task}, timeout=0.5)
        swept = [time for time, _ in kind.swept[before:]]
        assert 500 < swept[0] <= 507
        assert len(swept) <= 6
        assert world.found[0][0] <= 507

    play(test)


def test_a_wait_that_is_noticed_in_the_middle_of_a_sweep_is_not_overlooked() -> None:
    """It brings the next sweep forward as at any other time."""

    async def test(world: World) -> None:
        kind = world.kind()
        kind.sweep_takes_s = 20
        await world.add("old")
        poller = world.poller()
        task = await passing(poller, 1010)
        before = len(kind.swept)
        while len(kind.swept) == before:
            await asyncio.wait({task}, timeout=1)
        poller.notice()
        await asyncio.wait({task}, timeout=60)
        assert len(kind.swept) == before + 2

    play(test)


def test_nobody_is_asked_while_nothing_waits() -> None:
    """Neither the API nor the store."""

    async def test(world: World) -> None:
        kind = world.kind()
        (state,) = await world.add("job")
        task = await passing(world.poller(), 100)
        await world.end(state)
        await asyncio.wait({task}, timeout=300)
        asked, steps = len(kind.swept) + len(kind.looked), world.loop.steps
        await asyncio.wait({task}, timeout=86_400)
        assert len(kind.swept) + len(kind.looked) == asked
        assert world.loop.steps - steps < 10

    play(test)


def test_waits_of_an_hour_are_brought_together() -> None:
    """Waits that began apart are looked at together before long, instead of one by one for ever."""

    async def test(world: World) -> None:
        kind = world.kind(sweeps=False)
        poller = world.poller()
        task = await passing(poller, 0)
        for n in range(50):
            await world.add(f"job{n}")
            poller.notice()
            await asyncio.wait({task}, timeout=7)
        await asyncio.wait({task}, timeout=1200)
        begun = len(kind.looked)
        await asyncio.wait({task}, timeout=3000)
        assert len(kind.looked) - begun <= 21
        assert sum(len(jobs) for _, jobs in kind.looked[begun:]) >= 450

    play(test)
