"""What `SqliteStore` reads: each function is one read of somebody else's connection."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.events import Event, decode
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import Row, RunFilter, Summary

_SUMMARY = (
    "id, key, name, pipeline, definition, status, created_at, ended_at, seq, steps_total, steps_done, "
    "error, hint, rows_total, children_succeeded, children_failed, children_own_over, children_paused, wake_at, "
    "parent, reason, replays, concurrency_group, group_limit, queued_at, has_place"
)


def when(seconds: float | None) -> datetime | None:
    """The aware UTC time of a table's seconds."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


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


def all_summaries(connection: sqlite3.Connection) -> Iterator[Summary]:
    """Every run, in the order of their ids, one at a time."""
    return map(_summary, connection.execute(f"SELECT {_SUMMARY} FROM runs ORDER BY id"))  # noqa: S608 - a constant list of columns


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


def due(connection: sqlite3.Connection) -> list[tuple[RunId, float, RunStatus]]:
    """Runs that are not over and have a wake-up time, earliest first."""
    # The index holds all that is asked for: the runs themselves are not touched.
    found = connection.execute(
        "SELECT id, wake_at, status FROM runs INDEXED BY runs_due WHERE wake_at IS NOT NULL ORDER BY wake_at, id"
    )
    statuses = {status.value: status for status in RunStatus if not status.over}
    return [(run_id, at, statuses[status]) for run_id, at, status in found if status in statuses]


def counts(connection: sqlite3.Connection, *, top_level: bool) -> dict[RunStatus, int]:
    """Runs by status, from counters that are kept with every change."""
    query = "SELECT status, sum(runs) FROM counters WHERE child<=? GROUP BY status HAVING sum(runs)>0"
    found = connection.execute(query, (0 if top_level else 1,))
    return {RunStatus(status): runs for status, runs in found}


def parents(connection: sqlite3.Connection, run_id: RunId) -> list[RunId]:
    """Runs that have the run among their rows."""
    found = connection.execute("SELECT DISTINCT run_id FROM rows WHERE child=?", (run_id,))
    return [RunId(row[0]) for row in found]


def definition(connection: sqlite3.Connection, hash_: DefinitionHash) -> str | None:
    """The definition's JSON."""
    found = connection.execute("SELECT body FROM definitions WHERE hash=?", (hash_,)).fetchone()
    return None if found is None else str(found[0])


def _summary(row: Sequence[Any]) -> Summary:
    id_, key, name, pipeline, definition, status, created_at, ended_at, *rest = row
    seq, steps_total, steps_done, error, hint, rows_total, succeeded, failed, own_over, paused, *last = rest
    wake_at, parent, reason, replays, group, group_limit, queued_at, has_place = last
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
        children_paused=paused,
        wake_at=when(wake_at),
        parent=parent and RunId(parent),
        reason=reason,
        replays=replays and RunId(replays),
        group=group,
        group_limit=group_limit,
        queued_at=when(queued_at),
        has_place=bool(has_place),
    )
