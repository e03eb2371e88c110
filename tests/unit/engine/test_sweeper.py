"""Doubles that come late: found, removed while nobody works on them, and nothing else touched."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId, adoption_key
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, RunStatus, StepStatus, replay
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.engine.sweeper import Sweeper, _Seen
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.steps.adoption import ADOPTIONS
from orchestrator.steps.base import kinds
from orchestrator.steps.traces import run_mark
from tests.contract.creating import ASSET, OWN_SCRIPT, SURE, Case, name_of
from tests.contract.virtual_cloud import VIDEO_WAITS_S, Cloud, in_the_cloud, last, step
from tests.simulation.loop import EPOCH

#: Longer than all looks after a doubt.
ALL_LOOKS_S = 100.0
DOUBLING = [one for one in SURE if ADOPTIONS[one.operation].drop is not None]
MAKE = StepId("make")


class Swept:
    """A sweeper at work beside what an engine left, and what it says that it removed."""

    def __init__(self, cloud: Cloud) -> None:
        self.removed: list[tuple[RunId, StepId, int, str]] = []
        self.sweeper = Sweeper(cloud.store, kinds(), cloud.around, clock=cloud.clock, removed=self._note)

    async def _note(self, *what: Any) -> None:
        self.removed.append((what[0], what[1], what[2], what[3]))

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self.sweeper.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def ran(cloud: Cloud, one: Case, fault: Fault = Fault.RESET_AFTER, given: Any = None) -> RunState:
    """A run whose creating request lost its answer; its engine is gone."""
    cloud.goes_wrong(one.operation, fault)
    state = await cloud.run("p", *one.steps(given or {}))
    await cloud.engine.stop()
    return state


def keyed(one: Case, state: RunState) -> Mapping[str, Any]:
    """The request of the run's step again, as a late server has it."""
    row, operation = ADOPTIONS[one.operation], OPERATIONS[one.operation]
    assert operation.request is not None
    with_ = dict(one.with_)
    if "script_id" in with_:
        with_["script_id"] = state.steps[StepId("script")].outputs["script_id"]
    body = operation.request.model_validate(with_)
    if row.leave is not None:
        body = row.leave(body, adoption_key(state.id, MAKE), run_mark(state.id))
    found: Mapping[str, Any] = body.model_dump(exclude_none=True)
    return found


def alive(cloud: Cloud, one: Case) -> set[str]:
    """What is there, and of jobs those that were not cancelled."""
    there = cloud.there(one.table)
    if one.table != "jobs":
        return there
    return {id_ for id_ in there if (job := cloud.emulator.world.jobs.get(id_)) and job.state != "CANCELED"}


@pytest.mark.parametrize("one", DOUBLING, ids=name_of)
def test_a_double_is_removed_and_told_of(one: Case) -> None:
    """The one that the run uses stays; the removal names run, step, attempt and double."""

    async def play(cloud: Cloud) -> None:
        state = await ran(cloud, one)
        used = last(state).outputs[ADOPTIONS[one.operation].output]
        before = alive(cloud, one)
        await cloud.call(one.operation, **keyed(one, state))
        (double,) = alive(cloud, one) - before
        swept = Swept(cloud)
        await swept.sweeper.recover()
        with capture_logs() as logs:
            async with swept.working():
                await asyncio.sleep(ALL_LOOKS_S)
        assert alive(cloud, one) == before
        assert used in before
        assert swept.removed == [(state.id, MAKE, last(state).attempt, double)]
        assert swept.sweeper.count == 1
        assert [line["double"] for line in logs if line["event"] == "a double was removed"] == [double]

    in_the_cloud(play)


ASSETS = next(one for one in SURE if one.uses == "asset.create")
VIDEOS = next(one for one in SURE if one.uses == "video.produce")


@pytest.mark.parametrize("after_s", [10, 40, 70])
def test_looks_are_made_over_the_quiet_time(after_s: int) -> None:
    """While the run still goes on; whenever the double appears, the next look finds it."""

    async def play(cloud: Cloud) -> None:
        cloud.goes_wrong("create_digital_asset", Fault.RESET_AFTER)
        steps = (*ASSETS.steps({}), step("pause", "sleep", "make", seconds=3600))
        with cloud.engine.live.watch() as events:
            running = asyncio.get_running_loop().create_task(cloud.run("p", *steps))
            while (event := await events.get()).body.TYPE != "step.waiting":
                run_id = event.run_id
        running.cancel()
        await cloud.engine.stop()
        swept = Swept(cloud)
        state = await cloud.look(run_id)
        assert state.status is RunStatus.RUNNING
        swept.sweeper.notice(state, await cloud.store.journal(run_id))
        async with swept.working():
            await asyncio.sleep(after_s)
            await cloud.call("create_digital_asset", **keyed(ASSETS, state))
            await asyncio.sleep(35)
        assert len(swept.removed) == 1

    in_the_cloud(play)


