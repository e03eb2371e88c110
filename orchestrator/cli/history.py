"""Runs as the state has them, for people and for programs. Reads only, also while a daemon works."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli import output
from orchestrator.cli.progress.words import count
from orchestrator.cli.results import children, summary_json
from orchestrator.cli.tables import (
    done_count,
    events_table,
    heading,
    print_table,
    steps_table,
    summaries_table,
)
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.engine import UnknownRunError
from orchestrator.engine.loading import load_state
from orchestrator.errors import UsageError
from orchestrator.store.base import RunFilter, Store, Summary
from orchestrator.store.sqlite import SqliteStore

#: Child runs that `runs show` lists for people; more are for `runs list`.
_SHOWN_CHILDREN = 20
_PAGE = 1000
#: Follows every character that an id has.
_AFTER_ALL = "~"


@dataclass(frozen=True, slots=True)
class History:
    """The runs of one state."""

    store: Store

    @classmethod
    @asynccontextmanager
    async def at(cls, path: Path) -> AsyncIterator["History"]:
        """Opened for reading. Raises StoreError when there is no state at `path`."""
        store = await SqliteStore(path, read_only=True).open()
        try:
            yield cls(store)
        finally:
            await store.close()

    async def find(self, wanted: str) -> Summary:
        """The run with this id, with an id that begins so (in capitals or not), or the newest of this name.

        Raises UnknownRunError; UsageError when several ids begin so.
        """
        beginning = wanted.lower()
        if (exact := await self.store.summary(RunId(beginning))) is not None:
            return exact
        near = await self.store.summaries(RunFilter(), cursor=beginning + _AFTER_ALL, limit=3)
        matching = [summary for summary in near if summary.id.startswith(beginning)] if wanted else []
        if len(matching) == 1:
            return matching[0]
        if matching:
            ids = ", ".join(summary.id for summary in matching[:3])
            raise UsageError(f"Several runs begin with {wanted}: {ids}, …", hint="Give more of the id.")
        async for summary in self._all():
            if summary.name == wanted:
                return summary
        raise UnknownRunError(f"There is no run {wanted!r}.", hint="`orchestrator runs list` shows them.")

    async def _all(self) -> AsyncIterator[Summary]:
        cursor = ""
        while page := await self.store.summaries(RunFilter(), cursor=cursor, limit=_PAGE):
            for summary in page:
                yield summary
            cursor = page[-1].id


async def list_runs(
    history: History, *, status: Sequence[str], parent: str | None, limit: int, cursor: str, as_json: bool
) -> None:
    """Prints a page of runs."""
    which = RunFilter(
        status=frozenset(map(RunStatus, status)),
        parent=None if parent is None else (await history.find(parent)).id,
        top_level=parent is None,
    )
    found = await history.store.summaries(which, cursor=cursor, limit=limit + 1)
    page = found[:limit]
    if as_json:
        for summary in page:
            output.json_result(summary_json(summary), one_line=True)
        return
    if not page:
        output.note("no runs")
        return
    print_table(summaries_table(page))
    if len(found) > limit:
        output.note(f"more: --cursor {page[-1].id}")


async def show_run(history: History, wanted: str, *, events: bool, as_json: bool) -> None:
    """Prints everything about one run."""
    summary = await history.find(wanted)
    state = await load_state(history.store, summary.id, {})
    assert state is not None, "a summary has a journal"
    journal = await history.store.journal(summary.id) if events else []
    below = [child async for child in children(history.store, summary.id)]
    if as_json:
        shown = {
            **summary_json(summary),
            "steps_done": done_count(state),
            "inputs": dict(state.inputs),
            "outputs": dict(state.outputs),
            "steps": [_step_json(state, step) for step in _steps(state)],
            "children": [summary_json(child) for child in below],
        }
        if events:
            shown["events"] = [_event_json(event) for event in journal]
        output.json_result(shown)
        return
    print_table(heading(summary, state))
    if steps := _steps(state):
        output.result("")
        print_table(steps_table(state, steps))
    if below:
        output.result("")
        _print_children(summary, below)
    if journal:
        output.result("")
        print_table(events_table(journal))


def _steps(state: RunState) -> Sequence[Step]:
    return () if state.rows_total is not None else state.all_steps


def _step_json(state: RunState, step: Step) -> dict[str, Any]:
    found = state.steps[step.id]
    error = found.error
    return {
        "id": step.id,
        "uses": step.uses,
        "status": found.status.value,
        "attempts": found.attempt,
        "started_at": found.started_at.isoformat() if found.started_at else None,
        "ended_at": found.ended_at.isoformat() if found.ended_at else None,
        "outputs": dict(found.outputs),
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


def _event_json(event: ev.Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": event.at.isoformat(),
        "type": event.body.TYPE,
        "step": event.step,
        "attempt": event.attempt,
        "payload": json.loads(ev.encode(event.body)),
    }


def _print_children(summary: Summary, below: Sequence[Summary]) -> None:
    # What needs a look comes first; within that, the order of the table.
    ordered = sorted(below, key=lambda child: (child.status is RunStatus.SUCCEEDED, child.id))
    print_table(summaries_table(ordered[:_SHOWN_CHILDREN]))
    if len(ordered) > _SHOWN_CHILDREN:
        rest = count(len(ordered) - _SHOWN_CHILDREN, "more run")
        output.note(f"and {rest}: orchestrator runs list --parent {summary.id}")
