"""What a livestream reports, and what its audience does."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.metastudio.callbacks import MAX_BODY_BYTES, MAX_TEXT, MalformedCallback
from orchestrator.metastudio.live_events import (
    AUDIENCE_MODELS,
    LIVE_EVENT_MODELS,
    AudienceEventType,
    LiveEventCallback,
    LiveEventType,
    UnknownLiveEvent,
    audience_event,
    parse_live_event,
    read_audience_event,
)
from orchestrator.metastudio.models.callback import (
    LiveEventContentComment,
    LiveEventContentGift,
    LiveEventContentUser,
    LiveEventContentViewers,
)
from orchestrator.metastudio.models.common import LiveEventCallBackConfig
from orchestrator.metastudio.models.live_command import (
    ReplyCommandFinishMessage,
    RtmpStreamStateMessage,
    ShootScriptSwitchMessage,
)
from orchestrator.metastudio.models.live_task import LiveEvent
from orchestrator.metastudio.states import machine

IDS = {"room_id": "26f065244f754b3aa853b649a21aaf66", "job_id": "e87104f76d7546ce8a46ac6b04c49c3c"}
SWITCH = IDS | {
    "scene_script_name": "Product 1",
    "shoot_script_sequence_no": "2",
    "shoot_script_title": "P 2",
}
RTMP = IDS | {"output_url": "rtmp://push.example/live", "stream_key": "hidden", "state": "CONNECTED"}
REPLY = IDS | {"reply_id": "e87104f76d7546ce8a46ac6b04c49c3c"}


def body(event_type: Any, message: Any) -> bytes:
    return json.dumps({"event_type": event_type, "message": message}).encode()


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize(
    ("event_type", "message", "model"),
    [
        ("SHOOT_SCRIPT_SWITCH", SWITCH, ShootScriptSwitchMessage),
        ("RTMP_STREAM_STATE_CHANGE", RTMP, RtmpStreamStateMessage),
        ("REPLY_COMMAND_FINISH", REPLY, ReplyCommandFinishMessage),
    ],
)
def test_each_event_becomes_its_model(
    event_type: str, message: dict[str, str], model: type, folded: bool
) -> None:
    """Whether the message is JSON text, as the reference says, or an object."""
    callback = parse_live_event(body(event_type, json.dumps(message) if folded else message))
    assert type(callback.message) is model
    assert callback == LiveEventCallback(event_type, model(**message), IDS["room_id"], IDS["job_id"])


def test_the_events_are_those_that_a_room_may_ask_for() -> None:
    """The model of the room's configuration takes each; a stream's end is known as one."""
    assert set(LIVE_EVENT_MODELS) == set(LiveEventType)
    LiveEventCallBackConfig.model_validate({"callback_event_type": list(LiveEventType)})
    assert machine("rtmp_stream").is_terminal("END")


@pytest.mark.parametrize("message", [{"a": 1}, [1], "text", "{broken", 5, None])
def test_an_unknown_event_is_kept(message: Any) -> None:
    """The service may be ahead of its reference."""
    callback = parse_live_event(body("TOMORROW", message))
    assert callback == LiveEventCallback("TOMORROW", UnknownLiveEvent(message))


def test_a_known_event_in_another_shape_is_kept() -> None:
    """It is a hint: half of one is worth a look."""
    assert parse_live_event(body("REPLY_COMMAND_FINISH", "later")).message == UnknownLiveEvent("later")
    callback = parse_live_event(body("REPLY_COMMAND_FINISH", {"reply_id": {"a": 1}, "new": 1}))
    assert isinstance(callback.message, ReplyCommandFinishMessage)
    assert callback.message.reply_id is None


def test_stream_keys_are_in_no_repr() -> None:
    """Whoever has them can push a stream of their own."""
    for event_type in ("RTMP_STREAM_STATE_CHANGE", "TOMORROW"):
        shown = repr(parse_live_event(body(event_type, json.dumps(RTMP))))
        assert "hidden" not in shown
        assert "push.example" not in shown


def test_half_characters_are_mended() -> None:
    """A title cut in an emoji, inside the text as well, can still be stored."""
    message = '{"shoot_script_title": "a\\ud83d", "new": "\\u0000"}'
    callback = parse_live_event(body("SHOOT_SCRIPT_SWITCH", message))
    assert isinstance(callback.message, ShootScriptSwitchMessage)
    assert callback.message.shoot_script_title == "a\ufffd"
    assert callback.message.model_dump_json().encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"event_type=x",
        b"{}",
        b'{"message": "{}"}',
        b'{"event_type": "", "message": "{}"}',
        b'{"event_type": 5, "message": "{}"}',
        b'{"event_type": "x", "event_type": "y"}',
        b'{"event_type": "x", "message": NaN}',
        b'{"event_type": "x", "message": 1e999}',
        b'{"event_type": "x", "message": ' + b"9" * 5000 + b"}",
        b'{"event_type": "x", "message": ' + b"[" * 30000 + b"}",
        b'{"event_type": "x", "message": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"event_type": "' + b"x" * (MAX_TEXT + 1) + b'"}',
        body("REPLY_COMMAND_FINISH", {"job_id": "j" * (MAX_TEXT + 1)}),
        body("REPLY_COMMAND_FINISH", {"room_id": ["r"]}),
        b'{"event_type": "x", "message": "' + b"x" * MAX_BODY_BYTES + b'"}',
    ],
    ids=range(19),
)
def test_a_malformed_callback_is_one_kind_of_error(sent: bytes) -> None:
    """Whatever is wrong with it, the caller has one exception to answer with 400."""
    with pytest.raises(MalformedCallback):
        parse_live_event(sent)


@pytest.mark.parametrize(
    "message", ["[" * 30000, '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": ' + "9" * 5000 + "}", "{" * 100]
)
def test_hostile_json_inside_the_message_stays_text(message: str) -> None:
    """The inner text is read as strictly as the outer one."""
    assert parse_live_event(body("SHOOT_SCRIPT_SWITCH", message)).message == UnknownLiveEvent(message)


AT = datetime(2023, 9, 12, 1, 13, 44, 245000, UTC)
USER = {"userId": "2027271526", "name": "Ann", "level": 17, "badge": "", "badgeLevel": 0}


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (
            1,
            LiveEventContentComment.model_validate({"user": USER, "content": "hi"}),
            {"user": USER, "content": "hi"},
        ),
        (2, LiveEventContentUser.model_validate({"user": USER}), {"user": USER}),
        (3, LiveEventContentUser.model_validate({"user": USER}), {"user": USER}),
        (
            4,
            LiveEventContentGift.model_validate({"user": USER, "gift": {"giftName": "Star", "giftNum": 10}}),
            {"user": USER, "gift": {"giftName": "Star", "giftNum": 10}},
        ),
        (6, LiveEventContentViewers.model_validate({"numberOfViewers": 5466}), {"numberOfViewers": 5466}),
    ],
)
def test_what_the_audience_does_goes_there_and_back(
    kind: int, content: Any, expected: dict[str, Any]
) -> None:
    """As JSON within the event, with the reference's own names and milliseconds."""
    event = audience_event(AudienceEventType(kind), content, AT)
    assert (event.type, event.timestamp) == (kind, 1694481224245)
    assert event.content is not None
    assert json.loads(event.content) == expected
    assert read_audience_event(event) == content


