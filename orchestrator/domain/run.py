"""A run's state: the fold of its journal. Nothing here is stored; everything can be derived again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.pipeline import Pipeline, Step


class RunStatus(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    #: Nothing new is begun until somebody resumes the run.
    PAUSED = "paused"
    #: Somebody asked for its end; what was begun is being called off.
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __init__(self, value: str) -> None:
        self.over = value in {"succeeded", "failed", "cancelled"}


class StepStatus(StrEnum):
    """Where a step stands. See docs/explanation/life-of-a-step.md for the moves between them."""

    PENDING = "pending"
    #: Intended: an attempt is, or after a crash has to be, under way; nothing that it sent is unanswered.
    RUNNING = "running"
    #: A creating request left and its answer is not recorded.
    SENT = "sent"
    #: A creating request ended without an answer; what it may have made is being looked for.
    UNKNOWN = "unknown"
    WAITING = "waiting"
    #: Failed, to be tried again.
    RETRYING = "retrying"
    #: Failed; somebody has to see to the cause before it is tried again.
    HELD = "held"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    def __init__(self, value: str) -> None:
        self.over = value in {"succeeded", "failed", "skipped", "cancelled"}


@dataclass(slots=True)
class StepState:
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    #: Attempts made before the run was resumed: they don't count against the step's retries.
    attempts_before: int = 0
    #: First attempt's intent; the step's timeout counts from here.
    started_at: datetime | None = None
    ended_at: datetime | None = None
    sent_at: datetime | None = None
    #: When the connection of the unanswered request was seen to end; None: the process ended first.
    broken_at: datetime | None = None
    #: What earlier attempts made and noted.
    facts: dict[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: ev.ErrorInfo | None = None
    next_attempt_at: datetime | None = None
    #: Cancelled, but what it had begun was not stopped.
    goes_on: bool = False
    #: When a request left of which nobody could say what it made: the next attempt has to look for that first.
    unresolved_at: datetime | None = None
    #: Attempts that ended without an answer, so far. Those that our own end cut off say nothing of the service.
    unknowns: int = 0
    #: When the last look-up was recorded, when the last conclusive one began, and how the last one failed.
    looked_up_at: datetime | None = None
    conclusive_from: datetime | None = None
    lookup_error: ev.ErrorInfo | None = None
    correlation: str | None = None
    deadline_at: datetime | None = None
    hints_checked: int = 0
    #: When the last check was recorded, and the last conclusive one.
    asked_at: datetime | None = None
    checked_at: datetime | None = None
    next_check_at: datetime | None = None
    #: Checks in a row that got no answer.
    unanswered_checks: int = 0
    check_every_s: float | None = None


@dataclass(slots=True)
class RunState:
    """Changed only by `apply`, in the order of the journal."""

    id: RunId
    pipeline: Pipeline
    seq: int = 0
    status: RunStatus = RunStatus.CREATED
    name: str = ""
    key: RunKey | None = None
    definition: DefinitionHash | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    row: Mapping[str, Any] | None = None
    parent: RunId | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
    out: str = ""
    again: bool = False
    replays: RunId | None = None
    #: The concurrency group that it queues in, if any, and how many of that may be under way at once.
    group: str | None = None
    group_limit: int = 1
    #: Since when it stands in line there; None: it does not (any more).
    queued_at: datetime | None = None
    #: Whether it has one of the group's places: from its start to its end, also while it is paused.
    has_place: bool = False
    #: Why it is paused or was cancelled, for people.
    reason: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: ev.ErrorInfo | None = None
    steps: dict[StepId, StepState] = field(init=False)
    #: Hints in order of arrival, by correlation: (result, asset id).
    hints: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    rows_total: int | None = None
    #: Rows that have been gone through since it was started or resumed, and how many child runs it made itself.
    children_created: int = 0
    children_own: int = 0
    #: Child runs that are over, and those among them that are its own. Kept by the store beside the journal, in the
    #: transaction that ends a child.
    children_succeeded: int = 0
    children_failed: int = 0
    children_own_over: int = 0
    children_paused: int = 0

    all_steps: tuple[Step, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.all_steps = self.pipeline.all_steps
        self.steps = {step.id: StepState() for step in self.all_steps}

    @property
    def is_of_step(self) -> bool:
        """Whether it is what a step of its parent waits for; rows are not, and replays have no parent."""
        return self.parent is not None and self.row is None

    @property
    def failed_step(self) -> Step | None:
        """The first main step that failed for good and is not to be continued past."""
        for step in self.pipeline.steps:
            if self.steps[step.id].status is StepStatus.FAILED and not step.continue_on_error:
                return step
        return None

    def behind(self, steps: Iterable[StepId]) -> list[StepId]:
        """The given steps and all main steps that need them, directly or not, in the pipeline's order."""
        found = set(steps)
        # Twice as many passes as the longest chain would need are still few.
        for _ in self.pipeline.steps:
            found |= {step.id for step in self.pipeline.steps if found & set(step.needs)}
        return [step.id for step in self.pipeline.steps if step.id in found]

    def hint_count(self, correlation: str | None) -> int:
        return len(self.hints.get(correlation or "", ()))

    def told(self, correlation: str | None) -> tuple[str, ...]:
        """What callbacks and the poller said of it, the oldest first."""
        return tuple(result for result, _ in self.hints.get(correlation or "", ()))

    def apply(self, event: ev.Event) -> None:  # noqa: C901, PLR0912 - one case an event
        """Take the next event into account."""
        assert event.seq == self.seq + 1, f"event {event.seq} after {self.seq}"
        self.seq = event.seq
        match event.body:
            case ev.RunCreated() as body:
                self.name, self.key, self.definition = body.name, body.key, body.definition
                self.inputs, self.row, self.parent = body.inputs, body.row, body.parent
                self.rows_total, self.created_at = body.rows_total, event.at
                self.out, self.again, self.replays = body.out, body.again, body.replays
                self.group, self.group_limit = body.group, body.group_limit
                self._queue(event.at)
            case ev.RunStarted():
                self.status, self.queued_at, self.has_place = RunStatus.RUNNING, None, self.group is not None
            case ev.RunSucceeded(outputs=outputs):
                self.status, self.outputs, self.ended_at = RunStatus.SUCCEEDED, outputs, event.at
                self.error, self.has_place = None, False
            case ev.RunFailed(error=error):
                self.status, self.error, self.ended_at = RunStatus.FAILED, error, event.at
                self.has_place = False
            case ev.RunPaused(reason=reason):
                self.status, self.reason, self.queued_at = RunStatus.PAUSED, reason, None
            case ev.RunCancelling(reason=reason):
                self.status, self.reason, self.queued_at = RunStatus.CANCELLING, reason, None
                for step in self.steps.values():
                    step.asked_at = None  # from here on it is told to end
            case ev.RunCancelled(reason=reason):
                self.status, self.ended_at, self.has_place = RunStatus.CANCELLED, event.at, False
                self.reason = " ".join(filter(None, (self.reason, reason)))
            case ev.RunResumed(steps=steps, out=out):
                if self.status.over or out is not None:
                    # A table run goes through its rows again, each of which knows whether there is more to do.
                    self.children_created = 0
                self.status, self.error, self.ended_at, self.reason = RunStatus.RUNNING, None, None, ""
                if not self.has_place:
                    self._queue(event.at)
                self.out = self.out if out is None else out
                self.steps.update({step_id: _once_more(self.steps[step_id]) for step_id in steps})
            case ev.ChildrenCreated(upto=upto, created=created):
                self.children_created = upto
                self.children_own += created
            case ev.CallbackReceived(correlation=correlation, result=result, asset_id=asset_id):
                self.hints.setdefault(correlation, []).append((result, asset_id))
            case (
                ev.PollFound(correlation=correlation, result=result)
                | ev.ChildEnded(correlation=correlation, result=result)
            ):
                self.hints.setdefault(correlation, []).append((result, ""))
            case _:
                _apply_step(self.steps[event.body.step], event.body, event.at)

    def _queue(self, at: datetime) -> None:
        """In a group the run stands in line, at its end unless it does already."""
        if self.group is not None:
            self.status, self.queued_at = RunStatus.CREATED, self.queued_at or at

    def scope(self) -> dict[str, Any]:
        """What expressions may read. Steps that brought nothing are absent."""
        failed_step = self.failed_step
        error = self.error if failed_step is None else self.steps[failed_step.id].error
        failed = failed_step is not None or self.status is RunStatus.FAILED
        cancelled = self.status in {RunStatus.CANCELLING, RunStatus.CANCELLED}
        done = all(self.steps[step.id].status.over for step in self.pipeline.steps)
        return {
            "inputs": self.inputs,
            "row": self.row or {},
            "steps": {
                step_id: step.outputs
                for step_id, step in self.steps.items()
                # What a step had started that was called off may still be named.
                if step.status is StepStatus.SUCCEEDED
                or (step.status is StepStatus.CANCELLED and step.outputs)
            },
            "run": {
                "id": self.id,
                "name": self.name,
                # A run has no clock of its own: what it makes must not hang on when a step is done.
                "created_at": None if self.created_at is None else self.created_at.isoformat(),
                "date": None if self.created_at is None else self.created_at.date().isoformat(),
                "failed": failed,
                "failed_step": "" if failed_step is None else failed_step.id,
                "error": "" if error is None else error.message,
                "cancelled": cancelled,
                # What it is going to end as, once its own steps are over: the last ones may tell of it.
                "status": "cancelled"
                if cancelled
                else "failed"
                if failed
                else "succeeded"
                if done
                else "running",
            },
        }


