"""A store that forgets when it is dropped: for tests, and for simulations that own the clock."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.events import Event, decode, encode
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import (
    Append,
    ConflictError,
    DefinitionLostError,
    Pruned,
    PruneMark,
    Queue,
    Queued,
    Row,
    RunFilter,
    Summary,
    Wait,
    WaitLine,
)


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
        #: Whose rows a run is among, once for each row.
        self._having: dict[RunId, list[RunId]] = {}
        self._waits: dict[tuple[RunId, StepId], Wait] = {}

    async def claim(self, owner: str) -> str:
        self._owner = self._owner or owner
        return self._owner

    async def put_definition(self, hash_: DefinitionHash, body: str) -> None:
        self._definitions.setdefault(hash_, body)

    async def definition(self, hash_: DefinitionHash) -> str:
        if hash_ not in self._definitions:
            raise DefinitionLostError(hash_)
        return self._definitions[hash_]

    async def append(self, append: Append) -> None:
        await self._latency()
        self._append(append)
        await self._latency()

    def _append(self, change: Append) -> None:
        known = self._summaries.get(change.run_id)
        self._check(change, known)
        # Through the codec, so that what a file could not hold fails here, too.
        events = [
            replace(e, body=decode(e.body.TYPE, e.step, e.attempt, encode(e.body))) for e in change.events
        ]
        self._journals.setdefault(change.run_id, []).extend(events)
        before = None if known is None else known.status
        self._summaries[change.run_id] = _updated(known, change.summary)
        if before is not change.summary.status:
            for parent in self._having.get(change.run_id, ()):
                own = self._summaries[change.run_id].parent == parent
                self._count(parent, before, -1, own=own)
                self._count(parent, change.summary.status, +1, own=own)
        for step in change.waits_ended:
            self._waits.pop((change.run_id, step), None)
        self._waits.update({(wait.run_id, wait.step): wait for wait in change.waits_added})
        if change.rows:
            self._rows[change.run_id] = [replace(row, child=None) for row in change.rows]
        for child in change.children:
            self._append(child.append)
        taken = [(row.number, row.child) for row in change.rows if row.child is not None]
        taken += [(child.row_number, child.append.run_id) for child in change.children]
        for number, run_id in (*taken, *change.joined):
            self._take(change.run_id, number, run_id)

    def _check(self, change: Append, known: Summary | None) -> None:
        """Raises ConflictError before anything is changed."""
        if (known.seq if known else 0) != change.after_seq:
            raise ConflictError(f"The journal of {change.run_id} has moved on from event {change.after_seq}.")
        for child in change.children:
            if child.append.run_id in self._summaries:
                raise ConflictError(f"The run {child.append.run_id} exists already.")
        joined = {row.child for row in change.rows if row.child} | {run_id for _, run_id in change.joined}
        if not self._summaries.keys() >= joined:
            raise ConflictError(f"A run that {change.run_id} joins has been forgotten: look for it again.")

    def _take(self, parent: RunId, number: int, child: RunId) -> None:
        """The row gets the run, and counts it from now on."""
        rows = self._rows[parent]
        if (old := rows[number].child) is not None:
            known = self._summaries[old]
            self._having[old].remove(parent)
            self._count(parent, known.status, -1, own=known.parent == parent)
        rows[number] = replace(rows[number], child=child)
        self._having.setdefault(child, []).append(parent)
        self._count(parent, self._summaries[child].status, +1, own=False)

    def _count(self, parent: RunId, status: RunStatus | None, by: int, *, own: bool) -> None:
        """One row of the parent's more (or less) has a child run of that status."""
        known = self._summaries[parent]
        over = status is not None and status.over
        ok = status is RunStatus.SUCCEEDED
        self._summaries[parent] = replace(
            known,
            children_succeeded=known.children_succeeded + by * ok,
            children_failed=known.children_failed + by * (over and not ok),
            children_paused=known.children_paused + by * (status is RunStatus.PAUSED),
            children_own_over=known.children_own_over + by * (own and over),
        )

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

    async def due(self) -> list[tuple[RunId, float, RunStatus]]:
        found = [
            (run_id, summary.wake_at.timestamp(), summary.status)
            for run_id, summary in self._summaries.items()
            if summary.wake_at is not None and not summary.status.over
        ]
        return sorted(found, key=lambda run: (run[1], run[0]))

    async def counts(self, *, top_level: bool = False) -> dict[RunStatus, int]:
        return dict(Counter(s.status for s in self._summaries.values() if s.parent is None or not top_level))

    async def queue(self, group: str, *, after: Queued | None = None, limit: int = 100) -> Queue:
        mine = [summary for summary in self._summaries.values() if summary.group == group]
        line = sorted((one.queued_at, one.id, one.group_limit) for one in mine if one.queued_at is not None)
        behind = [one for one in line if after is None or one[:2] > (after.queued_at, after.run_id)]
        queued = [Queued(run_id, at, most) for at, run_id, most in behind[:limit]]
        return Queue(sum(one.has_place for one in mine), queued)

    async def queues(self) -> list[str]:
        return sorted({s.group for s in self._summaries.values() if s.group and s.queued_at is not None})

    async def parents(self, run_id: RunId) -> list[RunId]:
        return sorted(set(self._having.get(run_id, ())))

    async def wait_lines(self) -> list[WaitLine]:
        lines: dict[str, WaitLine] = {}
        for wait in self._waits.values():
            known = lines.get(wait.kind, WaitLine(wait.kind, wait.poll_at, wait.since_at))
            lines[wait.kind] = WaitLine(
                wait.kind, min(known.poll_at, wait.poll_at), min(known.since_at, wait.since_at)
            )
        return [lines[kind] for kind in sorted(lines)]

    async def due_waits(self, kind: str, until: datetime, *, within_s: float, limit: int) -> list[Wait]:
        due = [wait for wait in self._waits.values() if wait.kind == kind and wait.poll_at <= until]
        if not due:
            return []
        first_at = min(due, key=lambda wait: (wait.poll_at, wait.since_at)).since_at
        last_at = first_at + timedelta(seconds=within_s)
        beside = [wait for wait in due if first_at <= wait.since_at <= last_at]
        beside.sort(key=lambda wait: (wait.since_at, wait.poll_at))
        return beside[:limit]

    async def waits_by_correlation(self, kind: str, correlations: Collection[str]) -> list[Wait]:
        wanted = set(correlations)
        return [wait for wait in self._waits.values() if wait.kind == kind and wait.correlation in wanted]

    async def postpone(self, waits: Sequence[Wait]) -> None:
        self._waits.update({(w.run_id, w.step): w for w in waits if (w.run_id, w.step) in self._waits})

    async def hurry(self, run_id: RunId, at: datetime) -> None:
        for key, wait in self._waits.items():
            if wait.run_id == run_id and wait.poll_at > at:
                self._waits[key] = replace(wait, poll_at=at)

    async def prune(self, before: datetime, *, after: PruneMark | None = None, limit: int = 100) -> Pruned:
        old = sorted(
            (summary.ended_at.timestamp(), run_id)
            for run_id, summary in self._summaries.items()
            if summary.ended_at is not None and _old(summary, before)
        )
        left = [mark for mark in old if after is None or mark > after]
        page = left[:limit]
        gone = [run_id for _, run_id in page if self._forgettable(run_id, before)]
        for run_id in gone:
            self._forget(run_id)
        return Pruned(len(gone), page[-1] if len(left) > limit else None)

    def _forgettable(self, run_id: RunId, before: datetime) -> bool:
        if self._having.get(run_id) or self._summaries[run_id].parent in self._summaries:
            return False
        below = {row.child for row in self._rows.get(run_id, ()) if row.child is not None}
        below |= {other for other, s in self._summaries.items() if s.parent == run_id}
        replayed = any(s.replays == run_id and not s.status.over for s in self._summaries.values())
        return not replayed and all(_old(self._summaries[child], before) for child in below)

    def _forget(self, run_id: RunId) -> None:
        for row in self._rows.pop(run_id, ()):
            if row.child is not None:
                self._having[row.child].remove(run_id)
        del self._summaries[run_id], self._journals[run_id]
        for key in [key for key in self._waits if key[0] == run_id]:
            del self._waits[key]

    async def close(self) -> None:
        """Nothing to let go of: the next engine may go on with it."""


def _updated(known: Summary | None, new: Summary) -> Summary:
    """What changes with a run; the rest is kept by the store itself, or written once and for all."""
    if known is None:
        return replace(new, children_succeeded=0, children_failed=0, children_paused=0, children_own_over=0)
    return replace(
        known,
        seq=new.seq,
        steps_done=new.steps_done,
        status=new.status,
        ended_at=new.ended_at,
        error=new.error,
        hint=new.hint,
        reason=new.reason,
        wake_at=new.wake_at,
        queued_at=new.queued_at,
        has_place=new.has_place,
    )


def _old(summary: Summary, before: datetime) -> bool:
    return summary.status.over and summary.ended_at is not None and summary.ended_at <= before
