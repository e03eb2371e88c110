"""Sans-IO: the commands that steer a running livestream, by HTTP (reference 6.2.5, 11.5) and by RTSA (11.6).

What we send is strict: `command` and `control` refuse what the reference doesn't have. What we read is lenient: an
unknown message, or one in another shape, is kept as it came.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.domain.nearest import did_you_mean
from orchestrator.errors import UsageError
from orchestrator.metastudio.mistakes import explain
from orchestrator.metastudio.models import live_command as models
from orchestrator.metastudio.models.base import RequestModel, ResponseModel
from orchestrator.metastudio.models.common import ReviewConfig
from orchestrator.metastudio.models.lenient import left_out
from orchestrator.metastudio.models.live_room import (
    LiveRoomInteractionRuleInfo,
    LiveVideoScriptInfo,
    SmartLiveRoomInfo,
)
from orchestrator.metastudio.models.live_task import ControlSmartLiveReq, ExecuteSmartLiveCommandResponse
from orchestrator.metastudio.untrusted import MalformedMessage, mended, read_json, unfolded

#: Longest message of the RTC room, and longest result of a command, that is read, in characters.
MAX_MESSAGE = 64 * 1024
MAX_RESULT = 8 * 1024 * 1024

#: The official SDK has it, the reference doesn't.
_SDK_ONLY = ("RESET_EXIT_CONFIG",)


# HTTP commands: `execute_smart_live_command`


class RewrittenScripts(RequestModel):
    """The scripts to be spoken instead of those not yet played; shaped as when a live room is created."""

    scene_scripts: list[LiveVideoScriptInfo]


class RewrittenRules(RequestModel):
    """The interaction rules that replace the present ones; shaped as when a live room is created."""

    interaction_rules: list[LiveRoomInteractionRuleInfo]


class _Command(RequestModel):
    review_config: ReviewConfig | None = None

    def body(self) -> ControlSmartLiveReq:
        """What `execute_smart_live_command` takes."""
        return ControlSmartLiveReq.model_validate(self.model_dump(by_alias=True, exclude_none=True))


class InsertText(_Command):
    """Says a text, by default at once. The answer has a `command_id`."""

    command: Literal["INSERT_PLAY_SCRIPT"] = "INSERT_PLAY_SCRIPT"
    params: models.PlayTextInfo


class InsertAudio(_Command):
    """Plays a sound file, by default behind what waits. The answer has a `command_id`."""

    command: Literal["INSERT_PLAY_AUDIO"] = "INSERT_PLAY_AUDIO"
    params: models.PlayAudioInfo


class RewriteScripts(_Command):
    """Changes the parts of the script that were not played yet."""

    command: Literal["REWRITE_PLAY_SCRIPT"] = "REWRITE_PLAY_SCRIPT"
    params: RewrittenScripts


class RewriteRules(_Command):
    """Changes the interaction rules."""

    command: Literal["REWRITE_INTERACTION_RULES"] = "REWRITE_INTERACTION_RULES"
    params: RewrittenRules


class GetPlayingScripts(_Command):
    """Asks for the scripts of this round: `read_result` gives a LivePlayingScriptList."""

    command: Literal["GET_CURRENT_PLAYING_SCRIPTS"] = "GET_CURRENT_PLAYING_SCRIPTS"
    params: None = None


class ShowLayer(_Command):
    """Shows a layer. The reference names the parameters (LiveGuideRuleInfo) but doesn't describe them."""

    command: Literal["SHOW_LAYER"] = "SHOW_LAYER"
    params: dict[str, Any] = Field(min_length=1)


class RefreshOutputUrl(_Command):
    """Pushes the stream elsewhere. The reference names the parameters (RefreshOutputUrlConfig) without describing them.

    Presumably they are those of a live room: `output_urls` and `stream_keys`.
    """

    command: Literal["REFRESH_OUTPUT_URL"] = "REFRESH_OUTPUT_URL"
    #: Whoever has them can push a stream of their own, so no repr shows them.
    params: dict[str, Any] = Field(min_length=1, repr=False)


