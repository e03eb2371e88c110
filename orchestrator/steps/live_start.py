"""`live.start`: begin a livestream. From here on it costs money until it ends."""

from typing import Any, Literal

from pydantic import Field, model_validator

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.common import LiveEventCallBackConfig
from orchestrator.metastudio.models.live_task import StartSmartLiveReq
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, Found, StepContext, StepError
from orchestrator.steps.live_stop import stop
from orchestrator.steps.parts import part_of
from orchestrator.steps.traces import Sent

EventType = Literal["SHOOT_SCRIPT_SWITCH", "RTMP_STREAM_STATE_CHANGE", "REPLY_COMMAND_FINISH"]


class LiveStartParams(StartSmartLiveReq):
    room_id: str = Field(min_length=1)
    events: list[EventType] = Field(
        default=["SHOOT_SCRIPT_SWITCH", "RTMP_STREAM_STATE_CHANGE", "REPLY_COMMAND_FINISH"],
        description="what it reports to the orchestrator (live.on_event, live.wait); nothing where it cannot be reached",
    )

    @model_validator(mode="after")
    def _one_listener(self) -> "LiveStartParams":
        if self.live_event_callback_config is not None and "events" in self.model_fields_set and self.events:
            raise ValueError(
                "live_event_callback_config has the events reported to somebody else: leave out it, or events"
            )
        return self


class LiveStart(Adopting[LiveStartParams]):
    """What is given here goes before what the room has. It is stopped when its run is cancelled before that is over; a run
    that fails or ends leaves it running, so put `live.stop` with the room into `finally`. Adopted by its room, if the same run
    made that: a room has one livestream at a time.
    """

    name = "live.start"
    summary = "Begin the livestream of a room"
    params = LiveStartParams
    outputs = frozenset({"job_id", "room_id", "warnings"})
    operations = ("start_smart_live",)
    can_be_called_off = True
    started = "job_id"

    def creating(self, params: LiveStartParams) -> tuple[Adoption, Sent]:
        """Reference 6.2.1."""
        body = part_of(params, StartSmartLiveReq)
        return ADOPTIONS["start_smart_live"], Sent(body, {"room_id": params.room_id})

    async def act(self, params: LiveStartParams, ctx: StepContext) -> Done:
        """One call, with the run's own address and key for what it reports. Reference 6.2.1."""
        _, sent = self.creating(params)
        body = sent.body.model_copy(update=_callback(params, ctx))
        begun = await ctx.create(operations.start_smart_live, path=sent.path, body=body)
        warnings = [one.warning_type for one in begun.live_warning_info or () if one.warning_type]
        return Done({"job_id": begun.job_id, "room_id": params.room_id, "warnings": warnings})

    async def find(self, params: LiveStartParams, ctx: StepContext) -> Found | None:
        """Look once, by the row; what it warned of is lost with the answer."""
        found = await super().find(params, ctx)
        if found is None or found.outputs is None:
            return found
        return Found({**found.outputs, "room_id": params.room_id, "warnings": []})

    async def cancel(self, params: LiveStartParams, ctx: StepContext, correlation: str) -> str:
        """As `live_stop.stop`."""
        return await stop(ctx, params.room_id, correlation)


def _callback(params: LiveStartParams, ctx: StepContext) -> dict[str, Any]:
    """Where it reports to: nobody where nothing is to be reported, or the orchestrator cannot be reached."""
    address = ctx.around.live_address(ctx.run_id)
    if params.live_event_callback_config is not None or not params.events or address is None:
        return {}
    if not address.url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
        raise StepError(
            "MetaStudio reports the events of a livestream to HTTPS addresses only.",
            hint="Set public.url to an https:// address, or `events: []` to do without.",
            code="NO_HTTPS",
        )
    config = LiveEventCallBackConfig(
        live_event_type_callback_url=address.url,
        auth_type="MSS_A",
        key=address.key,
        callback_event_type=params.events,
    )
    return {"live_event_callback_config": config}
