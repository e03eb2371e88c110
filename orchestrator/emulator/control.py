"""Control of the emulator, never part of the emulated API: `/_emulator/…`."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError

from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import PLACES, FaultPlan, allowed_faults, explain
from orchestrator.emulator.page import PAGE, page
from orchestrator.emulator.stats import shown_tables, stats
from orchestrator.emulator.wire import Answer, MalformedBodyError, Request, json_answer, read_object

L = TypeVar("L")

PREFIX = "/_emulator/"
#: A leap that keeps every time of the world a valid date.
_MAX_LEAP_S = 10 * 366 * 86400
_LAST_YEAR = 3000
_JOURNAL_FIELDS = ("operation", "method", "status", "error_code", "fault")


def control(emulator: Emulator, request: Request) -> Answer:
    """The answer to a request below `/_emulator/`."""
    name = f"{request.path}/".removeprefix(PREFIX).strip("/")
    if request.method in {"GET", "HEAD"} and name in PAGE:
        return page(name)
    verb = VERBS.get((request.method, name))
    if verb is None:
        return _refuse(404, f"{request.method} {request.path[:200]} is no control of the emulator")
    if _from_elsewhere(request):
        return _refuse(403, "a page of another origin may not control the emulator")
    emulator.settle()
    try:
        return verb(emulator, request)
    except (MalformedBodyError, _WrongOrderError) as error:
        return _refuse(400, str(error))
    except ValidationError as error:
        return _refuse(400, explain(error))


class _WrongOrderError(ValueError):
    """A parameter of a control is not what it has to be."""


def _stats(emulator: Emulator, _: Request) -> Answer:
    config = emulator.config
    world = {
        "now": emulator.now.isoformat(),
        "region": config.region,
        "project_id": config.project_id,
        "seed": config.seed,
        "speed": config.speed,
        "limits": config.limits,
    }
    return json_answer(200, {**stats(emulator.world), "world": world})


def _journal(emulator: Emulator, request: Request) -> Answer:
    """The newest requests that fit, newest last; `since` is the id of one, those after it are given.

    `complete` is false when that one is no longer, or not yet, in the journal: then everything is.
    """
    query = dict(request.query)
    entries, complete = list(emulator.journal), True
    since = query.get("since", "")
    if since:
        ids = [entry["request_id"] for entry in entries]
        complete = since in ids
        entries = entries[ids.index(since) + 1 :] if complete else entries
    for field in _JOURNAL_FIELDS:
        # An error code may be asked for by its short name.
        wanted = query.get(field, query.get("code") if field == "error_code" else None)
        if wanted is not None:
            entries = [entry for entry in entries if str(entry.get(field, "")) == wanted]
    limit = _limit(query, 1000)
    return json_answer(
        200,
        {"count": len(entries), "complete": complete, "requests": entries[-limit:] if limit else []},
    )


def _state(emulator: Emulator, request: Request) -> Answer:
    """Records by kind, without callback targets, keys and tokens; `kind` for one, `limit` for the newest."""
    tables, query = shown_tables(emulator.world), dict(request.query)
    kind = query.get("kind")
    if kind is not None and kind not in tables:
        raise _WrongOrderError(f"kind: one of {', '.join(tables)}")
    limit = _limit(query, None)
    shown = {
        name: list(islice(table, max(0, len(table) - limit) if limit is not None else 0, None))
        for name, table in tables.items()
        if kind in {None, name}
    }
    return json_answer(200, _plain({"now": emulator.now, **shown}))


def _show_faults(emulator: Emulator, _: Request) -> Answer:
    rules = zip(emulator.faults.plan.rules, emulator.faults.hits, strict=True)
    shown = [
        {**rule.model_dump(mode="json", exclude_none=True), "seen": hits.seen, "hit": hits.hit}
        for rule, hits in rules
    ]
    return json_answer(200, {"seed": emulator.faults.plan.seed, "rules": shown})


def _set_faults(emulator: Emulator, request: Request) -> Answer:
    emulator.set_faults(FaultPlan.model_validate(read_object(request.body)))
    return _show_faults(emulator, request)


def _add_faults(emulator: Emulator, request: Request) -> Answer:
    """Puts rules behind those that are played, whose counters go on."""
    faults = emulator.faults
    further = FaultPlan.model_validate(read_object(request.body))
    both = FaultPlan(seed=faults.plan.seed, rules=(*faults.plan.rules, *further.rules))
    emulator.set_faults(both, faults.hits)
    return _show_faults(emulator, request)


def _end_faults(emulator: Emulator, request: Request) -> Answer:
    emulator.set_faults(FaultPlan())
    return _show_faults(emulator, request)


def _possible_faults(_: Emulator, __: Request) -> Answer:
    """What a rule can be on, and what can go wrong there."""
    return json_answer(200, {"places": {place: sorted(allowed_faults(place)) for place in PLACES}})


def _reset(emulator: Emulator, _: Request) -> Answer:
    emulator.reset()
    return json_answer(200, {"reset": True})


def _advance(emulator: Emulator, request: Request) -> Answer:
    by_s = read_object(request.body).get("seconds")
    if isinstance(by_s, bool) or not isinstance(by_s, int | float) or not 0 <= by_s <= _MAX_LEAP_S:
        raise _WrongOrderError(f"seconds: a number from 0 to {_MAX_LEAP_S}")
    if emulator.now.year > _LAST_YEAR:
        raise _WrongOrderError("the world is old enough: reset it first")
    emulator.advance(by_s)
    return json_answer(200, {"now": emulator.now.isoformat()})


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser sent this for a page that is not ours; it asks nobody before a POST without a body."""
    origin = request.header("Origin")
    return origin is not None and origin.partition("://")[2] != request.header("Host")


def _limit(query: Mapping[str, str], default: L) -> int | L:
    text = query.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise _WrongOrderError("limit: a number")
    return int(text)


def _refuse(status: int, message: str) -> Answer:
    return json_answer(status, {"error_code": f"EMULATOR.0{status}", "error_msg": message})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        # What no repr shows is secret.
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.repr}
    return value.isoformat() if hasattr(value, "isoformat") else value


VERBS: Mapping[tuple[str, str], Callable[[Emulator, Request], Answer]] = {
    ("GET", "stats"): _stats,
    ("GET", "journal"): _journal,
    ("GET", "state"): _state,
    ("GET", "faults"): _show_faults,
    ("GET", "faults/possible"): _possible_faults,
    ("POST", "faults"): _set_faults,
    ("PATCH", "faults"): _add_faults,
    ("DELETE", "faults"): _end_faults,
    ("POST", "reset"): _reset,
    ("POST", "advance"): _advance,
}