class GetJobConfig(_Command):
    """Asks for the room as this job runs it: `read_result` gives a SmartLiveRoomInfo."""

    command: Literal["GET_LIVE_JOB_CONFIG_INFO"] = "GET_LIVE_JOB_CONFIG_INFO"
    params: None = None


class CleanUpInsertions(_Command):
    """Drops insertions that were not played yet, all of them when none is named."""

    command: Literal["CLEAN_UP_INSERT_COMMAND"] = "CLEAN_UP_INSERT_COMMAND"
    params: models.CleanUpInsertCommand | None = None


LiveCommand = (
    InsertText
    | InsertAudio
    | RewriteScripts
    | RewriteRules
    | GetPlayingScripts
    | ShowLayer
    | RefreshOutputUrl
    | GetJobConfig
    | CleanUpInsertions
)

#: By the name that goes over the wire.
HTTP_COMMANDS: Mapping[str, type[LiveCommand]] = MappingProxyType(
    {model.model_fields["command"].default: model for model in get_args(LiveCommand)}
)


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """A command that the reference doesn't have, or not in this shape, kept as it came."""

    command: str
    params: Any = field(default=None, repr=False)


def command(
    name: str, params: Mapping[str, Any] | None = None, *, review_config: ReviewConfig | None = None
) -> LiveCommand:
    """The HTTP command `name`, checked; its `body()` goes to `execute_smart_live_command`.

    Raises UsageError for an unknown name and for every parameter that doesn't fit.
    """
    if name not in HTTP_COMMANDS:
        raise UsageError(f"There is no live command {name!r}.", hint=_nearest(name, HTTP_COMMANDS))
    model = HTTP_COMMANDS[name]
    if model.model_fields["params"].annotation is NoneType:
        if params:
            raise UsageError(f"The live command {name} takes no params.")
        params = None
    data = {"params": params, "review_config": review_config}
    try:
        return model.model_validate({key: value for key, value in data.items() if value is not None})
    except ValidationError as error:
        raise _misfit(f"The live command {name}", error, model) from error


def read_command(data: Mapping[str, Any]) -> LiveCommand | UnknownCommand:
    """The HTTP command in a request's body, kept as it came when it isn't one that may be sent.

    `params` may also be JSON text, or the list itself where the reference leaves open whether it is wrapped.
    """
    name = str(data.get("command") or "")
    params = unfolded(data.get("params"), what="params", max_length=MAX_RESULT)
    if isinstance(params, list) and name in _WRAPPED:
        params = {_WRAPPED[name]: params}
    try:
        return _commands().validate_python({**data, "params": params})
    except ValidationError:
        return UnknownCommand(name, params)


def read_result(
    response: ExecuteSmartLiveCommandResponse,
) -> models.LivePlayingScriptList | SmartLiveRoomInfo | Any:
    """What a command gave back: its model for those that ask, else JSON or text as it came; None for nothing."""
    data = mended(unfolded(response.result, what="result", max_length=MAX_RESULT)) or None
    model = _RESULTS.get(response.command or "")
    if model is None or not isinstance(data, dict):
        return data
    result = model.model_validate(data)
    return data if left_out(result, data) else result


_WRAPPED = {"REWRITE_PLAY_SCRIPT": "scene_scripts", "REWRITE_INTERACTION_RULES": "interaction_rules"}
_RESULTS: Mapping[str, type[ResponseModel]] = {
    "GET_CURRENT_PLAYING_SCRIPTS": models.LivePlayingScriptList,
    "GET_LIVE_JOB_CONFIG_INFO": SmartLiveRoomInfo,
}


@cache
def _commands() -> TypeAdapter[LiveCommand]:
    return TypeAdapter(Annotated[LiveCommand, Field(discriminator="command")])


# RTSA messages: the COMMAND channel of the RTC room

ControlName = Literal[
    "get_current_state", "play_start", "play_pause", "play_resume", "voice_start", "voice_end"
]
Timing = Literal["NOW", "SENTENCE_END"]

CONTROL_COMMANDS: tuple[str, ...] = get_args(ControlName)


class LiveControlParams(RequestModel):
    """When a control takes effect: at once, or behind the sentence being spoken."""

    timing: Timing


