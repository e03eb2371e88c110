"""Run control on a store that nobody carries: written down at once, done by the next process."""

import asyncio

import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import InputSpec
from orchestrator.domain.run import RunStatus
from orchestrator.engine.control import ControlError, UnknownRunError
from orchestrator.engine.offline import Offline
from orchestrator.engine.run_ids import RunIds
from orchestrator.errors import RetryClass
from orchestrator.steps.base import StepError
from orchestrator.store.base import Append, ConflictError
from orchestrator.store.memory import MemoryStore
from tests.unit.engine.carried import Carried, failing, flow, for_ever, rows, step, table, wait_for_job


def offline(carried: Carried) -> Offline:
    return Offline(carried.store, clock=carried.clock, new_id=RunIds(carried.clock), leaves=lambda _: None)


async def test_a_cancellation_is_carried_out_by_the_next_process(carried: Carried) -> None:
    """The job is called off then; asked for twice, it is written down once."""
    carried.kind.acts["a"] = wait_for_job
    run_id = await carried.begun(flow(step("a")))
    await carried.end()
    for _ in range(2):
        await offline(carried).cancel(run_id, reason="A typo.")
    assert (await carried.types(run_id)).count("run.cancelling") == 1
    assert carried.kind.called_off == []
    await carried.boot()
    state = await carried.over(run_id)
    assert (state.status, state.reason) == (RunStatus.CANCELLED, "A typo.")
    assert carried.kind.called_off == ["job-r-a"]


async def test_a_table_with_all_below_it(carried: Carried) -> None:
    """Its rows, and the items of their steps, end with it."""
    carried.kind.acts["a"] = wait_for_job
    pipeline = table(step("a", value="${{ item }}", foreach=[1, 2]))
    run_id = await carried.begun(pipeline, rows=rows("x", "y"), times=6)
    await carried.settled()
    await carried.end()
    await offline(carried).cancel(run_id)
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    assert len(carried.kind.called_off) == 4


async def test_a_paused_table_stays_paused_until_it_is_resumed(carried: Carried) -> None:
    """With all its rows, through any number of processes."""
    carried.kind.acts["a"] = for_ever
    run_id = await carried.begun(table(step("a")), "step.intended", rows=rows("x", "y"), times=2)
    await carried.end()
    await offline(carried).pause(run_id, reason="Night.")
    assert await carried.statuses(run_id) == dict.fromkeys("xy", RunStatus.PAUSED)
    carried.kind.ran.clear()
    carried.kind.acts.clear()
    await carried.boot()
    await carried.settled()
    assert carried.kind.ran == []
    await carried.end()
    await offline(carried).resume(run_id)
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_a_failed_table_is_retried(carried: Carried) -> None:
    """Its failed rows go on in the next process; one that did not fail is left alone."""
    carried.kind.acts["a"] = failing(StepError("no"))
    pipeline = table(step("a", value="${{ inputs.n }}"), concurrency_limit=1)
    run_id = await carried.submit(pipeline, rows("x", "y"))
    await carried.over(run_id)
    await carried.end()
    await offline(carried).retry(run_id)
    carried.kind.ran.clear()
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["a:x"]


async def test_held_steps_and_items_are_tried_again(carried: Carried) -> None:
    """As the engine does it: the items first, then the run that waits for them."""
    carried.kind.acts["a"] = failing(StepError("no credit", retry=RetryClass.QUOTA))
    run_id = await carried.submit(flow(step("a", value="${{ item }}", foreach=[1])))
    await carried.rest(run_id)
    await carried.end()
    await offline(carried).resume(run_id)
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_an_approval_is_taken(carried: Carried) -> None:
    """The run goes on behind it in the next process; a second one is refused."""
    run_id = await carried.begun(flow(step("ok", uses="approve"), step("a", "ok")))
    await carried.end()
    await offline(carried).approve(run_id, StepId("ok"), by="Ann")
    with pytest.raises(ControlError, match="nothing to approve"):
        await offline(carried).approve(run_id)
    await carried.boot()
    state = await carried.over(run_id)
    assert state.steps[StepId("ok")].outputs == {"by": "Ann", "comment": ""}


async def test_a_replay_is_begun_by_the_next_process(carried: Carried) -> None:
    """It keeps what is valid."""
    declared = {"n": InputSpec()}
    run_id = await carried.submit(
        flow(step("a", value=1), step("b", "a", value="${{ inputs.n }}"), inputs=declared), inputs={"n": 1}
    )
    await carried.over(run_id)
    await carried.end()
    new = await offline(carried).replay(run_id, first=StepId("b"))
    carried.kind.ran.clear()
    await carried.boot()
    assert (await carried.over(new)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["b:1"]


async def test_what_does_not_fit_is_refused(carried: Carried) -> None:
    """With the same words as in a running process, and nothing is written."""
    run_id = await carried.submit(flow(step("a")))
    await carried.over(run_id)
    await carried.end()
    before = await carried.types(run_id)
    control = offline(carried)
    for verb in (control.cancel, control.pause, control.resume, control.retry, control.approve):
        with pytest.raises(ControlError):
            await verb(run_id)
    for verb in (control.cancel, control.pause, control.resume, control.retry, control.approve):
        with pytest.raises(UnknownRunError):
            await verb(RunId("nobody"))
    with pytest.raises(UnknownRunError):
        await control.replay(RunId("nobody"))
    assert await carried.types(run_id) == before


class Contested(MemoryStore):
    """Somebody else is first, once."""

    contested = False

    async def append(self, append: Append) -> None:
        if self.contested:
            self.contested = False
            raise ConflictError("Somebody was first.")
        await super().append(append)


async def test_somebody_else_may_be_first() -> None:
    """The run is looked at again, and the wish written down behind what they wrote."""
    store = Contested()
    carried = Carried(store)
    await carried.boot()
    carried.kind.acts["a"] = wait_for_job
    run_id = await carried.begun(flow(step("a")))
    await carried.end()
    store.contested = True
    await asyncio.wait_for(offline(carried).pause(run_id), 5)
    assert (await carried.types(run_id))[-1] == "run.paused"
