"""`pipeline.run`: a step that is done by a run of another pipeline."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import GroupSpec, InputSpec, Pipeline, Step
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.domain.secrets import placeholder
from orchestrator.engine.control import ControlError
from orchestrator.engine.run_keys import RunKeys
from orchestrator.errors import RetryClass
from orchestrator.steps.base import StepError
from orchestrator.store.base import RunFilter, Summary
from tests.unit.engine.carried import Carried, failing, flow, step, wait_for_job

PART = StepId("part")
QUOTA = StepError("no credit", retry=RetryClass.QUOTA)


def inner(*steps: Step, **more: Any) -> Pipeline:
    """A pipeline that says what it was told, and whatever else its steps do."""
    said = step("say", value="${{ inputs.what }} in ${{ run.name }}")
    inputs = {"what": InputSpec(), **more.pop("inputs", {})}
    outputs = more.pop("outputs", {"said": "${{ steps.say.value }}"})
    return Pipeline("inner", inputs=inputs, steps=(said, *steps), outputs=outputs, **more)


def part(pipeline: Pipeline, inputs: Mapping[str, Any] | None = None, *needs: str, **more: Any) -> Step:
    """The step that runs it."""
    given = {"what": "hello"} if inputs is None else inputs
    ran = step("part", *needs, uses="pipeline.run", **more)
    return replace(ran, with_={"file": "inner.yaml", "inputs": given}, pipeline=pipeline)


async def sub_run(carried: Carried, run_id: RunId) -> Summary:
    """The run that the step waits for, or did."""
    correlation = (await carried.state(run_id)).steps[PART].correlation
    assert correlation is not None
    summary = await carried.store.summary(RunId(correlation))
    assert summary is not None
    return summary


async def done(carried: Carried, pipeline: Pipeline, **more: Any) -> RunState:
    return await carried.over(await carried.submit(pipeline, **more))


async def test_its_outputs_are_those_of_the_pipeline(carried: Carried) -> None:
    """It has a run of its own with the caller's name before its own, and gets what the caller works out for it."""
    caller = flow(
        step("first", value="hi"),
        part(inner(), {"what": "${{ steps.first.value }}"}, "first"),
        step("last", "part", value="${{ steps.part.said }}!"),
    )
    state = await done(carried, caller)
    assert state.steps[StepId("last")].outputs == {"value": "hi in r/part!"}
    below = await sub_run(carried, state.id)
    assert (below.name, below.pipeline, below.parent, below.status) == (
        "r/part",
        "inner",
        state.id,
        RunStatus.SUCCEEDED,
    )


async def test_inputs_that_do_not_fit_fail_the_step(carried: Carried) -> None:
    """All of them are told, and nothing of the pipeline is begun."""
    sub = inner(inputs={"number": InputSpec("integer"), "more": InputSpec()})
    state = await done(carried, flow(part(sub, {"what": "x", "number": "many", "wht": "?"})))
    error = state.steps[PART].error
    assert error is not None
    assert error.code == "PARAMETERS"
    assert all(word in error.message for word in ("number", "more", "wht"))
    assert len(await carried.store.summaries(RunFilter())) == 1


async def test_files_are_found_beside_each_definition(carried: Carried, tmp_path: Path) -> None:
    """A default beside the pipeline that has it, a literal beside the caller; absolute ones pass from run to run."""
    below = tmp_path / "below"
    below.mkdir()
    for path in (tmp_path / "mine.txt", below / "own.txt", tmp_path.parent / "given.txt"):
        path.write_text("x", "utf-8")
    inputs = {
        "own": InputSpec("file", default="own.txt"),
        "mine": InputSpec("file"),
        "given": InputSpec("file"),
    }
    sub = Pipeline(
        "inner",
        inputs=inputs,
        steps=(step("say", value=["${{ inputs.own }}", "${{ inputs.mine }}", "${{ inputs.given }}"]),),
        outputs={"all": "${{ steps.say.value }}"},
        folder=str(below),
    )
    with_ = {"mine": "mine.txt", "given": "${{ inputs.given }}"}
    caller = flow(part(sub, with_), inputs={"given": InputSpec("file")}, folder=str(tmp_path))
    given = str(tmp_path.parent / "given.txt")
    state = await done(carried, caller, inputs={"given": given})
    assert state.steps[PART].outputs == {"all": [str(below / "own.txt"), str(tmp_path / "mine.txt"), given]}


