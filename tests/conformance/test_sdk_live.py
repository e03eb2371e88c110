"""Live rooms, rules and livestreams through the official SDK (reference 6.1, 6.2)."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.conformance.conftest import Tenant
from tests.conformance.flows import RULE, room_body
from tests.conformance.official import Official


def room(sdk: Official, **changes: Any) -> str:
    return str(sdk.create_smart_live_room(room_body(**changes)).room_id)


def test_a_room_is_made_shown_changed_and_deleted(sdk: Official) -> None:
    """What was sent comes back; an update replaces it."""
    room_id = sdk.create_smart_live_room(room_body()).room_id
    shown = sdk.show_smart_live_room(room_id=room_id)
    assert (shown.room_name, shown.room_state, shown.priv_data) == ("Kettle show", "ENABLE", "shop=1")
    assert [one.sequence_no for one in shown.scene_scripts[0].shoot_scripts] == [1, 2, 3]
    assert shown.interaction_rules[0].rule_name == "Price"
    changed = sdk.update_smart_live_room(room_body(room_name="Pot show"), room_id=room_id)
    assert changed.room_name == "Pot show"
    assert sdk.show_smart_live_room(room_id=room_id).room_name == "Pot show"
    sdk.delete_smart_live_room(room_id=room_id)
    assert sdk.refused.show_smart_live_room(room_id=room_id)[1] == "MSS.20010045"


def test_rooms_are_listed_by_page_and_filter(sdk: Official) -> None:
    """The pages hold every room once."""
    made = {room(sdk, room_name=f"Show {number:02}") for number in range(12)}
    pages = [sdk.list_smart_live_rooms(limit=5, offset=offset) for offset in (0, 5, 10)]
    assert [page.count for page in pages] == [12, 12, 12]
    assert sorted(one.room_id for page in pages for one in page.smart_live_rooms) == sorted(made)
    assert sdk.list_smart_live_rooms(room_name="Show 1").count == 2
    assert sdk.list_smart_live_rooms(room_type="TEMPLATE").count == 0


def test_rules_are_kept_in_libraries(sdk: Official) -> None:
    """Of a name that no other has."""
    group_id = sdk.create_interaction_rule_group(
        {"group_name": "Prices", "interaction_rules": [RULE]}
    ).group_id
    assert sdk.refused.create_interaction_rule_group({"group_name": "Prices"})[1] == "MSS.20010084"
    listed = sdk.list_interaction_rule_groups(group_name="Pri")
    assert [one.group_id for one in listed.interaction_rule_groups] == [group_id]
    body = {"group_name": "Cheap prices", "interaction_rules": [{**RULE, "rule_name": "Cheap"}]}
    changed = sdk.update_interaction_rule_group(body, group_id=group_id)
    assert changed.interaction_rules[0].rule_name == "Cheap"
    sdk.delete_interaction_rule_group(group_id=group_id)
    assert sdk.list_interaction_rule_groups().count == 0


def test_a_livestream_starts_takes_commands_and_stops(sdk: Official, tenant: Tenant) -> None:
    """It is listed for its room and for the tenant, and a room is live once at a time."""
    room_id = room(sdk)
    job_id = sdk.start_smart_live({}, room_id=room_id).job_id
    assert sdk.show_smart_live(room_id=room_id, job_id=job_id).state == "WAITING"
    assert sdk.refused.start_smart_live({}, room_id=room_id)[1].startswith("MSS.")
    command = {"command": "INSERT_PLAY_SCRIPT", "params": {"text_config": {"text": "A word in between."}}}
    assert (
        sdk.refused.execute_smart_live_command(command, room_id=room_id, job_id=job_id)[1] == "MSS.20010099"
    )
    tenant.pass_s(6)
    assert sdk.show_smart_live(room_id=room_id, job_id=job_id).state == "PROCESSING"
    answer = sdk.execute_smart_live_command(command, room_id=room_id, job_id=job_id)
    assert answer.command_id
    asked = {"command": "GET_CURRENT_PLAYING_SCRIPTS"}
    playing = sdk.execute_smart_live_command(asked, room_id=room_id, job_id=job_id)
    (scene,) = json.loads(playing.result)["scene_scripts"]
    assert scene["script_name"] == "Kettles"
    tenant.pass_s(30)
    assert [one.job_id for one in sdk.list_smart_live(room_id=room_id).smart_live_jobs] == [job_id]
    assert sdk.list_smart_live_jobs(state="PROCESSING", room_name="Kettle").count == 1
    sdk.stop_smart_live(room_id=room_id, job_id=job_id)
    ended = sdk.show_smart_live(room_id=room_id, job_id=job_id)
    assert ended.state == "SUCCEED"
    assert ended.duration > 0
    assert sdk.list_smart_live_rooms().smart_live_rooms[0].last_job_status == "SUCCEED"


def test_events_of_the_audience_are_reported(sdk: Official, tenant: Tenant) -> None:
    """By the URL that the start gave, which can be renewed."""
    room_id = room(sdk)
    started = sdk.start_smart_live({}, room_id=room_id)
    tenant.pass_s(6)
    query = dict(parse_qsl(urlsplit(started.live_event_report_url).query))
    body = {
        "total": 1,
        "events": [{"timestamp": 1795000000000, "type": 1, "content": '{"comment": "the price?"}'}],
    }
    reported = sdk.live_event_report(
        body,
        room_id=room_id,
        job_id=started.job_id,
        auth_key=query["auth_key"],
        expires_time=int(query["expires_time"]),
        refresh_url=True,
    )
    assert reported.live_event_report_url
    wrong = {"auth_key": "0" * 64, "expires_time": int(query["expires_time"])}
    refused = sdk.refused.live_event_report(body, room_id=room_id, job_id=started.job_id, **wrong)
    assert refused[1] == "MSS.20010039"
