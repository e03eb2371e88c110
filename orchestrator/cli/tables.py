"""Runs as tables for people: cut to the terminal's width there, whole in pipes."""

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
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.server.reads import EventView, RunDetail, RunSummary

_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "cancelling": "yellow",
    "paused": "magenta",
    "held": "magenta",
    "running": "cyan",
    "sent": "cyan",
    "waiting": "blue",
    "unknown": "yellow",
    "retrying": "yellow",
}
#: What somebody, or the quota, put an end to.
_STOPPED = frozenset({RunStatus.PAUSED, RunStatus.CANCELLING, RunStatus.CANCELLED})
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


def summaries_table(page: Sequence[RunSummary]) -> Table:
    """Runs, a line each: all that is known of them where there is room, id, name and status everywhere."""
    ids = [str(summary.id) for summary in page]
    columns: dict[str, list[Text]] = {
        "RUN": [Text(run_id) for run_id in ids],
        "NAME": [Text(summary.name) for summary in page],
        "STATUS": [_status(summary.status.value) for summary in page],
        "DONE": [Text(_done(summary)) for summary in page],
        "CREATED": [Text(summary.created_at.astimezone(UTC).strftime("%m-%d %H:%MZ")) for summary in page],
        "TOOK": [
            Text(took(summary.finished_at - summary.created_at) if summary.finished_at else "")
            for summary in page
        ],
        "ERROR": [Text(_why(summary)) for summary in page],
    }
    width = _width()
    if width < _WIDE or not any(map(_why, page)):
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


def _why(summary: RunSummary) -> str:
    """What went wrong, or why it stands still."""
    if summary.error is not None:
        return summary.error.message
    return summary.reason if summary.status in _STOPPED else ""


def _done(summary: RunSummary) -> str:
    if summary.children_total:
        return f"{summary.children_succeeded:,}/{summary.children_total:,}"
    return f"{summary.steps_done}/{summary.steps_total}"


def heading(detail: RunDetail) -> Table:
    """What there is to know of a run as a whole."""
    summary = detail.summary
    table = Table.grid(padding=(0, 2))
    table.add_row("run", summary.id)
    table.add_row("name", Text(summary.name))
    table.add_row("pipeline", f"{summary.pipeline} ({summary.definition[:12]})")
    table.add_row("status", _status(summary.status.value))
    if summary.reason and summary.status in _STOPPED:
        table.add_row("why", Text(summary.reason))
    elif summary.reason and not summary.children_total:
        table.add_row("waits for", Text(summary.reason))
    if summary.children_total:
        failed = f", {summary.children_failed:,} failed" if summary.children_failed else ""
        paused = f", {summary.children_paused:,} paused" if summary.children_paused else ""
        table.add_row("rows done", _done(summary) + failed + paused)
    else:
        table.add_row("steps done", _done(summary))
    table.add_row("created", summary.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"))
    if summary.finished_at:
        table.add_row("took", took(summary.finished_at - summary.created_at))
    if summary.parent:
        table.add_row("parent", summary.parent)
    if summary.replays:
        table.add_row("replays", summary.replays)
    for name, value in detail.outputs.items():
        table.add_row("output", Text(f"{name} = {text(value)}"))
    if summary.error is not None:
        table.add_row("error", Text(error_text(summary.error), style="red"))
        if summary.error.hint:
            table.add_row("hint", Text(summary.error.hint))
    return table


def steps_table(detail: RunDetail) -> Table:
    """The steps, a line each, with what they brought, wait for or failed of. Advice of the heading is not repeated."""
    summary = detail.summary
    given = {"", summary.error.hint if summary.error else ""}
    table = _table("STEP", "USES", "STATUS", "TRIES", "TOOK", "OUTPUTS")
    for step in detail.steps:
        duration = step.finished_at - step.started_at if step.started_at and step.finished_at else None
        if step.waiting_for:
            shown = Text(step.waiting_for)
        elif step.error is not None:
            shown = Text(error_text(step.error), style="red")
            if step.error.hint not in given:
                given.add(step.error.hint)
                shown.append(f" {step.error.hint}", style="default")
        else:
            shown = Text("  ".join(f"{name}={text(value)}" for name, value in step.outputs.items()))
        table.add_row(
            step.id,
            step.uses,
            _step_status(summary.status, step.status),
            str(step.attempt),
            took(duration) if duration else "",
            shown,
        )
    return table


def events_table(journal: Sequence[EventView]) -> Table:
    """The journal."""
    table = _table("SEQ", "AT", "EVENT", "STEP", "TRY", "PAYLOAD")
    for event in journal:
        table.add_row(
            str(event.seq),
            event.at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3],
            event.type,
            event.step or "",
            "" if event.attempt is None else str(event.attempt),
            Text(text(event.payload) if event.payload else ""),
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


def _step_status(run: RunStatus, status: StepStatus) -> Text:
    if status is StepStatus.PENDING and run.over:
        return Text("not reached", style="dim")
    return _status(status.value)


def _status(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))