def test_a_run_that_is_older_than_the_process_is_looked_at_when_it_ends() -> None:
    """What happened before a restart stands in the journal alone."""

    async def play(cloud: Cloud) -> None:
        state = await ran(cloud, ASSETS)
        await cloud.call("create_digital_asset", **keyed(ASSETS, state))
        swept = Swept(cloud)
        journal = await cloud.store.journal(state.id)
        async with swept.working():
            swept.sweeper.notice(state, journal[-1:])
            await asyncio.sleep(15)
        assert len(swept.removed) == 1

    in_the_cloud(play)


def test_what_has_no_key_or_another_or_was_worked_on_stays() -> None:
    """Only what is surely ours and idle goes."""

    async def play(cloud: Cloud) -> None:
        state = await ran(cloud, ASSETS)
        await cloud.call("create_digital_asset", **ASSET)
        await cloud.call("create_digital_asset", **ASSET, tags=["mso-0123456789abcdef"])
        await cloud.call("create_digital_asset", **ASSET, tags=[f"{adoption_key(state.id, MAKE)}0"])
        filled = await cloud.call("create_digital_asset", **keyed(ASSETS, state))
        file = {"file_name": "a.png", "file_type": "png", "asset_file_category": "MAIN"}
        await cloud.call("create_large_file", asset_id=filled.asset_id, **file)
        before = cloud.there("assets")
        swept = Swept(cloud)
        await swept.sweeper.recover()
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert cloud.there("assets") == before
        assert swept.removed == []

    in_the_cloud(play)


def test_a_video_that_has_begun_is_left_alone() -> None:
    """Only a job that waits can be cancelled for nothing."""

    async def play(cloud: Cloud) -> None:
        state = await ran(cloud, VIDEOS)
        await cloud.call(VIDEOS.operation, **keyed(VIDEOS, state))
        await asyncio.sleep(VIDEO_WAITS_S)
        before = alive(cloud, VIDEOS)
        swept = Swept(cloud)
        swept.sweeper.notice(state, await cloud.store.journal(state.id))
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert alive(cloud, VIDEOS) == before
        assert cloud.calls("cancel2_d_digital_human_video") == 0

    in_the_cloud(play)


def test_nothing_is_a_double_while_the_step_is_not_settled() -> None:
    """What is found then is what the look-up will adopt."""

    async def play(cloud: Cloud) -> None:
        cloud.goes_wrong("create_digital_asset", Fault.LATE, seconds=60.0)
        with cloud.engine.live.watch() as events:
            running = asyncio.get_running_loop().create_task(cloud.run("p", *ASSETS.steps({})))
            while (event := await events.get()).body.TYPE != "step.looked_up":
                run_id = event.run_id
        running.cancel()
        await cloud.engine.stop()
        state = await cloud.look(run_id)
        assert last(state).status is StepStatus.UNKNOWN
        swept = Swept(cloud)
        swept.sweeper.notice(state, await cloud.store.journal(run_id))
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert len(cloud.there("assets")) == 1

    in_the_cloud(play)


def test_a_run_without_a_doubt_costs_no_call() -> None:
    """Its journal says so."""

    async def play(cloud: Cloud) -> None:
        state = await cloud.run("p", *ASSETS.steps({}))
        await cloud.engine.stop()
        swept = Swept(cloud)
        await swept.sweeper.recover()
        swept.sweeper.notice(state, await cloud.store.journal(state.id))
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert cloud.calls("list_assets") == 0

    in_the_cloud(play)


@pytest.mark.parametrize("operation", ["list_assets", "delete_asset"])
@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.RESET_BEFORE])
def test_a_look_that_fails_is_made_again(operation: str, fault: Fault) -> None:
    """A server error or a lost answer postpones it; a lost deletion is not told of twice."""

    async def play(cloud: Cloud) -> None:
        state = await ran(cloud, ASSETS)
        await cloud.call("create_digital_asset", **keyed(ASSETS, state))
        cloud.goes_wrong(operation, fault)
        swept = Swept(cloud)
        await swept.sweeper.recover()
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert len(cloud.there("assets")) == 1
        assert len(swept.removed) == 1

    in_the_cloud(play)


