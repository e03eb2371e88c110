"""Cancel, pause, resume, retry and approve, in a process that carries runs."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.control import ControlError, UnknownRunError
from orchestrator.errors import RetryClass
from orchestrator.metastudio.errors import AnswerLost, ApiError, Executed
from orchestrator.steps.base import Done, Found, StepContext, StepError
from orchestrator.store.base import DefinitionLostError
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

A, B = StepId("a"), StepId("b")
QUOTA = StepError("no credit", hint="Buy some.", code="MSS.2", retry=RetryClass.QUOTA)

# Cancel


async def test_what_waits_is_called_off_and_finally_runs(carried: Carried) -> None:
    """The waiting job is cancelled, what has not begun stays pending, and the run ends as cancelled."""
    carried.kind.acts["a"] = wait_for_job
    run_id = await carried.begun(flow(step("a"), step("b", "a"), finally_=(step("z"),)))
    await carried.engine.cancel(run_id, reason="A typo.")
    state = await carried.over(run_id)
    assert (state.status, state.reason) == (RunStatus.CANCELLED, "A typo.")
    assert carried.kind.called_off == ["job-r-a"]
    assert [state.steps[StepId(name)].status.value for name in "abz"] == ["cancelled", "pending", "succeeded"]
    assert carried.kind.ran == ["a", "z"]


async def test_cancelling_twice_is_cancelling_once(carried: Carried) -> None:
    """The second wish changes nothing; once the run is over there is nothing to cancel."""
    carried.kind.acts["a"] = wait_for_job
    released = asyncio.Event()

    async def slowly(_: str) -> str:
        await released.wait()
        return "called off"

    carried.kind.calling_off = slowly
    run_id = await carried.begun(flow(step("a")))
    for _ in range(3):
        await carried.engine.cancel(run_id)
    released.set()
    await carried.over(run_id)
    assert (await carried.types(run_id)).count("run.cancelling") == 1
    assert len(carried.kind.called_off) == 1
    with pytest.raises(ControlError, match="cancelled and cannot be cancelled"):
        await carried.engine.cancel(run_id)
    with pytest.raises(UnknownRunError):
        await carried.engine.cancel(RunId("nobody"))


async def test_a_job_that_nobody_waits_for_yet_is_called_off(carried: Carried) -> None:
    """What a step has made is stopped although no other step had begun to wait for it."""

    async def make(params: AnyParams, ctx: StepContext) -> Done:
        return Done({"job": "job-1"})

    carried.kind.acts |= {"a": make, "b": for_ever}
    run_id = await carried.begun(flow(step("a"), step("b", "a")), "step.succeeded")
    await carried.engine.cancel(run_id)
    state = await carried.over(run_id)
    assert carried.kind.called_off == ["job-1"]
    assert state.steps[A].status is StepStatus.CANCELLED


async def test_an_unanswered_request_is_looked_for_and_called_off(carried: Carried) -> None:
    """Its answer lost, the job is adopted first, so that it can be cancelled."""

    async def lose(params: AnyParams, ctx: StepContext) -> Done:
        await ctx.sent()
        raise AnswerLost("lost", operation="create", executed=Executed.UNKNOWN)

    carried.kind.acts["a"] = lose
    run_id = await carried.begun(flow(step("a"), step("b", "a")), "step.looked_up")
    await carried.engine.cancel(run_id)
    carried.kind.finds = lambda: Found({"job": "job-1"})
    state = await carried.over(run_id)
    assert state.status is RunStatus.CANCELLED
    assert carried.kind.called_off in ([], ["job-1"])
    types = await carried.types(run_id)
    # Found before the quiet time was over, or surely never made.
    assert ("step.adopted" in types) == (carried.kind.called_off == ["job-1"])


async def test_a_request_on_its_way_is_waited_for_and_called_off(carried: Carried) -> None:
    """The create call is not cut off: its answer names the job, which is cancelled then."""
    answer = asyncio.Event()

    async def create(params: AnyParams, ctx: StepContext) -> Done:
        await ctx.sent()
        await answer.wait()
        return Done({"job": "job-1"})

    carried.kind.acts["a"] = create
    run_id = await carried.begun(flow(step("a")), "step.sent")
    await carried.engine.cancel(run_id)
    answer.set()
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    assert carried.kind.called_off == ["job-1"]


async def test_what_is_under_way_and_made_nothing_is_dropped(carried: Carried) -> None:
    """An attempt that has sent nothing is cut off at once."""
    cut_off: list[str] = []

    async def hang(params: AnyParams, ctx: StepContext) -> Done:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cut_off.append(ctx.step_id)
            raise
        return Done()

    carried.kind.acts["a"] = hang
    run_id = await carried.begun(flow(step("a")), "step.intended")
    await asyncio.sleep(0)
    await carried.engine.cancel(run_id)
    state = await carried.over(run_id)
    await carried.settled()
    assert cut_off == ["a"]
    assert state.steps[A].status is StepStatus.CANCELLED
    assert carried.kind.called_off == []


async def test_what_cannot_be_called_off_does_not_keep_the_run(carried: Carried) -> None:
    """A job that is beyond recall goes on at the provider; the step says so, and the run ends."""

    async def too_late(_: str) -> str:
        raise ApiError(status=400, code="MSS.20010048", retry=RetryClass.NEVER)

    carried.kind.acts["a"], carried.kind.calling_off = wait_for_job, too_late
    run_id = await carried.begun(flow(step("a")))
    await carried.engine.cancel(run_id)
    await carried.over(run_id)
    told = [
        e.body.reason for e in await carried.store.journal(run_id) if isinstance(e.body, ev.StepCancelled)
    ]
    assert len(told) == 1
    assert "could not be called off" in told[0]


async def test_a_run_that_was_being_cancelled_is_cancelled_by_the_next_process(carried: Carried) -> None:
    """A crash between the wish and its end loses neither."""
    carried.kind.acts["a"] = wait_for_job

    async def never(_: str) -> str:
        await asyncio.Event().wait()
        return ""

    carried.kind.calling_off = never
    run_id = await carried.begun(flow(step("a"), finally_=(step("z"),)))
    await carried.engine.cancel(run_id)
    carried.kind.calling_off = None
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    assert set(carried.kind.called_off) == {"job-r-a"}
    assert carried.kind.ran.count("z") == 1


async def test_a_run_that_failed_may_be_cancelled_while_it_winds_down(carried: Carried) -> None:
    """Cancelled during its `on_failure` steps, it skips the rest of those and still does `finally`."""
    carried.kind.acts |= {"a": failing(StepError("no")), "f": wait_for_job}
    run_id = await carried.begun(
        flow(step("a"), on_failure=(step("f"), step("g", "f")), finally_=(step("z"),))
    )
    await carried.engine.cancel(run_id)
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    assert carried.kind.called_off == ["job-r-f"]
    assert carried.kind.ran == ["a", "f", "z"]


async def test_a_table_cancels_its_own_rows_and_no_others(carried: Carried) -> None:
    """Rows that have not begun never do; rows of another run that it had joined go on."""
    carried.kind.acts["a"] = wait_for_job
    pipeline = table(step("a"), concurrency_limit=2)
    other = await carried.begun(pipeline, rows=rows("shared"))
    run_id = await carried.begun(pipeline, rows=rows("one", "shared", "two", "three"))
    await carried.settled()
    await carried.engine.cancel(run_id)
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    assert await carried.statuses(run_id) == {
        "one": RunStatus.CANCELLED,
        "shared": RunStatus.RUNNING,
        "two": RunStatus.CANCELLED,
    }
    assert "job-shared-a" not in carried.kind.called_off
    assert await carried.statuses(other) == {"shared": RunStatus.RUNNING}


@pytest.mark.parametrize("dies", [False, True], ids=["in one life", "after a crash in between"])
async def test_a_thousand_rows_are_cancelled(carried: Carried, dies: bool) -> None:
    """Every one of them ends as cancelled, also if the process dies while it tells them."""
    carried.concurrency = 5
    await carried.boot()
    carried.kind.acts["a"] = for_ever
    names = [f"row-{n:04}" for n in range(1000)]
    run_id = await carried.begun(table(step("a")), "step.intended", rows=rows(*names))
    if dies:
        await carried.until("run.cancelling", lambda: carried.engine.cancel(run_id), times=120)
        await carried.boot()
    else:
        await carried.engine.cancel(run_id)
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    assert set((await carried.statuses(run_id)).values()) == {RunStatus.CANCELLED}
    await carried.settled()
    assert carried.engine._dispatcher.room == 5


async def test_a_row_that_cannot_be_read_keeps_no_other_from_being_cancelled(carried: Carried) -> None:
    """The others are told all the same."""
    carried.kind.acts["a"] = wait_for_job
    run_id = await carried.begun(table(step("a")), rows=rows("one", "two", "three"), times=3)
    carried.damage((await carried.children(run_id))["two"].id)
    await carried.engine.cancel(run_id)
    for name in ("one", "three"):
        child = (await carried.children(run_id))[name].id
        assert (await carried.over(child)).status is RunStatus.CANCELLED


# Pause and resume


async def test_a_paused_run_begins_nothing_and_ends_what_it_began(carried: Carried) -> None:
    """What is under way is recorded; the next step waits for `resume`."""
    gate = asyncio.Event()

    async def work(params: AnyParams, ctx: StepContext) -> Done:
        await gate.wait()
        return Done({"value": 1})

    carried.kind.acts["a"] = work
    run_id = await carried.begun(flow(step("a"), step("b", "a")), "step.intended")
    await carried.engine.pause(run_id, reason="Lunch.")
    await carried.engine.pause(run_id)
    gate.set()
    summary = await carried.rest(run_id)
    assert (summary.status, summary.reason, summary.steps_done) == (RunStatus.PAUSED, "Lunch.", 1)
    await carried.boot()
    await carried.settled()
    assert carried.kind.ran == ["a"]
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["a", "b"]
    with pytest.raises(ControlError, match="cannot be resumed"):
        await carried.engine.resume(run_id)
    with pytest.raises(ControlError, match="cannot be paused"):
        await carried.engine.pause(run_id)


async def test_a_job_that_ends_in_a_pause_is_recorded(carried: Carried) -> None:
    """A callback is taken and confirmed; what comes behind it waits."""
    carried.kind.acts["a"] = wait_for_job
    run_id = await carried.begun(flow(step("a"), step("b", "a")))
    await carried.engine.pause(run_id)
    carried.kind.checks = lambda _: Done()
    await carried.until(
        "step.succeeded",
        lambda: carried.engine.callback(run_id, job_id="job-r-a", result="SUCCEED", asset_id="", stale=False),
    )
    await carried.settled()
    assert carried.kind.ran == ["a"]
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_a_paused_table_pauses_its_rows(carried: Carried) -> None:
    """No row begins anything new, and no new row begins; resumed, all go on."""
    gate = asyncio.Event()

    async def work(params: AnyParams, ctx: StepContext) -> Done:
        await gate.wait()
        return Done()

    carried.kind.acts["a"] = work
    pipeline = table(step("a"), step("b", "a"), concurrency_limit=2)
    run_id = await carried.begun(pipeline, "step.intended", rows=rows("one", "two", "three"), times=2)
    await carried.engine.pause(run_id)
    gate.set()
    await carried.settled()
    assert await carried.statuses(run_id) == dict.fromkeys(("one", "two"), RunStatus.PAUSED)
    await carried.boot()
    await carried.settled()
    assert sorted(carried.kind.ran) == ["a", "a"]
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert sorted(carried.kind.ran) == [*"aaa", *"bbb"]


async def test_a_run_that_has_not_begun_may_be_paused(carried: Carried) -> None:
    """It begins when it is resumed."""
    carried.concurrency = 1
    await carried.boot()
    carried.kind.acts["a"] = for_ever
    await carried.begun(flow(step("a")), "step.intended")
    run_id = await carried.submit(flow(step("b")))
    await carried.engine.pause(run_id)
    assert carried.kind.ran == ["a"]
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("retry", [RetryClass.QUOTA, RetryClass.SUPPORT])
async def test_what_a_person_has_to_see_to_pauses_the_run(carried: Carried, retry: RetryClass) -> None:
    """The run says why; resumed, the step is tried anew with all of its attempts."""
    busy = StepError("busy", retry=RetryClass.LATER)
    carried.kind.acts["a"] = failing(StepError("no credit", hint="Buy some.", retry=retry), busy)
    run_id = await carried.submit(flow(step("a")))
    summary = await carried.rest(run_id)
    assert (summary.status, summary.reason) == (RunStatus.PAUSED, "Step a: no credit")
    assert (await carried.state(run_id)).steps[A].status is StepStatus.HELD
    await carried.engine.resume(run_id)
    state = await carried.over(run_id)
    assert state.status is RunStatus.SUCCEEDED
    assert (state.steps[A].attempt, state.steps[A].attempts_before) == (3, 1)
    assert state.reason == ""


async def test_what_runs_beside_a_held_step_ends(carried: Carried) -> None:
    """The pause holds everything but what is under way, and the run rests only then."""
    gate = asyncio.Event()

    async def work(params: AnyParams, ctx: StepContext) -> Done:
        await gate.wait()
        return Done()

    carried.kind.acts |= {"a": failing(QUOTA), "b": work}
    run_id = await carried.begun(flow(step("a"), step("b"), step("c", "b")), "run.paused")
    resting = asyncio.ensure_future(carried.rest(run_id))
    await asyncio.sleep(0)
    assert not resting.done()
    gate.set()
    assert (await resting).steps_done == 1
    assert sorted(carried.kind.ran) == ["a", "b"]


async def test_a_held_row_gives_its_place_to_the_next(carried: Carried) -> None:
    """The other rows are done; the table rests with the held one, and goes on with it."""
    carried.kind.acts["a"] = failing(QUOTA)
    run_id = await carried.submit(table(step("a"), concurrency_limit=1), rows=rows("one", "two", "three"))
    summary = await carried.rest(run_id)
    assert (summary.status, summary.children_succeeded, summary.children_paused) == (RunStatus.RUNNING, 2, 1)
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


# Retry


async def test_retry_goes_on_from_the_failed_step(carried: Carried) -> None:
    """What was done before stays done; only failed and paused runs can be retried."""
    carried.kind.acts["b"] = failing(StepError("no"))
    run_id = await carried.submit(flow(step("a"), step("b", "a"), finally_=(step("z"),)))
    await carried.over(run_id)
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["a", "b", "z", "b", "z"]
    with pytest.raises(ControlError, match="succeeded and cannot be retried"):
        await carried.engine.retry(run_id)


async def test_retrying_a_table_takes_up_its_failed_rows_within_its_limit(carried: Carried) -> None:
    """Only those, in order, and no more at once than `concurrency.limit`."""
    under_way = most = 0
    fails = True

    async def odd(params: AnyParams, ctx: StepContext) -> Done:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        if fails and int(params.value) % 2:
            raise StepError("odd")
        return Done()

    carried.kind.acts["a"] = odd
    names = [str(n) for n in range(40)]
    pipeline = table(step("a", value="${{ inputs.n }}"), concurrency_limit=3)
    run_id = await carried.submit(pipeline, rows=rows(*names))
    assert (await carried.over(run_id)).status is RunStatus.FAILED
    fails, most = False, 0
    carried.kind.ran.clear()
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert sorted(carried.kind.ran) == sorted(f"a:{n}" for n in names if int(n) % 2)
    assert most <= 3


async def test_one_row_may_be_retried_alone(carried: Carried) -> None:
    """Its table, which had failed with it, counts it."""
    carried.kind.acts["a"] = failing(StepError("no"), StepError("no"))
    pipeline = table(step("a", value="${{ inputs.n }}"))
    run_id = await carried.submit(pipeline, rows=rows("one", "two", "three"))
    await carried.over(run_id)
    failed = [run for run in (await carried.children(run_id)).values() if run.status is RunStatus.FAILED]
    carried.kind.ran.clear()
    await carried.engine.retry(failed[0].id)
    assert (await carried.over(failed[0].id)).status is RunStatus.SUCCEEDED
    await carried.settled()
    summary = await carried.store.summary(run_id)
    assert summary is not None
    assert (summary.status, summary.children_succeeded, summary.children_failed) == (RunStatus.FAILED, 2, 1)
    assert carried.kind.ran == [f"a:{failed[0].name}"]


async def test_retry_takes_up_failed_and_held_rows_of_a_table_that_rests(carried: Carried) -> None:
    """A table whose other rows are held is not over, and still its failed rows can be retried."""
    carried.kind.acts["a"] = failing(StepError("no"), QUOTA)
    run_id = await carried.submit(table(step("a"), concurrency_limit=1), rows=rows("one", "two", "three"))
    summary = await carried.rest(run_id)
    assert (summary.children_failed, summary.children_paused) == (1, 1)
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_a_table_that_is_asked_for_again_goes_on_with_its_rows(carried: Carried) -> None:
    """A process that carries nothing else takes up the rows that an earlier one had begun."""
    carried.kind.acts["a"] = for_ever
    asked = table(step("a")), rows("one", "two")
    run_id = await carried.begun(asked[0], "step.intended", rows=asked[1], times=2)
    carried.kind.acts.clear()
    await carried.boot(everything=False)
    assert await carried.submit(asked[0], asked[1]) == run_id
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_a_table_with_held_rows_that_is_asked_for_again_tries_them(carried: Carried) -> None:
    """Asking again is what a person does once the cause is seen to."""
    carried.kind.acts["a"] = failing(QUOTA)
    asked = table(step("a")), rows("one", "two")
    run_id = await carried.submit(asked[0], asked[1])
    await carried.rest(run_id)
    assert await carried.submit(asked[0], asked[1]) == run_id
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_a_row_that_cannot_be_read_does_not_stop_a_retry(carried: Carried) -> None:
    """The others go on."""
    carried.kind.acts["a"] = failing(*(StepError("no") for _ in range(3)))
    run_id = await carried.submit(table(step("a")), rows=rows("one", "two", "three"))
    await carried.over(run_id)
    carried.damage((await carried.children(run_id))["two"].id)
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.FAILED
    summary = await carried.store.summary(run_id)
    assert summary is not None
    assert (summary.children_succeeded, summary.children_failed) == (2, 1)


# Approve


def with_approval(**more: Any) -> Any:
    return flow(step("a"), step("ok", "a", uses="approve", **more), step("b", "ok"))


async def test_an_approval_lets_the_run_go_on(carried: Carried) -> None:
    """It names who gave it; after a restart too, and only once."""
    run_id = await carried.begun(with_approval())
    await carried.boot()
    await carried.engine.approve(run_id, by="Ann", comment="fine")
    state = await carried.over(run_id)
    assert state.status is RunStatus.SUCCEEDED
    assert state.steps[StepId("ok")].outputs == {"by": "Ann", "comment": "fine"}
    with pytest.raises(ControlError, match="nothing to approve"):
        await carried.engine.approve(run_id)


async def test_a_rejection_fails_the_run(carried: Carried) -> None:
    """With the words of whoever rejected it."""
    run_id = await carried.begun(with_approval())
    await carried.engine.approve(run_id, StepId("ok"), approved=False, by="Ann", comment="too loud")
    state = await carried.over(run_id)
    assert state.error is not None
    assert state.error.message == "Step ok: Rejected by Ann: too loud"
    assert carried.kind.ran == ["a"]


async def test_the_step_has_to_be_named_where_several_wait(carried: Carried) -> None:
    """A wrong name, or none, is told with those that wait."""
    pipeline = flow(step("one", uses="approve"), step("two", uses="approve"), step("a"))
    run_id = await carried.begun(pipeline, times=2)
    for wrong in (None, A, StepId("nobody")):
        with pytest.raises(ControlError, match="nothing to approve") as caught:
            await carried.engine.approve(run_id, wrong)
        assert caught.value.hint == "Name one of: one, two."
    await carried.engine.approve(run_id, StepId("one"))
    await carried.engine.approve(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_nobody_approves_in_time(carried: Carried) -> None:
    """The step's timeout ends the wait."""
    run_id = await carried.begun(with_approval(timeout_s=0.02))
    state = await carried.over(run_id)
    assert state.error is not None
    assert state.error.code == "TIMEOUT"


