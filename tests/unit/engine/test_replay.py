"""A replay: a new run with another definition or other inputs, which keeps what is still valid of the old one."""

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import InputSpec, Pipeline
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.control import ControlError
from orchestrator.errors import RetryClass
from orchestrator.metastudio.errors import AnswerLost, ApiError, Executed
from orchestrator.steps.base import Done, GoesOn, StepContext, StepError
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

A, B, C = map(StepId, "abc")
IN = {"n": InputSpec(type="integer"), "text": InputSpec()}


def chain(**more: Any) -> Pipeline:
    return flow(
        step("a", value="${{ inputs.n }}"),
        step("b", value="${{ inputs.text }}"),
        step("c", "a", "b", value="${{ steps.a.value }} ${{ steps.b.value }}"),
        inputs=IN,
        outputs={"said": "${{ steps.c.value }}"},
        **more,
    )


async def made(carried: Carried, pipeline: Pipeline | None = None, **inputs: Any) -> RunId:
    run_id = await carried.submit(pipeline or chain(), inputs={"n": 1, "text": "one", **inputs})
    await carried.over(run_id)
    carried.kind.ran.clear()
    return run_id


async def test_other_inputs_make_anew_what_uses_them(carried: Carried) -> None:
    """The rest is kept; the old run is untouched, and the new one names it."""
    old = await made(carried)
    before = await carried.store.journal(old)
    new = await carried.engine.replay(old, inputs={"text": "two"})
    state = await carried.over(new)
    assert carried.kind.ran == ["b:two", "c:1 two"]
    assert (state.outputs, state.replays, state.steps[A].attempt) == ({"said": "1 two"}, old, 0)
    assert await carried.store.journal(old) == before
    reused = [event.body for event in await carried.store.journal(new) if event.body.TYPE == "step.reused"]
    assert [(body.step, body.run) for body in reused] == [(A, old)]  # type: ignore[union-attr] # told by their type


async def test_the_same_again_keeps_everything(carried: Carried) -> None:
    """Nothing is done twice."""
    old = await made(carried)
    state = await carried.over(await carried.engine.replay(old))
    assert state.outputs == {"said": "1 one"}
    assert carried.kind.ran == []


async def test_a_mended_definition_keeps_what_it_does_not_change(carried: Carried) -> None:
    """A step that was changed, and those behind it, are done anew; new ones are done, old ones are gone."""
    carried.kind.acts["c"] = failing(StepError("a typo"))
    old = await made(carried)
    assert (await carried.state(old)).status is RunStatus.FAILED
    mended = flow(
        step("a", value="${{ inputs.n }}"),
        step("b", value="${{ inputs.text }}!"),
        step("d", "a", value="new"),
        inputs=IN,
        outputs={"said": "${{ steps.b.value }}"},
    )
    state = await carried.over(await carried.engine.replay(old, pipeline=mended))
    assert sorted(carried.kind.ran) == ["b:one!", "d:new"]
    assert state.outputs == {"said": "one!"}
    assert state.definition == mended.hash


async def test_everything_from_a_step_on_is_made_anew(carried: Carried) -> None:
    """That step and those behind it, whatever they were given."""
    old = await made(carried)
    await carried.over(await carried.engine.replay(old, first=A))
    assert carried.kind.ran == ["a:1", "c:1 one"]


async def test_what_looks_for_its_own_run_is_not_taken_for_the_old_ones(carried: Carried) -> None:
    """What the new run creates bears the new run's key."""
    old = await made(carried)
    key = carried.kind.keys["b"]
    await carried.over(await carried.engine.replay(old, first=B))
    assert carried.kind.keys["b"] != key


async def test_the_runs_own_id_is_no_reason_to_make_a_thing_anew(carried: Carried) -> None:
    """What is named after the old run is kept with it."""
    old = await made(carried, flow(step("a", value="${{ run.id }}"), step("b", value="${{ run.name }}")))
    await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == []


