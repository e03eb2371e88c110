"""What can happen to a run. The journal holds nothing else; every status is derived from it.

An event's body is a frozen dataclass; `Event` adds where and when. `encode` and `decode` are the one bridge to JSON.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId, canonical_json
from orchestrator.errors import OrchestratorError, RetryClass


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why something failed, fit for a journal: no secret, no presigned URL."""

    message: str
    hint: str = ""
    #: The API's code (`MSS.…`, `APIGW.…`), the storage's, or ours (`TIMEOUT`, `EXPRESSION`, …).
    code: str = ""
    retry: RetryClass = RetryClass.NEVER
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class RunCreated:
    TYPE: ClassVar[str] = "run.created"
    name: str
    pipeline: str
    definition: DefinitionHash
    key: RunKey
    inputs: Mapping[str, Any]
    row: Mapping[str, Any] | None = None
    parent: RunId | None = None
    #: Rows to become child runs; None: an ordinary run.
    rows_total: int | None = None
    #: Folder that the run's files are saved in.
    out: str = ""
    #: Made anew although the same content had been run: it joins no other run's rows.
    again: bool = False
    #: The run of which this is a replay: what is still valid of it is kept (`step.reused`).
    replays: RunId | None = None
    #: The concurrency group that it queues in, and how many of that may be under way beside it, it included.
    group: str | None = None
    group_limit: int = 1
    #: Columns of the table with the rows, in their order.
    columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RunStarted:
    TYPE: ClassVar[str] = "run.started"


