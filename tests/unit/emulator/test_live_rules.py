"""Libraries of interaction rules."""

from typing import Any

from tests.unit.emulator.live import room

GROUPS = "/smart-live-interaction-rule-groups"
RULE = {"rule_name": "Price", "event_type": 1, "trigger": {"reply_texts": ["Ten euros."]}}


def group(tenant: Any, name: str = "Welcome", *rules: dict[str, Any]) -> str:
    made = tenant.ok("POST", GROUPS, {"group_name": name, "interaction_rules": list(rules)})
    return str(made["group_id"])


def found(tenant: Any, **query: Any) -> list[Any]:
    return list(tenant.ok("GET", GROUPS, **query)["interaction_rule_groups"])


def test_a_library_is_found_by_name_and_time(tenant: Any, clock: Any) -> None:
    """Newest first, by page, with its rules, their ids and times."""
    group(tenant, "Welcome", RULE)
    clock.pass_s(60)
    group(tenant, "Prices")
    assert [row["group_name"] for row in found(tenant)] == ["Prices", "Welcome"]
    assert [row["group_name"] for row in found(tenant, limit=1, offset=1)] == ["Welcome"]
    (row,) = found(tenant, group_name="wel", create_until="2026-11-22T12:00:30Z")
    (rule,) = row["interaction_rules"]
    assert rule["rule_id"]
    assert rule["rule_index"]
    assert rule["create_time"] == row["create_time"] == "2026-11-22T12:00:00Z"
    assert found(tenant, create_since="2026-11-22T12:02:00Z") == []


def test_a_name_is_taken_once(tenant: Any) -> None:
    """MSS.20010084, also for an update."""
    group(tenant)
    other = group(tenant, "Other")
    assert tenant.refused("POST", GROUPS, {"group_name": "Welcome"})[1] == "MSS.20010084"
    assert tenant.refused("PUT", f"{GROUPS}/{other}", {"group_name": "Welcome"})[1] == "MSS.20010084"
    assert tenant.refused("POST", GROUPS, {"group_name": " "})[0] == 400


def test_a_rule_that_keeps_its_index_keeps_its_id(tenant: Any, clock: Any) -> None:
    """An update changes name and rules; without rules in the body they stay."""
    group_id = group(tenant, "Welcome", {**RULE, "rule_index": "r1"})
    before = found(tenant)[0]["interaction_rules"][0]
    clock.pass_s(60)
    body = {"group_name": "New", "interaction_rules": [{"rule_index": "r1"}, {"rule_index": "r2"}]}
    rules = tenant.ok("PUT", f"{GROUPS}/{group_id}", body)["interaction_rules"]
    assert (rules[0]["rule_id"], rules[0]["create_time"]) == (before["rule_id"], before["create_time"])
    assert rules[0]["update_time"] == rules[1]["create_time"] == "2026-11-22T12:01:00Z"
    assert len(tenant.ok("PUT", f"{GROUPS}/{group_id}", {"group_name": "Name"})["interaction_rules"]) == 2


def test_a_library_in_use_is_not_deleted(tenant: Any) -> None:
    """MSS.20010119 while a room has rules of it, MSS.20010083 once it is gone."""
    group_id = group(tenant)
    room_id = room(tenant, interaction_rules=[{**RULE, "group_id": group_id}])
    assert tenant.refused("DELETE", f"{GROUPS}/{group_id}")[1] == "MSS.20010119"
    tenant.ok("DELETE", f"/smart-live-rooms/{room_id}")
    tenant.ok("DELETE", f"{GROUPS}/{group_id}")
    assert tenant.refused("DELETE", f"{GROUPS}/{group_id}")[1] == "MSS.20010083"
    assert tenant.refused("PUT", f"{GROUPS}/{group_id}", {"group_name": "x"})[1] == "MSS.20010083"
