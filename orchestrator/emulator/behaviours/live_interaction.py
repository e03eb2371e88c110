"""Interaction rules at work: from an event to the reply that it triggers (reference tables 6-19 to 6-22).

What the reference leaves open: sums, averages and counts run over all events of the type since the livestream began;
`CALLBACK` and `SHOW_LAYER` rules are taken note of and say nothing; a large model's reply is a fixed sentence.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.behaviours.live_patterns import pattern
from orchestrator.emulator.behaviours.live_program import AUDIO_S, text_s
from orchestrator.emulator.behaviours.live_records import LiveJob

PRESET_SCRIPT = 10
_MODEL_REPLY = "Thank you for your question."
_MAX_NUMBER = 1e15
_COMPARE = {
    "MATH_GT": lambda left, right: left > right,
    "MATH_GE": lambda left, right: left >= right,
    "MATH_LT": lambda left, right: left < right,
    "MATH_LE": lambda left, right: left <= right,
    "MATH_EQ": lambda left, right: left == right,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a triggered rule wants to be spoken; `text` is empty for recorded sound."""

    play_type: str
    length_s: float
    text: str
    role: str


def react(
    job: LiveJob, event_type: int, content: str | None, now: datetime, speed: float
) -> tuple[LiveJob, str | None, Reply | None]:
    """The job with the event counted, the index of the rule that it triggered, and the reply to be spoken."""
    rules = [rule for rule in job.config.get("interaction_rules") or () if _listens(job, rule, event_type)]
    if not rules:
        return job, None, None
    fields = _fields(content)
    job = _counted(job, rules, event_type, fields)
    rules.sort(key=lambda rule: _priority(rule.get("hit_condition") or {}))
    for rule in rules:
        trigger = rule.get("trigger") or {}
        if _hits(job, rule, event_type, fields) and not _suppressed(job, rule, trigger, now, speed):
            index = rule["rule_index"]
            times = job.fired.get(index, 0)
            reply = _reply(job, index, trigger, times)
            job = replace(job, fired={**job.fired, index: times + 1}, fired_at={**job.fired_at, index: now})
            return job, index, reply
    return job, None, None


def _listens(job: LiveJob, rule: Mapping[str, Any], event_type: int) -> bool:
    scenes = rule.get("enabled_scenes")
    here = not scenes or (job.paragraph is not None and job.paragraph.scene in scenes)
    return rule.get("enabled") is not False and rule.get("event_type") == event_type and here


def _priority(condition: Mapping[str, Any]) -> int:
    priority = condition.get("priority")
    return 500 if priority is None else priority


def _fields(content: str | None) -> dict[str, Any]:
    """The fields of an event by name, inner objects opened; text that is no JSON object is its own `content`."""
    try:
        value = json.loads(content or "")
    except (ValueError, RecursionError):
        return {"content": content or ""}
    if not isinstance(value, dict):
        return {"content": content or ""}
    found: dict[str, Any] = {}
    level: list[dict[str, Any]] = [value]
    while level:
        for node in level:
            for name, inner in node.items():
                if not isinstance(inner, dict):
                    found.setdefault(name, inner)
        level = [inner for node in level for inner in node.values() if isinstance(inner, dict)]
    return found


def _tags(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((rule.get("hit_condition") or {}).get("tags") or ())


def _counted(
    job: LiveJob, rules: list[dict[str, Any]], event_type: int, fields: Mapping[str, Any]
) -> LiveJob:
    names = {_name(tag) for rule in rules for tag in _tags(rule) if _operation(tag) != "NONE"}
    if not names & fields.keys():
        return job
    tallies = dict(job.tallies)
    for name in names & fields.keys():
        count, total = tallies.get(f"{event_type}/{name}", (0, 0.0))
        tallies[f"{event_type}/{name}"] = (count + 1, total + (_number(fields[name]) or 0.0))
    return replace(job, tallies=tallies)


def _hits(job: LiveJob, rule: Mapping[str, Any], event_type: int, fields: Mapping[str, Any]) -> bool:
    condition = rule.get("hit_condition") or {}
    if condition.get("relation") == "RESERVED":
        return True
    found = [_fits(job, tag, event_type, fields) for tag in _tags(rule)]
    return any(found) if condition.get("relation") == "OR" else bool(found) and all(found)


def _fits(job: LiveJob, tag: Mapping[str, Any], event_type: int, fields: Mapping[str, Any]) -> bool:
    name, match, wanted = _name(tag), tag.get("match") or "EQUAL", tag.get("value") or ""
    if name not in fields:
        return False
    value = fields[name]
    count, total = job.tallies.get(f"{event_type}/{name}", (1, 0.0))
    match _operation(tag):
        case "SUM":
            value = total
        case "COUNT":
            value = count
        case "AVG":
            value = total / max(count, 1)
    if match == "EQUAL":
        return str(value) == wanted
    if match == "REGEX":
        return pattern(wanted).found_in(str(value))
    left, right = _number(value), _number(wanted)
    return left is not None and right is not None and _COMPARE[match](left, right)


def _name(tag: Mapping[str, Any]) -> str:
    return tag.get("tag") or "content"


def _operation(tag: Mapping[str, Any]) -> str:
    return tag.get("operation") or "NONE"


def _number(value: Any) -> float | None:
    """The value as a number; None for what is none, or is beyond anything that is counted."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < _MAX_NUMBER else None


def _suppressed(
    job: LiveJob, rule: Mapping[str, Any], trigger: Mapping[str, Any], now: datetime, speed: float
) -> bool:
    """Whether the rule was triggered too shortly ago: `time_window` is in seconds of the livestream, -1 for ever."""
    before, window = job.fired_at.get(rule["rule_index"]), trigger.get("time_window") or 0
    if before is None or window == 0:
        return False
    return window < 0 or now < before + timedelta(seconds=window / speed)


def _reply(job: LiveJob, index: str, trigger: Mapping[str, Any], times: int) -> Reply | None:
    mode = trigger.get("reply_mode") or "SYSTEM_REPLY"
    texts = [text for text in trigger.get("reply_texts") or () if text]
    lines: list[str] = texts or [""] * len(trigger.get("reply_audios") or ())
    if mode == "INTELLIGENT_REPLY":
        lines = [_MODEL_REPLY]
    if mode in {"CALLBACK", "SHOW_LAYER"} or not lines:
        return None
    turn = times
    if trigger.get("reply_order") == "RANDOM":
        digest = hashlib.blake2b(f"{job.id}/{index}/{times}".encode(), digest_size=8).digest()
        turn = int.from_bytes(digest)
    text = lines[turn % len(lines)]
    play_type = trigger.get("play_type") or "PLAY_NOW"
    length_s = text_s(text, None) if text else AUDIO_S
    return Reply(play_type, length_s, text, trigger.get("reply_role") or "STREAMER")
