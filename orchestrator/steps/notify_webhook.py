"""`notify.webhook`: tell another system."""

from typing import Any

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind


class NotifyWebhookParams(Parameters):
    url: str = Field(pattern=r"^https?://", max_length=2048)
    body: dict[str, Any] = Field(default_factory=dict, description="JSON to send beside the run's own facts")


class NotifyWebhook(StepKind[NotifyWebhookParams]):
    """At least once: a receiver may see the same `run_id` and `step` again after a crash."""

    name = "notify.webhook"
    summary = "POST a JSON message"
    params = NotifyWebhookParams
    outputs = frozenset({"status"})

    async def act(self, params: NotifyWebhookParams, ctx: StepContext) -> Done:
        """2xx is success; 5xx and no answer are tried again."""
        message = {"run_id": ctx.run_id, "run": ctx.run_name, "step": ctx.step_id, **params.body}
        status = await ctx.around.post_json(params.url, message)
        if not 200 <= status < 300:
            raise StepError(
                f"The webhook's receiver answered {status}.",
                hint="Check its address and what it expects.",
                code=f"HTTP_{status}",
                retry=RetryClass.LATER if status >= 500 or status == 429 else RetryClass.NEVER,
            )
        return Done({"status": status})
