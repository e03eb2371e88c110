"""`live.report`: tell a livestream what its audience does."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from orchestrator.metastudio import operations
from orchestrator.metastudio.live_events import AUDIENCE_MODELS, AudienceEventType, audience_event
from orchestrator.metastudio.models.live_task import ReportLiveEventReq
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, Parameters, StepContext
from orchestrator.steps.traces import Sent

_MOST_EVENTS = 1000


class AudienceEvent(Parameters):
    type: Literal["COMMENT", "JOIN", "LIKE", "GIFT", "VIEWERS"]
    user: str = Field(default="", max_length=256, description="name of the viewer; not for VIEWERS")
    text: str = Field(default="", max_length=4096, description="what a COMMENT says, or the name of a GIFT")
    number: int | None = Field(default=None, ge=0, description="of gifts, or of viewers")
    at: datetime | None = Field(default=None, description="when it happened; now when left out")

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> "AudienceEvent":
        if self.type == "COMMENT" and not self.text:
            raise ValueError("a COMMENT needs text")
        if self.type == "VIEWERS" and self.number is None:
            raise ValueError("VIEWERS needs number")
        return self


class LiveReportParams(Parameters):
    room_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)
    events: list[AudienceEvent] = Field(min_length=1, max_length=_MOST_EVENTS)


class LiveReport(Adopting[LiveReportParams]):
    """The room's interaction rules reply to it. A report whose answer was lost is never repeated without a person, for the
    rules would reply twice.
    """

    name = "live.report"
    summary = "Report comments, gifts and the like of the audience to a livestream"
    params = LiveReportParams
    outputs = frozenset({"reported"})
    operations = ("live_event_report",)

    def creating(self, params: LiveReportParams) -> tuple[Adoption, Sent]:
        """Reference 6.2.7."""
        return ADOPTIONS["live_event_report"], Sent(None, _path(params))

    async def act(self, params: LiveReportParams, ctx: StepContext) -> Done:
        """One call. The address with a key that it answers is of no use to a caller who is logged in. Reference 6.2.7."""
        now = datetime.now(UTC)
        events = [
            audience_event(AudienceEventType[one.type], _content(one), _aware(one.at or now))
            for one in params.events
        ]
        body = ReportLiveEventReq(total=len(events), events=events)
        await ctx.create(operations.live_event_report, path=_path(params), body=body)
        return Done({"reported": len(events)})


def _path(params: LiveReportParams) -> dict[str, str]:
    return {"room_id": params.room_id, "job_id": params.job_id}


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _content(event: AudienceEvent) -> Any:
    """As table 6-350 has it for the type."""
    model: type[BaseModel] = AUDIENCE_MODELS[AudienceEventType[event.type]]
    user = {"user": {"name": event.user}} if event.user else {}
    match event.type:
        case "COMMENT":
            return model.model_validate({**user, "content": event.text})
        case "GIFT":
            gift = {"giftName": event.text, "giftNum": 1 if event.number is None else event.number}
            return model.model_validate({**user, "gift": gift})
        case "VIEWERS":
            return model.model_validate({"numberOfViewers": event.number})
        case _:
            return model.model_validate(user)
