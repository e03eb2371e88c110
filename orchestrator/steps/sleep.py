"""`sleep`: let time pass."""

from pydantic import Field

from orchestrator.steps.base import Done, Parameters, StepContext, StepKind, Waiting


class SleepParams(Parameters):
    seconds: float = Field(ge=0, le=31_536_000, description="how long")


class Sleep(StepKind[SleepParams]):
    """Costs a row, not a task; survives restarts."""

    name = "sleep"
    summary = "Wait for some time"
    params = SleepParams
    outputs = frozenset()

    async def act(self, params: SleepParams, ctx: StepContext) -> Waiting:
        """Nothing to do but to note when it ends."""
        del ctx
        return Waiting("sleep", check_after_s=params.seconds, poll=False)

    async def check(self, params: SleepParams, ctx: StepContext, correlation: str) -> Done:
        """Called when the time has passed."""
        del params, ctx, correlation
        return Done()
