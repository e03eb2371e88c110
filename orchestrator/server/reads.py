"""What is shown of runs, to browsers and on terminals, and the Protocol that it is read through."""

import dataclasses
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from orchestrator.domain.events import ErrorInfo
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.limits.base import BucketState

#: As `parent`: only runs that have none.
TOP_LEVEL = RunId("")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as one line of a list."""

    id: RunId
    name: str
    pipeline: str
    status: RunStatus
    created_at: datetime
    parent: RunId | None = None
    finished_at: datetime | None = None
    steps_total: int = 0
    steps_done: int = 0
    #: Child runs of a table; 0 when it has none.
    children_total: int = 0
    children_done: int = 0
    #: Those of them that succeeded, that ended otherwise, and that are paused.
    children_succeeded: int = 0
    children_failed: int = 0
    children_paused: int = 0
    error: ErrorInfo | None = None
    #: Why it is not getting on right now, or was cancelled, for people; empty when it is.
    reason: str = ""
    #: Content hash of the definition that it is pinned to.
    definition: str = ""
    #: The run that it replays.
    replays: RunId | None = None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a run."""

    id: StepId
    uses: str
    status: StepStatus
    #: Tries so far; 0 before the first.
    attempt: int = 0
    #: What it waits for, for people: other steps, a quota, a callback, the next attempt.
    waiting_for: str = ""
    error: ErrorInfo | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run with its steps, in the definition's order."""

    summary: RunSummary
    steps: Sequence[StepView] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What has come of one row of a table so far."""

    #: From 0.
    number: int
    name: str
    cells: Mapping[str, Any]
    #: None: it has not begun.
    run: RunId | None = None
    status: RunStatus | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    #: Also why it is paused, or was cancelled.
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class TableResults:
    """A part of a table's rows, with what is true of all of them."""

    #: In the table's order; empty where it is not known.
    columns: Sequence[str]
    #: What a row's run hands back.
    outputs: Sequence[str]
    rows: Sequence[RowResult]


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of a run's journal."""

    run_id: RunId
    seq: int
    type: str
    at: datetime
    step: StepId | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs are asked for; what is left out is not asked."""

    status: frozenset[RunStatus] = frozenset()
    #: The run whose rows they are; `TOP_LEVEL`: those that are no row of another.
    parent: RunId | None = None
    name: str = ""
    pipeline: str = ""


class RunReader(Protocol):
    """Reads runs; never changes one."""

    async def runs(
        self, query: RunQuery, *, cursor: str | None = None, limit: int = 50
    ) -> tuple[Sequence[RunSummary], str | None]:
        """At most `limit` runs, newest first, and the cursor of the rest (None: there is none).

        Any text serves as a cursor: runs come before it, or not.
        """
        ...

    async def run(self, run_id: RunId) -> RunDetail | None:
        """The run, None if there is none."""
        ...

    async def rows(self, run_id: RunId, start: int, limit: int) -> TableResults | None:
        """At most `limit` rows of the run's table from number `start` on; None if there is no such run, or no table."""
        ...

    async def events(self, run_id: RunId, after_seq: int) -> Sequence[EventView]:
        """The run's journal after `after_seq` (0: all of it), in order; empty for an unknown run."""
        ...


class LiveRunReader(RunReader, Protocol):
    """Of the process that carries the runs: it also knows what happens right now."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[EventView]]:
        """Every event committed from entering the block on. Must bound what it keeps for a reader that is slow."""
        ...

    def limits(self) -> Sequence[BucketState]:
        """Every bucket of the limiter as it is now."""
        ...


def to_json(value: Any) -> str:
    """JSON of dataclasses, nested as they are; times as RFC 3339 in UTC."""
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # One level: the fields come back here, so that a mapping that is no dict is no obstacle.
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | set | frozenset):
        return list(value)
    return str(value)
