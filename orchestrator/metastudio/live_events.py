"""Sans-IO: what a livestream reports to us, and what its audience does that we report to it (reference 6-31, 6-350)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.metastudio.callbacks import MAX_BODY_BYTES, MAX_TEXT, MalformedCallback
from orchestrator.metastudio.models.base import ResponseModel
from orchestrator.metastudio.models.callback import (
    LiveEventContentComment,
    LiveEventContentGift,
    LiveEventContentUser,
    LiveEventContentViewers,
)
from orchestrator.metastudio.models.lenient import left_out
from orchestrator.metastudio.models.live_command import (
    ReplyCommandFinishMessage,
    RtmpStreamStateMessage,
    ShootScriptSwitchMessage,
)
from orchestrator.metastudio.models.live_task import LiveEvent
from orchestrator.metastudio.untrusted import MalformedMessage, mended, read_object, unfolded
from orchestrator.metastudio.withheld import without_withheld

# What a livestream reports: live event callbacks


class LiveEventType(StrEnum):
    """What a live room may call back for (6-31, `callback_event_type`)."""

    SHOOT_SCRIPT_SWITCH = "SHOOT_SCRIPT_SWITCH"
    RTMP_STREAM_STATE_CHANGE = "RTMP_STREAM_STATE_CHANGE"
    REPLY_COMMAND_FINISH = "REPLY_COMMAND_FINISH"


@dataclass(frozen=True, slots=True)
class UnknownLiveEvent:
    """An event of a type that the reference doesn't have, or not in its shape, kept as it came."""

    #: JSON where it is some, else text; it may hold addresses to push a stream to.
    data: Any = field(repr=False)


LiveEventMessage = (
    ShootScriptSwitchMessage | RtmpStreamStateMessage | ReplyCommandFinishMessage | UnknownLiveEvent
)

LIVE_EVENT_MODELS: Mapping[
    LiveEventType,
    type[ShootScriptSwitchMessage] | type[RtmpStreamStateMessage] | type[ReplyCommandFinishMessage],
] = MappingProxyType(
    {
        LiveEventType.SHOOT_SCRIPT_SWITCH: ShootScriptSwitchMessage,
        LiveEventType.RTMP_STREAM_STATE_CHANGE: RtmpStreamStateMessage,
        LiveEventType.REPLY_COMMAND_FINISH: ReplyCommandFinishMessage,
    }
)


@dataclass(frozen=True, slots=True)
class LiveEventCallback:
    """What a live event callback claims."""

    #: One of LiveEventType by the reference; any other text is kept.
    event_type: str
    message: LiveEventMessage
    #: Which livestream it is about, None when the callback doesn't say.
    room_id: str | None = None
    job_id: str | None = None


def parse_live_event(body: bytes) -> LiveEventCallback:
    """The live event callback in `body`; its message may be JSON text, as the reference says, or an object.

    Raises MalformedCallback for anything else, and for ids over MAX_TEXT characters.
    """
    try:
        data = mended(read_object(body, what="callback", max_length=MAX_BODY_BYTES))
        message = mended(unfolded(data.get("message"), what="message", max_length=MAX_BODY_BYTES))
    except MalformedMessage as error:
        raise MalformedCallback(error.message) from error
    event_type = _text(data, "event_type")
    if event_type is None:
        raise MalformedCallback("The callback lacks event_type.")
    if not isinstance(message, dict):
        return LiveEventCallback(event_type, UnknownLiveEvent(message))
    room_id, job_id = _text(message, "room_id"), _text(message, "job_id")
    return LiveEventCallback(event_type, _message(event_type, message), room_id, job_id)


#: What the correlation of every live event begins with.
LIVE_EVENTS = "livestream "


def correlation_of(job_id: str, event_type: str) -> str:
    """Under which an event of a livestream is told to those who wait for one of its type."""
    return f"{LIVE_EVENTS}{job_id} {event_type}".encode("ascii", "backslashreplace").decode()


def told_of(callback: LiveEventCallback) -> str:
    """What may be kept of an event, as JSON text: its fields without addresses and keys, cut to MAX_TEXT characters."""
    if isinstance(callback.message, UnknownLiveEvent):
        return "{}"
    said = without_withheld(callback.message.model_dump(mode="json", exclude_none=True))
    fields = {name: value for name, value in said.items() if name not in {"room_id", "job_id"}}
    return json.dumps({name: str(value)[:MAX_TEXT] for name, value in fields.items()}, sort_keys=True)


def _message(event_type: str, data: dict[str, Any]) -> LiveEventMessage:
    if event_type not in LIVE_EVENT_MODELS:
        return UnknownLiveEvent(data)
    message = LIVE_EVENT_MODELS[LiveEventType(event_type)].model_validate(data)
    return UnknownLiveEvent(data) if left_out(message, data) else message


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MalformedCallback(f"{name} of the callback isn't a text of at most {MAX_TEXT} characters.")
    return value


# What the audience does: the events of `live_event_report`


class AudienceEventType(IntEnum):
    """What viewers do (6-350, `type`); FOLLOW isn't used yet."""

    COMMENT = 1
    JOIN = 2
    LIKE = 3
    GIFT = 4
    FOLLOW = 5
    VIEWERS = 6


AudienceContent = (
    LiveEventContentComment | LiveEventContentUser | LiveEventContentGift | LiveEventContentViewers
)

#: The content of each type; the reference gives none for FOLLOW.
AUDIENCE_MODELS: Mapping[
    AudienceEventType,
    type[LiveEventContentComment]
    | type[LiveEventContentUser]
    | type[LiveEventContentGift]
    | type[LiveEventContentViewers],
] = MappingProxyType(
    {
        AudienceEventType.COMMENT: LiveEventContentComment,
        AudienceEventType.JOIN: LiveEventContentUser,
        AudienceEventType.LIKE: LiveEventContentUser,
        AudienceEventType.GIFT: LiveEventContentGift,
        AudienceEventType.VIEWERS: LiveEventContentViewers,
    }
)


def audience_event(kind: AudienceEventType, content: AudienceContent, at: datetime) -> LiveEvent:
    """The event as `live_event_report` takes it, its content written as JSON text. `at` is an aware time.

    Raises UsageError for content that the reference doesn't give for `kind`, and for fields that it doesn't name.
    """
    model = AUDIENCE_MODELS.get(kind)
    if type(content) is not model:
        takes = "no content that the reference gives" if model is None else model.__name__
        raise UsageError(f"The event {kind.name} takes {takes}, not {type(content).__name__}.")
    if strange := sorted(_strange(content)):
        raise UsageError(f"The event {kind.name} has no field {', '.join(strange)}.")
    text = content.model_dump_json(by_alias=True, exclude_none=True)
    return LiveEvent(timestamp=round(at.timestamp() * 1000), type=int(kind), content=text)


def read_audience_event(event: LiveEvent) -> AudienceContent | Any:
    """The content of a reported event as its model; as plain JSON or text when type or shape aren't known."""
    data = unfolded(event.content, what="content", max_length=MAX_BODY_BYTES)
    try:
        model = AUDIENCE_MODELS[AudienceEventType(event.type or 0)]
    except (KeyError, ValueError):
        return data
    if not isinstance(data, dict):
        return data
    content = model.model_validate(data)
    return data if left_out(content, data) else content


def _strange(model: ResponseModel) -> set[str]:
    """Fields that came along unasked, here and below."""
    found = set(model.model_extra or {})
    for _, value in model:
        if isinstance(value, ResponseModel):
            found |= _strange(value)
    return found
