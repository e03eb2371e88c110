"""From what has happened to what to do next: a pure function, the heart of the engine.

`decide` returns records (events that follow at once from the state) and actions (work for the executor). The engine
appends the records, applies them, asks again until there are none, and only then performs the actions. Actions are
repeated as long as their outcome is not in the journal; the engine drops those that it has under way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain import expressions
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState, RunStatus, StepState, StepStatus
from orchestrator.errors import OrchestratorError, RetryClass


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


@dataclass(frozen=True, slots=True)
class Perform:
    """Make (or after a crash go on with) an attempt."""

    step: Step
    attempt: int
    params: dict[str, Any]


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
class SpawnChildren:
    """Create the child runs of rows `start` to `stop` (exclusive)."""

    start: int
    stop: int


Action = Perform | LookUp | Check | SpawnChildren


@dataclass(slots=True)
class Decision:
    records: list[ev.EventBody] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    #: Decide again then, if nothing happens before.
    wake_at: datetime | None = None

    def wake(self, at: datetime) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)


def decide(state: RunState, now: datetime, policy: Policy) -> Decision:
    """What to record and what to do, given what has happened to a run."""
    decision = Decision()
    if state.status.over:
        return decision
    if state.status is RunStatus.CREATED:
        decision.records.append(ev.RunStarted())
    elif state.rows_total is not None:
        _decide_rows(state, state.rows_total, policy, decision)
    else:
        _decide_steps(state, now, policy, decision)
    return decision


def _decide_rows(state: RunState, total: int, policy: Policy, decision: Decision) -> None:
    over = state.children_succeeded + state.children_failed
    under_way = state.children_own - state.children_own_over
    room = max(0, (state.pipeline.concurrency_limit or total) - under_way)
    stop = min(total, state.children_created + min(room, policy.spawn_chunk))
    if stop > state.children_created:
        decision.actions.append(SpawnChildren(state.children_created, stop))
    if over < total:
        return
    if state.children_failed:
        message = f"{state.children_failed} of {total} rows failed."
        decision.records.append(ev.RunFailed(ev.ErrorInfo(message, "See the failed child runs.", "ROWS")))
    else:
        decision.records.append(ev.RunSucceeded({"rows": total}))


def _decide_steps(state: RunState, now: datetime, policy: Policy, decision: Decision) -> None:
    for steps in _phases(state):
        failing = steps is state.pipeline.steps and state.failed_step is not None
        group = {step.id for step in steps}
        for step in steps:
            # Needs in an earlier group are over, or were left behind when it ended.
            ready = all(state.steps[need].status.over for need in step.needs if need in group)
            _decide_step(state, step, now, policy, decision, start=ready and not failing)
        if any(not _over(state, step, failing=failing) for step in steps):
            return
    if not decision.records:
        decision.records.append(_end(state))


def _phases(state: RunState) -> Iterator[tuple[Step, ...]]:
    """Groups of steps, one after the other: the pipeline's own, those for a failure, those for every end."""
    yield state.pipeline.steps
    if state.failed_step is not None:
        yield state.pipeline.on_failure
    yield state.pipeline.finally_


def _over(state: RunState, step: Step, *, failing: bool) -> bool:
    status = state.steps[step.id].status
    return status.over or (failing and status is StepStatus.PENDING)


def _decide_step(
    state: RunState, step: Step, now: datetime, policy: Policy, decision: Decision, *, start: bool
) -> None:
    step_state = state.steps[step.id]
    match step_state.status:
        case StepStatus.PENDING:
            if start:
                decision.records.append(_start(state, step))
        case StepStatus.RUNNING:
            _act(state, step, decision, lambda params: Perform(step, step_state.attempt, params))
        case StepStatus.SENT | StepStatus.UNKNOWN:
            _look_up(state, step, now, policy, decision)
        case StepStatus.WAITING:
            _await(state, step, now, policy, decision)
        case StepStatus.RETRYING:
            assert step_state.next_attempt_at is not None
            if step_state.next_attempt_at <= now:
                decision.records.append(ev.StepIntended(step.id, step_state.attempt + 1))
            else:
                decision.wake(step_state.next_attempt_at)
        case StepStatus.SUCCEEDED | StepStatus.FAILED | StepStatus.SKIPPED:
            pass


def _start(state: RunState, step: Step) -> ev.EventBody:
    attempt = state.steps[step.id].attempt + 1
    skipped = [need for need in step.needs if state.steps[need].status is StepStatus.SKIPPED]
    if step.if_ is None:
        if skipped:
            return ev.StepSkipped(step.id, f"{skipped[0]} was skipped")
        return ev.StepIntended(step.id, attempt)
    try:
        wanted = expressions.truth(step.if_, state.scope())
    except OrchestratorError as error:
        return ev.StepFailed(step.id, attempt - 1, _expression_error(error))
    return (
        ev.StepIntended(step.id, attempt) if wanted else ev.StepSkipped(step.id, "its condition is not true")
    )


def _act(state: RunState, step: Step, decision: Decision, make: Callable[[dict[str, Any]], Action]) -> None:
    try:
        params = expressions.render(step.with_, state.scope())
    except OrchestratorError as error:
        attempt = state.steps[step.id].attempt
        decision.records.append(ev.StepFailed(step.id, attempt, _expression_error(error)))
    else:
        decision.actions.append(make(params))


