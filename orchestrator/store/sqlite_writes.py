"""What a batch of writes does to the tables: each function runs inside somebody else's transaction.

How many runs there are in each status, and how many of a run's rows are over, is kept by the schema's triggers.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from orchestrator.domain.events import encode
from orchestrator.domain.ids import DefinitionHash, RunId, StepId, canonical_json, writable
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import Append, ConflictError, Summary, Wait

#: A change that is no append.
Write = Callable[[sqlite3.Connection], Any]
_EventRow = tuple[RunId, int, str, StepId | None, int | None, str, float]

_INSERT_RUN = (
    "INSERT INTO runs (id, key, name, pipeline, definition, status, created_at, ended_at, seq, steps_total,"
    " steps_done, error, hint, rows_total, wake_at, parent, reason, replays, concurrency_group, group_limit,"
    " queued_at, has_place) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_GO_ON = "UPDATE runs SET seq=?, steps_done=?, wake_at=? WHERE id=? AND seq=?"
_CHANGE = (
    "UPDATE runs SET seq=?, steps_done=?, wake_at=?, status=?, ended_at=?, error=?, hint=?, reason=?,"
    " queued_at=?, has_place=? WHERE id=? AND seq=?"
)
_POSTPONE = """
UPDATE waits SET poll_at=to_be.poll_at, polls=to_be.polls
FROM (
  SELECT json_extract(value, '$[0]') AS run_id, json_extract(value, '$[1]') AS step,
    json_extract(value, '$[2]') AS poll_at, json_extract(value, '$[3]') AS polls
  FROM json_each(?)
) AS to_be
WHERE waits.run_id=to_be.run_id AND waits.step=to_be.step
"""
_THERE = "SELECT 1 FROM json_each(?) WHERE EXISTS (SELECT 1 FROM runs WHERE id=value) LIMIT 1"
_FORGOTTEN = "SELECT 1 FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id=value) LIMIT 1"


def stamp(at: datetime | None) -> float | None:
    """Seconds since 1970, as the tables keep times."""
    return None if at is None else at.timestamp()


def write(connection: sqlite3.Connection, jobs: Sequence[Append | Write]) -> list[Any]:
    """For each job nothing, what it returned, or the ConflictError that leaves out only that job."""
    events: list[_EventRow] = []
    outcomes: list[Any] = []
    for job in jobs:
        outcome = None
        try:
            if not isinstance(job, Append):
                outcome = job(connection)
            else:
                _append(connection, job, events)
        except ConflictError as error:
            outcome = error
        outcomes.append(outcome)
    connection.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?)", events)
    return outcomes


def _append(connection: sqlite3.Connection, change: Append, events: list[_EventRow]) -> None:
    """All but the events, which are left in `events`. Raises ConflictError before it writes anything."""
    _check_children(connection, change)
    if change.after_seq == 0:
        _insert_run(connection, change.summary)
    elif not _update_run(connection, change):
        raise ConflictError(f"The journal of {change.run_id} has moved on from event {change.after_seq}.")
    for event in change.events:
        body = event.body
        step, attempt = getattr(body, "step", None), getattr(body, "attempt", None)
        events.append((event.run_id, event.seq, body.TYPE, step, attempt, encode(body), event.at.timestamp()))
    if change.waits_ended:
        connection.executemany(
            "DELETE FROM waits WHERE run_id=? AND step=?",
            [(change.run_id, step) for step in change.waits_ended],
        )
    if change.waits_added:
        _insert_waits(connection, change.waits_added)
    if change.rows:
        _insert_rows(connection, change)
    for child in change.children:
        _append(connection, child.append, events)
    taken = [(child.append.run_id, change.run_id, child.row_number) for child in change.children]
    taken += [(child_id, change.run_id, number) for number, child_id in change.joined]
    if taken:
        connection.executemany("UPDATE rows SET child=? WHERE run_id=? AND number=?", taken)


def _check_children(connection: sqlite3.Connection, change: Append) -> None:
    """Raises ConflictError for a child run that is there already, or one to be joined that is not."""
    begun = [child.append.run_id for child in change.children]
    if begun and connection.execute(_THERE, (canonical_json(begun),)).fetchone() is not None:
        raise ConflictError(f"A child run of {change.run_id} exists already.")
    joined = [row.child for row in change.rows if row.child] + [run_id for _, run_id in change.joined]
    if joined and connection.execute(_FORGOTTEN, (canonical_json(joined),)).fetchone() is not None:
        raise ConflictError(f"A run that {change.run_id} joins has been forgotten: look for it again.")


def _update_run(connection: sqlite3.Connection, change: Append) -> bool:
    """False: the journal has moved on."""
    s = change.summary
    progress = (s.seq, s.steps_done, stamp(s.wake_at))
    if change.was is s.status is RunStatus.RUNNING:
        # A run that goes on running has no end, error or reason to write; untouched, their indexes cost nothing.
        updated = connection.execute(_GO_ON, (*progress, change.run_id, change.after_seq))
    else:
        words = (writable(s.error), writable(s.hint), writable(s.reason))
        place = (stamp(s.queued_at), s.has_place)
        values = (
            *progress,
            s.status.value,
            stamp(s.ended_at),
            *words,
            *place,
            change.run_id,
            change.after_seq,
        )
        updated = connection.execute(_CHANGE, values)
    return updated.rowcount == 1


def _insert_run(connection: sqlite3.Connection, s: Summary) -> None:
    values = (
        *(s.id, s.key, writable(s.name), s.pipeline, s.definition, s.status.value),
        *(stamp(s.created_at), stamp(s.ended_at), s.seq, s.steps_total, s.steps_done),
        *(writable(s.error), writable(s.hint), s.rows_total, stamp(s.wake_at), s.parent),
        *(writable(s.reason), s.replays, s.group and writable(s.group), s.group_limit),
        *(stamp(s.queued_at), s.has_place),
    )
    try:
        connection.execute(_INSERT_RUN, values)
    except sqlite3.IntegrityError as error:
        raise ConflictError(f"The run {s.id} exists already.") from error


def _insert_waits(connection: sqlite3.Connection, waits: Sequence[Wait]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO waits VALUES (?,?,?,?,?,?,?)",
        [
            (w.run_id, w.step, w.kind, w.correlation, w.since_at.timestamp(), w.poll_at.timestamp(), w.polls)
            for w in waits
        ],
    )


def _insert_rows(connection: sqlite3.Connection, change: Append) -> None:
    connection.executemany(
        "INSERT INTO rows VALUES (?,?,?,?,?,?,?)",
        [
            (
                *(change.run_id, row.number, writable(row.name), row.key),
                *(canonical_json(row.inputs), canonical_json(row.row), row.child),
            )
            for row in change.rows
        ],
    )


def claim(connection: sqlite3.Connection, owner: str) -> str:
    """Whose runs these are from now on, or were already."""
    connection.execute("INSERT INTO owner SELECT ? WHERE NOT EXISTS (SELECT 1 FROM owner)", (owner,))
    return str(connection.execute("SELECT name FROM owner").fetchone()[0])


def put_definition(connection: sqlite3.Connection, hash_: DefinitionHash, body: str) -> None:
    """Leaves a known one as it is."""
    connection.execute("INSERT OR IGNORE INTO definitions VALUES (?,?)", (hash_, body))


def postpone(connection: sqlite3.Connection, waits: Sequence[Wait]) -> None:
    """Waits that have ended meanwhile stay so."""
    values = [[w.run_id, w.step, w.poll_at.timestamp(), w.polls] for w in waits]
    connection.execute(_POSTPONE, (canonical_json(values),))


def hurry(connection: sqlite3.Connection, run_id: RunId, at: datetime) -> None:
    """Only ever earlier."""
    connection.execute("UPDATE waits SET poll_at=min(poll_at, ?) WHERE run_id=?", (at.timestamp(), run_id))
