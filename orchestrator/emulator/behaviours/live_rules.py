"""Libraries of interaction rules: create, list, update, delete (reference 6.1.6 to 6.1.9)."""

from dataclasses import replace
from typing import Any

from orchestrator.emulator.behaviours.base import Call, stamp
from orchestrator.emulator.behaviours.live_checks import check_rules
from orchestrator.emulator.behaviours.live_records import ROOMS, RULE_GROUPS, RuleGroup
from orchestrator.emulator.behaviours.live_room import with_rule_indexes
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal


def create_interaction_rule_group(call: Call) -> dict[str, Any]:
    """Makes a library of its own name."""
    rules = _checked(call)
    group = RuleGroup(
        id=call.world.new_id(),
        name=call.raw["group_name"],
        rules=_stamped(call, rules, ()),
        created_at=call.now,
        updated_at=call.now,
    )
    call.world[RULE_GROUPS].put(group)
    return {"group_id": group.id}


def list_interaction_rule_groups(call: Call) -> dict[str, Any]:
    """Libraries by part of their name and time of making, newest first, a page of them."""
    since, until = call.time("create_since"), call.time("create_until")
    name = (call.text("group_name") or "").casefold()
    rows = [
        group
        for group in call.world[RULE_GROUPS]
        if name in group.name.casefold()
        and (since is None or group.created_at >= since)
        and (until is None or group.created_at <= until)
    ]
    rows.sort(key=lambda group: group.created_at, reverse=True)
    return {"count": len(rows), "interaction_rule_groups": [_info(group) for group in call.page(rows)]}


def update_interaction_rule_group(call: Call) -> dict[str, Any]:
    """Replaces name and, where the body has some, rules; a rule that keeps its index keeps its id."""
    group = _find(call)
    rules = _checked(call, but=group.id)
    kept = group.rules if "interaction_rules" not in call.raw else _stamped(call, rules, group.rules)
    changed = replace(group, name=call.raw["group_name"], rules=kept, updated_at=call.now)
    return _info(call.world[RULE_GROUPS].put(changed))


def delete_interaction_rule_group(call: Call) -> None:
    """Deletes a library that no room has imported rules from."""
    group = _find(call)
    for room in call.world[ROOMS]:
        if any(rule.get("group_id") == group.id for rule in room.body.get("interaction_rules") or ()):
            raise Refusal("MSS.20010119", f"{group.id} by room {room.id}")
    call.world[RULE_GROUPS].drop(group.id)


def _find(call: Call) -> RuleGroup:
    group = call.world[RULE_GROUPS].get(call.path["group_id"])
    if group is None:
        raise Refusal("MSS.20010083", call.path["group_id"][:64])
    return group


def _checked(call: Call, but: str | None = None) -> list[dict[str, Any]]:
    name, rules = call.raw["group_name"], call.raw.get("interaction_rules") or []
    if not name.strip():
        raise Refusal(INVALID_PARAMETER, "group_name: empty")
    if any(group.name == name and group.id != but for group in call.world[RULE_GROUPS]):
        raise Refusal("MSS.20010084", name[:64])
    check_rules(call, rules)
    return with_rule_indexes(call, rules)


def _stamped(
    call: Call, rules: list[dict[str, Any]], before: tuple[dict[str, Any], ...]
) -> tuple[dict[str, Any], ...]:
    """Rules with their ids and times."""
    known = {rule["rule_index"]: rule for rule in before}
    now = stamp(call.now)
    return tuple(
        {
            **rule,
            "rule_id": old["rule_id"] if (old := known.get(rule["rule_index"])) else call.world.new_id(),
            "create_time": old["create_time"] if old else now,
            "update_time": now,
        }
        for rule in rules
    )


def _info(group: RuleGroup) -> dict[str, Any]:
    return {
        "group_id": group.id,
        "group_name": group.name,
        "interaction_rules": list(group.rules),
        "create_time": stamp(group.created_at),
        "update_time": stamp(group.updated_at),
    }


BEHAVIOURS = (
    create_interaction_rule_group,
    list_interaction_rule_groups,
    update_interaction_rule_group,
    delete_interaction_rule_group,
)
