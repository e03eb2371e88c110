"""What a store does: a dozen verbs. The journal is append-only; everything else is derived or input."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from orchestrator.domain.events import Event
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.errors import OrchestratorError


class StoreError(OrchestratorError):
    """The state store cannot be used."""

    exit_code = 3


class DefinitionLostError(OrchestratorError):
    """The state holds no definition of that hash: its runs cannot go on, others can."""

    exit_code = 3

    def __init__(self, definition: DefinitionHash) -> None:
        super().__init__(
            f"The state holds no definition {definition[:12]}.", hint="Restore the state from a backup."
        )


class ConflictError(OrchestratorError):
    """Someone else appended to the run's journal first: load it and decide again."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One row per run, for listing; kept in the transaction that appends to its journal."""

    id: RunId
    key: RunKey
    name: str
    pipeline: str
    definition: DefinitionHash
    status: RunStatus
    created_at: datetime
    ended_at: datetime | None
    seq: int
    steps_total: int
    steps_done: int
    error: str = ""
    hint: str = ""
    parent: RunId | None = None
    rows_total: int | None = None
    #: Child runs that are over; kept by the store.
    children_succeeded: int = 0
    children_failed: int = 0
    #: Those of them that the run created itself, not joined.
    children_own_over: int = 0
    #: Child runs that are paused; kept by the store, too.
    children_paused: int = 0
    #: Decide again then, at once when that is past; None: nothing is due unless something happens.
    wake_at: datetime | None = None
    #: Why it is paused or was cancelled, for people.
    reason: str = ""
    #: The run of which this is a replay.
    replays: RunId | None = None
    #: The concurrency group that it queues in, and how many of that may be under way at once.
    group: str | None = None
    group_limit: int = 1
    #: Since when it stands in line there; None: it does not (any more).
    queued_at: datetime | None = None
    #: Whether it has one of the group's places.
    has_place: bool = False


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that stands in line for a place in its concurrency group."""

    run_id: RunId
    queued_at: datetime
    #: How many of the group it lets be under way, itself included.
    limit: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A concurrency group: how many places are taken, and the first of those in line."""

    taken: int
    line: Sequence[Queued]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table input, becoming (or joined to) one child run."""

    number: int
    name: str
    key: RunKey
    inputs: Mapping[str, Any]
    row: Mapping[str, Any]
    child: RunId | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A step that waits for something outside, for the poller."""

    run_id: RunId
    step: StepId
    kind: str
    correlation: str
    since_at: datetime
    poll_at: datetime
    polls: int = 0


@dataclass(frozen=True, slots=True)
class WaitLine:
    """All waits of one kind of step."""

    kind: str
    #: When the first of them is to be polled.
    poll_at: datetime
    #: Since when the oldest waits.
    since_at: datetime


@dataclass(frozen=True, slots=True)
class Append:
    """Everything that one decision changes, in one transaction."""

    run_id: RunId
    #: Sequence number that the writer saw last; 0 for a new run.
    after_seq: int
    events: Sequence[Event]
    summary: Summary
    #: The run's status before the change, for a cheaper write when it stays; None: not known, or a new run.
    was: RunStatus | None = None
    waits_added: Sequence[Wait] = ()
    waits_ended: Sequence[StepId] = ()
    #: The rows of a new run that has some.
    rows: Sequence[Row] = ()
    #: Child runs that begin here, each an Append of its own, linked to this run's rows by number.
    children: Sequence["NewChild"] = ()
    #: Rows (by number) that get a run that exists already.
    joined: Sequence[tuple[int, RunId]] = ()


@dataclass(frozen=True, slots=True)
class NewChild:
    row_number: int
    append: Append


#: Up to where finished runs have been looked at: when that one ended, in seconds since 1970, and its id.
PruneMark = tuple[float, RunId]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one look brought. Forgetting a run frees its child runs for the next round from the beginning."""

    runs: int
    #: Where to go on; None: all have been looked at.
    after: PruneMark | None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list. `parent` None: any, "": only runs without a parent."""

    status: frozenset[RunStatus] = field(default_factory=frozenset)
    parent: RunId | None = None
    top_level: bool = False


class Store(Protocol):
    """A journal and its derived tables. Every write is durable when the call returns."""

    async def claim(self, owner: str) -> str:
        """Whose runs these are: `owner` when nobody was before, else the first who claimed them."""
        ...

    async def put_definition(self, hash_: DefinitionHash, body: str) -> None:
        """Keep a definition's canonical JSON under its hash; a known one is left as it is."""
        ...

    async def definition(self, hash_: DefinitionHash) -> str:
        """The definition's JSON. Raises DefinitionLostError when there is none."""
        ...

    async def append(self, append: Append) -> None:
        """All of it or nothing. Raises ConflictError when `after_seq` is not the journal's last number."""
        ...

    async def journal(self, run_id: RunId, after_seq: int = 0) -> list[Event]:
        """The run's events in order; empty for an unknown run."""
        ...

    async def summary(self, run_id: RunId) -> Summary | None:
        """The run's summary row."""
        ...

    async def summaries(self, which: RunFilter, *, cursor: str = "", limit: int = 100) -> list[Summary]:
        """Newest first; pass the last id as the next cursor."""
        ...

    async def latest(self, keys: Sequence[RunKey]) -> dict[RunKey, Summary]:
        """For each key the newest run that is not over; else the newest that succeeded; else the newest that failed."""
        ...

    async def rows(self, run_id: RunId, start: int, stop: int) -> list[Row]:
        """Rows `start` to `stop` (exclusive) of a run's table."""
        ...

    async def due(self) -> list[tuple[RunId, float, RunStatus]]:
        """Runs that are not over and have a wake-up time (seconds since 1970), earliest first."""
        ...

    async def counts(self, *, top_level: bool = False) -> dict[RunStatus, int]:
        """How many runs there are in each status that any has; `top_level`: of those without a parent."""
        ...

    async def queue(self, group: str, *, after: Queued | None = None, limit: int = 100) -> Queue:
        """The group's taken places, and those in line behind `after` in the order in which they queued."""
        ...

    async def queues(self) -> list[str]:
        """Concurrency groups in which somebody stands in line."""
        ...

    async def parents(self, run_id: RunId) -> list[RunId]:
        """Runs that have the run among their rows."""
        ...

    async def wait_lines(self) -> list[WaitLine]:
        """What waits for something outside, a line for each kind of step. Its cost does not grow with the waits."""
        ...

    async def due_waits(self, kind: str, until: datetime, *, within_s: float, limit: int) -> list[Wait]:
        """Waits of the kind to be polled by `until`, in the order in which they began, then by the time they are due.

        They began at most `within_s` after the one that is due longest, which is the first of them.
        """
        ...

    async def waits_by_correlation(self, kind: str, correlations: Collection[str]) -> list[Wait]:
        """The kind's waits for any of `correlations`."""
        ...

    async def postpone(self, waits: Sequence[Wait]) -> None:
        """Write back `poll_at` and `polls` of waits that still exist."""
        ...

    async def hurry(self, run_id: RunId, at: datetime) -> None:
        """Poll the run's waits at `at`, if that is earlier than planned."""
        ...

    async def prune(self, before: datetime, *, after: PruneMark | None = None, limit: int = 100) -> Pruned:
        """Look at the next `limit` runs that were over by `before`, and forget those that nobody needs any more.

        A run is needed while it has a child run that is not that old, or one that is not over; while its parent is
        there, or another run has it among its rows; and while an unfinished run replays it. Definitions go with the
        last of their runs. All of it is one transaction.
        """
        ...

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        ...