def test_a_double_that_cannot_be_removed_is_told_of() -> None:
    """It is refused once; somebody else may have begun to work on it."""

    async def play(cloud: Cloud) -> None:
        state = await ran(cloud, ASSETS)
        await cloud.call("create_digital_asset", **keyed(ASSETS, state))
        cloud.goes_wrong("delete_asset", Fault.ERROR, status=400, code="MSS.10001010")
        swept = Swept(cloud)
        await swept.sweeper.recover()
        with capture_logs() as logs:
            async with swept.working():
                await asyncio.sleep(1)
        assert "a double could not be removed" in [line["event"] for line in logs]
        assert swept.removed == []

    in_the_cloud(play)


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_cancelled_run_leaves_nothing_waiting(cancelled: bool) -> None:
    """What its lost request made is wanted by nobody; while a person is asked, it is left to the person."""

    async def play(cloud: Cloud) -> None:
        lost = FaultRule(on=VIDEOS.operation, do=Fault.RESET_AFTER, nth=1)
        blind = FaultRule(on="list_digital_human_video", do=Fault.ERROR, status=400, code="MSS.10001010")
        cloud.emulator.set_faults(FaultPlan(rules=(lost, blind)))
        state = await cloud.run("p", *VIDEOS.steps({}))
        assert last(state).status is StepStatus.HELD
        if cancelled:
            await cloud.engine.cancel(state.id)
            await cloud.engine.wait(state.id)
        await cloud.engine.stop()
        cloud.emulator.set_faults(FaultPlan())
        swept = Swept(cloud)
        swept.sweeper.notice(await cloud.look(state.id), await cloud.store.journal(state.id))
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert len(alive(cloud, VIDEOS)) == (not cancelled)

    in_the_cloud(play)


def test_what_the_run_had_before_stays() -> None:
    """An id anywhere in its journal is the run's, even if a later attempt made another."""

    async def play(cloud: Cloud) -> None:
        state = await ran(cloud, ASSETS)
        first = last(state).outputs["asset_id"]
        swept = Swept(cloud)
        await swept.sweeper.recover()
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert cloud.there("assets") == {first}

    in_the_cloud(play)


def test_scripts_of_other_steps_are_not_doubles() -> None:
    """Two steps of one run make scripts of the same name; each has its own key."""

    async def play(cloud: Cloud) -> None:
        cloud.goes_wrong("create_video_scripts", Fault.RESET_AFTER)
        (first,) = OWN_SCRIPT
        second = step("again", first.uses, "script", **first.with_)
        state = await cloud.run("p", first, second)
        await cloud.engine.stop()
        assert state.created_at is not None
        assert cloud.clock() - state.created_at < timedelta(seconds=60)
        swept = Swept(cloud)
        await swept.sweeper.recover()
        async with swept.working():
            await asyncio.sleep(ALL_LOOKS_S)
        assert len(cloud.there("scripts")) == 2

    in_the_cloud(play)


@pytest.mark.parametrize(
    ("more", "swept"),
    [
        ((), True),
        ((ev.StepIntended(StepId("b"), 1), ev.StepSent(StepId("b"), 1)), False),
        (
            (ev.StepIntended(StepId("b"), 1), ev.StepSent(StepId("b"), 1), ev.RunFailed(ev.ErrorInfo("x"))),
            True,
        ),
        ((ev.StepIntended(StepId("c"), 1), ev.StepSent(StepId("c"), 1)), True),
    ],
    ids=["alone", "another of its kind is at it", "the run is over", "one of another kind is at it"],
)
def test_steps_of_one_kind_are_swept_when_none_of_them_is_at_it(
    more: tuple[ev.EventBody, ...], swept: bool
) -> None:
    """Two videos of one script look alike: one that is being made is no double of the other."""
    ids = [StepId(name) for name in "abc"]
    steps = [Step(id_, "script.create" if id_ == "c" else "video.produce") for id_ in ids]
    bodies = (
        ev.RunCreated("r", "p", DefinitionHash("d"), RunKey("k"), {}),
        ev.RunStarted(),
        ev.StepIntended(ids[0], 1),
        ev.StepSent(ids[0], 1),
        ev.StepAdopted(ids[0], 1, {"job_id": "j"}),
        *more,
    )
    run_id = RunId("r")
    journal = [ev.Event(run_id, number, EPOCH, body) for number, body in enumerate(bodies, 1)]
    seen = _Seen(replay(run_id, Pipeline("p", steps=tuple(steps)), journal), journal)
    assert seen.is_swept(steps[0]) is swept
    assert not seen.is_swept(steps[2])
    assert "j" in seen.kept
