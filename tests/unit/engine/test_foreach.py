"""`foreach`: a step that is done once for each item, as the rows of a child run."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import InputSpec, Pipeline, RowsSpec, Step
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.engine.reception import RowInput
from orchestrator.errors import RetryClass
from orchestrator.steps.base import Done, StepContext, StepError
from orchestrator.store.base import Append, RunFilter, StoreError
from orchestrator.store.memory import MemoryStore
from tests.unit.engine.carried import (
    AnyParams,
    Carried,
    failing,
    flow,
    for_ever,
    rows,
    step,
    table,
    wait_for_job,
)

EACH = StepId("each")
QUOTA = StepError("no credit", retry=RetryClass.QUOTA)


def each(items: Any, value: Any = "${{ item }}", **more: Any) -> Step:
    return step("each", *more.pop("needs", ()), value=value, foreach=items, **more)


async def done(carried: Carried, pipeline: Pipeline, **more: Any) -> RunState:
    return await carried.over(await carried.submit(pipeline, **more))


async def items_run(carried: Carried, run_id: RunId) -> RunId:
    """The child run of the step's items."""
    correlation = (await carried.state(run_id)).steps[EACH].correlation
    assert correlation is not None
    return RunId(correlation)


async def test_a_list_is_gone_through_in_order(carried: Carried) -> None:
    """Each item has its own parameters; the outputs are in the items' order, and a later step reads them."""
    pipeline = flow(
        each(["x", "y", "z"], {"what": "${{ item }}", "number": "${{ index }}", "of": "${{ run.name }}"}),
        step("last", "each", value="${{ steps.each.results[1].value.what }} of ${{ steps.each.total }}"),
    )
    state = await done(carried, pipeline)
    assert state.status is RunStatus.SUCCEEDED
    assert state.steps[EACH].outputs == {
        "results": [{"value": {"what": w, "number": n, "of": "r"}} for n, w in enumerate("xyz")],
        "total": 3,
    }
    assert state.steps[StepId("last")].outputs == {"value": "y of 3"}


async def test_an_expression_says_which_items(carried: Carried) -> None:
    """Another step's output, or an input; values keep their types."""
    pipeline = flow(
        step("find", value=[{"n": 1}, {"n": 2}]),
        each("${{ steps.find.value }}", "${{ item.n + inputs.more }}", needs=("find",)),
    )
    state = await done(carried, pipeline, inputs={"more": 10})
    assert state.steps[EACH].outputs["results"] == [{"value": 11}, {"value": 12}]


async def test_nothing_to_go_through_is_done_at_once(carried: Carried) -> None:
    """An empty list makes no child run."""
    state = await done(carried, flow(each([])))
    assert state.steps[EACH].outputs == {"results": [], "total": 0}
    assert len(await carried.store.summaries(RunFilter())) == 1


@pytest.mark.parametrize(
    ("items", "told"), [("${{ 'text' }}", "this is str"), ("${{ inputs.none }}", "this is empty")]
)
async def test_what_is_no_list_fails_the_step(carried: Carried, items: str, told: str) -> None:
    """With words."""
    state = await done(carried, flow(each(items)), inputs={"none": None})
    assert state.error is not None
    assert state.error.code == "EXPRESSION"
    assert told in state.error.message


async def test_an_expression_that_fails_for_one_item_names_it(carried: Carried) -> None:
    """Nothing is begun then."""
    numbers = [{"n": n} if n != 7 else {} for n in range(10)]
    state = await done(carried, flow(each(numbers, "${{ item.n + 1 }}")))
    assert state.error is not None
    assert "item 8 of 10" in state.error.message
    assert carried.kind.ran == []


async def test_no_more_items_at_once_than_allowed(carried: Carried) -> None:
    """`max_parallel` bounds the items under way."""
    under_way = most = 0

    async def count(params: AnyParams, ctx: StepContext) -> Done:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Done()

    carried.kind.acts["each"] = count
    state = await done(carried, flow(each(list(range(12)), max_parallel=3)))
    assert state.status is RunStatus.SUCCEEDED
    assert 1 < most <= 3


