"""Livestreams by the clock: their states, what is spoken when, how they end."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from tests.unit.emulator.live import Live, room, scene, started

TWO_SCENES = [scene("A"), scene("B", "Eleven twelve thirteen fourteen fifteen.")]
RTMP = {"output_urls": ["rtmp://push.example.com/live"], "stream_keys": ["stream-secret"]}
JOBS = "/smart-live-jobs"


def failing(make_tenant: Callable[..., Any], **rule: Any) -> Any:
    return make_tenant(faults=FaultPlan(rules=(FaultRule(on="live", **rule),)))


def test_a_livestream_waits_loads_speaks_and_ends(tenant: Any, clock: Any) -> None:
    """WAITING for 1 s, 2 s for the avatar, then its paragraphs of 2 s each."""
    live = Live(tenant, clock)
    waiting = live.show()
    assert waiting["state"] == "WAITING"
    assert not {"start_time", "end_time", "duration"} & waiting.keys()
    clock.pass_s(1)
    assert (live.show()["state"], live.show()["start_time"]) == ("PROCESSING", "2026-11-22T12:00:01Z")
    assert live.after(1.9) == []
    assert live.after(0.1) == ["Kettle 1"]
    assert live.after(2) == ["Kettle 2"]
    assert live.show()["duration"] == 4
    clock.pass_s(100)
    done = live.show()
    assert (done["state"], done["end_time"], done["duration"]) == ("SUCCEED", "2026-11-22T12:00:07Z", 6)
    assert done["live_job_log"]["interaction_records_url"].startswith("http")
    assert not {"rtc_room_info", "live_event_report_url"} & done.keys()


def test_speed_divides_its_time(make_tenant: Callable[..., Any], clock: Any) -> None:
    """A hundred times as fast it lasts as long by its own time."""
    live = Live(make_tenant(speed=100.0), clock)
    clock.pass_s(0.071)
    assert (live.show()["state"], live.show()["duration"]) == ("SUCCEED", 6)


def test_the_start_tells_all_that_is_needed(tenant: Any) -> None:
    """RTC users with their tokens, the URL for events, and warnings of what is thin."""
    room_id = room(tenant)
    path = f"/smart-live-rooms/{room_id}/smart-live-jobs"
    policy = {"need_independent_capture_client": True, "random_play_mode": "NONE"}
    made = tenant.send("POST", path, {"play_policy": policy}).json()
    users = made["rtc_room_info"]["users"]
    assert [user["user_type"] for user in users] == ["CAPTURE", "PLAYER"]
    assert all(user["signature"] and user["ctime"] for user in users)
    assert f"{path}/{made['job_id']}/live-event-report?auth_key=" in made["live_event_report_url"]
    assert [row["warning_type"] for row in made["live_warning_info"]] == [
        "TOO_LESS_SCRIPT_ITEMS",
        "TOO_SHORT_SCRIPT_TIME",
        "TOO_LESS_DANMAKU_RULES",
        "RANDOM_PLAY_CLOSED",
        "ROTATION_MODEL_CLOSED",
    ]
    assert tenant.ok("GET", f"{path}/{made['job_id']}")["rtc_room_info"] == made["rtc_room_info"]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"room_type": "TEMPLATE"}, "MSS.20010069"),
        ({"scene_scripts": []}, "MSS.20010027"),
        ({"scene_scripts": [{**scene(), "shoot_scripts": []}]}, "MSS.20010027"),
        ({"scene_scripts": [{**scene(), "model_asset_id": ""}]}, "MSS.20010096"),
        ({"scene_scripts": [{**scene(), "shoot_scripts": [{"title": "mute"}]}]}, "MSS.20010086"),
        ({"play_policy": {"play_mode": "AUDIO"}}, "MSS.20010067"),
        (
            {"interaction_rules": [{"event_type": 1, "trigger": {"reply_mode": "CALLBACK"}}]},
            "MSS.20010087",
        ),
    ],
)
def test_what_cannot_go_live(tenant: Any, changes: dict[str, Any], refusal: str) -> None:
    """The code says why, and there is no livestream."""
    room_id = room(tenant, **changes)
    assert tenant.refused("POST", f"/smart-live-rooms/{room_id}/smart-live-jobs", {})[1] == refusal
    assert tenant.ok("GET", JOBS)["count"] == 0


def test_a_room_is_live_once_at_a_time(tenant: Any, clock: Any) -> None:
    """MSS.20010036 until the first livestream has ended."""
    room_id = room(tenant)
    started(tenant, room_id)
    path = f"/smart-live-rooms/{room_id}/smart-live-jobs"
    assert tenant.refused("POST", path, {}) == (500, "MSS.20010036")
    clock.pass_s(100)
    started(tenant, room_id)
    assert tenant.ok("GET", path)["count"] == 2


def test_the_lists_filter_and_sort(tenant: Any, clock: Any) -> None:
    """By state, time of making, parts of the room's name, page; of one room or of all."""
    first_room, second_room = room(tenant, room_name="Tea"), room(tenant, room_name="Coffee")
    first = started(tenant, first_room)
    clock.pass_s(30)
    second = started(tenant, second_room)

    def found(path: str = JOBS, **query: Any) -> list[str]:
        return [row["job_id"] for row in tenant.ok("GET", path, **query)["smart_live_jobs"]]

    assert found() == [first, second]
    assert found(sort_key="update_time", sort_dir="desc") == [second, first]
    assert found(state="WAITING,PROCESSING") == [second]
    assert found(room_name="tea") == [first]
    assert found(create_since="2026-11-22T12:00:30Z") == [second]
    assert found(create_until="2026-11-22T12:00:10Z") == [first]
    assert found(limit=1, offset=1) == [second]
    assert found(f"/smart-live-rooms/{first_room}/smart-live-jobs") == [first]
    assert tenant.refused("GET", "/smart-live-rooms/nowhere/smart-live-jobs")[1] == "MSS.20010045"
    missing = f"/smart-live-rooms/{first_room}/smart-live-jobs/{second}"
    assert tenant.refused("GET", missing)[1] == "MSS.20010046"


