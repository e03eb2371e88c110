"""`pipeline.run`: another pipeline as a step."""

from typing import Any

from pydantic import Field

from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind, SubRun, Waiting

#: Between two looks at a sub-run whose end has not been told.
_CHECK_S = 30.0


class PipelineRunParams(Parameters):
    file: str = Field(
        min_length=1, description="the pipeline, relative to the file that this stands in; no expression"
    )
    inputs: dict[str, Any] = Field(default_factory=dict, description="its inputs, by their names")


class PipelineRun(StepKind[PipelineRunParams]):
    """The file is read, checked and pinned when the calling definition is; its `outputs` are the step's."""

    name = "pipeline.run"
    summary = "Run another pipeline"
    params = PipelineRunParams
    outputs = frozenset()

    async def act(self, params: PipelineRunParams, ctx: StepContext) -> Waiting:
        """The run that an interrupted attempt has begun is taken up, and one that failed goes on."""
        return Waiting(await _sub_run(ctx).begin(params.inputs), check_after_s=_CHECK_S, poll=False)

    async def check(self, params: PipelineRunParams, ctx: StepContext, correlation: str) -> Done | None:
        """Over once that run is."""
        del params
        return await _sub_run(ctx).look(correlation)


def _sub_run(ctx: StepContext) -> SubRun:
    if ctx.sub_run is None:
        raise StepError(
            f"The step {ctx.step_id} has no pipeline to run.",
            hint="Start the run again from its definition file.",
        )
    return ctx.sub_run
