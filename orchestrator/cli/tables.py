"""Runs as tables for people: cut to the terminal's width there, whole in pipes."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli import output
from orchestrator.cli.progress.words import took
from orchestrator.cli.results import error_text, text
from orchestrator.domain import events as ev
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState, StepStatus
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
#: Columns that a narrow terminal goes without, the least telling first.
_DROPPED = ("TOOK", "CREATED")
#: So much of a name or an error is worth a column.
_ENOUGH = {"NAME": 16, "ERROR": 20}
#: The beginning of an id that is shown at least: it finds the run, unless many were made in one instant.
_SHORT_ID = 12


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
    """Runs, a line each: all that is known of them where there is room, id, name and status everywhere."""
    ids = [str(summary.id) for summary in page]
    columns: dict[str, list[Text]] = {
        "RUN": [Text(run_id) for run_id in ids],
        "NAME": [Text(summary.name) for summary in page],
        "STATUS": [_status(summary.status.value) for summary in page],
        "DONE": [Text(_done(summary)) for summary in page],
        "CREATED": [Text(summary.created_at.astimezone(UTC).strftime("%m-%d %H:%MZ")) for summary in page],
        "TOOK": [
            Text(took(summary.ended_at - summary.created_at) if summary.ended_at else "") for summary in page
        ],
        "ERROR": [Text(summary.error) for summary in page],
    }
    width = _width()
    if width < _WIDE or not any(summary.error for summary in page):
        del columns["ERROR"]
    for column in _DROPPED:
        if column in columns and not _fits(columns, width):
            del columns[column]
    if not _fits(columns, width):
        length = _telling_length(ids)
        columns["RUN"] = [Text(run_id[:length]) for run_id in ids]
    if not _fits(columns, width):
        del columns["DONE"]
    table = _table(*columns)
    # An id that is cut anywhere else is of no use to whoever copies it.
    table.columns[0].min_width = max((cell.cell_len for cell in columns["RUN"]), default=0)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _fits(columns: Mapping[str, Sequence[Text]], width: int) -> bool:
    """Whether everything is whole; long names and errors may be cut."""
    wanted = 0
    for title, cells in columns.items():
        widest = max((cell.cell_len for cell in cells), default=0)
        wanted += max(len(title), min(widest, _ENOUGH.get(title, widest))) + 2
    return wanted - 2 <= width


def _telling_length(ids: Sequence[str]) -> int:
    """How much of the ids tells them apart."""
    for length in range(_SHORT_ID, max(map(len, ids), default=0)):
        if len({run_id[:length] for run_id in ids}) == len(set(ids)):
            return length
    return max(map(len, ids), default=0)


def _done(summary: Summary) -> str:
    if summary.rows_total is not None:
        return f"{summary.children_succeeded:,}/{summary.rows_total:,}"
    return f"{summary.steps_done}/{summary.steps_total}"


def done_count(state: RunState) -> int:
    """How many of the pipeline's steps did their work or had none to do; 0 for a run with rows."""
    if state.rows_total is not None:
        return 0
    done = {StepStatus.SUCCEEDED, StepStatus.SKIPPED}
    return sum(state.steps[step.id].status in done for step in state.pipeline.steps)


def heading(summary: Summary, state: RunState) -> Table:
    """What there is to know of a run as a whole."""
    table = Table.grid(padding=(0, 2))
    table.add_row("run", summary.id)
    table.add_row("name", Text(summary.name))
    table.add_row("pipeline", f"{summary.pipeline} ({summary.definition[:12]})")
    table.add_row("status", _status(summary.status.value))
    if summary.rows_total is not None:
        failed = f", {summary.children_failed:,} failed" if summary.children_failed else ""
        table.add_row("rows done", _done(summary) + failed)
    else:
        table.add_row("steps done", f"{done_count(state)}/{summary.steps_total}")
    table.add_row("created", summary.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"))
    if summary.ended_at:
        table.add_row("took", took(summary.ended_at - summary.created_at))
    if state.parent:
        table.add_row("parent", state.parent)
    for name, value in state.outputs.items():
        table.add_row("output", Text(f"{name} = {text(value)}"))
    if state.error is not None:
        table.add_row("error", Text(error_text(state.error), style="red"))
    if summary.hint:
        table.add_row("hint", Text(summary.hint))
    return table


def steps_table(state: RunState, steps: Sequence[Step]) -> Table:
    """The steps, a line each, with what they brought or why they failed. Advice that the heading gives is not repeated."""
    given = {"", state.error.hint if state.error else ""}
    table = _table("STEP", "USES", "STATUS", "TRIES", "TOOK", "OUTPUTS")
    for step in steps:
        found = state.steps[step.id]
        duration = found.ended_at - found.started_at if found.started_at and found.ended_at else None
        if found.error is not None:
            shown = Text(error_text(found.error), style="red")
            if found.error.hint not in given:
                given.add(found.error.hint)
                shown.append(f" {found.error.hint}", style="default")
        else:
            shown = Text("  ".join(f"{name}={text(value)}" for name, value in found.outputs.items()))
        table.add_row(
            step.id,
            step.uses,
            _step_status(state, found.status),
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


def _step_status(state: RunState, status: StepStatus) -> Text:
    if status is StepStatus.PENDING and state.status.over:
        return Text("not reached", style="dim")
    return _status(status.value)


def _status(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))
