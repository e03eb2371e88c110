"""What the poller asks of the tables: each function runs inside somebody else's read."""

import sqlite3
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.ids import RunId, StepId, canonical_json
from orchestrator.store.base import Wait, WaitLine

_WAIT = "run_id, step, kind, correlation, since_at, poll_at, polls"
# One look into each index for each kind, instead of reading every wait.
_LINES = """
WITH RECURSIVE kinds(kind) AS (
  SELECT min(kind) FROM waits
  UNION ALL
  SELECT (SELECT min(kind) FROM waits WHERE kind>kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL
)
SELECT kind,
  (SELECT min(poll_at) FROM waits WHERE kind=kinds.kind),
  (SELECT min(since_at) FROM waits WHERE kind=kinds.kind)
FROM kinds WHERE kind IS NOT NULL
"""
_LONGEST_DUE = "SELECT since_at FROM waits WHERE kind=? AND poll_at<=? ORDER BY poll_at, since_at LIMIT 1"
_DUE = (
    f"SELECT {_WAIT} FROM waits INDEXED BY waits_by_start"  # noqa: S608 - a constant list of columns
    " WHERE kind=? AND since_at BETWEEN ? AND ? AND poll_at<=? ORDER BY since_at, poll_at LIMIT ?"
)
_BY_CORRELATION = (
    f"SELECT {_WAIT} FROM waits INDEXED BY waits_by_correlation"  # noqa: S608 - a constant list of columns
    " WHERE kind=? AND correlation IN (SELECT value FROM json_each(?))"
)


def wait_lines(connection: sqlite3.Connection) -> list[WaitLine]:
    """As `Store.wait_lines`."""
    return [
        WaitLine(kind, datetime.fromtimestamp(poll_at, UTC), datetime.fromtimestamp(since_at, UTC))
        for kind, poll_at, since_at in connection.execute(_LINES)
    ]


def due_waits(
    connection: sqlite3.Connection, kind: str, until: datetime, within_s: float, limit: int
) -> list[Wait]:
    """As `Store.due_waits`."""
    longest = connection.execute(_LONGEST_DUE, (kind, until.timestamp())).fetchone()
    if longest is None:
        return []
    since = longest[0]
    return _waits(connection.execute(_DUE, (kind, since, since + within_s, until.timestamp(), limit)))


def waits_by_correlation(
    connection: sqlite3.Connection, kind: str, correlations: Collection[str]
) -> list[Wait]:
    """As `Store.waits_by_correlation`."""
    return _waits(connection.execute(_BY_CORRELATION, (kind, canonical_json(list(correlations)))))


def _waits(rows: Iterable[tuple[Any, ...]]) -> list[Wait]:
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
        for run_id, step, kind, correlation, since_at, poll_at, polls in rows
    ]