async def test_a_file_that_changed_makes_its_step_anew(carried: Carried, tmp_path: Path) -> None:
    """By its time; one that is as it was is not looked into."""
    (tmp_path / "a.jpg").write_text("a")
    (tmp_path / "b.jpg").write_text("b")
    for name in ("a.jpg", "b.jpg"):
        os.utime(tmp_path / name, (1, 1))
    old = await made(
        carried, flow(step("a", value="a.jpg"), step("b", value=["b.jpg"]), folder=str(tmp_path))
    )
    (tmp_path / "b.jpg").write_text("other")
    os.utime(tmp_path / "b.jpg", (4e9, 4e9))
    await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == ["b:['b.jpg']"]


async def test_an_input_file_that_is_gone_is_told(carried: Carried, tmp_path: Path) -> None:
    """Before anything is begun."""
    picture = tmp_path / "cup.jpg"
    picture.write_text("cup")
    pipeline = flow(step("a", value="${{ inputs.image }}"), inputs={"image": InputSpec(type="file")})
    run_id = await carried.submit(pipeline, inputs={"image": str(picture)})
    await carried.over(run_id)
    picture.unlink()
    with pytest.raises(ControlError, match="cannot be read"):
        await carried.engine.replay(run_id)


async def test_a_file_that_a_step_left_has_to_be_there(carried: Carried, tmp_path: Path) -> None:
    """Else the step is done anew."""

    async def save(params: AnyParams, ctx: StepContext) -> Done:
        (tmp_path / "film.mp4").write_text("film")
        return Done({"path": str(tmp_path / "film.mp4")})

    carried.kind.acts["a"] = save
    old = await made(carried, flow(step("a")))
    await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == []
    (tmp_path / "film.mp4").unlink()
    await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == ["a"]


async def test_items_are_kept_together(carried: Carried) -> None:
    """The same list with the same parameters is kept as a whole; another one is gone through anew."""

    def items(what: str) -> Pipeline:
        each = step("a", value="${{ item ~ inputs.text }}", foreach="${{ inputs.list }}")
        return flow(
            each,
            step("b", "a", value="${{ steps.a.total }}"),
            inputs={"list": InputSpec(), **IN},
            description=what,
        )

    old = await made(carried, items("x"), list=[1, 2])
    await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == []
    await carried.over(await carried.engine.replay(old, inputs={"list": [1, 3]}))
    assert sorted(carried.kind.ran) == ["a:1one", "a:3one", "b:2"]


async def test_a_row_is_replayed_alone(carried: Carried) -> None:
    """With its columns; its table is left as it is."""
    carried.kind.acts["b"] = failing(StepError("no"))
    pipeline = table(step("a", value="${{ row.n }}"), step("b", "a", value="${{ row.n }}"))
    run_id = await carried.submit(pipeline, rows("x"))
    await carried.over(run_id)
    row = (await carried.children(run_id))["x"]
    carried.kind.ran.clear()
    state = await carried.over(await carried.engine.replay(row.id))
    assert (state.status, state.name, state.row) == (RunStatus.SUCCEEDED, "x", {"n": "x"})
    assert carried.kind.ran == ["b:x"]
    assert (await carried.state(run_id)).status is RunStatus.FAILED


async def test_a_replay_of_a_replay(carried: Carried) -> None:
    """What was kept once can be kept again."""
    old = await made(carried)
    second = await carried.engine.replay(old, inputs={"text": "two"})
    await carried.over(second)
    carried.kind.ran.clear()
    third = await carried.engine.replay(second, inputs={"text": "three"})
    assert (await carried.over(third)).outputs == {"said": "1 three"}
    assert carried.kind.ran == ["b:three", "c:1 three"]


async def test_a_replay_that_is_interrupted_goes_on(carried: Carried) -> None:
    """What it keeps was written down with its beginning."""
    old = await made(carried)
    carried.kind.acts["b"] = for_ever
    new = RunId("")

    async def replay() -> None:
        nonlocal new
        new = await carried.engine.replay(old, inputs={"text": "two"})

    await carried.until("step.intended", replay)
    carried.kind.acts.clear()
    await carried.boot()
    assert (await carried.over(new)).status is RunStatus.SUCCEEDED
    assert "a:1" not in carried.kind.ran


