"""Commands of a running livestream."""

import json
from typing import Any

import pytest

from tests.unit.emulator.live import Live, scene

LONG = "One two three four five. " * 4
RTMP = {"output_urls": ["rtmp://push.example.com/live"], "stream_keys": ["stream-secret"]}
SAY = {"text": "One two three four five."}


@pytest.fixture
def live(tenant: Any, clock: Any) -> Live:
    """A livestream that has just begun its first paragraph, of four sentences and 8 s."""
    scenes = [scene("A", LONG, "Last words of scene A."), scene("B", "And then scene B.")]
    begun = Live(tenant, clock, scene_scripts=scenes)
    assert begun.after(3) == ["A 1"]
    return begun


@pytest.mark.parametrize(
    ("play_type", "waits_s"),
    [("PLAY_NOW", 0.0), ("INSERT", 1.0), ("APPEND", 9.0), (None, 0.0)],
)
def test_a_text_is_said_at_its_place(live: Live, play_type: str | None, waits_s: float) -> None:
    """At once (the default), behind the sentence, or behind the scene; the paragraph is then taken up again."""
    live.after(1)
    made = live.command(
        "INSERT_PLAY_SCRIPT", text_config=SAY, **({"play_type": play_type} if play_type else {})
    )
    assert made["command"] == "INSERT_PLAY_SCRIPT"
    assert made["command_id"]
    before = ["A 2"] if play_type == "APPEND" else []
    assert live.after(waits_s + 1.99) == before
    assert live.after(0.02) == (["said", "B 1"] if play_type == "APPEND" else ["said"])
    assert live.after(100) == ([] if play_type == "APPEND" else ["A 2", "B 1"])
    assert live.show()["duration"] == 2 + 8 + 2 + 2 + 2


def test_a_sound_is_appended(live: Live) -> None:
    """Behind the scene by default."""
    assert live.command("INSERT_PLAY_AUDIO", audio_url="https://example.com/a.mp3")["command_id"]
    assert live.after(100) == ["A 2", "said", "B 1"]


def test_what_is_urgent_cuts_a_reply_short(live: Live) -> None:
    """The reply that was being spoken counts as finished."""
    live.command("INSERT_PLAY_SCRIPT", text_config={"text": LONG})
    live.after(1)
    live.command("INSERT_PLAY_SCRIPT", text_config=SAY)
    assert live.told() == ["said"]
    assert live.after(2) == ["said"]


def test_what_was_not_said_is_dropped(live: Live) -> None:
    """The named insertions, or all; the one being spoken goes on."""
    live.command("INSERT_PLAY_SCRIPT", text_config=SAY)
    first, _ = (live.command("INSERT_PLAY_SCRIPT", text_config=SAY, play_type="APPEND") for _ in range(2))
    live.command("CLEAN_UP_INSERT_COMMAND", command_ids=[first["command_id"]])
    live.after(2)
    assert live.after(100) == ["A 2", "said", "B 1"]


def test_all_that_was_not_said_is_dropped(live: Live) -> None:
    """Without ids."""
    live.command("INSERT_PLAY_SCRIPT", text_config=SAY, play_type="APPEND")
    live.command("CLEAN_UP_INSERT_COMMAND")
    assert live.after(100) == ["A 2", "B 1"]


def test_the_script_is_rewritten_ahead(live: Live) -> None:
    """What was spoken is not spoken again; the round's scripts show the new ones."""
    scenes = [scene("A", LONG, "New words for scene A.", "Even more of them now."), scene("C")]
    live.command("REWRITE_PLAY_SCRIPT", scene_scripts=scenes)
    listed = json.loads(live.command("GET_CURRENT_PLAYING_SCRIPTS")["result"])["scene_scripts"]
    assert [(row["script_name"], len(row["shoot_scripts"])) for row in listed] == [("A", 3), ("C", 2)]
    assert listed[0]["shoot_scripts"][1] == {"sequence_no": 2, "title": "Part 2"}
    assert live.after(100) == ["A 2", "A 3", "C 1", "C 2"]


