"""Commands of a running livestream, by HTTP and by RTSA."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from orchestrator.errors import UsageError
from orchestrator.metastudio import live, live_facts
from orchestrator.metastudio.live_facts import Channel
from orchestrator.metastudio.models.common import ReviewConfig
from orchestrator.metastudio.models.live_command import (
    LivePlayingScriptList,
    RtcLiveProgressMessage,
    RtcReplyFinishMessage,
)
from orchestrator.metastudio.models.live_room import SmartLiveRoomInfo
from orchestrator.metastudio.models.live_task import ExecuteSmartLiveCommandResponse
from orchestrator.metastudio.states import machine
from orchestrator.metastudio.untrusted import MalformedMessage

SCENE = {"script_name": "Scene 1", "shoot_scripts": []}

PARAMS: Mapping[str, dict[str, Any] | None] = {
    "INSERT_PLAY_SCRIPT": {"text_config": {"text": "Hello."}, "play_type": "APPEND", "rule_index": "r"},
    "INSERT_PLAY_AUDIO": {"audio_url": "https://media.example/a.wav", "play_role": "CO_STREAMER"},
    "REWRITE_PLAY_SCRIPT": {"scene_scripts": [SCENE]},
    "REWRITE_INTERACTION_RULES": {"interaction_rules": [{"rule_name": "greet", "event_type": 2}]},
    "GET_CURRENT_PLAYING_SCRIPTS": None,
    "SHOW_LAYER": {"layer": 1},
    "REFRESH_OUTPUT_URL": {"output_urls": ["rtmp://push.example/live"], "stream_keys": ["k"]},
    "GET_LIVE_JOB_CONFIG_INFO": None,
    "CLEAN_UP_INSERT_COMMAND": {"command_ids": ["c1"]},
}


@pytest.fixture(scope="module")
def facts() -> Mapping[str, Any]:
    """The table of live commands."""
    path = Path(live.__file__).parent / "spec" / "live-commands.yaml"
    document: Mapping[str, Any] = YAML(typ="safe").load(path)
    return document


def test_commands_are_those_of_the_table(facts: Mapping[str, Any]) -> None:
    """By channel; none is known in both."""
    by_channel = {
        channel: [one.name for one in live_facts.commands().values() if one.channel is channel]
        for channel in Channel
    }
    assert by_channel[Channel.HTTP] == list(facts["http"]["commands"]) == list(live.HTTP_COMMANDS)
    assert by_channel[Channel.RTSA] == list(facts["rtsa"]["control"]["commands"])
    assert by_channel[Channel.RTSA] == list(live.CONTROL_COMMANDS)
    assert tuple(live_facts.timings()) == get_args(live.Timing)
    assert set(PARAMS) == set(live.HTTP_COMMANDS)


def test_commands_without_params_are_those_of_the_table() -> None:
    """What takes none in the reference is refused some."""
    for name, fact in live_facts.commands().items():
        if fact.channel is Channel.HTTP and not fact.params:
            with pytest.raises(UsageError, match="takes no params"):
                live.command(name, {"x": 1})


def test_messages_are_those_of_the_table(facts: Mapping[str, Any]) -> None:
    """Those that the room sends, with the event type that asks for each."""
    told = {one.event_type: name for name, one in live_facts.messages().items() if one.event_type}
    assert told == {
        "LIVE_PROGRESS": "live_progress_notify",
        "REPLY_COMMAND_FINISH": "reply_command_finish_notify",
    }
    assert live_facts.messages()["state_notify"].event_type == ""
    assert facts["rtsa"]["control"]["message"]["message_type"] == live.control("play_start").message_type


@pytest.mark.parametrize("name", live.HTTP_COMMANDS)
def test_a_command_becomes_the_body_of_the_call_and_back(name: str) -> None:
    """With its parameters as given."""
    command = live.command(name, PARAMS[name])
    assert isinstance(command, live.HTTP_COMMANDS[name])
    body = command.body().model_dump(by_alias=True, exclude_none=True)
    assert body == {"command": name} | ({} if PARAMS[name] is None else {"params": PARAMS[name]})
    assert live.read_command(body) == command


def test_a_command_may_carry_the_review_switch() -> None:
    """It goes beside the parameters."""
    command = live.command("GET_CURRENT_PLAYING_SCRIPTS", review_config=ReviewConfig(no_need_review=True))
    sent = command.body().model_dump(exclude_none=True)
    assert sent == {"command": "GET_CURRENT_PLAYING_SCRIPTS", "review_config": {"no_need_review": True}}


def test_cleaning_up_everything_needs_no_ids() -> None:
    """An empty list, empty parameters and none at all are taken."""
    choices: list[dict[str, Any] | None] = [None, {}, {"command_ids": []}]
    for params in choices:
        assert live.command("CLEAN_UP_INSERT_COMMAND", params).body().params == params


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("INSERT_PLAY_SCRIP", None, "Did you mean 'INSERT_PLAY_SCRIPT'"),
        ("insert_play_script", None, "Did you mean 'INSERT_PLAY_SCRIPT'"),
        ("", None, "There are INSERT_PLAY_SCRIPT, "),
        ("play_start", None, "as an RTSA control"),
        ("RESET_EXIT_CONFIG", None, "official SDK"),
        ("INSERT_PLAY_SCRIPT", None, "params is missing"),
        ("INSERT_PLAY_SCRIPT", {"text_confg": {}}, "did you mean 'text_config'"),
        ("INSERT_PLAY_SCRIPT", {"text_config": {"text": ""}}, "params.text_config.text"),
        ("INSERT_PLAY_AUDIO", {"play_type": "LATER"}, "APPEND, INSERT, PLAY_NOW"),
        ("REWRITE_PLAY_SCRIPT", {"scene_scripts": {}}, "params.scene_scripts"),
        ("REWRITE_PLAY_SCRIPT", {"scene_scripts": [{}]}, r"params.scene_scripts\[0\].script_name is missing"),
        ("SHOW_LAYER", {}, "params"),
    ],
)
def test_a_wrong_command_is_refused_before_it_is_sent(name: str, params: dict[str, Any], words: str) -> None:
    """With its place, and with what was probably meant."""
    with pytest.raises(UsageError, match=words):
        live.command(name, params)


def test_all_mistakes_of_a_command_are_told_at_once() -> None:
    """Not one a try."""
    with pytest.raises(UsageError) as caught:
        live.command("INSERT_PLAY_AUDIO", {"play_type": "LATER", "play_role": "NOBODY", "x": 1})
    assert all(name in caught.value.message for name in ("play_type", "play_role", "x"))


def test_stream_keys_are_in_no_repr() -> None:
    """Whoever has them can push a stream of their own."""
    assert "push.example" not in repr(live.command("REFRESH_OUTPUT_URL", PARAMS["REFRESH_OUTPUT_URL"]))
    unknown = live.read_command({"command": "REFRESH", "params": {"stream_keys": ["hidden"]}})
    assert "hidden" not in repr(unknown)
    assert "hidden" not in repr(live.read_message('{"message_type": "x", "stream_key": "hidden"}'))


@pytest.mark.parametrize(
    "data",
    [
        {"command": "RESET_EXIT_CONFIG", "params": {"a": 1}},
        {"command": "INSERT_PLAY_SCRIPT", "params": {"a": 1}},
        {"command": "INSERT_PLAY_SCRIPT"},
        {"params": {"a": 1}},
        {},
    ],
)
def test_an_unknown_command_is_kept_when_read(data: dict[str, Any]) -> None:
    """What may not be sent may still be looked at."""
    assert live.read_command(data) == live.UnknownCommand(data.get("command", ""), data.get("params"))


@pytest.mark.parametrize("params", [[SCENE], json.dumps([SCENE]), json.dumps({"scene_scripts": [SCENE]})])
def test_rewritten_scripts_are_read_in_each_form(params: Any) -> None:
    """The reference leaves open whether the list is wrapped, and JSON may stand in a text."""
    read = live.read_command({"command": "REWRITE_PLAY_SCRIPT", "params": params})
    assert isinstance(read, live.RewriteScripts)
    assert read.params.scene_scripts[0].script_name == "Scene 1"


def test_results_are_read_by_command() -> None:
    """JSON text becomes the model of the command that asked; all else is kept."""
    scripts = json.dumps({"scene_scripts": [{"script_name": "S", "shoot_scripts": [{"sequence_no": "1"}]}]})
    read = live.read_result(answer("GET_CURRENT_PLAYING_SCRIPTS", scripts))
    assert isinstance(read, LivePlayingScriptList)
    assert read.scene_scripts is not None
    assert read.scene_scripts[0].script_name == "S"
    room = live.read_result(answer("GET_LIVE_JOB_CONFIG_INFO", '{"room_name": "r"}'))
    assert isinstance(room, SmartLiveRoomInfo)
    assert room.room_name == "r"
    assert live.read_result(answer("GET_CURRENT_PLAYING_SCRIPTS", "")) is None
    assert live.read_result(answer("GET_CURRENT_PLAYING_SCRIPTS", "busy")) == "busy"
    assert live.read_result(answer("GET_CURRENT_PLAYING_SCRIPTS", '{"scene_scripts": 5}')) == {
        "scene_scripts": 5
    }
    assert live.read_result(answer("TOMORROW", '{"a": 1}')) == {"a": 1}
    assert live.read_result(answer(None, None)) is None


def answer(command: str | None, result: str | None) -> ExecuteSmartLiveCommandResponse:
    return ExecuteSmartLiveCommandResponse(command=command, result=result)


@pytest.mark.parametrize("name", live.CONTROL_COMMANDS)
@pytest.mark.parametrize("timing", [None, *get_args(live.Timing)])
def test_a_control_becomes_a_message_and_back(name: str, timing: live.Timing | None) -> None:
    """As the reference writes it; without a timing there are no parameters."""
    control = live.control(name, timing)
    expected: dict[str, Any] = {"message_type": "live_control", "command": name}
    assert json.loads(control.text()) == expected | ({"params": {"timing": timing}} if timing else {})
    assert live.read_message(control.text()) == control


@pytest.mark.parametrize(
    ("name", "timing", "words"),
    [
        ("play_stop", None, "Did you mean 'play_"),
        ("SHOW_LAYER", None, "goes by HTTP"),
        ("play_start", "LATER", "params.timing has to be one of NOW, SENTENCE_END"),
    ],
)
def test_a_wrong_control_is_refused(name: str, timing: Any, words: str) -> None:
    """Before it goes into the channel."""
    with pytest.raises(UsageError, match=words):
        live.control(name, timing)


def test_the_samples_of_the_reference_are_read() -> None:
    """Their trailing commas are no JSON; commas inside strings stay."""
    state = live.read_message('{\n  "message_type": "state_notify",\n  "state": "PREPROCESSING",\n}')
    assert isinstance(state, live.StateNotify)
    assert state.state in machine("live_playback").states
    sample = '{"message_type": "live_control", "command": "play_start", "params": {"timing": "NOW",} }'
    assert live.read_message(sample) == live.control("play_start", "NOW")
    kept = live.read_message(
        '{"message_type": "live_progress_notify", "data": {"script_name": "a,} \\",]"},}'
    )
    assert isinstance(kept, RtcLiveProgressMessage)
    assert kept.data is not None
    assert kept.data.script_name == 'a,} ",]'


PROGRESS = {"script_name": "Scene 1", "shoot_script_sequence_no": 2, "offset": "247", "reply_id": "r"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"message_type": "live_progress_notify", "data": PROGRESS}),
        json.dumps({"message_type": "live_progress_notify", "data": json.dumps(PROGRESS)}),
        json.dumps(json.dumps({"message_type": "live_progress_notify", "data": PROGRESS})),
        json.dumps({"message_type": "live_progress_notify", "data": PROGRESS}).encode(),
        json.dumps({"message_type": "live_progress_notify", "data": PROGRESS | {"offset": 247, "new": 1}}),
    ],
)
def test_progress_is_read_in_each_form(text: str | bytes) -> None:
    """As an object, as JSON within a string, and all of it within one."""
    message = live.read_message(text)
    assert isinstance(message, RtcLiveProgressMessage)
    assert message.data is not None
    assert (message.data.shoot_script_sequence_no, message.data.offset) == (2, "247")


def test_the_end_of_a_reply_is_read() -> None:
    """With the reply that it is about."""
    message = live.read_message('{"message_type": "reply_command_finish_notify", "data": {"reply_id": "r"}}')
    assert isinstance(message, RtcReplyFinishMessage)
    assert message.data is not None
    assert message.data.reply_id == "r"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"message_type": "tomorrow", "x": 1}', "tomorrow"),
        ('{"message_type": "live_control", "command": "dance"}', "live_control"),
        ('{"message_type": "live_progress_notify", "data": [1]}', "live_progress_notify"),
        ('{"message_type": 5}', ""),
        ("{}", ""),
    ],
)
def test_an_unknown_message_is_kept(text: str, kind: str) -> None:
    """The service may be ahead of its reference."""
    assert live.read_message(text) == live.UnknownMessage(kind, json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "5",
        '"text"',
        b"\xff",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a": ' + "[" * 40 + "]" * 40 + "}",
        "[" * 60000,
        '"' + '\\"' * 30000,
        '"\\' * 20000,
        ", " * 30000,
        '"' * 60000,
        '{"a": "' + "x" * live.MAX_MESSAGE + '"}',
    ],
    ids=range(17),
)
def test_a_hostile_message_is_refused_at_once(text: str | bytes) -> None:
    """One kind of error, and no time lost on it."""
    began = time.process_time()
    with pytest.raises(MalformedMessage):
        live.read_message(text)
    assert time.process_time() - began < 1


def test_half_characters_are_mended() -> None:
    """A viewer's name that was cut in an emoji can still be stored."""
    message = live.read_message('{"message_type": "tomorrow", "name": "a\\ud83d", "b\\u0000": 1}')
    assert message == live.UnknownMessage(
        "tomorrow", {"message_type": "tomorrow", "name": "a\ufffd", "b\ufffd": 1}
    )