def test_content_of_another_type_is_refused() -> None:
    """And so is any for FOLLOW, which the reference doesn't describe, and a field that it doesn't name."""
    viewers = LiveEventContentViewers(number_of_viewers=1)
    with pytest.raises(UsageError, match="COMMENT takes LiveEventContentComment"):
        audience_event(AudienceEventType.COMMENT, viewers, AT)
    with pytest.raises(UsageError, match="FOLLOW takes no content"):
        audience_event(AudienceEventType.FOLLOW, viewers, AT)
    strange = LiveEventContentUser.model_validate({"user": {**USER, "age": 1}, "more": 2})
    with pytest.raises(UsageError, match="JOIN has no field age, more"):
        audience_event(AudienceEventType.JOIN, strange, AT)
    assert set(AUDIENCE_MODELS) == set(AudienceEventType) - {AudienceEventType.FOLLOW}


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (5, '{"a": 1}', {"a": 1}),
        (99, "text", "text"),
        (None, None, None),
        (1, "text", "text"),
        (1, "{broken", "{broken"),
        (1, None, None),
    ],
)
def test_an_event_that_is_not_known_is_kept(kind: int | None, content: str | None, expected: Any) -> None:
    """As JSON where it is some."""
    assert read_audience_event(LiveEvent(timestamp=1, type=kind, content=content)) == expected