async def test_a_failure_is_the_callers_and_retry_goes_on_with_it(carried: Carried) -> None:
    """The caller says which run failed of what; its retry does again only what failed."""
    carried.kind.acts["boom"] = failing(StepError("boom"))
    run_id = await carried.submit(flow(part(inner(step("boom", "say")))))
    state = await carried.over(run_id)
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    below = await sub_run(carried, run_id)
    assert below.id in state.error.message
    assert "boom" in state.error.message
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert (await sub_run(carried, run_id)).id == below.id
    assert [ran.split(":")[0] for ran in carried.kind.ran] == ["say", "boom", "boom"]


async def test_an_interrupted_beginning_is_taken_up(carried: Carried) -> None:
    """A later process finds the run that was begun, and begins no second one."""
    carried.kind.acts["job"] = wait_for_job
    await carried.begun(flow(part(inner(step("job")))), "run.created", times=2)
    await carried.boot()
    await carried.settled()
    below, caller = await carried.store.summaries(RunFilter())
    assert below.parent == caller.id
    assert (await sub_run(carried, caller.id)).id == below.id


async def test_cancel_ends_it_too(carried: Carried) -> None:
    """What it waits for is called off, and the caller is over when it is."""
    carried.kind.acts["job"] = wait_for_job
    run_id = await carried.begun(flow(part(inner(step("job")))), step="part")
    await carried.settled()
    await carried.engine.cancel(run_id)
    state = await carried.over(run_id)
    assert state.status is RunStatus.CANCELLED
    assert state.steps[PART].status is StepStatus.CANCELLED
    assert (await sub_run(carried, run_id)).status is RunStatus.CANCELLED
    assert carried.kind.called_off == ["job-r/part-job"]


async def test_a_retry_begins_a_cancelled_one_anew(carried: Carried) -> None:
    """Its steps are done again, as the failure of its caller has announced."""
    carried.kind.acts["job"] = wait_for_job
    run_id = await carried.begun(flow(part(inner(step("job")))), step="part")
    await carried.settled()
    first = await sub_run(carried, run_id)
    await carried.engine.cancel(first.id)
    state = await carried.over(run_id)
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert "begins it anew" in state.error.hint
    del carried.kind.acts["job"]
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert (await sub_run(carried, run_id)).id != first.id
    assert [ran.split(":")[0] for ran in carried.kind.ran].count("say") == 2


async def test_pause_and_resume_reach_it(carried: Carried) -> None:
    """It pauses with its caller and goes on with it."""
    carried.kind.acts["job"] = wait_for_job
    run_id = await carried.begun(flow(part(inner(step("job"), step("after", "job")))), step="part")
    await carried.settled()
    await carried.engine.pause(run_id, reason="a rest")
    below = await sub_run(carried, run_id)
    assert (below.status, below.reason) == (RunStatus.PAUSED, "a rest")
    await carried.engine.resume(run_id)
    assert (await sub_run(carried, run_id)).status is RunStatus.RUNNING


async def test_a_held_step_in_it_pauses_the_caller(carried: Carried) -> None:
    """Somebody has to see to the cause; resuming the caller resumes it."""
    carried.kind.acts["dear"] = failing(QUOTA)
    run_id = await carried.submit(flow(part(inner(step("dear", "say")))))
    summary = await carried.rest(run_id)
    assert summary.status is RunStatus.PAUSED
    assert "no credit" in summary.reason
    assert (await sub_run(carried, run_id)).id in summary.reason
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_an_approval_in_it_is_given_to_it(carried: Carried) -> None:
    """The caller waits for a run that waits for a word."""
    asks = step("word", uses="approve")
    run_id = await carried.begun(flow(part(inner(asks))), step="word")
    await carried.settled()
    await carried.engine.approve((await sub_run(carried, run_id)).id, by="me")
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_each_item_has_a_run_of_it(carried: Carried) -> None:
    """With `foreach` the pipeline runs once for each item; the results are in their order."""
    sub = part(inner(), {"what": "${{ item }}"}, foreach=["a", "b"])
    state = await done(carried, flow(sub))
    assert state.steps[PART].outputs == {
        "results": [{"said": "a in r/part-1/part"}, {"said": "b in r/part-2/part"}],
        "total": 2,
    }