def test_the_rules_are_rewritten(live: Live) -> None:
    """From then on they reply."""
    rule = {
        "event_type": 2,
        "hit_condition": {"relation": "RESERVED"},
        "trigger": {"reply_texts": ["Welcome!"]},
    }
    live.command("REWRITE_INTERACTION_RULES", interaction_rules=[rule])
    live.report((2, {"user": {"name": "Ann"}}))
    assert live.after(2) == ["said"]
    shown = json.loads(live.command("GET_LIVE_JOB_CONFIG_INFO")["result"])
    assert shown["interaction_rules"][0]["trigger"]["reply_texts"] == ["Welcome!"]
    assert shown["room_id"] == live.room_id


def test_the_stream_is_pushed_elsewhere(tenant: Any, clock: Any) -> None:
    """The old connection is dropped, the new one made; its time goes on."""
    live = Live(tenant, clock, play_policy={"auto_play_script": False}, **RTMP)
    assert live.after(10) == ["CONNECTING", "CONNECTED"]
    live.command("REFRESH_OUTPUT_URL", output_urls=["rtmp://other.example.com/live"])
    assert live.told() == ["DISCONNECTED", "CONNECTING"]
    assert live.after(1) == ["CONNECTED"]
    assert live.show()["stream_duration"] == 9


def test_a_layer_is_shown(live: Live) -> None:
    """Any is taken, as its structure isn't published; the answer's table doesn't list the command."""
    assert live.command("SHOW_LAYER", layer_config={"layer_type": "IMAGE"}) == {"result": ""}


@pytest.mark.parametrize(
    ("name", "params", "refusal"),
    [
        ("INSERT_PLAY_SCRIPT", {}, "MSS.20010112"),
        ("INSERT_PLAY_SCRIPT", {"text_config": SAY, "play_role": "CO_STREAMER"}, "MSS.20010153"),
        ("INSERT_PLAY_AUDIO", {}, "MSS.20010067"),
        ("INSERT_PLAY_AUDIO", {"audio_url": "a.mp3"}, "MSS.20010093"),
        ("REWRITE_PLAY_SCRIPT", {}, "MSS.00000003"),
        ("REWRITE_PLAY_SCRIPT", {"scene_scripts": [{"script_name": "A"}]}, "MSS.00000003"),
        ("REWRITE_INTERACTION_RULES", {"interaction_rules": [{"group_id": "x"}]}, "MSS.20010083"),
        ("REFRESH_OUTPUT_URL", {}, "MSS.00000003"),
        ("REFRESH_OUTPUT_URL", {"output_urls": ["http://example.com"]}, "MSS.20010093"),
        ("SHOW_LAYER", {}, "MSS.00000003"),
        ("DANCE", {}, "MSS.00000003"),
    ],
)
def test_a_command_that_cannot_be_carried_out(
    live: Live, name: str, params: dict[str, Any], refusal: str
) -> None:
    """The code says why, and the livestream goes on as before."""
    body = {"command": name, "params": params}
    assert live.tenant.refused("POST", f"{live.path}/command", body)[1] == refusal
    assert live.after(100) == ["A 2", "B 1"]


def test_only_a_livestream_at_work_takes_commands(tenant: Any, clock: Any) -> None:
    """Neither one that waits nor one that has ended: MSS.20010099."""
    live = Live(tenant, clock)
    body = {"command": "GET_CURRENT_PLAYING_SCRIPTS"}
    assert tenant.refused("POST", f"{live.path}/command", body) == (500, "MSS.20010099")
    clock.pass_s(1)
    tenant.ok("POST", f"{live.path}/command", body)
    clock.pass_s(100)
    assert tenant.refused("POST", f"{live.path}/command", body) == (500, "MSS.20010099")


def test_what_is_inserted_while_loading_is_said_first(tenant: Any, clock: Any) -> None:
    """The script waits for it."""
    live = Live(tenant, clock)
    clock.pass_s(1)
    live.command("INSERT_PLAY_SCRIPT", text_config=SAY)
    assert live.after(3.9) == []
    assert live.after(0.2) == ["said", "Kettle 1"]
