"""`sleep`: let time pass."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from orchestrator.steps.base import Done, Parameters, StepContext, StepKind, Waiting

#: What is waited for, as people are shown it.
_UNTIL: Final = "until "


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
        until = ctx.now + timedelta(seconds=params.seconds)
        return Waiting(_UNTIL + until.isoformat(), check_after_s=params.seconds, poll=False)

    async def check(self, params: SleepParams, ctx: StepContext, correlation: str) -> Done | None:
        """Asked when the time has passed, or the step's `timeout`, if that is shorter."""
        return None if ctx.now < datetime.fromisoformat(correlation.removeprefix(_UNTIL)) else Done()