def test_a_livestream_is_stopped_once(tenant: Any, clock: Any) -> None:
    """SUCCEED at once, the stream's end is told, and a second stop is refused."""
    live = Live(tenant, clock, play_policy={"repeat_count": -1}, **RTMP)
    live.after(1000)
    tenant.ok("POST", f"{live.path}/stop")
    assert live.told() == ["END"]
    assert (live.show()["state"], live.show()["duration"]) == ("SUCCEED", 999)
    assert live.show()["stream_duration"] == 998
    assert tenant.refused("POST", f"{live.path}/stop") == (500, "MSS.20010099")
    assert live.after(1000) == []


def test_the_stream_connects_and_ends(tenant: Any, clock: Any) -> None:
    """Between its states the script is told of."""
    live = Live(tenant, clock, **RTMP)
    assert live.after(1) == ["CONNECTING"]
    assert live.after(1) == ["CONNECTED"]
    assert live.after(100) == ["Kettle 1", "Kettle 2", "END"]


def test_only_the_events_asked_for_are_told(tenant: Any, clock: Any) -> None:
    """None named, none told."""
    url = {"live_event_type_callback_url": "https://example.com/live"}
    some = {**url, "callback_event_type": ["RTMP_STREAM_STATE_CHANGE"]}
    assert Live(tenant, clock, live_event_callback_config=some, **RTMP).after(100) == [
        "CONNECTING",
        "CONNECTED",
        "END",
    ]
    assert Live(tenant, clock, room_name="Other", live_event_callback_config=url, **RTMP).after(100) == []


@pytest.mark.parametrize(
    ("mode", "second"),
    [
        ("NONE", ["A 1", "A 2", "A 3", "B 1", "B 2", "B 3"]),
        ("SCENE", None),
        ("SCRIPT_ITEM", None),
        ("SCENE_AND_SCRIPT_ITEM", None),
    ],
)
def test_a_script_is_repeated(tenant: Any, clock: Any, mode: str, second: list[str] | None) -> None:
    """`repeat_count` times more, mixed from the second round on as the policy says."""
    scenes = [scene(name, *["One two three four five."] * 3) for name in ("A", "B")]
    live = Live(
        tenant, clock, scene_scripts=scenes, play_policy={"repeat_count": 1, "random_play_mode": mode}
    )
    told = live.after(1000)
    first, again = told[:6], told[6:]
    assert first == ["A 1", "A 2", "A 3", "B 1", "B 2", "B 3"]
    assert sorted(again) == first
    assert second is None or again == second
    if "SCENE" not in mode:
        assert [part[0] for part in again] == ["A"] * 3 + ["B"] * 3
    if mode == "SCENE":
        assert [again[:3], again[3:]] in ([first[:3], first[3:]], [first[3:], first[:3]])