async def test_a_wait_for_approval_may_be_cancelled(carried: Carried) -> None:
    """Nothing has to be called off for it."""
    run_id = await carried.begun(with_approval())
    await carried.engine.cancel(run_id)
    state = await carried.over(run_id)
    assert state.steps[StepId("ok")].status is StepStatus.CANCELLED


async def test_a_paused_run_takes_an_approval(carried: Carried) -> None:
    """It counts; what comes behind it waits for `resume`."""
    run_id = await carried.begun(with_approval())
    await carried.engine.pause(run_id)
    await carried.engine.approve(run_id)
    await carried.settled()
    assert carried.kind.ran == ["a"]
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


# Thousands of rows that are done


@pytest.mark.parametrize("limit", [None, 2])
async def test_a_finished_table_that_is_asked_for_again_reads_no_row(
    carried: Carried, limit: int | None
) -> None:
    """Where no step leaves a file, nothing can be missing."""
    carried.kind.leaves = None  # type: ignore[misc] # of this kind alone
    asked = table(step("a"), concurrency_limit=limit), rows(*map(str, range(50)))
    run_id = await carried.submit(*asked)
    await carried.over(run_id)
    await carried.boot(everything=False)
    before = await carried.types(run_id)
    store: Any = carried.store
    store._journals = {run_id: store._journals[run_id]}
    assert await carried.submit(*asked) == run_id
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert await carried.types(run_id) == before


