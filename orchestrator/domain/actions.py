"""What `decide` hands back: records to append, actions to perform, a time to decide again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain.pipeline import Step


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings that decisions depend on."""

    #: How long after its connection ended the server may still act on a request.
    quiet_time_s: float = 75.0
    #: How long a request's connection lives at most: the client's time limits for connecting and answering.
    answer_within_s: float = 40.0
    #: Pause between two look-ups for what a lost attempt made.
    lookup_every_s: float = 5.0
    #: Attempts without an answer after which a person has to look.
    max_unknowns: int = 3
    #: How long to go on asking without getting any answer, after all other times have passed.
    patience_s: float = 3600.0
    #: Child runs created by one action.
    spawn_chunk: int = 100
    #: Step kinds whose work can be called off, each with the output that names what it started (None: it only waits).
    callable_off: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Perform:
    """Make (or after a crash go on with) an attempt."""

    step: Step
    attempt: int
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FanOut:
    """As `Perform`, for a step that is done once for each of some items."""

    step: Step
    attempt: int
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look for what a lost attempt made."""

    step: Step
    attempt: int
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the API whether what the step waits for is over."""

    step: Step
    attempt: int
    params: dict[str, Any]
    correlation: str
    hints: int


@dataclass(frozen=True, slots=True)
class CallOff:
    """Stop what the step started or waits for: its run was cancelled."""

    step: Step
    attempt: int
    params: dict[str, Any]
    correlation: str


@dataclass(frozen=True, slots=True)
class SpawnChildren:
    """Create the child runs of rows `start` to `stop` (exclusive)."""

    start: int
    stop: int


StepAction = Perform | FanOut | LookUp | Check | CallOff
Action = StepAction | SpawnChildren


@dataclass(slots=True)
class Decision:
    records: list[ev.EventBody] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    #: Decide again then, if nothing happens before.
    wake_at: datetime | None = None

    def wake(self, at: datetime) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)
