"""Control of the emulator, never part of the emulated API: `/_emulator/…`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import FaultPlan, explain
from orchestrator.emulator.stats import stats
from orchestrator.emulator.wire import Answer, MalformedBodyError, Request, json_answer, read_object

PREFIX = "/_emulator/"
#: A leap that keeps every time of the world a valid date.
_MAX_LEAP_S = 10 * 366 * 86400
_LAST_YEAR = 3000


def control(emulator: Emulator, request: Request) -> Answer:
    """The answer to a request below `/_emulator/`."""
    emulator.settle()
    verb = _VERBS.get((request.method, request.path.removeprefix(PREFIX).strip("/")))
    if verb is None:
        return _refuse(404, f"{request.method} {request.path[:200]} is no control of the emulator")
    return verb(emulator, request)


def _stats(emulator: Emulator, _: Request) -> Answer:
    return json_answer(200, stats(emulator.world))


def _journal(emulator: Emulator, request: Request) -> Answer:
    query = dict(request.query)
    entries = list(emulator.journal)
    for field, name in (("operation", "operation"), ("status", "status"), ("error_code", "code")):
        if name in query:
            entries = [entry for entry in entries if str(entry.get(field, "")) == query[name]]
    limit = query.get("limit", "1000")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 7):
        return _refuse(400, "limit: a number")
    return json_answer(200, {"count": len(entries), "requests": entries[-int(limit) :] if int(limit) else []})


def _state(emulator: Emulator, _: Request) -> Answer:
    """Everything but callback targets, keys and tokens."""
    world = emulator.world
    jobs = []
    for job in world.jobs:
        row = asdict(job)
        row["callback"] = job.callback is not None
        jobs.append(row)
    plain = {
        "now": emulator.now,
        "assets": [asdict(asset) for asset in world.assets],
        "files": [asdict(file) for file in world.files],
        "scripts": [asdict(script) for script in world.scripts],
        "jobs": jobs,
        "callbacks": [
            {
                "id": p.id,
                "job_id": p.job_id,
                "body": p.body,
                "state": p.state,
                "tries": p.tries,
                "due_at": p.due_at,
            }
            for p in world.posts
        ],
        "late_calls": [{"id": c.id, "operation": c.operation, "due_at": c.due_at} for c in world.late_calls],
    }
    return json_answer(200, _plain(plain))


def _show_faults(emulator: Emulator, _: Request) -> Answer:
    rules = zip(emulator.faults.plan.rules, emulator.faults.hits, strict=True)
    shown = [
        {**rule.model_dump(mode="json", exclude_none=True), "seen": hits.seen, "hit": hits.hit}
        for rule, hits in rules
    ]
    return json_answer(200, {"seed": emulator.faults.plan.seed, "rules": shown})


def _set_faults(emulator: Emulator, request: Request) -> Answer:
    try:
        plan = FaultPlan.model_validate(read_object(request.body))
    except MalformedBodyError as error:
        return _refuse(400, str(error))
    except ValidationError as error:
        return _refuse(400, explain(error))
    emulator.set_faults(plan)
    return _show_faults(emulator, request)


def _reset(emulator: Emulator, _: Request) -> Answer:
    emulator.reset()
    return json_answer(200, {"reset": True})


def _advance(emulator: Emulator, request: Request) -> Answer:
    try:
        by_s = read_object(request.body).get("seconds")
    except MalformedBodyError as error:
        return _refuse(400, str(error))
    if isinstance(by_s, bool) or not isinstance(by_s, int | float) or not 0 <= by_s <= _MAX_LEAP_S:
        return _refuse(400, f"seconds: a number from 0 to {_MAX_LEAP_S}")
    if emulator.now.year > _LAST_YEAR:
        return _refuse(400, "the world is old enough: reset it first")
    emulator.advance(by_s)
    return json_answer(200, {"now": emulator.now.isoformat()})


def _refuse(status: int, message: str) -> Answer:
    return json_answer(status, {"error_code": f"EMULATOR.0{status}", "error_msg": message})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


_VERBS: Mapping[tuple[str, str], Callable[[Emulator, Request], Answer]] = {
    ("GET", "stats"): _stats,
    ("GET", "journal"): _journal,
    ("GET", "state"): _state,
    ("GET", "faults"): _show_faults,
    ("POST", "faults"): _set_faults,
    ("POST", "reset"): _reset,
    ("POST", "advance"): _advance,
}