async def test_a_damaged_row_does_not_keep_files_from_being_fetched(carried: Carried, tmp_path: Path) -> None:
    """The others' files are looked for, and what is missing is fetched."""

    async def save(params: AnyParams, ctx: StepContext) -> Done:
        target = tmp_path / ctx.run_name
        target.write_text("film")
        return Done({"path": str(target)})

    carried.kind.acts["a"] = save
    asked = table(step("a")), rows("x", "y", "z")
    run_id = await carried.submit(*asked, out=str(tmp_path))
    await carried.over(run_id)
    (tmp_path / "x").unlink()
    carried.damage((await carried.children(run_id))["z"].id)
    assert await carried.submit(*asked, out=str(tmp_path)) == run_id
    await carried.over(run_id)
    assert (tmp_path / "x").is_file()


async def test_what_a_person_has_paused_stays_so_for_others_who_share_it(carried: Carried) -> None:
    """Another table with the same row waits for it; once it goes on, both come to their ends."""
    gate = asyncio.Event()

    async def work(params: AnyParams, ctx: StepContext) -> Done:
        await gate.wait()
        return Done()

    carried.kind.acts["a"] = work
    pipeline = table(step("a"), step("b", "a"))
    first = await carried.begun(pipeline, "step.intended", rows=rows("one"))
    await carried.engine.pause(first)
    gate.set()
    await carried.settled()
    second = await carried.submit(pipeline, rows=rows("one", "two"))
    await carried.settled()
    assert carried.kind.ran == ["a", "a", "b"]
    assert await carried.statuses(first) == {"one": RunStatus.PAUSED}
    await carried.engine.resume(first)
    for run_id in (first, second):
        assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["a", "a", "b", "b"]


async def test_a_run_whose_definition_is_lost_stops_no_other(carried: Carried) -> None:
    """It is told to whoever waits for it; the engine goes on."""
    gone = await carried.begun(flow(step("w", uses="approve")))
    cast("Any", carried.store)._definitions.clear()
    await carried.boot()
    with pytest.raises(DefinitionLostError, match="Restore the state"):
        await carried.engine.pause(gone)
    assert (await carried.over(await carried.submit(flow(step("b"))))).status is RunStatus.SUCCEEDED
