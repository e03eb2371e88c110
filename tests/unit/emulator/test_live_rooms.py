"""Live rooms: made, found, changed, out of use, deleted."""

from typing import Any

import pytest

from tests.unit.emulator.conftest import AVATAR
from tests.unit.emulator.live import callback, room, room_body, scene, started

ROOMS = "/smart-live-rooms"
RTMP = {"output_urls": ["rtmp://push.example.com/live"], "stream_keys": ["stream-secret"]}


def names(tenant: Any, **query: Any) -> list[str]:
    return [row["room_name"] for row in tenant.ok("GET", ROOMS, **query)["smart_live_rooms"]]


def test_a_room_is_shown_as_it_was_made(tenant: Any) -> None:
    """With what the service adds: ids, times, state, screen, picture."""
    body = room_body(priv_data="mine", **RTMP, video_config=_video(1920, 1080))
    room_id = tenant.ok("POST", ROOMS, body)["room_id"]
    shown = tenant.ok("GET", f"{ROOMS}/{room_id}")
    assert {key: shown[key] for key in body if key != "scene_scripts"} == {
        key: value for key, value in body.items() if key != "scene_scripts"
    }
    assert shown["scene_scripts"][0]["script_id"]
    assert (shown["room_type"], shown["room_state"], shown["view_mode"]) == ("NORMAL", "ENABLE", "LANDSCAPE")
    assert shown["create_time"] == shown["update_time"] == "2026-11-22T12:00:00Z"
    assert shown["cover_url"].startswith("http")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"scene_scripts": [{**scene(), "model_asset_id": "nobody"}]}, "MSS.20010050"),
        ({"scene_scripts": [{**scene(), "voice_config": {"voice_asset_id": "x"}}]}, "MSS.20010131"),
        ({"backup_model_asset_ids": ["nobody"]}, "MSS.20010050"),
        ({"output_urls": ["https://example.com/live"]}, "MSS.20010093"),
        ({"stream_keys": ["key"]}, "MSS.20010151"),
        ({"shared_config": {"shared_type": "SHARED"}}, "MSS.20010151"),
        ({"room_type": "TEMPLATE", "shared_config": {"shared_type": "PUBLIC"}}, "MSS.20010151"),
        ({"video_config": {"codec": "H264", "bitrate": 4000, "width": 1280, "height": 720}}, "MSS.20010151"),
        ({"live_event_callback_config": callback(auth_type="MSS_A")}, "MSS.20010151"),
        ({"live_event_callback_config": callback(live_event_type_callback_url="https://")}, "MSS.20010093"),
        ({"interaction_rules": [{"group_id": "nowhere"}]}, "MSS.20010083"),
        (
            {"interaction_rules": [{"hit_condition": {"tags": [{"match": "REGEX", "value": "("}]}}]},
            "MSS.20010110",
        ),
    ],
)
def test_what_a_room_cannot_be_made_from(tenant: Any, changes: dict[str, Any], refusal: str) -> None:
    """The code says what is missing or wrong, and no room is made."""
    assert tenant.refused("POST", ROOMS, room_body(**changes))[1] == refusal
    assert names(tenant) == []


def test_a_name_is_taken_once(tenant: Any) -> None:
    """MSS.20010031 for another room, not for the room itself."""
    first = room(tenant)
    second = room(tenant, room_name="Other")
    assert tenant.refused("POST", ROOMS, room_body())[1] == "MSS.20010031"
    assert tenant.refused("PUT", f"{ROOMS}/{second}", room_body())[1] == "MSS.20010031"
    tenant.ok("PUT", f"{ROOMS}/{first}", room_body())


def test_a_room_that_is_not_there(tenant: Any) -> None:
    """MSS.20010045, whatever is asked of it."""
    for method, body in (("GET", None), ("PUT", room_body()), ("DELETE", None)):
        assert tenant.refused(method, f"{ROOMS}/nowhere", body)[1] == "MSS.20010045"