@dataclass(frozen=True, slots=True)
class RunSucceeded:
    TYPE: ClassVar[str] = "run.succeeded"
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFailed:
    TYPE: ClassVar[str] = "run.failed"
    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class RunPaused:
    """Nothing new is begun until the run is resumed; what is under way ends."""

    TYPE: ClassVar[str] = "run.paused"
    #: For people.
    reason: str
    #: What held a step; None: somebody asked for the pause.
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class RunCancelling:
    """Somebody asked for the run's end: what waits is called off, then `finally` runs."""

    TYPE: ClassVar[str] = "run.cancelling"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunCancelled:
    TYPE: ClassVar[str] = "run.cancelled"
    #: What a person has to look after, besides why it was cancelled.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A run that was paused or over goes on: `steps` are done again, with what earlier attempts noted.

    One of a concurrency group that has no place in it queues for one again.
    """

    TYPE: ClassVar[str] = "run.resumed"
    steps: Sequence[StepId] = ()
    #: Another folder for its files; None: the same.
    out: str | None = None


@dataclass(frozen=True, slots=True)
class ChildrenCreated:
    """Rows before number `upto` have their child runs, `created` of them new ones."""

    TYPE: ClassVar[str] = "children.created"
    upto: int
    created: int


@dataclass(frozen=True, slots=True)
class StepIntended:
    """An attempt will be made. Nothing has left yet."""

    TYPE: ClassVar[str] = "step.intended"
    step: StepId
    attempt: int


@dataclass(frozen=True, slots=True)
class StepSent:
    """A creating request is about to leave: until its answer is recorded, the server may have acted on it."""

    TYPE: ClassVar[str] = "step.sent"
    step: StepId
    attempt: int


@dataclass(frozen=True, slots=True)
class StepNoted:
    """Something worth keeping across attempts (an id that was made); settles the request that was sent."""

    TYPE: ClassVar[str] = "step.noted"
    step: StepId
    attempt: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StepWaiting:
    """The step waits for something outside; no task does."""

    TYPE: ClassVar[str] = "step.waiting"
    step: StepId
    attempt: int
    correlation: str
    deadline_at: datetime | None
    #: Ask then, hint or not; None: on the first hint.
    next_check_at: datetime | None = None
    #: Whether the poller looks for it.
    polled: bool = True
    #: Pause between checks of a step that asks by itself.
    check_every_s: float | None = None


@dataclass(frozen=True, slots=True)
class StepChecked:
    """The API was asked whether what a step waits for is over: it is not, or it gave no answer."""

    TYPE: ClassVar[str] = "step.checked"
    step: StepId
    attempt: int
    #: Hints (callbacks, poll results) known when the API was asked.
    hints: int
    #: Ask again then, hint or not; None: on the next hint.
    next_check_at: datetime | None = None
    #: False: there was no answer about what is waited for, and it proves nothing.
    conclusive: bool = True


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    TYPE: ClassVar[str] = "step.succeeded"
    step: StepId
    attempt: int
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StepFailed:
    TYPE: ClassVar[str] = "step.failed"
    step: StepId
    attempt: int
    error: ErrorInfo
    #: None: the step has failed for good, or is held.
    next_attempt_at: datetime | None = None
    #: Not over: once somebody has seen to the cause and resumed the run, the step is tried again.
    held: bool = False


@dataclass(frozen=True, slots=True)
class StepUnknown:
    """A creating request ended without an answer: the server may have acted, now or later."""

    TYPE: ClassVar[str] = "step.unknown"
    step: StepId
    attempt: int
    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class StepLookedUp:
    """The API was asked for what a lost attempt may have made; nothing was found."""

    TYPE: ClassVar[str] = "step.looked_up"
    step: StepId
    attempt: int
    #: When the look-up began; what the server did later it cannot have seen.
    began_at: datetime
    #: False: the look-up itself failed and proves nothing; `error` says how.
    conclusive: bool = True
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class StepAdopted:
    """What a lost attempt made was found and taken over. `outputs` None: the step goes on from `facts`."""

    TYPE: ClassVar[str] = "step.adopted"
    step: StepId
    attempt: int
    outputs: Mapping[str, Any] | None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepDoubleCancelled:
    """A lost request made a second thing after all; it was removed before anybody worked on it."""

    TYPE: ClassVar[str] = "step.double_cancelled"
    step: StepId
    attempt: int
    #: The double's id.
    what: str


@dataclass(frozen=True, slots=True)
class StepSkipped:
    TYPE: ClassVar[str] = "step.skipped"
    step: StepId
    reason: str


@dataclass(frozen=True, slots=True)
class StepCancelled:
    """The step ends because its run was cancelled."""

    TYPE: ClassVar[str] = "step.cancelled"
    step: StepId
    attempt: int
    #: What became of what it had begun, for people.
    reason: str
    #: What it had begun goes on at the provider, or has come to its end there.
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class StepReused:
    """The step of the replayed run counts: it was done with the same parameters."""

    TYPE: ClassVar[str] = "step.reused"
    step: StepId
    run: RunId
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """Somebody approved, or rejected, what the step asked for."""

    TYPE: ClassVar[str] = "approval.given"
    step: StepId
    attempt: int
    approved: bool
    by: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """The child run that a step waits for is over. A hint like a callback."""

    TYPE: ClassVar[str] = "child.ended"
    correlation: str
    result: str


@dataclass(frozen=True, slots=True)
class CallbackReceived:
    """A signed message said that a job is over. A hint: the API is the truth."""

    TYPE: ClassVar[str] = "callback.received"
    correlation: str
    result: str
    asset_id: str = ""


@dataclass(frozen=True, slots=True)
class PollFound:
    """The poller saw that a job is over. A hint like a callback."""

    TYPE: ClassVar[str] = "poll.found"
    correlation: str
    result: str


EventBody = (
    RunCreated
    | RunStarted
    | RunSucceeded
    | RunFailed
    | RunPaused
    | RunCancelling
    | RunCancelled
    | RunResumed
    | ChildrenCreated
    | StepIntended
    | StepSent
    | StepNoted
    | StepWaiting
    | StepChecked
    | StepSucceeded
    | StepFailed
    | StepUnknown
    | StepLookedUp
    | StepAdopted
    | StepDoubleCancelled
    | StepSkipped
    | StepCancelled
    | StepReused
    | ApprovalGiven
    | ChildEnded
    | CallbackReceived
    | PollFound
)

_TYPES: dict[str, type[Any]] = {body.TYPE: body for body in EventBody.__args__}
_TIMES = frozenset({"deadline_at", "next_check_at", "next_attempt_at", "began_at"})
#: The fields that an event's payload holds; `step` and `attempt` are columns of their own.
_PAYLOAD = {
    type_: tuple(field.name for field in dataclasses.fields(body) if field.name not in {"step", "attempt"})
    for type_, body in _TYPES.items()
}


@dataclass(frozen=True, slots=True)
class Event:
    """One row of a run's journal. Sequence numbers count from 1 without gaps."""

    run_id: RunId
    seq: int
    at: datetime
    body: EventBody

    @property
    def step(self) -> StepId | None:
        """The step that the event is about, if any."""
        return getattr(self.body, "step", None)

    @property
    def attempt(self) -> int | None:
        """The attempt that the event is about, if any."""
        return getattr(self.body, "attempt", None)


class DamagedJournalError(OrchestratorError):
    """The journal holds an event that cannot be read."""


def encode(body: EventBody) -> str:
    """The body's fields, without `step` and `attempt` (columns of their own), as canonical JSON."""
    names = _PAYLOAD[body.TYPE]
    return canonical_json({name: _plain(getattr(body, name)) for name in names}) if names else "{}"


def decode(type_: str, step: str | None, attempt: int | None, payload: str) -> EventBody:
    """The body that `encode` wrote. Raises DamagedJournalError."""
    try:
        values: dict[str, Any] = json.loads(payload)
        if step is not None:
            values["step"] = StepId(step)
        if attempt is not None:
            values["attempt"] = attempt
        for name in _TIMES & values.keys():
            values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
        if "steps" in values:
            values["steps"] = tuple(StepId(step_id) for step_id in values["steps"])
        if "columns" in values:
            values["columns"] = tuple(values["columns"])
        if isinstance(error := values.get("error"), dict):
            values["error"] = ErrorInfo(**{**error, "retry": RetryClass(error["retry"])})
        body: EventBody = _TYPES[type_](**values)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedJournalError(
            f"An event of type {type_!r} cannot be read: {error}.",
            hint="Was the file written by a newer version? Restore a backup or run that version.",
        ) from error
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, ErrorInfo):
        return dataclasses.asdict(value)
    return value
