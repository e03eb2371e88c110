"""`approve`: wait for somebody's word."""

from pydantic import Field

from orchestrator.steps.base import Parameters, StepContext, StepKind, Waiting


class ApproveParams(Parameters):
    message: str = Field(default="", max_length=2000, description="what the approver has to know")


class Approve(StepKind[ApproveParams]):
    """Given by `orchestrator runs approve`, the REST API or the dashboard; a rejection fails the step."""

    name = "approve"
    summary = "Wait until somebody approves"
    params = ApproveParams
    outputs = frozenset({"by", "comment"})

    async def act(self, params: ApproveParams, ctx: StepContext) -> Waiting:
        """Costs a row, not a task; `timeout` bounds the wait."""
        del params, ctx
        return Waiting("approval", poll=False)

    async def check(self, params: ApproveParams, ctx: StepContext, correlation: str) -> None:
        """Not given yet: the word itself ends the step."""
        del params, ctx, correlation
