"""Forgetting finished runs, a few at a time: each look is short, so that no writer waits long for it."""

import sqlite3
from collections.abc import Set as AbstractSet
from datetime import datetime

from orchestrator.domain.ids import DefinitionHash, RunId
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import Pruned, PruneMark

_OVER = ", ".join(f"'{status.value}'" for status in RunStatus if status.over)
#: A run by the name of `c` that has not been over for long enough.
_YOUNG = f"(c.status NOT IN ({_OVER}) OR c.ended_at IS NULL OR c.ended_at>:before)"
# The inner query bounds the work: runs that are needed are looked at, too.
_PAGE = f"""
SELECT r.ended_at, r.id,
  NOT EXISTS (SELECT 1 FROM rows WHERE child=r.id)
  AND NOT EXISTS (SELECT 1 FROM runs AS p WHERE p.id=r.parent)
  AND NOT EXISTS (SELECT 1 FROM runs AS c WHERE c.parent=r.id AND {_YOUNG})
  AND NOT EXISTS (SELECT 1 FROM rows JOIN runs AS c ON c.id=rows.child WHERE rows.run_id=r.id AND {_YOUNG})
  AND NOT EXISTS (SELECT 1 FROM runs AS n WHERE n.replays=r.id AND n.status NOT IN ({_OVER}))
FROM (
  SELECT id, ended_at, parent FROM runs INDEXED BY runs_ended
  WHERE ended_at IS NOT NULL AND (ended_at, id)>(:ended_at, :id) AND ended_at<=:before AND status IN ({_OVER})
  ORDER BY ended_at, id LIMIT :limit
) AS r ORDER BY r.ended_at, r.id
"""  # noqa: S608 - made of this module's own constants
_FORGET = (
    "DELETE FROM events WHERE run_id=?",
    "DELETE FROM rows WHERE run_id=?",
    "DELETE FROM waits WHERE run_id=?",
    "DELETE FROM runs WHERE id=?",
)
_UNUSED = "SELECT hash FROM definitions AS d WHERE NOT EXISTS (SELECT 1 FROM runs WHERE definition=d.hash)"


def prune(
    connection: sqlite3.Connection,
    before: datetime,
    *,
    after: PruneMark | None,
    limit: int,
    keep: AbstractSet[DefinitionHash] = frozenset(),
) -> Pruned:
    """As `Store.prune`, inside somebody else's transaction. `keep`: definitions that are kept also without a run."""
    ended_at, run_id = after or (float("-inf"), RunId(""))
    bounds = {"before": before.timestamp(), "ended_at": ended_at, "id": run_id, "limit": limit}
    page = connection.execute(_PAGE, bounds).fetchall()
    gone = [(run_id,) for _, run_id, forgettable in page if forgettable]
    for statement in _FORGET:
        connection.executemany(statement, gone)
    if len(page) == limit:
        return Pruned(len(gone), (page[-1][0], RunId(page[-1][1])))
    unused = [row for row in connection.execute(_UNUSED).fetchall() if row[0] not in keep]
    connection.executemany("DELETE FROM definitions WHERE hash=?", unused)
    return Pruned(len(gone), None)


def prune_all(connection: sqlite3.Connection, before: datetime, *, dry_run: bool, limit: int = 500) -> int:
    """Forget everything that may be forgotten; how many runs. For a process that has the file to itself.

    `dry_run`: take it all back in the end.
    """
    total, after, in_round = 0, None, 0
    if dry_run:
        connection.execute("BEGIN IMMEDIATE")
    while True:
        if not dry_run:
            connection.execute("BEGIN IMMEDIATE")
        found = prune(connection, before, after=after, limit=limit)
        if not dry_run:
            connection.execute("COMMIT")
        after, total, in_round = found.after, total + found.runs, in_round + found.runs
        if after is None:
            if not in_round:
                break
            in_round = 0
    if dry_run:
        connection.execute("ROLLBACK")
    return total