class LiveControl(RequestModel):
    """What a streamer sends to steer playback (11.6)."""

    message_type: Literal["live_control"] = "live_control"
    command: ControlName
    params: LiveControlParams | None = None

    def text(self) -> str:
        """The message as it goes into the channel."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class StateNotify(ResponseModel):
    """The user RENDER tells the state of playback (11.6)."""

    message_type: str | None = None
    state: str | None = Field(
        default=None,
        description="known: PREPROCESSING, PLAY_READY, PROCESSING, PLAY_PAUSE, TAKE_OVER, PLAY_END",
    )


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message that the reference doesn't have, or not in this shape, kept as it came."""

    message_type: str
    data: Mapping[str, Any] = field(repr=False)


#: What the service sends; only a streamer sends LiveControl.
ReceivedMessage = StateNotify | models.RtcLiveProgressMessage | models.RtcReplyFinishMessage
RtsaMessage = ReceivedMessage | LiveControl | UnknownMessage

_MESSAGES: Mapping[str, type[ReceivedMessage] | type[LiveControl]] = MappingProxyType(
    {
        "state_notify": StateNotify,
        "live_progress_notify": models.RtcLiveProgressMessage,
        "reply_command_finish_notify": models.RtcReplyFinishMessage,
        "live_control": LiveControl,
    }
)


def control(name: str, timing: Timing | None = None) -> LiveControl:
    """The RTSA control `name`, checked; its `text()` goes into the RTC room's COMMAND channel.

    Raises UsageError for a name or timing that the reference doesn't have.
    """
    if name not in CONTROL_COMMANDS:
        raise UsageError(f"There is no RTSA control {name!r}.", hint=_nearest(name, CONTROL_COMMANDS))
    params = None if timing is None else {"timing": timing}
    try:
        return LiveControl.model_validate({"command": name, "params": params})
    except ValidationError as error:
        raise _misfit(f"The RTSA control {name}", error, LiveControl) from error


def read_message(text: str | bytes) -> RtsaMessage:
    """The message of the COMMAND channel in `text`; unknown ones are kept.

    JSON inside strings is unfolded, and the trailing commas of the reference's samples don't matter. Raises
    MalformedMessage for what is no JSON object.
    """
    data = mended(_message_object(text))
    message_type = data.get("message_type")
    for name in ("data", "params"):
        if name in data:
            data[name] = mended(unfolded(data[name], what="message", max_length=MAX_MESSAGE))
    if not isinstance(message_type, str):
        return UnknownMessage("", data)
    model = _MESSAGES.get(message_type)
    try:
        message = None if model is None else model.model_validate(data)
    except ValidationError:
        message = None
    if message is None or (isinstance(message, ResponseModel) and left_out(message, data)):
        return UnknownMessage(message_type, data)
    return message


#: A string, even one without its end so that each is looked at once, or a comma in front of a closing bracket.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|,(?=\s*+[}\]])', re.DOTALL)


def _message_object(text: str | bytes) -> dict[str, Any]:
    try:
        shown = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise MalformedMessage("The message isn't UTF-8.") from error
    try:
        value = read_json(shown, what="message", max_length=MAX_MESSAGE)
    except MalformedMessage:
        if len(shown) > MAX_MESSAGE:
            raise
        without = _TRAILING_COMMA.sub(lambda found: found[1] or "", shown)
        value = read_json(without, what="message", max_length=MAX_MESSAGE)
    value = unfolded(value, what="message", max_length=MAX_MESSAGE)
    if not isinstance(value, dict):
        raise MalformedMessage("The message isn't a JSON object.")
    return value


def _nearest(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    if name in _SDK_ONLY:
        return "The official SDK names it, but nothing describes it."
    if name in HTTP_COMMANDS:
        return "It goes by HTTP, as execute_smart_live_command."
    if name in CONTROL_COMMANDS:
        return "It goes into the RTC room's COMMAND channel, as an RTSA control."
    near = did_you_mean(name, known)
    return near[0].upper() + near[1:] if near else f"There are {', '.join(known)}."


def _misfit(what: str, error: ValidationError, model: type[RequestModel]) -> UsageError:
    return UsageError(f"{what} doesn't fit: {'; '.join(explain(error, model))}.")
