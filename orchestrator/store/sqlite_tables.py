"""The SQL behind `SqliteStore`: each function runs inside somebody else's transaction or read."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.events import Event, decode, encode
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId, canonical_json, writable
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import Append, ConflictError, Row, RunFilter, Summary, Wait

_SUMMARY = (
    "id, key, name, pipeline, definition, status, created_at, ended_at, seq, steps_total, steps_done, "
    "error, hint, rows_total, children_succeeded, children_failed, children_own_over, wake_at, parent"
)


def stamp(at: datetime | None) -> float | None:
    """Seconds since 1970, as the tables keep times."""
    return None if at is None else at.timestamp()


def when(seconds: float | None) -> datetime | None:
    """The aware UTC time of a table's seconds."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def claim(connection: sqlite3.Connection, owner: str) -> None:
    connection.execute("INSERT INTO owner SELECT ? WHERE NOT EXISTS (SELECT 1 FROM owner)", (owner,))


def put_definition(connection: sqlite3.Connection, hash_: DefinitionHash, body: str) -> None:
    connection.execute("INSERT OR IGNORE INTO definitions VALUES (?,?)", (hash_, body))


def append(connection: sqlite3.Connection, change: Append) -> None:
    """Raises ConflictError, with nothing written, when the journal has moved on."""
    summary = change.summary
    was = None
    if change.after_seq == 0:
        _insert_run(connection, change)
    else:
        found = connection.execute("SELECT status FROM runs WHERE id=?", (change.run_id,)).fetchone()
        was = RunStatus(found[0]) if found else None
        updated = connection.execute(
            "UPDATE runs SET status=?, ended_at=?, seq=?, steps_done=?, error=?, hint=?, wake_at=? WHERE id=? AND seq=?",
            (
                summary.status.value,
                stamp(summary.ended_at),
                summary.seq,
                summary.steps_done,
                writable(summary.error),
                writable(summary.hint),
                stamp(summary.wake_at),
                change.run_id,
                change.after_seq,
            ),
        )
        if updated.rowcount != 1:
            raise ConflictError(f"The journal of {change.run_id} has moved on from event {change.after_seq}.")
    connection.executemany(
        "INSERT INTO events VALUES (?,?,?,?,?,?,?)",
        [
            (e.run_id, e.seq, e.body.TYPE, e.step, e.attempt, encode(e.body), e.at.timestamp())
            for e in change.events
        ],
    )
    if change.waits_ended:
        connection.executemany(
            "DELETE FROM waits WHERE run_id=? AND step=?",
            [(change.run_id, step) for step in change.waits_ended],
        )
    connection.executemany(
        "INSERT OR REPLACE INTO waits VALUES (?,?,?,?,?,?,?)",
        [
            (w.run_id, w.step, w.kind, w.correlation, w.since_at.timestamp(), w.poll_at.timestamp(), w.polls)
            for w in change.waits_added
        ],
    )
    if change.rows:
        _insert_rows(connection, change)
    for child in change.children:
        append(connection, child.append)
        connection.execute(
            "UPDATE rows SET child=? WHERE run_id=? AND number=?",
            (child.append.run_id, change.run_id, child.row_number),
        )
    for number, run_id in change.joined:
        _join(connection, change.run_id, number, run_id)
    if was is not None and was.over:
        _count_child(connection, change.run_id, was, -1)
    if summary.status.over:
        _count_child(connection, change.run_id, summary.status, +1)


def _insert_run(connection: sqlite3.Connection, change: Append) -> None:
    s = change.summary
    try:
        connection.execute(
            f"INSERT INTO runs ({_SUMMARY}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,0,0,?,?)",  # noqa: S608 - a constant list of columns
            (
                *(
                    s.id,
                    s.key,
                    writable(s.name),
                    s.pipeline,
                    s.definition,
                    s.status.value,
                    stamp(s.created_at),
                ),
                *(stamp(s.ended_at), s.seq, s.steps_total, s.steps_done, s.error, s.hint, s.rows_total),
                *(stamp(s.wake_at), s.parent),
            ),
        )
    except sqlite3.IntegrityError as error:
        raise ConflictError(f"The run {s.id} exists already.") from error


def _insert_rows(connection: sqlite3.Connection, change: Append) -> None:
    connection.executemany(
        "INSERT INTO rows VALUES (?,?,?,?,?,?,?)",
        [
            (
                change.run_id,
                r.number,
                writable(r.name),
                r.key,
                canonical_json(r.inputs),
                canonical_json(r.row),
                r.child,
            )
            for r in change.rows
        ],
    )
    # Rows joined to runs that ended meanwhile are counted here, in the transaction that joins them.
    connection.execute(
        "UPDATE runs SET children_succeeded="
        "(SELECT count(*) FROM rows JOIN runs AS c ON c.id=rows.child WHERE rows.run_id=?1 AND c.status=?2),"
        " children_failed="
        "(SELECT count(*) FROM rows JOIN runs AS c ON c.id=rows.child WHERE rows.run_id=?1 AND c.status IN (?3,?4))"
        " WHERE id=?1",
        (change.run_id, RunStatus.SUCCEEDED.value, RunStatus.FAILED.value, RunStatus.CANCELLED.value),
    )


def _count_child(connection: sqlite3.Connection, child: RunId, status: RunStatus, by: int) -> None:
    """Each row of each run that has the child counts it."""
    column = "children_succeeded" if status is RunStatus.SUCCEEDED else "children_failed"
    connection.execute(
        f"UPDATE runs SET {column}={column}+?2*(SELECT count(*) FROM rows WHERE run_id=runs.id AND child=?1),"  # noqa: S608 - one of two constants
        " children_own_over=children_own_over+?2*(id IN (SELECT parent FROM runs WHERE id=?1))"
        " WHERE id IN (SELECT run_id FROM rows WHERE child=?1)",
        (child, by),
    )


