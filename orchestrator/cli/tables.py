"""Runs as tables for people: cut to the terminal's width there, whole in pipes."""

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli import output
from orchestrator.cli.progress.words import took
from orchestrator.cli.results import error_text, text
from orchestrator.domain import events as ev
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState
from orchestrator.store.base import Summary

_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "waiting": "blue",
    "unknown": "yellow",
    "retrying": "yellow",
}
#: Whoever reads from a pipe wants whole values, not those that fit.
_ENDLESS = 100_000
#: Columns from which errors have room in a list of runs.
_WIDE = 120


def print_table(table: Table) -> None:
    """The table to stdout."""
    if output.is_plain(sys.stdout):
        console = Console(width=_ENDLESS, color_system=None, force_terminal=False, highlight=False)
    else:
        console = Console(highlight=False)
    with console.capture() as captured:
        console.print(table)
    output.result("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def summaries_table(page: Sequence[Summary]) -> Table:
    """Runs, a line each; their errors where there is room for them."""
    errors = any(summary.error for summary in page) and _width() >= _WIDE
    table = _table("RUN", "NAME", "STATUS", "DONE", "CREATED", "TOOK", *(["ERROR"] if errors else []))
    # An id that is cut is of no use to whoever copies it.
    table.columns[0].min_width = max((len(summary.id) for summary in page), default=0)
    for summary in page:
        table.add_row(
            summary.id,
            Text(summary.name),
            _status(summary.status.value),
            _done(summary),
            summary.created_at.astimezone(UTC).strftime("%m-%d %H:%MZ"),
            took(summary.ended_at - summary.created_at) if summary.ended_at else "",
            *([Text(summary.error)] if errors else []),
        )
    return table


def _done(summary: Summary) -> str:
    if summary.rows_total is not None:
        return f"{summary.children_succeeded + summary.children_failed:,}/{summary.rows_total:,}"
    return f"{summary.steps_done}/{summary.steps_total}"


def heading(summary: Summary, state: RunState) -> Table:
    """What there is to know of a run as a whole."""
    table = Table.grid(padding=(0, 2))
    table.add_row("run", summary.id)
    table.add_row("name", Text(summary.name))
    table.add_row("pipeline", f"{summary.pipeline} ({summary.definition[:12]})")
    table.add_row("status", _status(summary.status.value))
    table.add_row("rows done" if summary.rows_total is not None else "steps done", _done(summary))
    table.add_row("created", summary.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"))
    if summary.ended_at:
        table.add_row("took", took(summary.ended_at - summary.created_at))
    if state.parent:
        table.add_row("parent", state.parent)
    for name, value in state.outputs.items():
        table.add_row("output", Text(f"{name} = {text(value)}"))
    if summary.error:
        table.add_row("error", Text(summary.error, style="red"))
    if summary.hint:
        table.add_row("hint", Text(summary.hint))
    return table


def steps_table(state: RunState, steps: Sequence[Step]) -> Table:
    """The steps, a line each, with what they brought or why they failed."""
    table = _table("STEP", "USES", "STATUS", "TRIES", "TOOK", "OUTPUTS")
    for step in steps:
        found = state.steps[step.id]
        duration = found.ended_at - found.started_at if found.started_at and found.ended_at else None
        if found.error is not None:
            shown = Text(error_text(found.error), style="red")
            if found.error.hint:
                shown.append(f" {found.error.hint}", style="default")
        else:
            shown = Text("  ".join(f"{name}={text(value)}" for name, value in found.outputs.items()))
        table.add_row(
            step.id,
            step.uses,
            _status(found.status.value),
            str(found.attempt),
            took(duration) if duration else "",
            shown,
        )
    return table


def events_table(journal: Sequence[ev.Event]) -> Table:
    """The journal."""
    table = _table("SEQ", "AT", "EVENT", "STEP", "TRY", "PAYLOAD")
    for event in journal:
        payload = json.loads(ev.encode(event.body))
        table.add_row(
            str(event.seq),
            event.at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3],
            event.body.TYPE,
            event.step or "",
            "" if event.attempt is None else str(event.attempt),
            Text(json.dumps(payload, ensure_ascii=False) if payload else ""),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    *fixed, last = columns
    for column in fixed:
        table.add_column(column, no_wrap=True)
    # The last column holds the long values: it takes what room there is.
    table.add_column(last, overflow="fold")
    return table


def _width() -> int:
    return _ENDLESS if output.is_plain(sys.stdout) else shutil.get_terminal_size().columns


def _status(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))