async def test_items_may_read_the_runs_files(carried: Carried, tmp_path: Path) -> None:
    """A file among the run's inputs lies outside of the definition's folder, and its items read it all the same."""
    picture = tmp_path / "cup.jpg"
    read: list[Path] = []

    async def look(params: AnyParams, ctx: StepContext) -> Done:
        read.append(ctx.local_file(params.value))
        return Done()

    carried.kind.acts["each"] = look
    inputs = {"image": InputSpec(type="file"), "text": InputSpec()}
    pipeline = flow(each([1, 2], "${{ inputs.image }}"), inputs=inputs, folder=str(tmp_path / "elsewhere"))
    state = await done(carried, pipeline, inputs={"image": str(picture), "text": "long"})
    assert state.status is RunStatus.SUCCEEDED, state.error
    assert read == [picture, picture]


async def test_failing_items_fail_the_step_and_retry_takes_up_only_those(carried: Carried) -> None:
    """The others are done; the error says how many, and where they are."""
    fails = {"3", "5"}

    async def odd(params: AnyParams, ctx: StepContext) -> Done:
        if str(params.value) in fails:
            raise StepError("odd")
        return Done({"value": params.value})

    carried.kind.acts["each"] = odd
    run_id = await carried.submit(flow(each(list(range(8)))))
    state = await carried.over(run_id)
    assert state.error is not None
    assert state.error.message == "Step each: 2 of 8 items were not done."
    assert "runs list --parent" in state.error.hint
    fails.clear()
    carried.kind.ran.clear()
    await carried.engine.retry(run_id)
    state = await carried.over(run_id)
    assert state.status is RunStatus.SUCCEEDED
    assert sorted(carried.kind.ran) == ["each:3", "each:5"]
    assert [one["value"] for one in state.steps[EACH].outputs["results"]] == list(range(8))


async def test_an_item_may_be_retried_alone(carried: Carried) -> None:
    """Its run is one as any other; the step, retried then, has nothing left to do."""
    carried.kind.acts["each"] = failing(StepError("no"))
    run_id = await carried.submit(flow(each([1, 2])))
    await carried.over(run_id)
    failed = await carried.store.summaries(RunFilter(frozenset({RunStatus.FAILED})))
    item = next(one for one in failed if one.name.startswith("r/each-"))
    await carried.engine.retry(item.id)
    assert (await carried.over(item.id)).status is RunStatus.SUCCEEDED
    carried.kind.ran.clear()
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == []


