"""What came of a run and its rows: read from the journal, written for people and for programs."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.cli import output
from orchestrator.cli.progress.words import count, took
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus
from orchestrator.metastudio.errors import ConnectFailed
from orchestrator.server.reads import RunSummary
from orchestrator.server.row_results import ending
from orchestrator.server.state_reads import summary_view
from orchestrator.store.base import RunFilter, Store, Summary

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Result:
    """One run that made, or was to make, something."""

    id: RunId
    name: str
    status: RunStatus
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: ev.ErrorInfo | None = None

    def to_json(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status.value,
            "outputs": dict(self.outputs),
            "error": self.error.message if self.error else None,
            "hint": (self.error.hint or None) if self.error else None,
            "code": (self.error.code or None) if self.error else None,
            "request_id": (self.error.request_id or None) if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A run that is over, and the results in the order of its rows (without rows: its own)."""

    run: Summary
    results: tuple[Result, ...]
    #: Rows whose runs were there already when the table was given.
    known: int = 0

    @property
    def succeeded(self) -> int:
        """How many results are good."""
        return sum(result.status is RunStatus.SUCCEEDED for result in self.results)

    @property
    def exit_code(self) -> int:
        """0 when all is done; 3 when nothing failed but that the API could not be reached; else 1."""
        if self.run.status is RunStatus.SUCCEEDED:
            return 0
        failed = [result.error for result in self.results if result.status is not RunStatus.SUCCEEDED]
        unreached = bool(failed) and all(error and error.code == ConnectFailed.code for error in failed)
        return ConnectFailed.exit_code if unreached else 1

    def to_json(self) -> dict[str, Any]:
        """As `--json` shows it, without the emulator's part."""
        return {
            "run": summary_json(summary_view(self.run)),
            "rows_known": self.known,
            "runs": [result.to_json() for result in self.results],
        }


async def report(store: Store, run: Summary, *, known: int = 0) -> Report:
    """What came of a run that is over; `known` rows of it were there before."""
    if run.rows_total is None:
        return Report(run, (await _result(store, run),))
    results = {child.id: await _result(store, child) async for child in children(store, run.id)}
    rows = await store.rows(run.id, 0, run.rows_total)
    for row in rows:
        # A row whose content had been run already shares that run.
        if row.child is not None and row.child not in results:
            shared = await store.summary(row.child)
            assert shared is not None, "a row's run is in the store"
            results[row.child] = await _result(store, shared)
    return Report(run, tuple(results[row.child] for row in rows if row.child is not None), known)


async def children(store: Store, parent: RunId) -> AsyncIterator[Summary]:
    """The child runs, newest first."""
    cursor = ""
    while page := await store.summaries(RunFilter(parent=parent), cursor=cursor, limit=_PAGE):
        for summary in page:
            yield summary
        cursor = page[-1].id


async def _result(store: Store, run: Summary) -> Result:
    outputs, error = await ending(store, run)
    if error is None and run.status is not RunStatus.SUCCEEDED:
        error = ev.ErrorInfo(run.error or run.status.value, run.hint)
    return Result(run.id, run.name, run.status, outputs, error)


def summary_json(run: RunSummary) -> dict[str, Any]:
    """A run's summary as `--json` shows it. Times are RFC 3339 in UTC."""
    shown: dict[str, Any] = {
        "id": run.id,
        "name": run.name,
        "pipeline": run.pipeline,
        "status": run.status.value,
        "created_at": run.created_at.isoformat(),
        "ended_at": run.finished_at.isoformat() if run.finished_at else None,
        "steps_total": run.steps_total,
        "steps_done": run.steps_done,
        "reason": run.reason or None,
        "error": run.error.message if run.error else None,
        "hint": (run.error.hint or None) if run.error else None,
        "parent": run.parent,
        "replays": run.replays,
    }
    if run.children_total:
        shown["rows"] = {
            "total": run.children_total,
            "succeeded": run.children_succeeded,
            "failed": run.children_failed,
            "paused": run.children_paused,
        }
    return shown


def show(found: Report) -> None:
    """Results to stdout: marked lines on a terminal, else NAME, OUTPUT and VALUE with tabs between; failures to stderr."""
    people = sys.stdout.isatty()
    mark = _marks()[0]
    width = _name_width(found)
    try:
        for result in found.results:
            if result.status is not RunStatus.SUCCEEDED:
                continue
            if people:
                values = "  ".join(text(value) for value in result.outputs.values())
                output.result(f"{mark} {result.name:<{width}}  {values}".rstrip())
            else:
                for name, value in result.outputs.items():
                    output.result(f"{text(result.name)}\t{text(name)}\t{text(value)}")
    finally:
        # Also when nobody reads stdout any more.
        show_failures(found)


def show_failures(found: Report) -> None:
    """What went wrong and what to do about it (the same advice once), then a line that sums up, to stderr."""
    mark = _marks()[1]
    width = _name_width(found)
    given: set[str] = {""}
    for result in found.results:
        if result.error is not None:
            output.note(f"{mark} {result.name:<{width}}  {error_text(result.error)}")
            if result.error.hint not in given:
                given.add(result.error.hint)
                output.note(f"  {'':<{width}}  {result.error.hint}")
    output.note(_closing(found))


def _marks() -> tuple[str, str]:
    both = output.speaks_unicode(sys.stdout) and output.speaks_unicode(sys.stderr)
    return ("✓", "✗") if both else ("+", "x")


def _name_width(found: Report) -> int:
    return min(40, max((len(result.name) for result in found.results), default=0))


def text(value: Any) -> str:
    """A value on one line: texts as they are, everything else as JSON."""
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False)


def error_text(error: ev.ErrorInfo) -> str:
    """The message, with the code if it does not hold it already, and the request id if there is one."""
    message = error.message if error.code in error.message else f"{error.message} [{error.code}]"
    return f"{message} (request id {error.request_id})" if error.request_id else message


def _closing(found: Report) -> str:
    run = found.run
    duration = f" in {took(run.ended_at - run.created_at)}" if run.ended_at else ""
    total = len(found.results)
    if total == 1:
        return f"{run.name}: {run.status.value}{duration}"
    paused = sum(result.status is RunStatus.PAUSED for result in found.results)
    failed = total - found.succeeded - paused
    parts = [
        *([f"{count(failed, 'run')} failed"] if failed else []),
        *([f"{count(paused, 'run')} paused"] if paused else []),
    ]
    known = f"; {found.known:,} known before" if found.known else ""
    return (
        f"{', '.join([f'{run.name}: {found.succeeded:,} of {total:,} succeeded', *parts])}{duration}{known}"
    )