def replay(run_id: RunId, pipeline: Pipeline, journal: Iterable[ev.Event]) -> RunState:
    """The state that the journal leads to."""
    state = RunState(run_id, pipeline)
    for event in journal:
        state.apply(event)
    return state


StepEvent = (
    ev.StepIntended
    | ev.StepSent
    | ev.StepNoted
    | ev.StepWaiting
    | ev.StepChecked
    | ev.StepSucceeded
    | ev.StepFailed
    | ev.StepUnknown
    | ev.StepLookedUp
    | ev.StepAdopted
    | ev.StepDoubleCancelled
    | ev.StepSkipped
    | ev.StepCancelled
    | ev.StepReused
    | ev.ApprovalGiven
)


def _once_more(old: StepState) -> StepState:
    """A step that is to be done again: its attempts count from here, what it noted stays."""
    return StepState(
        attempt=old.attempt,
        attempts_before=old.attempt,
        facts=old.facts,
        unresolved_at=old.unresolved_at,
    )


def _apply_step(step: StepState, body: StepEvent, at: datetime) -> None:  # noqa: C901, PLR0912, PLR0915 - one case an event
    match body:
        case ev.StepIntended(attempt=attempt):
            step.status, step.attempt = StepStatus.RUNNING, attempt
            step.started_at = step.started_at or at
            step.next_attempt_at = step.error = None
            if step.unresolved_at is not None:
                step.status = StepStatus.UNKNOWN
                step.sent_at = step.broken_at = step.unresolved_at
                step.unresolved_at = None
        case ev.StepSent():
            step.status, step.sent_at = StepStatus.SENT, at
        case ev.StepNoted(facts=facts):
            _settle(step, StepStatus.RUNNING)
            step.facts.update(facts)
        case ev.StepWaiting():
            _settle(step, StepStatus.WAITING)
            step.correlation, step.deadline_at = body.correlation, body.deadline_at
            step.next_check_at, step.check_every_s = body.next_check_at, body.check_every_s
            step.hints_checked, step.checked_at, step.asked_at = 0, None, None
            step.unanswered_checks = 0
        case ev.StepChecked(hints=hints, next_check_at=next_check_at, conclusive=conclusive):
            step.hints_checked, step.next_check_at, step.asked_at = hints, next_check_at, at
            step.checked_at = at if conclusive else step.checked_at
            step.unanswered_checks = 0 if conclusive else step.unanswered_checks + 1
        case ev.StepSucceeded(outputs=outputs):
            _settle(step, StepStatus.SUCCEEDED)
            step.outputs, step.ended_at, step.error = outputs, at, None
        case ev.StepFailed(error=error, next_attempt_at=next_attempt_at, held=held):
            step.unresolved_at = step.sent_at if step.lookup_error is not None else None
            _settle(
                step,
                StepStatus.RETRYING if next_attempt_at else StepStatus.HELD if held else StepStatus.FAILED,
            )
            step.error, step.next_attempt_at = error, next_attempt_at
            step.ended_at = at if step.status.over else None
        case ev.StepUnknown(error=error):
            step.status, step.error, step.broken_at = StepStatus.UNKNOWN, error, at
            # Without a time of sending: its record could not be written, or something was noted since.
            step.sent_at = step.sent_at or at
            step.unknowns += 1
        case ev.StepLookedUp(conclusive=conclusive, began_at=began_at, error=error):
            if step.status is StepStatus.SENT:  # found after a restart: nobody was left to record the end
                step.status = StepStatus.UNKNOWN
            step.looked_up_at, step.lookup_error = at, error
            if conclusive:
                step.conclusive_from = began_at
        case ev.StepAdopted(outputs=outputs, facts=facts):
            _settle(step, StepStatus.RUNNING if outputs is None else StepStatus.SUCCEEDED)
            step.facts.update(facts)
            step.error = None
            if outputs is not None:
                step.outputs, step.ended_at = outputs, at
        case ev.StepDoubleCancelled():
            pass  # told for people; what the step has is unchanged
        case ev.StepSkipped():
            step.status, step.ended_at = StepStatus.SKIPPED, at
        case ev.StepCancelled(goes_on=goes_on):
            _settle(step, StepStatus.CANCELLED)
            step.goes_on = goes_on
            step.ended_at = at
        case ev.StepReused(outputs=outputs):
            step.status, step.outputs, step.ended_at = StepStatus.SUCCEEDED, outputs, at
        case ev.ApprovalGiven(approved=approved, by=by, comment=comment):
            step.status, step.ended_at = StepStatus.SUCCEEDED if approved else StepStatus.FAILED, at
            if approved:
                step.outputs = {"by": by, "comment": comment}
            else:
                step.error = ev.ErrorInfo(
                    f"Rejected{f' by {by}' if by else ''}{f': {comment}' if comment else '.'}",
                    "Mend what was rejected, then replay the run.",
                    "REJECTED",
                )
        case _:
            assert_never(body)


def _settle(step: StepState, status: StepStatus) -> None:
    """A request that was sent is accounted for."""
    step.status = status
    step.sent_at = step.broken_at = step.looked_up_at = step.conclusive_from = step.lookup_error = None
