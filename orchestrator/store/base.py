"""What a store does: a dozen verbs. The journal is append-only; everything else is derived or input."""

from collections.abc import Mapping, Sequence
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
    #: Decide again then; None: nothing is due unless something happens.
    wake_at: datetime | None = None


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
class Append:
    """Everything that one decision changes, in one transaction."""

    run_id: RunId
    #: Sequence number that the writer saw last; 0 for a new run.
    after_seq: int
    events: Sequence[Event]
    summary: Summary
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
        """The definition's JSON. Raises StoreError when there is none."""
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

    async def unfinished(self) -> list[tuple[RunId, datetime | None]]:
        """Runs that are not over, oldest first, with their wake-up time."""
        ...

    async def parents(self, run_id: RunId) -> list[RunId]:
        """Runs that have the run among their rows."""
        ...

    async def due_waits(self, until: datetime, limit: int = 100) -> list[Wait]:
        """Waits to be polled by then, longest due first."""
        ...

    async def next_poll_at(self) -> datetime | None:
        """When the next wait is to be polled."""
        ...

    async def postpone(self, waits: Sequence[Wait]) -> None:
        """Write back `poll_at` and `polls` of waits that still exist."""
        ...

    async def hurry(self, run_id: RunId, at: datetime) -> None:
        """Poll the run's waits at `at`, if that is earlier than planned."""
        ...

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        ...
