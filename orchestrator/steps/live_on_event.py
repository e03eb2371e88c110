"""`live.on_event`: until a livestream reports something, which is handed on."""

import json
from typing import Any, Final

from pydantic import Field

from orchestrator.metastudio.live_events import correlation_of
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind, Waiting
from orchestrator.steps.live_start import EventType
from orchestrator.steps.live_stop import BEGIN_ANEW, UNDER_WAY, shown

#: Between two looks whether there is still somebody to report anything.
_CHECK_EVERY_S: Final = 30.0


class LiveOnEventParams(Parameters):
    room_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)
    event: EventType = Field(
        description="a paragraph begins, the pushed stream changes its state, an inserted text or reply was spoken"
    )
    match: dict[str, str] = Field(
        default={}, description="what its fields have to be, compared as text: {shoot_script_title: Price}"
    )


class LiveOnEvent(StepKind[LiveOnEventParams]):
    """An event that came before the step began counts as well, and the first one that fits is taken. `details` has its fields:
    `scene_script_name`, `shoot_script_sequence_no`, `shoot_script_title`, `product_id`, `product_title` (SHOOT_SCRIPT_SWITCH),
    `state` (RTMP_STREAM_STATE_CHANGE), `reply_id` (REPLY_COMMAND_FINISH). Needs an address that MetaStudio can call; fails when
    the livestream ends without it.
    """

    name = "live.on_event"
    summary = "Wait for an event of a livestream and hand it on"
    params = LiveOnEventParams
    outputs = frozenset({"event", "details"})
    operations = ("show_smart_live",)

    async def act(self, params: LiveOnEventParams, ctx: StepContext) -> Waiting:
        """No call: what has come already is found by `decide`. Raises StepError where nothing can come."""
        if ctx.around.live_address(ctx.run_id) is None:
            raise StepError(
                "MetaStudio cannot report events here: there is no address that it could call.",
                hint="Set public.url to the https:// address of the public listener.",
                code="NO_ADDRESS",
            )
        correlation = correlation_of(params.job_id, params.event)
        return Waiting(correlation, check_after_s=_CHECK_EVERY_S, poll=False)

    async def check(self, params: LiveOnEventParams, ctx: StepContext, correlation: str) -> Done | None:
        """What was told, the oldest first; then whether the livestream is still there (reference 6.2.3)."""
        del correlation
        for text in ctx.told:
            details: dict[str, Any] = json.loads(text)
            if all(details.get(name) == value for name, value in params.match.items()):
                return Done({"event": params.event, "details": details})
        job = await shown(ctx, params.room_id, params.job_id)
        if job.state not in UNDER_WAY:
            raise StepError(
                f"Livestream {params.job_id} ended as {job.state} without such an event.",
                hint=f"Compare `match` with what the room has, and `events` of live.start. {BEGIN_ANEW}",
                code="LIVE_ENDED",
            )
        return None