async def test_out_of_time_it_is_cancelled(carried: Carried) -> None:
    """A step that has waited too long fails, and what it waited for does not go on behind its back."""
    carried.kind.acts["job"] = wait_for_job
    run_id = await carried.begun(flow(part(inner(step("job")), timeout_s=60.0)), step="part")
    await carried.settled()
    carried.ahead_s = 61.0
    carried.engine.poke(run_id)
    state = await carried.over(run_id)
    assert state.error is not None
    assert state.error.code == "TIMEOUT"
    await carried.over((await sub_run(carried, run_id)).id)
    assert (await sub_run(carried, run_id)).status is RunStatus.CANCELLED


async def test_it_is_not_replayed_by_itself(carried: Carried) -> None:
    """Its caller would know nothing of what a replay makes."""
    state = await done(carried, flow(part(inner())))
    with pytest.raises(ControlError, match="is a part of run"):
        await carried.engine.replay((await sub_run(carried, state.id)).id)


async def test_a_replay_keeps_it_unless_it_has_changed(carried: Carried) -> None:
    """Another description is no change; another step is."""
    state = await done(carried, flow(part(inner())))
    same = await carried.engine.replay(state.id, pipeline=flow(part(inner(description="new"))))
    assert "step.reused" in await carried.types(same)
    await carried.over(same)
    other = await carried.engine.replay(state.id, pipeline=flow(part(inner(step("more")))))
    assert "step.reused" not in await carried.types(other)
    await carried.over(other)


def test_a_changed_pipeline_changes_the_runs_that_run_it() -> None:
    """Its steps, and the defaults that they use, count; its description does not."""
    plain = RunKeys(flow(part(inner()))).work
    assert RunKeys(flow(part(inner(description="new")))).work == plain
    assert RunKeys(flow(part(inner(step("more"))))).work != plain
    assert RunKeys(flow(part(inner(inputs={"what": InputSpec(default="x")})))).work != plain


def test_a_run_is_pinned_to_all_of_it() -> None:
    """The definition as data holds the pipelines that it runs."""
    caller = flow(part(inner()))
    assert Pipeline.from_json(caller.to_json()) == caller
    assert caller.hash != flow(part(inner(description="new"))).hash


async def test_it_does_not_queue_behind_its_caller(carried: Carried) -> None:
    """A place that the caller has would never get free: this is refused."""
    group = GroupSpec("live", 1)
    state = await done(carried, flow(part(inner(group=group)), group=group))
    assert state.error is not None
    assert "concurrency group 'live'" in state.error.message


async def test_a_secret_is_handed_on_by_its_name(carried: Carried) -> None:
    """The sub-run has the name in its inputs, as its caller has; another input takes no secret."""
    secret = placeholder("token")
    told = inner(inputs={"token": InputSpec("secret")})
    caller = flow(
        part(told, {"what": "x", "token": "${{ inputs.token }}"}), inputs={"token": InputSpec("secret")}
    )
    state = await done(carried, caller, inputs={"token": secret})
    assert state.status is RunStatus.SUCCEEDED
    assert (await carried.state((await sub_run(carried, state.id)).id)).inputs["token"] == secret
    loose = flow(part(inner(), {"what": "${{ inputs.token }}"}), inputs={"token": InputSpec("secret")})
    state = await done(carried, loose, inputs={"token": secret})
    assert state.error is not None
    assert "type secret" in state.error.message
