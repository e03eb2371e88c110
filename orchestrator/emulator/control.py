"""Control of the emulator, never part of the emulated API: `/_emulator/…`."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import PLACES, FaultPlan, allowed_faults, explain
from orchestrator.emulator.page import PAGE, page
from orchestrator.emulator.stats import shown_tables, stats
from orchestrator.emulator.wire import Answer, MalformedBodyError, Request, json_answer, read_object

PREFIX = "/_emulator/"
#: A leap that keeps every time of the world a valid date.
_MAX_LEAP_S = 10 * 366 * 86400
_LAST_YEAR = 3000
#: Ids of the service are longer than any number of a request.
_MAX_DIGITS = 15
#: So many records of a kind, and requests, are shown unless more are asked for.
_SHOWN = 1000
_JOURNAL_FIELDS = ("operation", "method", "status", "error_code", "fault")


def control(emulator: Emulator, request: Request) -> Answer:
    """The answer to a request below `/_emulator/`."""
    name = _name(request)
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


def resets(request: Request) -> bool:
    """Whether this is the order to start over, which what was stored has to follow."""
    return (request.method, _name(request)) == ("POST", "reset")


def advances(request: Request) -> bool:
    """Whether this is the order to move time ahead, which is answered when the world has got there."""
    return (request.method, _name(request)) == ("POST", "advance")


def advanced(emulator: Emulator) -> Answer:
    """The answer to that order."""
    return json_answer(200, {"now": emulator.now.isoformat()})


def _name(request: Request) -> str:
    return f"{request.path}/".removeprefix(PREFIX).strip("/")


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
        "callback_time": config.callback_time,
    }
    return json_answer(200, {**stats(emulator.world), "world": world})


def _journal(emulator: Emulator, request: Request) -> Answer:
    """The newest requests that fit, newest last; `since` is the number of one, those after it are given.

    `complete` is false when some of them are no longer in the journal: then everything in it is given.
    """
    query = dict(request.query)
    entries, complete = list(emulator.journal), True
    since = _number(emulator, query.get("since", "0"))
    if since != 0:
        complete = since is not None and _oldest(emulator) - 1 <= since <= emulator.noted
        entries = [entry for entry in entries if not complete or entry["number"] > since]
    for field in _JOURNAL_FIELDS:
        # An error code may be asked for by its short name.
        wanted = query.get(field, query.get("code") if field == "error_code" else None)
        if wanted is not None:
            entries = [entry for entry in entries if str(entry.get(field, "")) == wanted]
    limit = _limit(query)
    return json_answer(
        200,
        {"count": len(entries), "complete": complete, "requests": entries[-limit:] if limit else []},
    )


def _oldest(emulator: Emulator) -> int:
    """The number of the oldest request in the journal, or the next one's."""
    return int(emulator.journal[0]["number"]) if emulator.journal else emulator.noted + 1


def _number(emulator: Emulator, since: str) -> int | None:
    """The number that `since` is, or that of the one request with that id; None: there is no such one."""
    if since.isascii() and since.isdigit() and len(since) <= _MAX_DIGITS:
        return int(since)
    found = [entry["number"] for entry in emulator.journal if entry["request_id"] == since]
    return found[0] if len(found) == 1 else None


def _state(emulator: Emulator, request: Request) -> Answer:
    """Records by kind, without callback targets, keys and tokens; `kind` for one, `limit` for the newest.

    `left_off` tells how many older ones there are, by kind.
    """
    tables, query = shown_tables(emulator.world), dict(request.query)
    kind = query.get("kind")
    if kind is not None and kind not in tables:
        raise _WrongOrderError(f"kind: one of {', '.join(tables)}")
    limit = _limit(query)
    wanted = {name: table for name, table in tables.items() if kind in {None, name}}
    left_off = {name: len(table) - limit for name, table in wanted.items() if len(table) > limit}
    shown = {name: list(islice(table, left_off.get(name, 0), None)) for name, table in wanted.items()}
    return json_answer(200, _plain({"now": emulator.now, "left_off": left_off, **shown}))


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
    return advanced(emulator)


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser sent this for a page that is not ours; it asks nobody before a POST without a body."""
    origin = request.header("Origin")
    return origin is not None and origin.partition("://")[2] != request.header("Host")


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(_SHOWN))
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