def test_an_update_replaces_the_room(tenant: Any, clock: Any) -> None:
    """What the body leaves out is gone; the room's type stays unless it is named."""
    room_id = room(tenant, room_type="TEMP", room_description="old", **RTMP)
    before = tenant.ok("GET", f"{ROOMS}/{room_id}")
    clock.pass_s(60)
    shown = tenant.ok("PUT", f"{ROOMS}/{room_id}", room_body(room_name="New"))
    assert (shown["room_name"], shown["room_type"]) == ("New", "TEMP")
    assert not {"room_description", "output_urls", "stream_keys"} & shown.keys()
    assert (shown["create_time"], shown["update_time"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:01:00Z")
    assert shown["cover_url"].partition("?")[0] != before["cover_url"].partition("?")[0]


def test_a_room_without_its_assets_is_disabled(tenant: Any) -> None:
    """`error_info` says what is missing; it can't go live until the asset is back."""
    picture = _picture(tenant)
    layer = {"layer_type": "IMAGE", "asset_id": picture}
    room_id = room(tenant, scene_scripts=[{**scene(), "layer_config": [layer]}])
    tenant.ok("PUT", f"/digital-assets/{picture}", {"asset_state": "UNACTIVED"})
    shown = tenant.ok("GET", f"{ROOMS}/{room_id}")
    assert (shown["room_state"], shown["error_info"]["error_code"]) == ("DISABLE", "MSS.20010071")
    refused = tenant.refused("POST", f"{ROOMS}/{room_id}/smart-live-jobs", {})
    assert refused == (500, "MSS.20010069")
    tenant.ok("PUT", f"/digital-assets/{picture}", {"asset_state": "ACTIVED"})
    assert tenant.ok("GET", f"{ROOMS}/{room_id}")["room_state"] == "ENABLE"


def test_the_list_finds_rooms(tenant: Any, clock: Any) -> None:
    """By parts of their name, avatar, type, ownership, page; newest first."""
    room(tenant, room_name="Kettle shop", scene_scripts=[{**scene(), "dh_id": "dh1"}])
    clock.pass_s(1)
    room(tenant, room_name="Teapot shop", room_type="TEMP", scene_scripts=[])
    clock.pass_s(1)
    shared = {"shared_type": "SHARED", "allowed_project_ids": ["p"]}
    room(tenant, room_name="Model", room_type="TEMPLATE", shared_config=shared)
    clock.pass_s(1)
    room(tenant, room_name="Own model", room_type="TEMPLATE")
    assert names(tenant) == ["Own model", "Model", "Teapot shop", "Kettle shop"]
    assert names(tenant, room_name="SHOP") == ["Teapot shop", "Kettle shop"]
    assert names(tenant, model_name="presenter", room_type="NORMAL") == ["Kettle shop"]
    assert names(tenant, dh_id="dh1") == ["Kettle shop"]
    assert names(tenant, room_type="TEMP") == ["Teapot shop"]
    assert names(tenant, template_own_type="OWNED") == ["Own model"]
    assert names(tenant, template_own_type="SHARED_TO_OHTERS") == ["Model"]
    assert (
        names(tenant, template_own_type="SHARED_FROM_OHTERS")
        == names(tenant, template_own_type="PUBLIC")
        == []
    )
    assert names(tenant, limit=1, offset=1) == ["Model"]
    assert tenant.ok("GET", ROOMS, limit=1)["count"] == 4
    row = tenant.ok("GET", ROOMS, room_name="Kettle")["smart_live_rooms"][0]
    assert row["model_infos"] == [{"model_asset_id": AVATAR, "asset_name": "Presenter"}]
    assert row["project_id"] == tenant.emulator.config.project_id
    assert (
        tenant.ok("GET", ROOMS, room_name="Model", limit=2)["smart_live_rooms"][1]["shared_config"] == shared
    )


def test_the_list_knows_the_last_livestream(tenant: Any, clock: Any) -> None:
    """State (SUCCESS in the query, SUCCEED in the answer) and times; NULL for none."""
    room_id = room(tenant, room_name="Live")
    room(tenant, room_name="Quiet")
    started(tenant, room_id)
    assert names(tenant, live_state="WAITING") == ["Live"]
    assert names(tenant, live_state="NULL") == ["Quiet"]
    clock.pass_s(100)
    assert names(tenant, live_state="SUCCESS,FAILED") == ["Live"]
    assert names(tenant, start_time="2026-11-22T12:00:01Z", end_time="2026-11-22T12:00:02Z") == ["Live"]
    assert names(tenant, start_time="2026-11-22T12:00:02Z") == []
    row = tenant.ok("GET", ROOMS, room_name="Live")["smart_live_rooms"][0]
    assert (row["last_job_status"], row["last_job_start_time"], row["last_job_end_time"]) == (
        "SUCCEED",
        "2026-11-22T12:00:01Z",
        "2026-11-22T12:00:07Z",
    )


def test_a_livestream_that_was_stopped_before_it_began_is_cancelled(tenant: Any) -> None:
    """The room says so; the livestream itself knows no such state."""
    room_id = room(tenant)
    job_id = started(tenant, room_id)
    tenant.ok("POST", f"{ROOMS}/{room_id}/smart-live-jobs/{job_id}/stop")
    assert names(tenant, live_state="CANCELED") == ["Shop"]
    assert tenant.ok("GET", ROOMS)["smart_live_rooms"][0]["last_job_status"] == "CANCELED"


def test_a_room_that_is_live_stays(tenant: Any, clock: Any) -> None:
    """MSS.20010036 until the livestream has ended."""
    room_id = room(tenant)
    started(tenant, room_id)
    assert tenant.refused("DELETE", f"{ROOMS}/{room_id}") == (500, "MSS.20010036")
    clock.pass_s(100)
    tenant.ok("DELETE", f"{ROOMS}/{room_id}")
    assert names(tenant) == []


def test_no_key_is_shown_by_the_state(tenant: Any, clock: Any) -> None:
    """Neither the callback's nor the stream's, nor their addresses; the API itself gives them back."""
    config = callback(auth_type="MSS_A", key="callback-secret")
    room_id = room(tenant, live_event_callback_config=config, **RTMP)
    started(tenant, room_id)
    clock.pass_s(2.5)
    tenant.emulator.settle()
    shown = repr(list(tenant.emulator.world.further.values())) + repr(
        [list(table) for table in tenant.emulator.world.further.values()]
    )
    for secret in ("callback-secret", "stream-secret", "push.example.com", "example.com/live"):
        assert secret not in shown
    assert tenant.ok("GET", f"{ROOMS}/{room_id}")["live_event_callback_config"] == config


def _video(width: int, height: int) -> dict[str, Any]:
    return {"codec": "H264", "bitrate": 4000, "width": width, "height": height}


def _picture(tenant: Any) -> str:
    """An active image."""
    from dataclasses import replace  # noqa: PLC0415 - this once

    from orchestrator.emulator.records import AssetState  # noqa: PLC0415 - this once

    asset_id = tenant.asset()
    assets = tenant.emulator.world.assets
    assets.put(replace(assets.get(asset_id), state=AssetState.ACTIVED))
    return str(asset_id)
