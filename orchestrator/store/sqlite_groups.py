"""Who queues in which concurrency group: each function is one read of somebody else's connection."""

import sqlite3
from datetime import UTC, datetime

from orchestrator.domain.ids import RunId
from orchestrator.store.base import Queue, Queued

_LINE = (
    "SELECT id, queued_at, group_limit FROM runs INDEXED BY runs_in_line"
    " WHERE concurrency_group=? AND queued_at IS NOT NULL AND (queued_at, id)>(?, ?) ORDER BY queued_at, id LIMIT ?"
)
_TAKEN = "SELECT count(*) FROM runs INDEXED BY runs_with_place WHERE concurrency_group=? AND has_place=1"
# One look into the index for each group, instead of reading everybody in line.
_GROUPS = """
WITH RECURSIVE groups(name) AS (
  SELECT min(concurrency_group) FROM runs WHERE queued_at IS NOT NULL
  UNION ALL
  SELECT (SELECT min(concurrency_group) FROM runs WHERE queued_at IS NOT NULL AND concurrency_group>groups.name)
  FROM groups WHERE groups.name IS NOT NULL
)
SELECT name FROM groups WHERE name IS NOT NULL
"""


def queue(connection: sqlite3.Connection, group: str, after: Queued | None, limit: int) -> Queue:
    """As `Store.queue`."""
    behind = (float("-inf"), "") if after is None else (after.queued_at.timestamp(), after.run_id)
    line = [
        Queued(RunId(run_id), datetime.fromtimestamp(queued_at, UTC), group_limit)
        for run_id, queued_at, group_limit in connection.execute(_LINE, (group, *behind, limit))
    ]
    return Queue(int(connection.execute(_TAKEN, (group,)).fetchone()[0]), line)


def queues(connection: sqlite3.Connection) -> list[str]:
    """As `Store.queues`."""
    return [name for (name,) in connection.execute(_GROUPS)]