async def test_a_step_may_go_on_past_its_failed_items(carried: Carried) -> None:
    """`continue_on_error` holds for the whole step."""
    carried.kind.acts["each"] = failing(StepError("no"))
    pipeline = flow(each([1, 2], continue_on_error=True), step("b", "each"))
    assert (await done(carried, pipeline)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran[-1] == "b"


async def test_retries_and_timeouts_are_each_items_own(carried: Carried) -> None:
    """A transient failure of one item is tried again in its own run; one that hangs fails alone."""

    async def some(params: AnyParams, ctx: StepContext) -> Done:
        if params.value == 1 and ctx.attempt == 1:
            raise StepError("busy", retry=RetryClass.LATER)
        if params.value == 2:
            await asyncio.Event().wait()
        return Done()

    carried.kind.acts["each"] = some
    state = await done(carried, flow(each([1, 2, 3], timeout_s=0.05)))
    assert state.error is not None
    assert state.error.message == "Step each: 1 of 3 items were not done."
    assert carried.kind.ran.count("each:1") == 2


@pytest.mark.parametrize("dies_at", ["step.intended", "step.waiting"])
async def test_a_crash_makes_no_second_child_run(carried: Carried, dies_at: str) -> None:
    """The next process recognises the one that was begun, and its items."""
    carried.kind.acts["each"] = for_ever
    run_id = await carried.begun(flow(each([1, 2, 3])), dies_at, step="each")
    for _ in range(3):
        await carried.boot()
    carried.kind.acts.clear()
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert len(await carried.store.summaries(RunFilter())) == 1 + 1 + 3


class DyingStore(MemoryStore):
    """Takes so many writes, then no more."""

    left = 10**9

    async def append(self, append: Append) -> None:
        if self.left <= 0:
            raise StoreError("The process is dead.")
        self.left -= 1
        await super().append(append)


@pytest.mark.parametrize("writes", range(1, 14))
async def test_a_death_after_any_write_doubles_nothing(writes: int) -> None:
    """Wherever the process ends, the run ends with each item done, and one run for each."""
    store = DyingStore()
    carried = Carried(store)
    await carried.boot()
    store.left = writes
    with contextlib.suppress(StoreError):
        await asyncio.wait_for(carried.over(await carried.submit(flow(each([1, 2])))), 10)
    store.left = 10**9
    carried.ahead_s = 60.0  # whatever was not told is asked for by then
    await carried.boot()
    for top in await store.summaries(RunFilter(top_level=True)):
        assert (await carried.over(top.id)).status is RunStatus.SUCCEEDED
    assert len(await store.summaries(RunFilter())) == 4
    await carried.end()


async def test_cancelling_calls_off_what_the_items_began(carried: Carried) -> None:
    """The run is over only once its items are."""
    carried.kind.acts["each"] = wait_for_job
    run_id = await carried.begun(flow(each([1, 2]), finally_=(step("z"),)), times=3)
    await carried.settled()
    await carried.engine.cancel(run_id)
    state = await carried.over(run_id)
    assert (state.status, state.steps[EACH].status) == (RunStatus.CANCELLED, StepStatus.CANCELLED)
    assert sorted(carried.kind.called_off) == ["job-r/each-1-each", "job-r/each-2-each"]
    assert carried.kind.ran[-1] == "z"
    unfinished = [run for run in await carried.store.summaries(RunFilter()) if not run.status.over]
    assert unfinished == []


@pytest.mark.parametrize("dies", [False, True])
async def test_items_that_are_just_being_begun_are_called_off_too(carried: Carried, dies: bool) -> None:
    """A wish that comes between the step's begin and its wait leaves no item behind."""
    carried.kind.acts["each"] = for_ever
    run_id = await carried.begun(flow(each(list(range(250)))), "step.intended", step="each")
    await carried.engine.cancel(run_id)
    if dies:
        await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    await carried.settled()
    assert [
        run for run in await carried.store.summaries(RunFilter(), limit=1000) if not run.status.over
    ] == []


async def test_a_crash_while_items_are_called_off_loses_none(carried: Carried) -> None:
    """The next process goes on with it, and the run ends."""
    carried.kind.acts["each"] = wait_for_job
    run_id = await carried.begun(flow(each([1, 2])), times=3)

    async def never(_: str) -> str:
        await asyncio.Event().wait()
        return ""

    carried.kind.calling_off = never
    await carried.until("step.checked", lambda: carried.engine.cancel(run_id))
    carried.kind.calling_off = None
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED


async def test_a_pause_is_passed_on_to_the_items(carried: Carried) -> None:
    """None begins; resumed, all go on."""
    carried.kind.acts["each"] = wait_for_job
    run_id = await carried.begun(flow(each([1, 2, 3], max_parallel=2)), times=3)
    await carried.settled()
    await carried.engine.pause(run_id)
    items = await items_run(carried, run_id)
    assert set((await carried.statuses(items)).values()) == {RunStatus.PAUSED}
    carried.kind.checks = lambda _: Done()
    await carried.boot()
    await carried.settled()
    assert len(carried.kind.ran) == 2
    await carried.engine.resume(run_id)
    for _ in range(2):
        for item in (await carried.children(items)).values():
            await carried.engine.callback(
                item.id, job_id=f"job-{item.name}-each", result="S", asset_id="", stale=False
            )
        await carried.settled()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_items_that_begin_while_the_run_is_paused_are_paused(carried: Carried) -> None:
    """The attempt that was under way ends, what it began waits."""
    run_id = await carried.begun(flow(each([1, 2])), "step.intended", step="each")
    await carried.engine.pause(run_id)
    await carried.settled()
    for _ in range(20):
        await asyncio.sleep(0)
    await carried.settled()
    ran = list(carried.kind.ran)
    assert (await carried.state(run_id)).status is RunStatus.PAUSED
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert sorted(carried.kind.ran) == ["each:1", "each:2"]
    assert len(ran) <= 2


@pytest.mark.parametrize("verb", ["resume", "retry"])
async def test_held_items_pause_the_run_with_their_reason(carried: Carried, verb: str) -> None:
    """Once the others are done; seen to, they go on, and with them the run."""
    carried.kind.acts["each"] = failing(QUOTA, QUOTA)
    run_id = await carried.submit(flow(each([1, 2, 3], max_parallel=1), step("b", "each")))
    summary = await carried.rest(run_id)
    assert summary.status is RunStatus.PAUSED
    assert summary.reason == "Step each: 2 of 3 items are paused: Step each: no credit"
    await getattr(carried.engine, verb)(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran[-1] == "b"


async def test_items_that_are_held_again_pause_the_run_again(carried: Carried) -> None:
    """As often as it takes."""
    carried.kind.acts["each"] = failing(QUOTA, QUOTA, QUOTA)
    run_id = await carried.submit(flow(each([1])))
    for _ in range(3):
        assert (await carried.rest(run_id)).status is RunStatus.PAUSED
        await carried.settled()
        await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_a_run_that_is_asked_for_again_goes_on_with_its_items(carried: Carried) -> None:
    """Also in a process that carries nothing else, also when they were held."""
    carried.kind.acts["each"] = failing(QUOTA)
    pipeline = flow(each([1, 2], max_parallel=1))
    run_id = await carried.submit(pipeline)
    await carried.rest(run_id)
    await carried.boot(everything=False)
    assert await carried.submit(pipeline) == run_id
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    carried.kind.acts["each"] = for_ever
    other = flow(each([3, 4]))
    run_id = await carried.begun(other, "step.waiting", step="each")
    carried.kind.acts.clear()
    await carried.boot(everything=False)
    assert await carried.submit(other) == run_id
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_foreach_at_the_end_of_a_run(carried: Carried) -> None:
    """`finally` and `on_failure` may go through items, too."""
    carried.kind.acts["a"] = failing(StepError("no"))
    pipeline = flow(
        step("a"),
        on_failure=(each([1, 2]),),
        finally_=(step("z", value="${{ item }}", foreach=[3]),),
    )
    state = await done(carried, pipeline)
    assert state.status is RunStatus.FAILED
    assert sorted(carried.kind.ran) == ["a", "each:1", "each:2", "z:3"]


async def test_rows_may_have_steps_with_items(carried: Carried) -> None:
    """A table of runs that each go through a list of their own; cancelled, everything below ends."""
    pipeline = table(each("${{ [row.n, row.n ~ '!'] }}"))
    run_id = await carried.submit(pipeline, rows=rows("x", "y"))
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert sorted(carried.kind.ran) == ["each:x", "each:x!", "each:y", "each:y!"]
    carried.kind.acts["each"] = wait_for_job
    run_id = await carried.begun(pipeline, rows=rows("v", "w"), times=6)
    await carried.settled()
    await carried.engine.cancel(run_id)
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    assert len(carried.kind.called_off) == 4


async def test_two_runs_share_no_item(carried: Carried) -> None:
    """Equal items of two runs are done for each of them."""
    await done(carried, flow(each([1, 1])), content="one")
    await done(carried, flow(each([1, 1])), content="two")
    assert carried.kind.ran == ["each:1"] * 4


async def test_odd_names_of_parameters_and_values_are_kept(carried: Carried) -> None:
    """Nothing in a value is taken for an expression a second time."""
    odd = {"a'b": "${" + "{ no }}", "c\\d": [1, None, {"e": "$${{"}]}
    state = await done(
        carried,
        flow(step("find", value="${{ inputs.odd }}"), each("${{ [steps.find.value] }}", needs=("find",))),
        inputs={"odd": odd},
    )
    assert state.steps[EACH].outputs["results"] == [{"value": odd}]


async def test_rows_are_taken_up_whose_items_have_not_begun(carried: Carried) -> None:
    """A table that is gone through again takes up its rows, and these their items, which are a table of their own."""
    pipeline = replace(flow(each([1, 2])), rows=RowsSpec())
    carried.kind.acts["each"] = failing(QUOTA, QUOTA)
    row = [RowInput("one", {}, {})]
    run_id = await carried.submit(pipeline, row)
    await carried.rest(run_id)
    await carried.boot(everything=False)
    await carried.submit(pipeline, row)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
