"""Whether a state file holds together: SQLite's own check, and what the tables promise each other."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus, StepStatus, replay
from orchestrator.store import sqlite_tables as reads
from orchestrator.store.base import Summary
from orchestrator.store.sqlite_errors import is_damage

_DONE = frozenset({StepStatus.SUCCEEDED, StepStatus.SKIPPED})
_OVER = ", ".join(f"'{status.value}'" for status in RunStatus if status.over)
_COUNTED = ("children_succeeded", "children_failed", "children_paused", "children_own_over")
_COUNTS = f"""
SELECT runs.id, {", ".join(f"runs.{name}" for name in _COUNTED)},
  coalesce(sum(c.status='succeeded'), 0), coalesce(sum(c.status IN ('failed', 'cancelled')), 0),
  coalesce(sum(c.status='paused'), 0), coalesce(sum(c.parent=runs.id AND c.status IN ({_OVER})), 0)
FROM runs LEFT JOIN rows ON rows.run_id=runs.id LEFT JOIN runs AS c ON c.id=rows.child
GROUP BY runs.id
"""  # noqa: S608 - made of this module's own constants
#: Each finds rows that should not be there: the run that they are about, and what is wrong.
_ORPHANS = (
    (
        "SELECT DISTINCT run_id, 'its journal belongs to no run' FROM events"
        " WHERE run_id NOT IN (SELECT id FROM runs)"
    ),
    (
        "SELECT run_id, 'row ' || number || ' belongs to no run' FROM rows"
        " WHERE run_id NOT IN (SELECT id FROM runs)"
    ),
    (
        "SELECT run_id, 'the child run ' || child || ' of row ' || number || ' is missing' FROM rows"
        " WHERE child IS NOT NULL AND child NOT IN (SELECT id FROM runs)"
    ),
    (
        "SELECT run_id, 'the wait of step ' || step || ' belongs to no run' FROM waits"
        " WHERE run_id NOT IN (SELECT id FROM runs)"
    ),
    (
        "SELECT id, 'it says that it has ' || rows_total || ' rows, there are '"
        " || (SELECT count(*) FROM rows WHERE run_id=runs.id) FROM runs"
        " WHERE rows_total IS NOT (SELECT count(*) FROM rows WHERE run_id=runs.id) AND rows_total IS NOT NULL"
    ),
    (
        "SELECT id, 'its parent ' || parent || ' does not have it among its rows' FROM runs AS r"
        " WHERE EXISTS (SELECT 1 FROM runs AS p WHERE p.id=r.parent AND p.rows_total IS NOT NULL)"
        " AND NOT EXISTS (SELECT 1 FROM rows WHERE run_id=r.parent AND child=r.id)"
    ),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that should be otherwise; `run_id` None: it is about no run in particular."""

    what: str
    run_id: RunId | None = None

    def __str__(self) -> str:
        return f"{self.run_id or 'state'}: {self.what}"


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong."""

    runs: int = 0
    events: int = 0
    problems: list[Problem] = field(default_factory=list)


def check(connection: sqlite3.Connection) -> Report:
    """Looks at everything, as it was at one moment. Raises sqlite3.Error when the file cannot be read at all."""
    report = Report()
    connection.execute("BEGIN")
    try:
        try:
            for (line,) in connection.execute("PRAGMA integrity_check"):
                if line != "ok":
                    report.problems.append(Problem(f"SQLite: {line}"))
            _check_tables(connection, report)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            report.problems.append(Problem(f"it cannot be read to its end: {error}"))
    finally:
        connection.execute("ROLLBACK")
    return report


def _check_tables(connection: sqlite3.Connection, report: Report) -> None:
    for query in _ORPHANS:
        report.problems += [Problem(what, RunId(run_id)) for run_id, what in connection.execute(query)]
    report.problems += _counters(connection)
    report.problems += _counts(connection)
    definitions = _Definitions(connection)
    journals = groupby(
        connection.execute(
            "SELECT run_id, seq, type, step, attempt, payload, at FROM events ORDER BY run_id, seq"
        ),
        key=itemgetter(0),
    )
    journal = next(journals, None)
    for summary in reads.all_summaries(connection):
        while journal is not None and journal[0] < summary.id:  # of no run, as has been said
            journal = next(journals, None)
        rows: list[tuple[Any, ...]] = []
        if journal is not None and journal[0] == summary.id:
            rows = list(journal[1])
            journal = next(journals, None)
        report.runs += 1
        report.events += len(rows)
        wrong = _run(connection, summary, rows, definitions)
        report.problems += [Problem(what, summary.id) for what in wrong]
    report.problems += definitions.problems


def _counters(connection: sqlite3.Connection) -> Iterator[Problem]:
    kept = {(status, child): runs for status, child, runs in connection.execute("SELECT * FROM counters")}
    query = "SELECT status, parent IS NOT NULL, count(*) FROM runs GROUP BY 1, 2"
    there = {(status, child): runs for status, child, runs in connection.execute(query)}
    for status, child in sorted(kept.keys() | there.keys()):
        counted, found = kept.get((status, child), 0), there.get((status, child), 0)
        if counted != found:
            which = "child runs" if child else "runs"
            yield Problem(f"{counted} {status} {which} are counted, there are {found}")


def _counts(connection: sqlite3.Connection) -> Iterator[Problem]:
    size = len(_COUNTED)
    for run_id, *numbers in connection.execute(_COUNTS):
        for name, kept, found in zip(_COUNTED, numbers[:size], numbers[size:], strict=True):
            if kept != found:
                yield Problem(f"{name} is {kept}, should be {found}", RunId(run_id))


def _run(
    connection: sqlite3.Connection, summary: Summary, rows: list[tuple[Any, ...]], definitions: "_Definitions"
) -> Iterator[str]:
    """What is wrong with one run, its row and its journal."""
    seqs = [row[1] for row in rows]
    if seqs != list(range(1, len(seqs) + 1)):
        yield f"its journal has gaps: {len(seqs)} events up to number {seqs[-1]}"
        return
    if len(seqs) != summary.seq:
        yield f"its journal has {len(seqs)} events, should have {summary.seq}"
    if (pipeline := definitions.get(summary.definition)) is None:
        yield f"its definition {summary.definition[:12]} is missing or cannot be read"
        return
    try:
        events = [
            ev.Event(
                summary.id, seq, datetime.fromtimestamp(at, UTC), ev.decode(type_, step, attempt, payload)
            )
            for _, seq, type_, step, attempt, payload, at in rows
        ]
        state = replay(summary.id, pipeline, events)
    except Exception as error:  # noqa: BLE001 - whatever it is, the journal does not make sense, and others follow
        yield f"its journal cannot be followed: {type(error).__name__} {error}"
        return
    yield from _differences(summary, state)
    yield from _waits(connection, summary, state, events)


def _differences(summary: Summary, state: RunState) -> Iterator[str]:
    """Between what is listed and what has happened."""
    table = state.rows_total is not None
    pairs = {
        "status": (summary.status.value, state.status.value),
        "name": (summary.name, state.name),
        "key": (summary.key, state.key),
        "parent": (summary.parent, state.parent),
        "definition": (summary.definition, state.definition),
        "created_at": (summary.created_at, state.created_at),
        "ended_at": (summary.ended_at, state.ended_at),
        "rows_total": (summary.rows_total, state.rows_total),
        "steps_total": (summary.steps_total, 0 if table else len(state.pipeline.steps)),
        "steps_done": (
            summary.steps_done,
            sum(state.steps[step.id].status in _DONE for step in state.pipeline.steps),
        ),
        "error": (summary.error, state.error.message if state.error else ""),
        "reason": (summary.reason, state.reason),
        "replays": (summary.replays, state.replays),
        "group": (summary.group, state.group),
        "queued_at": (summary.queued_at, state.queued_at),
        "has_place": (summary.has_place, state.has_place),
    }
    for name, (listed, happened) in pairs.items():
        if listed != happened:
            yield f"{name} is {listed}, by its journal {happened}"
    if summary.status.over and summary.wake_at is not None:
        yield "it is over and has a time to wake"


def _waits(
    connection: sqlite3.Connection, summary: Summary, state: RunState, events: list[ev.Event]
) -> Iterator[str]:
    """Between the poller's table and the steps that wait."""
    query = "SELECT step, correlation FROM waits WHERE run_id=?"
    listed = dict(connection.execute(query, (summary.id,)))
    polled = {
        event.body.step: event.body.polled for event in events if isinstance(event.body, ev.StepWaiting)
    }
    waiting = {
        step_id: step.correlation
        for step_id, step in state.steps.items()
        if step.status is StepStatus.WAITING and polled.get(step_id)
    }
    for step_id in sorted(listed.keys() - waiting.keys()):
        yield f"step {step_id} is listed as waiting and does not wait"
    for step_id in sorted(waiting.keys() - listed.keys()):
        yield f"step {step_id} waits and is not listed, so nobody polls for it"
    for step_id in sorted(listed.keys() & waiting.keys()):
        if listed[step_id] != waiting[step_id]:
            yield f"step {step_id} waits for {waiting[step_id]}, listed is {listed[step_id]}"


class _Definitions:
    """Read once each, when the first run needs it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._read: dict[DefinitionHash, Pipeline | None] = {}
        self.problems: list[Problem] = []

    def get(self, hash_: DefinitionHash) -> Pipeline | None:
        if hash_ not in self._read:
            self._read[hash_] = self._load(hash_)
        return self._read[hash_]

    def _load(self, hash_: DefinitionHash) -> Pipeline | None:
        if (body := reads.definition(self._connection, hash_)) is None:
            return None
        if hashlib.sha256(body.encode()).hexdigest() != hash_:
            self.problems.append(Problem(f"the definition {hash_[:12]} is not what its hash says"))
        try:
            return Pipeline.from_json(json.loads(body))
        except ValueError as error:
            self.problems.append(Problem(f"the definition {hash_[:12]} cannot be read: {error}"))
            return None
