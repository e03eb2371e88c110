"""A plan for people and for programs."""

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator.cli import output
from orchestrator.cli.progress.words import count
from orchestrator.cli.tables import print_table
from orchestrator.planning.budget import money
from orchestrator.planning.charges import CHARGES, VIDEO
from orchestrator.planning.graph import Node, nodes
from orchestrator.planning.plan import Cost, Plan, Worst
from orchestrator.planning.spans import Span

_EXTRA = "Not counted: polls, and repeated calls after failures."
_SPEECH = (
    "estimated from the speech: 150 words or 250 characters of scripts without blanks a minute at speed 100, "
    "pauses added, recordings as long as they are"
)
_ON_TOP = "Replies, transfers, reviews, trainings and people come on top."
#: Up to so many seconds a duration is told in units of so many seconds.
_UNITS = ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (math.inf, 3600.0, "h"))


def show(plan: Plan, render_factor: float) -> None:
    """The plan to stdout, one part after the other."""
    output.result(_runs(plan))
    output.result("")
    print_table(_graph(plan))
    output.result("")
    if plan.calls:
        print_table(_calls(plan))
        output.result(_EXTRA)
        output.result("")
    for text in (*_open(plan), *_resources(plan), *_cost(plan), *_worst(plan), *_time(plan, render_factor)):
        output.result(text)


def _runs(plan: Plan) -> str:
    runs = plan.runs
    whose = ", one for each row" if plan.pipeline.rows is not None or runs.total != 1 else ""
    text = f"{plan.pipeline.name}: {count(runs.total, 'run')}{whose}"
    if runs.done or runs.begun:
        text += f"; {runs.done:,} done already and not made again"
        text += f", {runs.begun:,} gone on with" if runs.begun else ""
        text += f", {runs.anew:,} new"
    return text


def _graph(plan: Plan) -> Table:
    table = _table("LAYER", "STEP", "USES", "AFTER", "")
    layer = 0
    for node in nodes(plan.pipeline):
        shown = str(node.layer) if node.layer != layer else ""
        layer = node.layer
        table.add_row(
            shown, _branch(node), node.step.uses, ", ".join(node.step.needs), "; ".join(node.remarks)
        )
    return table


def _branch(node: Node) -> Text:
    mark = ("└ " if output.speaks_unicode(sys.stdout) else "- ") if node.step.needs else ""
    return Text("  " * (node.layer - 1) + mark + node.step.id)


def _calls(plan: Plan) -> Table:
    table = _table("OPERATION", "CALLS", f"PER SECOND IN {plan.region}", "TAKES")
    for column in table.columns[1:]:
        column.justify = "right"
    for line in plan.calls:
        table.add_row(line.operation, amount(line.calls), f"{line.rate:g}", duration(line.takes_s))
    return table


def _open(plan: Plan) -> Iterator[str]:
    for one, times in sorted(plan.load.open.items(), key=lambda entry: entry[0].step):
        each = ", ".join(f"{calls:g} {operation}" for operation, calls in one.each)
        often = f" (in {count(times, 'run')})" if plan.runs.total > 1 else ""
        yield f"Open: {one.step}: {one.why}{often}." + (f" For each item: {each}." if each else "")
        yield f"  --assume {one.name}=NUMBER says how many {one.what} to reckon with."
    if plan.load.open:
        yield ""


def _resources(plan: Plan) -> Iterator[str]:
    if not plan.resources:
        return
    for line in plan.resources:
        charge = CHARGES[line.charge]
        of = f" in {_counted(plan.load.videos, 'videos')}" if line.charge == VIDEO else ""
        yield f"Uses {_counted(line.units, charge.unit)} of {charge.what}{of}: {line.code}"
        if line.charge == VIDEO:
            yield f"  {_SPEECH}"
    yield ""


def _cost(plan: Plan) -> Iterator[str]:
    cost = plan.cost
    if cost is None:
        yield "Costs: there is no price file (--prices, or the setting `prices`), so there are only quantities."
        return
    least = "at least" if cost.unpriced or cost.open else "about"
    yield f"Costs {least} {money(cost.amount, cost.currency)}"
    for code in cost.unpriced:
        yield f"  without {code}: the price file has no price for it"
    for one in cost.open:
        yield f"  without {one.step}: {one.why}"


def _worst(plan: Plan) -> Iterator[str]:
    worst, cost = plan.worst, plan.worst.cost
    more = [f"{_number(calls, 0)} {operation}" for operation, calls in worst.calls]
    only_then = [one for one in worst.load.open if one not in plan.load.open]
    if not more and not only_then and (cost is None or cost == plan.cost):
        return
    yield f"If runs fail, at most this on top: {', '.join(more) or 'what is open'}"
    for one in sorted(only_then, key=lambda one: one.step):
        yield f"  open: {one.step}: {one.why} (--assume {one.name}=NUMBER says how many {one.what})"
    used = {line.charge: line.units.high for line in plan.resources}
    for line in worst.resources:
        units = line.units.high - used.get(line.charge, 0.0)
        if units > 0:
            charge = CHARGES[line.charge]
            yield f"  uses {_counted(Span.exactly(units), charge.unit)} of {charge.what}: {line.code}"
    if cost is not None:
        least = "at least" if cost.unpriced or cost.open else "up to"
        yield f"  costs {least} {money(Span.exactly(cost.amount.high), cost.currency)} in all; --budget takes this"


