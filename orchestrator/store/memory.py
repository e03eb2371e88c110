"""A store that forgets when it is dropped: for tests, and for simulations that own the clock."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.domain.events import Event, decode, encode
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import Append, ConflictError, Row, RunFilter, StoreError, Summary, Wait


async def _at_once() -> None:
    return None


class MemoryStore:
    """A `Store` in dictionaries. `latency` is awaited before and after each write takes effect."""

    def __init__(self, latency: Callable[[], Awaitable[None]] = _at_once) -> None:
        self._latency = latency
        self._owner = ""
        self._definitions: dict[DefinitionHash, str] = {}
        self._journals: dict[RunId, list[Event]] = {}
        self._summaries: dict[RunId, Summary] = {}
        self._rows: dict[RunId, list[Row]] = {}
        self._waits: dict[tuple[RunId, StepId], Wait] = {}

    async def claim(self, owner: str) -> str:
        self._owner = self._owner or owner
        return self._owner

    async def put_definition(self, hash_: DefinitionHash, body: str) -> None:
        self._definitions.setdefault(hash_, body)

    async def definition(self, hash_: DefinitionHash) -> str:
        if hash_ not in self._definitions:
            raise StoreError(f"The state holds no definition {hash_[:12]}.")
        return self._definitions[hash_]

    async def append(self, append: Append) -> None:
        await self._latency()
        self._append(append)
        await self._latency()

    def _append(self, change: Append) -> None:  # noqa: C901 - one condition for each part of a change
        known = self._summaries.get(change.run_id)
        if (known.seq if known else 0) != change.after_seq:
            raise ConflictError(f"The journal of {change.run_id} has moved on from event {change.after_seq}.")
        # Through the codec, so that what a file could not hold fails here, too.
        events = [
            replace(e, body=decode(e.body.TYPE, e.step, e.attempt, encode(e.body))) for e in change.events
        ]
        self._journals.setdefault(change.run_id, []).extend(events)
        summary = change.summary
        if known is not None:  # what the store keeps by itself, or once and for all
            summary = replace(
                summary,
                parent=known.parent,
                children_succeeded=known.children_succeeded,
                children_failed=known.children_failed,
                children_own_over=known.children_own_over,
            )
        self._summaries[change.run_id] = summary
        for step in change.waits_ended:
            self._waits.pop((change.run_id, step), None)
        self._waits.update({(wait.run_id, wait.step): wait for wait in change.waits_added})
        if change.rows:
            self._rows[change.run_id] = list(change.rows)
            for row in change.rows:
                if row.child is not None and self._summaries[row.child].status.over:
                    self._count(change.run_id, self._summaries[row.child].status)
        for child in change.children:
            self._append(child.append)
            rows = self._rows[change.run_id]
            rows[child.row_number] = replace(rows[child.row_number], child=child.append.run_id)
        for number, run_id in change.joined:
            rows = self._rows[change.run_id]
            rows[number] = replace(rows[number], child=run_id)
            if self._summaries[run_id].status.over:
                self._count(change.run_id, self._summaries[run_id].status)
        if known is not None and known.status.over:
            self._count_child(change.run_id, known.status, -1)
        if change.summary.status.over:
            self._count_child(change.run_id, change.summary.status, +1)

    def _count_child(self, child: RunId, status: RunStatus, by: int) -> None:
        for parent in self._parents(child):
            for row in self._rows[parent]:
                if row.child == child:
                    self._count(parent, status, by)
            if self._summaries[child].parent == parent:
                mine = self._summaries[parent]
                self._summaries[parent] = replace(mine, children_own_over=mine.children_own_over + by)

    def _count(self, parent: RunId, status: RunStatus, by: int = 1) -> None:
        known = self._summaries[parent]
        ok = status is RunStatus.SUCCEEDED
        self._summaries[parent] = replace(
            known,
            children_succeeded=known.children_succeeded + by * ok,
            children_failed=known.children_failed + by * (not ok),
        )

    def _parents(self, run_id: RunId) -> list[RunId]:
        return [parent for parent, rows in self._rows.items() if any(row.child == run_id for row in rows)]

    async def journal(self, run_id: RunId, after_seq: int = 0) -> list[Event]:
        return self._journals.get(run_id, [])[after_seq:]

    async def summary(self, run_id: RunId) -> Summary | None:
        return self._summaries.get(run_id)

    async def summaries(self, which: RunFilter, *, cursor: str = "", limit: int = 100) -> list[Summary]:
        children = None
        if which.parent is not None:
            children = {row.child for row in self._rows.get(which.parent, ())}
        found = [
            summary
            for run_id, summary in sorted(self._summaries.items(), reverse=True)
            if (not which.status or summary.status in which.status)
            and (children is None or run_id in children)
            and (not which.top_level or summary.parent is None)
            and (not cursor or run_id < cursor)
        ]
        return found[:limit]

    async def latest(self, keys: Sequence[RunKey]) -> dict[RunKey, Summary]:
        def rank(summary: Summary) -> int:
            order = {RunStatus.FAILED: 0, RunStatus.SUCCEEDED: 1}
            return order.get(summary.status, 2)

        found: dict[RunKey, Summary] = {}
        for _, summary in sorted(self._summaries.items()):
            wanted = summary.key in set(keys) and summary.status is not RunStatus.CANCELLED
            if wanted and (summary.key not in found or rank(summary) >= rank(found[summary.key])):
                found[summary.key] = summary
        return found

    async def rows(self, run_id: RunId, start: int, stop: int) -> list[Row]:
        return self._rows.get(run_id, [])[start:stop]

    async def unfinished(self) -> list[tuple[RunId, datetime | None]]:
        return [(id_, s.wake_at) for id_, s in sorted(self._summaries.items()) if not s.status.over]

    async def parents(self, run_id: RunId) -> list[RunId]:
        return self._parents(run_id)

    async def due_waits(self, until: datetime, limit: int = 100) -> list[Wait]:
        due = sorted((w for w in self._waits.values() if w.poll_at <= until), key=lambda w: w.poll_at)
        return due[:limit]

    async def next_poll_at(self) -> datetime | None:
        return min((wait.poll_at for wait in self._waits.values()), default=None)

    async def postpone(self, waits: Sequence[Wait]) -> None:
        self._waits.update({(w.run_id, w.step): w for w in waits if (w.run_id, w.step) in self._waits})

    async def hurry(self, run_id: RunId, at: datetime) -> None:
        for key, wait in self._waits.items():
            if wait.run_id == run_id and wait.poll_at > at:
                self._waits[key] = replace(wait, poll_at=at)

    async def close(self) -> None:
        """Nothing to let go of: the next engine may go on with it."""