def _join(connection: sqlite3.Connection, parent: RunId, number: int, child: RunId) -> None:
    connection.execute("UPDATE rows SET child=? WHERE run_id=? AND number=?", (child, parent, number))
    (status,) = connection.execute("SELECT status FROM runs WHERE id=?", (child,)).fetchone()
    if (joined := RunStatus(status)).over:
        column = "children_succeeded" if joined is RunStatus.SUCCEEDED else "children_failed"
        connection.execute(f"UPDATE runs SET {column}={column}+1 WHERE id=?", (parent,))  # noqa: S608 - one of two constants


def postpone(connection: sqlite3.Connection, waits: Sequence[Wait]) -> None:
    connection.executemany(
        "UPDATE waits SET poll_at=?, polls=? WHERE run_id=? AND step=?",
        [(w.poll_at.timestamp(), w.polls, w.run_id, w.step) for w in waits],
    )


def hurry(connection: sqlite3.Connection, run_id: RunId, at: datetime) -> None:
    connection.execute("UPDATE waits SET poll_at=min(poll_at, ?) WHERE run_id=?", (at.timestamp(), run_id))


def journal(connection: sqlite3.Connection, run_id: RunId, after_seq: int) -> list[Event]:
    found = connection.execute(
        "SELECT seq, type, step, attempt, payload, at FROM events WHERE run_id=? AND seq>? ORDER BY seq",
        (run_id, after_seq),
    )
    return [
        Event(run_id, seq, datetime.fromtimestamp(at, UTC), decode(type_, step, attempt, payload))
        for seq, type_, step, attempt, payload, at in found
    ]


def summaries(connection: sqlite3.Connection, where: str, values: Sequence[Any], limit: int) -> list[Summary]:
    """Newest first. `where` is one of this package's own constants with question marks."""
    query = f"SELECT {_SUMMARY} FROM runs WHERE {where} ORDER BY id DESC LIMIT {limit:d}"  # noqa: S608 - see docstring
    return [_summary(row) for row in connection.execute(query, values)]


def filtered(connection: sqlite3.Connection, which: RunFilter, cursor: str, limit: int) -> list[Summary]:
    where, values = ["1=1"], list[Any]()
    if which.status:
        where.append(f"status IN ({','.join('?' * len(which.status))})")
        values += [status.value for status in sorted(which.status)]
    if which.parent is not None:
        where.append("id IN (SELECT child FROM rows WHERE run_id=?)")
        values.append(which.parent)
    if which.top_level:
        where.append("parent IS NULL")
    if cursor:
        where.append("id<?")
        values.append(cursor)
    return summaries(connection, " AND ".join(where), values, limit)


def latest(connection: sqlite3.Connection, keys: Sequence[RunKey]) -> dict[RunKey, Summary]:
    query = (
        f"SELECT {_SUMMARY} FROM runs WHERE key=? AND status<>'cancelled'"  # noqa: S608 - a constant list of columns
        " ORDER BY CASE status WHEN 'succeeded' THEN 1 WHEN 'failed' THEN 2 ELSE 0 END, id DESC LIMIT 1"
    )
    found = ((key, connection.execute(query, (key,)).fetchone()) for key in dict.fromkeys(keys))
    return {key: _summary(row) for key, row in found if row is not None}


def rows(connection: sqlite3.Connection, run_id: RunId, start: int, stop: int) -> list[Row]:
    found = connection.execute(
        "SELECT number, name, key, inputs, row, child FROM rows WHERE run_id=? AND number>=? AND number<? ORDER BY number",
        (run_id, start, stop),
    )
    return [
        Row(number, name, RunKey(key), json.loads(inputs), json.loads(row), child and RunId(child))
        for number, name, key, inputs, row, child in found
    ]


def due_waits(connection: sqlite3.Connection, until: datetime, limit: int) -> list[Wait]:
    found = connection.execute(
        "SELECT run_id, step, kind, correlation, since_at, poll_at, polls FROM waits"
        " WHERE poll_at<=? ORDER BY poll_at LIMIT ?",
        (until.timestamp(), limit),
    )
    return [
        Wait(
            RunId(run_id),
            StepId(step),
            kind,
            correlation,
            datetime.fromtimestamp(since_at, UTC),
            datetime.fromtimestamp(poll_at, UTC),
            polls,
        )
        for run_id, step, kind, correlation, since_at, poll_at, polls in found
    ]


def _summary(row: Sequence[Any]) -> Summary:
    id_, key, name, pipeline, definition, status, created_at, ended_at, *rest = row
    seq, steps_total, steps_done, error, hint, rows_total, succeeded, failed, own_over, wake_at, parent = rest
    return Summary(
        id=RunId(id_),
        key=RunKey(key),
        name=name,
        pipeline=pipeline,
        definition=DefinitionHash(definition),
        status=RunStatus(status),
        created_at=datetime.fromtimestamp(created_at, UTC),
        ended_at=when(ended_at),
        seq=seq,
        steps_total=steps_total,
        steps_done=steps_done,
        error=error,
        hint=hint,
        rows_total=rows_total,
        children_succeeded=succeeded,
        children_failed=failed,
        children_own_over=own_over,
        wake_at=when(wake_at),
        parent=parent and RunId(parent),
    )
