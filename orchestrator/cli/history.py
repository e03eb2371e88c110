"""Runs, for people and for programs: lists, one run, its journal."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from orchestrator.cli import output
from orchestrator.cli.progress.words import count
from orchestrator.cli.results import summary_json
from orchestrator.cli.tables import events_table, heading, print_table, steps_table, summaries_table
from orchestrator.domain.ids import RunId
from orchestrator.domain.nearest import did_you_mean
from orchestrator.domain.run import RunStatus
from orchestrator.engine.control import UnknownRunError
from orchestrator.errors import UsageError
from orchestrator.server.reads import (
    TOP_LEVEL,
    EventView,
    RunDetail,
    RunQuery,
    RunReader,
    RunSummary,
    StepView,
)

#: Child runs that `runs show` lists for people; more are for `runs list`.
_SHOWN_CHILDREN = 20
#: As many as the daemon gives at once.
_PAGE = 500
#: Follows every character that an id has.
_AFTER_ALL = "~"
#: The newest so many runs are compared with a name that nobody has.
_COMPARED = 500


async def find(reads: RunReader, wanted: str, *, unique: bool = False) -> RunSummary:
    """The run with this id, with an id that begins so (in capitals or not), or the newest of this name.

    `unique`: of several with the name, none. Raises UnknownRunError; UsageError when several ids begin so, or have the
    name.
    """
    beginning = wanted.lower()
    if wanted and (exact := await reads.run(RunId(beginning))) is not None:
        return exact.summary
    near, _ = await reads.runs(RunQuery(), cursor=beginning + _AFTER_ALL, limit=3)
    matching = [summary for summary in near if summary.id.startswith(beginning)] if wanted else []
    if len(matching) == 1:
        return matching[0]
    if matching:
        ids = ", ".join(summary.id for summary in matching[:3])
        raise UsageError(f"Several runs begin with {wanted}: {ids}, …", hint="Give more of the id.")
    named = (await reads.runs(RunQuery(name=wanted), limit=4 if unique else 1))[0] if wanted else ()
    if unique and len(named) > 1:
        ids = ", ".join(f"{summary.id} ({summary.status.value})" for summary in named[:3])
        more = ", …" if len(named) > 3 else ""
        raise UsageError(f"Several runs are called {wanted}: {ids}{more}", hint="Give the id of one.")
    if named:
        return named[0]
    raise UnknownRunError(f"There is no run {wanted!r}.", hint=await _suggestion(reads, wanted))


async def _suggestion(reads: RunReader, wanted: str) -> str:
    newest, _ = await reads.runs(RunQuery(), limit=_COMPARED)
    # A name is usually mistyped, an id cut or copied badly: both are looked at.
    known = dict.fromkeys([*(summary.name for summary in newest), *(summary.id for summary in newest)])
    near = did_you_mean(wanted, known)
    meant = f"{near[:1].upper()}{near[1:]} " if near else ""
    return f"{meant}`orchestrator runs list` shows them."


async def all_runs(reads: RunReader, query: RunQuery) -> AsyncIterator[RunSummary]:
    """Every run asked for, newest first."""
    cursor: str | None = None
    while True:
        page, cursor = await reads.runs(query, cursor=cursor, limit=_PAGE)
        for summary in page:
            yield summary
        if cursor is None:
            return


async def list_runs(
    reads: RunReader,
    *,
    status: Sequence[str],
    parent: str | None,
    limit: int,
    cursor: str,
    as_json: bool,
    pipeline: str = "",
    name: str = "",
) -> None:
    """Prints a page of runs."""
    query = RunQuery(
        status=frozenset(map(RunStatus, status)),
        parent=TOP_LEVEL if parent is None else (await find(reads, parent)).id,
        name=name,
        pipeline=pipeline,
    )
    page: list[RunSummary] = []
    more: str | None = cursor or None
    while len(page) < limit:
        found, more = await reads.runs(query, cursor=more, limit=min(_PAGE, limit - len(page)))
        page += found
        if more is None:
            break
    if as_json:
        for summary in page:
            output.json_result(summary_json(summary), one_line=True)
        return
    if not page:
        output.note("no runs")
        return
    print_table(summaries_table(page))
    if more is not None:
        output.note(f"more: --cursor {more}")


async def show_run(reads: RunReader, wanted: str, *, events: bool, as_json: bool) -> None:
    """Prints everything about one run."""
    summary = await find(reads, wanted)
    detail = await reads.run(summary.id)
    if detail is None:
        raise UnknownRunError(f"The run {summary.id} is no longer there.")
    journal = await reads.events(summary.id, 0) if events else []
    below = [child async for child in all_runs(reads, RunQuery(parent=summary.id))]
    if as_json:
        output.json_result(_document(detail, below, journal if events else None))
        return
    print_table(heading(detail))
    if detail.steps:
        output.result("")
        print_table(steps_table(detail))
    if below:
        output.result("")
        _print_children(detail.summary, below)
    if journal:
        output.result("")
        print_table(events_table(journal))


def _document(
    detail: RunDetail, below: Sequence[RunSummary], journal: Sequence[EventView] | None
) -> dict[str, Any]:
    shown = {
        **summary_json(detail.summary),
        "inputs": dict(detail.inputs),
        "outputs": dict(detail.outputs),
        "steps": [_step_json(step) for step in detail.steps],
        "children": [summary_json(child) for child in below],
    }
    if journal is not None:
        shown["events"] = [event_json(event) for event in journal]
    return shown


def _step_json(step: StepView) -> dict[str, Any]:
    error = step.error
    return {
        "id": step.id,
        "uses": step.uses,
        "status": step.status.value,
        "attempts": step.attempt,
        "waiting_for": step.waiting_for or None,
        "started_at": step.started_at.isoformat() if step.started_at else None,
        "ended_at": step.finished_at.isoformat() if step.finished_at else None,
        "outputs": dict(step.outputs),
        "error": None
        if error is None
        else {
            "message": error.message,
            "hint": error.hint or None,
            "code": error.code or None,
            "retry": error.retry.value,
            "request_id": error.request_id or None,
        },
    }


def event_json(event: EventView) -> dict[str, Any]:
    """A line of the journal as `--json` shows it, without the run that it belongs to."""
    return {
        "seq": event.seq,
        "at": event.at.isoformat(),
        "type": event.type,
        "step": event.step,
        "attempt": event.attempt,
        "payload": dict(event.payload),
    }


def _print_children(summary: RunSummary, below: Sequence[RunSummary]) -> None:
    # What needs a look comes first; within that, the order of the table.
    ordered = sorted(below, key=lambda child: (child.status is RunStatus.SUCCEEDED, child.id))
    print_table(summaries_table(ordered[:_SHOWN_CHILDREN]))
    if len(ordered) > _SHOWN_CHILDREN:
        rest = count(len(ordered) - _SHOWN_CHILDREN, "more run")
        output.note(f"and {rest}: orchestrator runs list --parent {summary.id}")
