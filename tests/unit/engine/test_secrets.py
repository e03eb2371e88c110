"""Secrets in an engine: a step has the value, the journal has the name."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import InputSpec, Pipeline, Step
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.domain.secrets import marked, placeholder
from orchestrator.errors import RetryClass
from orchestrator.server.row_results import ending
from orchestrator.server.state_reads import StateReads
from orchestrator.steps.base import Done, Found, StepContext, StepError, Waiting
from orchestrator.store.sqlite import SqliteStore
from tests.unit.engine.carried import AnyParams, Carried, flow, step

VALUE = "s3cret/välue&more"
SECRET = InputSpec("secret")
GIVEN = {"token": placeholder("token")}
TOKEN = "Bearer ${{ inputs.token }}"


@pytest.fixture
async def carried(tmp_path: Path) -> AsyncIterator[Carried]:
    """An engine that has one secret, and a state on the disk."""
    store = await SqliteStore(tmp_path / "state.db").open()
    one = Carried(store)
    one.secrets["token"] = VALUE
    await one.boot()
    yield one
    await one.end()
    await store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"step.intended" in content
    for spelling in (VALUE, "s3cret", "%C3%A4lue"):
        assert spelling.encode() not in content


def secretive(*steps: Step, **more: Any) -> Pipeline:
    return flow(*steps, inputs={"token": SECRET}, **more)


async def test_a_step_has_the_value_and_its_outputs_the_name(carried: Carried) -> None:
    """Deep in its parameters; what it hands back is masked."""
    pipeline = secretive(step("a", value={"headers": [TOKEN]}), step("b", "a", value="${{ steps.a.value }}"))
    state = await carried.over(await carried.submit(pipeline, inputs=GIVEN))
    assert state.status is RunStatus.SUCCEEDED
    assert carried.kind.ran[0] == f"a:{{'headers': ['Bearer {VALUE}']}}"
    assert state.steps[StepId("a")].outputs == {"value": {"headers": ["Bearer «token»"]}}
    assert carried.kind.ran[1] == "b:{'headers': ['Bearer «token»']}"


async def test_errors_have_the_name(carried: Carried, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a step says of what it was given; a defect too."""

    async def refuse(params: AnyParams, ctx: StepContext) -> Done:
        raise StepError(f"{params.value} is wrong", hint=f"not {params.value}")

    async def break_down(params: AnyParams, ctx: StepContext) -> Done:
        raise RuntimeError(params.value)

    carried.kind.acts = {"a": refuse, "b": break_down}
    for name in ("a", "b"):
        state = await carried.over(await carried.submit(secretive(step(name, value=TOKEN)), inputs=GIVEN))
        assert state.status is RunStatus.FAILED
        assert VALUE not in repr(state)
    refused = await carried.over(await carried.submit(secretive(step("a", value=TOKEN)), inputs=GIVEN))
    assert "Bearer «token» is wrong" in repr(refused.error)


async def test_facts_correlations_and_what_was_found_have_the_name(carried: Carried) -> None:
    """Everything that is written down passes the same place."""

    async def noted(params: AnyParams, ctx: StepContext) -> Waiting:
        await ctx.note({"made": params.value})
        return Waiting(f"job {params.value}", check_after_s=0.001, poll=False)

    async def lost(params: AnyParams, ctx: StepContext) -> Done:
        await ctx.sent()
        raise StepError(f"no answer about {params.value}", retry=RetryClass.LATER)

    carried.kind.acts = {"a": noted, "b": lost}
    carried.kind.checks = lambda correlation: Done({"value": f"{correlation} {VALUE}"})
    carried.kind.finds = lambda: Found({"value": f"found {VALUE}"})
    state = await carried.over(
        await carried.submit(secretive(step("a", value=TOKEN), step("b", value=TOKEN)), inputs=GIVEN)
    )
    assert state.status is RunStatus.SUCCEEDED
    assert state.steps[StepId("a")].facts == {"made": "Bearer «token»"}
    assert state.steps[StepId("a")].outputs == {"value": "job Bearer «token» «token»"}
    assert state.steps[StepId("b")].outputs == {"value": "found «token»"}


async def test_items_and_inner_pipelines_have_it_too(carried: Carried) -> None:
    """Each run of its own journals the name, and puts the value in itself."""
    inner = Pipeline("inner", inputs={"key": SECRET}, steps=(step("use", value="${{ inputs.key }}!"),))
    call = Step(
        StepId("call"),
        "pipeline.run",
        {"file": "inner.yaml", "inputs": {"key": "${{ inputs.token }}"}},
        pipeline=inner,
    )
    each = step("each", value=[TOKEN, "${{ item }}"], foreach=[1, 2])
    state = await carried.over(await carried.submit(secretive(each, call), inputs=GIVEN))
    assert state.error is None
    assert state.status is RunStatus.SUCCEEDED
    assert sorted(carried.kind.ran) == [
        f"each:['Bearer {VALUE}', 1]",
        f"each:['Bearer {VALUE}', 2]",
        f"use:{VALUE}!",
    ]


async def test_a_run_uses_only_the_secrets_that_it_names(carried: Carried) -> None:
    """A mark in a definition or in an answer stands for nothing of itself."""
    carried.secrets["admin"] = "the other one"
    pipeline = secretive(step("a", value=f"{placeholder('admin')}"))
    summary = await carried.rest(await carried.submit(pipeline, inputs=GIVEN))
    assert "The secret 'admin' is not set" in repr(summary)
    unaware = await carried.over(await carried.submit(flow(step("b", value=placeholder("admin")))))
    assert unaware.steps[StepId("b")].outputs == {"value": placeholder("admin")}
    assert not any("the other one" in ran for ran in carried.kind.ran)


async def test_a_run_waits_for_a_secret_that_is_gone(carried: Carried) -> None:
    """It is paused where it needs it, and goes on in a process that has it."""
    values: Mapping[str, str] = dict(carried.secrets)
    carried.secrets.clear()
    run_id = await carried.submit(secretive(step("a", value=TOKEN)), inputs=GIVEN)
    summary = await carried.rest(run_id)
    assert summary.status is RunStatus.PAUSED
    assert (await carried.state(run_id)).steps[StepId("a")].status is StepStatus.HELD
    carried.secrets.update(values)
    await carried.boot()
    await carried.engine.resume(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == [f"a:Bearer {VALUE}"]


async def test_outputs_of_a_run_are_displayed_with_the_name(carried: Carried) -> None:
    """In details, journals and results; the state keeps what stands for the value."""
    pipeline = secretive(step("a"), outputs={"whole": "${{ inputs.token }}", "joined": [TOKEN]})
    run_id = await carried.submit(pipeline, inputs=GIVEN)
    state = await carried.over(run_id)
    assert state.outputs["whole"] == placeholder("token")
    reads = StateReads(carried.store)
    detail, summary = await reads.run(run_id), await carried.store.summary(run_id)
    assert detail is not None
    assert summary is not None
    told = {"whole": "«token»", "joined": ["Bearer «token»"]}
    assert detail.outputs == (await ending(carried.store, summary))[0] == told
    assert detail.inputs == {"token": "«token»"}
    assert not marked([event.payload for event in await reads.events(run_id, 0)])