async def test_a_job_that_was_called_off_is_not_kept(carried: Carried) -> None:
    """Of a cancelled run, what made it is done anew."""

    async def make(params: AnyParams, ctx: StepContext) -> Done:
        return Done({"job": "job-r-b"})

    carried.kind.acts |= {"a": make, "b": wait_for_job}
    old = await carried.begun(flow(step("s"), step("a", "s"), step("b", "a", value="${{ steps.a.job }}")))
    await carried.engine.cancel(old)
    await carried.over(old)
    carried.kind.ran.clear()
    carried.kind.acts.pop("b")
    state = await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == ["a", "b:job-r-b"]
    assert state.steps[A].status is StepStatus.SUCCEEDED


async def test_a_job_that_could_not_be_called_off_is_kept(carried: Carried) -> None:
    """It is made all the same, and paid for."""

    async def make(params: AnyParams, ctx: StepContext) -> Done:
        return Done({"job": "job-r-b"})

    async def too_late(_: str) -> str:
        return GoesOn("It has begun.")

    carried.kind.acts |= {"a": make, "b": wait_for_job}
    carried.kind.calling_off = too_late
    old = await carried.begun(flow(step("a"), step("b", "a", value="${{ steps.a.job }}")))
    await carried.engine.cancel(old)
    await carried.over(old)
    carried.kind.ran.clear()
    carried.kind.acts.pop("b")
    await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == ["b:job-r-b"]


async def test_a_job_that_failed_is_not_kept(carried: Carried) -> None:
    """Waiting for it once more helps nobody."""

    async def make(params: AnyParams, ctx: StepContext) -> Done:
        return Done({"job": "job-r-b"})

    def fail(_: str) -> Done:
        raise StepError("It ended as FAILED.")

    carried.kind.acts |= {"a": make, "b": wait_for_job}
    carried.kind.checks = fail
    old = await carried.begun(flow(step("a"), step("b", "a", value="${{ steps.a.job }}")))
    await carried.engine.callback(old, job_id="job-r-b", result="FAILED", asset_id="", stale=False)
    assert (await carried.over(old)).status is RunStatus.FAILED
    carried.kind.ran.clear()
    carried.kind.acts.pop("b")
    await carried.over(await carried.engine.replay(old))
    assert carried.kind.ran == ["a", "b:job-r-b"]


async def test_what_makes_no_sense_is_refused(carried: Carried) -> None:
    """With words, and without a new run."""
    old = await made(carried)
    replay = carried.engine.replay
    with pytest.raises(ControlError, match="no input 'txt'") as caught:
        await replay(old, inputs={"txt": 1})
    assert "text" in caught.value.hint
    with pytest.raises(ControlError, match="no step 'd'"):
        await replay(old, first=StepId("d"))
    carried.kind.acts["a"] = wait_for_job
    waiting = await carried.begun(flow(step("a")))
    with pytest.raises(ControlError, match="is running"):
        await replay(waiting)
    tabled = await carried.submit(table(step("b")), rows("x"))
    await carried.over(tabled)
    with pytest.raises(ControlError, match="is a table's"):
        await replay(tabled)


async def test_what_nobody_knows_of_is_not_made_twice(carried: Carried) -> None:
    """A request whose fate is open has to be looked for first."""

    async def lose(params: AnyParams, ctx: StepContext) -> Done:
        await ctx.sent()
        raise AnswerLost("lost", operation="create", executed=Executed.UNKNOWN)

    def refuse() -> None:
        raise ApiError(status=403, code="MSS.1", retry=RetryClass.NEVER)

    carried.kind.acts["a"], carried.kind.finds = lose, refuse
    run_id = await carried.submit(flow(step("a")))
    await carried.rest(run_id)
    await carried.engine.cancel(run_id)
    assert (await carried.over(run_id)).status is RunStatus.CANCELLED
    with pytest.raises(ControlError, match="Nobody knows what step a"):
        await carried.engine.replay(run_id)