def _time(plan: Plan, render_factor: float) -> Iterator[str]:
    found = plan.duration
    if found.bottleneck is None and not found.total_s.high:
        yield "Takes no time: there is nothing to call."
        return
    yield f"Takes at least {duration(found.total_s)}"
    line = found.bottleneck
    if found.limit and found.queued_s.high > (line.takes_s.high if line else 0):
        yield f"  bottleneck: no more than {found.limit:,} runs side by side (concurrency)"
    if line is not None:
        name = "bottleneck" if found.queued_s.high <= line.takes_s.high else "slowest bucket"
        calls = f"{_counted(line.calls, 'calls')} at {line.rate:g} a second"
        yield f"  {name}: {line.operation} ({line.category}), {calls}, {duration(line.takes_s)}"
    yield f"  one run alone: {duration(found.alone_s)}; making a minute of video counts as {render_factor:g} min"
    yield f"  {_ON_TOP}"


def _counted(span: Span, unit: str) -> str:
    number = amount(span, 2)
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"


def amount(span: Span, digits: int = 0) -> str:
    """A quantity: `3`, `1 to 3`, `0.46`."""
    low, high = (_number(value, digits) for value in (span.low, span.high))
    return high if low == high else f"{low} to {high}"


def _number(value: float, digits: int) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.{max(digits, 1)}f}"


def duration(span: Span) -> str:
    """Seconds, minutes or hours, as they are easiest to read."""
    unit, name = next((unit, name) for limit, unit, name in _UNITS if span.high < limit)
    return f"{amount(Span(_round(span.low / unit), _round(span.high / unit)), 1)} {name}"


def _round(value: float) -> float:
    return round(value, 1)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def plan_json(plan: Plan, render_factor: float) -> dict[str, Any]:
    """As `--json` shows it. Quantities are pairs: the least and the most. Durations are seconds."""
    return {
        "pipeline": plan.pipeline.name,
        "region": plan.region,
        "runs": {
            "total": plan.runs.total,
            "done": plan.runs.done,
            "begun": plan.runs.begun,
            "new": plan.runs.anew,
        },
        "steps": [_node_json(node) for node in nodes(plan.pipeline)],
        "calls": [
            {
                "operation": line.operation,
                "category": line.category,
                "calls": _pair(line.calls),
                "rate": line.rate,
                "takes_s": _pair(line.takes_s),
            }
            for line in plan.calls
        ],
        "videos": _pair(plan.load.videos),
        "resources": [
            {
                "charge": line.charge,
                "code": line.code,
                "unit": CHARGES[line.charge].unit,
                "units": _pair(line.units),
                "price": line.price,
                "price_per": CHARGES[line.charge].per,
            }
            for line in plan.resources
        ],
        "open": [
            {
                "step": one.step,
                "why": one.why,
                "unit": one.what,
                "assume": one.name,
                "runs": times,
                "calls_each": dict(one.each),
                "charges": sorted(one.charges),
            }
            for one, times in sorted(plan.load.open.items(), key=lambda entry: entry[0].step)
        ],
        "cost": _cost_json(plan.cost),
        "if_runs_fail": _worst_json(plan.worst),
        "duration": {
            "total_s": _pair(plan.duration.total_s),
            "alone_s": _pair(plan.duration.alone_s),
            "bottleneck": plan.duration.bottleneck.operation if plan.duration.bottleneck else None,
            "side_by_side": plan.duration.limit,
            "render_factor": render_factor,
        },
    }


def _node_json(node: Node) -> dict[str, Any]:
    return {
        "id": node.step.id,
        "uses": node.step.uses,
        "section": node.section,
        "layer": node.layer,
        "needs": list(node.step.needs),
        "if": node.step.if_,
        "foreach": node.step.foreach is not None,
    }


def _cost_json(cost: Cost | None) -> dict[str, Any] | None:
    if cost is None:
        return None
    return {
        "currency": cost.currency,
        "amount": _pair(cost.amount),
        "unpriced": list(cost.unpriced),
        "open": [one.step for one in cost.open],
    }


def _worst_json(worst: Worst) -> dict[str, Any]:
    """What comes on top is told by operation, the rest as a whole, and the most of it alone."""
    return {
        "more_calls": dict(worst.calls),
        "resources": {line.charge: round(line.units.high, 6) for line in worst.resources},
        "open": sorted({one.name for one in worst.load.open}),
        "cost": None if worst.cost is None else round(worst.cost.amount.high, 6),
    }


def _pair(span: Span) -> Sequence[float]:
    return [round(span.low, 6), round(span.high, 6)]