def test_without_a_start_signal_the_avatar_is_silent(tenant: Any, clock: Any) -> None:
    """It speaks what is inserted, and stays until it is stopped."""
    live = Live(tenant, clock, play_policy={"auto_play_script": False})
    assert live.after(100) == []
    live.command("INSERT_PLAY_SCRIPT", text_config={"text": "Hello."})
    assert live.after(100) == ["said"]
    assert live.show()["state"] == "PROCESSING"


def test_a_livestream_without_end_ends_after_a_day(tenant: Any, clock: Any) -> None:
    """However far the clock leaps."""
    long = scene("Kettle", "word " * 2000)
    live = Live(tenant, clock, scene_scripts=[long], play_policy={"repeat_count": -1})
    clock.pass_s(10 * 366 * 86400)
    assert (live.show()["state"], live.show()["duration"]) == ("SUCCEED", 86400)


def test_a_temporary_room_goes_with_its_livestream(tenant: Any, clock: Any) -> None:
    """The livestream can still be asked for."""
    live = Live(tenant, clock, room_type="TEMP")
    clock.pass_s(100)
    assert live.show()["state"] == "SUCCEED"
    assert tenant.refused("GET", f"/smart-live-rooms/{live.room_id}")[1] == "MSS.20010045"
    assert tenant.ok("GET", f"/smart-live-rooms/{live.room_id}/smart-live-jobs")["count"] == 1


def test_a_livestream_fails_as_planned(make_tenant: Callable[..., Any], clock: Any) -> None:
    """With the plan's code; the room stays usable."""
    live = Live(failing(make_tenant, do=Fault.FAIL, code="MSS.45001002"), clock)
    assert live.after(3) == []
    assert (live.show()["state"], live.show()["error_info"]["error_code"]) == ("FAILED", "MSS.45001002")
    assert live.tenant.ok("GET", f"/smart-live-rooms/{live.room_id}")["room_state"] == "ENABLE"


def test_refused_content_blocks_the_room(make_tenant: Callable[..., Any], clock: Any) -> None:
    """BLOCKED with the reason, no further start, until the room is changed."""
    live = Live(failing(make_tenant, do=Fault.FAIL, code="MSS.20010157", count=1), clock)
    clock.pass_s(3)
    shown = live.show()
    assert (shown["state"], shown["block_reason"]) == ("BLOCKED", shown["error_info"]["error_msg"])
    path = f"/smart-live-rooms/{live.room_id}"
    blocked = live.tenant.ok("GET", path)
    assert (blocked["room_state"], blocked["error_info"]) == ("BLOCKED", shown["error_info"])
    assert live.tenant.refused("POST", f"{path}/smart-live-jobs", {})[1] == "MSS.20010069"
    body = {"room_name": "Shop", "scene_scripts": [scene()]}
    assert live.tenant.ok("PUT", path, body)["room_state"] == "ENABLE"
    started(live.tenant, live.room_id)


def test_a_stuck_livestream_waits_for_ever(make_tenant: Callable[..., Any], clock: Any) -> None:
    """Only a stop ends it."""
    live = Live(failing(make_tenant, do=Fault.STUCK), clock)
    clock.pass_s(100000)
    assert live.show()["state"] == "WAITING"
    live.tenant.ok("POST", f"{live.path}/stop")
    assert live.show()["state"] == "SUCCEED"


def test_the_start_goes_before_the_room(tenant: Any, clock: Any) -> None:
    """Policy, stream and callback of this one livestream."""
    room_id = room(tenant)
    policy = {"repeat_count": 1, "random_play_mode": "NONE"}
    config = {"live_event_type_callback_url": "https://example.com/x", "callback_event_type": []}
    job_id = started(tenant, room_id, play_policy=policy, live_event_callback_config=config, **RTMP)
    clock.pass_s(1000)
    shown = tenant.ok("GET", f"/smart-live-rooms/{room_id}/smart-live-jobs/{job_id}")
    assert (shown["duration"], shown["live_event_callback_config"]) == (10, config)
    assert shown["stream_duration"] == 9
    assert "output_urls" not in tenant.ok("GET", f"/smart-live-rooms/{room_id}")