def _look_up(state: RunState, step: Step, now: datetime, policy: Policy, decision: Decision) -> None:
    """Adopt before recreating, and look until the server can no longer act on what was sent."""
    step_state = state.steps[step.id]
    assert step_state.sent_at is not None
    broken_at = step_state.broken_at or step_state.sent_at + timedelta(seconds=policy.answer_within_s)
    quiet_at = broken_at + timedelta(seconds=policy.quiet_time_s)
    if step_state.conclusive_from is not None and step_state.conclusive_from >= quiet_at:
        decision.records.append(_lost(step, step_state, now, policy))
        return
    if (error := step_state.lookup_error) is not None and step_state.looked_up_at is not None:
        hopeless_at = quiet_at
        if error.retry is not RetryClass.NEVER:
            hopeless_at += timedelta(seconds=policy.patience_s)
        if step_state.looked_up_at >= hopeless_at:
            decision.records.append(_unresolved(step, step_state, error))
            return
    if step_state.looked_up_at is not None:
        next_at = step_state.looked_up_at + timedelta(seconds=policy.lookup_every_s)
        if step_state.looked_up_at < quiet_at:
            next_at = min(next_at, quiet_at)
        if next_at > now:
            decision.wake(next_at)
            return
    _act(state, step, decision, lambda params: LookUp(step, step_state.attempt, params))


def _lost(step: Step, step_state: StepState, now: datetime, policy: Policy) -> ev.StepFailed:
    """Nothing was made and nothing can be made any more: the request is safe to repeat."""
    if step_state.unknowns >= policy.max_unknowns:
        error = ev.ErrorInfo(
            f"{step_state.unknowns} attempts ended without an answer and left nothing behind.",
            "Check the provider's status, then start the run again.",
            "NO_ANSWER",
            RetryClass.SUPPORT,
        )
        return ev.StepFailed(step.id, step_state.attempt, error)
    cause = step_state.error.message if step_state.error else "The process ended before the answer came."
    error = ev.ErrorInfo(
        cause, "Nothing was found, so the request is repeated.", "NO_ANSWER", RetryClass.LATER
    )
    return ev.StepFailed(step.id, step_state.attempt, error, now)


def _unresolved(step: Step, step_state: StepState, error: ev.ErrorInfo) -> ev.StepFailed:
    """Nobody could say what the request made: repeating it might make it twice."""
    info = ev.ErrorInfo(
        f"An answer was lost, and looking for what the request made failed: {error.message}",
        "Look in the MetaStudio console whether it is there before you start the run again.",
        error.code or "NO_ANSWER",
        RetryClass.SUPPORT,
        error.request_id,
    )
    return ev.StepFailed(step.id, step_state.attempt, info)


def _await(state: RunState, step: Step, now: datetime, policy: Policy, decision: Decision) -> None:
    step_state = state.steps[step.id]
    correlation = step_state.correlation or ""
    hints = state.hint_count(correlation)
    deadline_at, next_check_at = step_state.deadline_at, step_state.next_check_at
    if deadline_at is not None and _too_late(step_state, deadline_at, policy):
        decision.records.append(ev.StepFailed(step.id, step_state.attempt, _timeout_error(step)))
        return
    resting = next_check_at is not None and next_check_at > now
    overdue = deadline_at is not None and deadline_at <= now
    if not resting and (overdue or next_check_at is not None or hints > step_state.hints_checked):
        attempt = step_state.attempt
        _act(state, step, decision, lambda params: Check(step, attempt, params, correlation, hints))
    for at in (deadline_at, next_check_at):
        if at is not None and at > now:
            decision.wake(at)


def _too_late(step_state: StepState, deadline_at: datetime, policy: Policy) -> bool:
    """The deadline holds when the API said «not over» after it, or has long been silent."""
    checked_at, asked_at = step_state.checked_at, step_state.asked_at
    if checked_at is not None and checked_at >= deadline_at:
        return True
    return asked_at is not None and asked_at >= deadline_at + timedelta(seconds=policy.patience_s)


def _end(state: RunState) -> ev.EventBody:
    if (failed := state.failed_step or _failed_after(state)) is not None:
        error = state.steps[failed.id].error or ev.ErrorInfo("The step failed.")
        return ev.RunFailed(
            ev.ErrorInfo(
                f"Step {failed.id}: {error.message}", error.hint, error.code, error.retry, error.request_id
            )
        )
    try:
        return ev.RunSucceeded(expressions.render(state.pipeline.outputs, state.scope()))
    except OrchestratorError as error:
        return ev.RunFailed(_expression_error(error))


def _failed_after(state: RunState) -> Step | None:
    """A step of `on_failure` or `finally` that failed."""
    for step in (*state.pipeline.on_failure, *state.pipeline.finally_):
        if state.steps[step.id].status is StepStatus.FAILED and not step.continue_on_error:
            return step
    return None


def _timeout_error(step: Step) -> ev.ErrorInfo:
    return ev.ErrorInfo(
        f"Not done within {step.timeout_s:g} s." if step.timeout_s else "Not done in time.",
        "Start the run again to wait as long once more, or look at the job in the MetaStudio console.",
        "TIMEOUT",
    )


def _expression_error(error: OrchestratorError) -> ev.ErrorInfo:
    return ev.ErrorInfo(error.message, error.hint, "EXPRESSION")
