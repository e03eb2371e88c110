"""`notify.webhook`: tell another system."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from orchestrator.errors import RetryClass
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
#: Headers that say how the message is sent, which is not the definition's business.
_OURS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"}
)


def _name(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("is not the name of a header")
    if name.lower() in _OURS:
        raise ValueError("is a header that the orchestrator sets itself")
    return name


def _value(value: str) -> str:
    # Not quoted: it may hold a secret.
    if not value.isprintable() or not value.isascii():
        raise ValueError("holds characters that no header may hold")
    return value


class NotifyWebhookParams(Parameters):
    url: str = Field(pattern=r"^https?://", max_length=2048)
    headers: dict[Annotated[str, AfterValidator(_name)], Annotated[str, AfterValidator(_value)]] = Field(
        default_factory=dict,
        max_length=50,
        description="Further headers, such as `Authorization`; take what is confidential from an input of the type `secret`",
    )
    body: dict[str, Any] = Field(default_factory=dict, description="JSON to send beside the run's own facts")
    facts: bool = Field(
        True,
        description="Whether `run_id`, `run` and `step` are sent with it; receivers know a repeated message by them",
    )


class NotifyWebhook(StepKind[NotifyWebhookParams]):
    """At least once: a receiver may see the same `run_id` and `step` again after a crash."""

    name = "notify.webhook"
    summary = "POST a JSON message"
    params = NotifyWebhookParams
    outputs = frozenset({"status"})

    async def act(self, params: NotifyWebhookParams, ctx: StepContext) -> Done:
        """2xx is success; 5xx and no answer are tried again."""
        facts = {"run_id": ctx.run_id, "run": ctx.run_name, "step": ctx.step_id} if params.facts else {}
        status = await ctx.around.post_json(params.url, {**facts, **params.body}, params.headers)
        if not 200 <= status < 300:
            raise StepError(
                f"The webhook's receiver answered {status}.",
                hint="Check its address and what it expects.",
                code=f"HTTP_{status}",
                retry=RetryClass.LATER if status >= 500 or status == 429 else RetryClass.NEVER,
            )
        return Done({"status": status})
