"""Times that cannot be kept: a timeout shorter than the step's own work, a schedule faster than the quota."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from orchestrator.definition.tree import Mapping as Node
from orchestrator.definition.tree import Place, Scalar
from orchestrator.domain.durations import seconds

_DAY_S: Final = 86_400
_MINUTES: Final = 60
_HOURS: Final = 24

#: The calls of one step that has these parameters, by operation.
Calls = Callable[[str, Mapping[str, Any]], Mapping[str, float]]


def timeouts(root: Node, steps: Iterator[tuple[str, Node]]) -> Iterator[tuple[Place, str, str]]:
    """Place, message and suggestion for each step that takes longer than it may."""
    defaults = root.values.get("defaults")
    general = defaults.values.get("timeout") if isinstance(defaults, Node) else None
    for name, step in steps:
        limit = step.values.get("timeout", general)
        given = step.values.get("with")
        pause = given.values.get("seconds") if isinstance(given, Node) else None
        uses = step.values.get("uses")
        if not (isinstance(uses, Scalar) and uses.value == "sleep" and isinstance(pause, Scalar)):
            continue
        limit_s, pause_s = _seconds(limit), _seconds(pause)
        if limit_s is not None and pause_s is not None and pause_s >= limit_s:
            where = "" if "timeout" in step.values else " of `defaults`"
            message = f"the step {name!r} sleeps {pause_s:g} s, and its timeout{where} is {limit_s:g} s"
            place = limit.place if limit is not None and "timeout" in step.values else pause.place
            yield place, message, f"give it a timeout of more than {pause_s:g}s"


def _seconds(node: object) -> float | None:
    try:
        return seconds(node.value) if isinstance(node, Scalar) else None
    except ValueError:
        return None


def starts_a_day(cron: str) -> int:
    """How often the five fields start a run on a day that they mean."""
    minute, hour, *_ = cron.split()
    return _count(minute, _MINUTES) * _count(hour, _HOURS)


def _count(field: str, of: int) -> int:
    met: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        if low == "*":
            first, last = 0, of - 1
        else:
            first = int(low)
            last = int(high) if high else (of - 1 if step else first)
        met.update(range(first, last + 1, int(step or 1)))
    return len(met)


def overbooked(
    cron: str, each: Counter[str], rows: int, rates: Mapping[str, float]
) -> tuple[str, str, str] | None:
    """Operation, message and suggestion, if the schedule starts more in a day than the quota lets through.

    `each` counts the calls of one run, `rates` are calls a second.
    """
    starts = starts_a_day(cron)
    need = {name: starts * rows * times / rates[name] for name, times in each.items() if rates.get(name)}
    if not need or max(need.values()) <= _DAY_S:
        return None
    worst = max(need, key=lambda name: need[name])
    runs = f"{starts:,} runs a day" if rows == 1 else f"{starts:,} runs a day of {rows:,} rows each"
    message = (
        f"{runs} make {starts * rows * each[worst]:,.0f} calls of {worst}, and at {rates[worst]:g} a second only "
        f"{rates[worst] * _DAY_S:,.0f} can be made"
    )
    most = math.floor(rates[worst] * _DAY_S / (rows * each[worst]))
    return worst, message, f"start it {most:,} times a day at most" if most else "split the table"
