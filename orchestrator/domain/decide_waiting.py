"""What a run decides about requests whose answers were lost, and about steps that wait for something outside."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain import expressions
from orchestrator.domain.actions import Action, Check, Decision, LookUp, Policy
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState, StepState
from orchestrator.errors import OrchestratorError, RetryClass


def look_up(state: RunState, step: Step, now: datetime, policy: Policy, decision: Decision) -> None:
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
    try:
        decision.actions.append(LookUp(step, step_state.attempt, params(state, step)))
    except OrchestratorError as error:  # no failure of the step: nobody knows yet what it made
        info = expression_error(error)
        decision.records.append(
            ev.StepLookedUp(step.id, step_state.attempt, now, conclusive=False, error=info)
        )


def _lost(step: Step, step_state: StepState, now: datetime, policy: Policy) -> ev.StepFailed:
    """Nothing was made and nothing can be made any more: the request is safe to repeat."""
    if step_state.unknowns >= policy.max_unknowns:
        error = ev.ErrorInfo(
            f"{step_state.unknowns} attempts ended without an answer and left nothing behind.",
            "Check the provider's status, then resume the run.",
            "NO_ANSWER",
            RetryClass.SUPPORT,
        )
        return ev.StepFailed(step.id, step_state.attempt, error, held=not step.continue_on_error)
    cause = step_state.error.message if step_state.error else "The process ended before the answer came."
    error = ev.ErrorInfo(
        cause, "Nothing was found, so the request is repeated.", "NO_ANSWER", RetryClass.LATER
    )
    return ev.StepFailed(step.id, step_state.attempt, error, now)


def _unresolved(step: Step, step_state: StepState, error: ev.ErrorInfo) -> ev.StepFailed:
    """Nobody could say what the request made: repeating it might make it twice."""
    info = ev.ErrorInfo(
        f"An answer was lost, and looking for what the request made failed: {error.message}",
        "Look in the MetaStudio console whether it is there before you resume the run.",
        error.code or "NO_ANSWER",
        RetryClass.SUPPORT,
        error.request_id,
    )
    return ev.StepFailed(step.id, step_state.attempt, info, held=not step.continue_on_error)


def await_(state: RunState, step: Step, now: datetime, policy: Policy, decision: Decision) -> None:
    """Ask about what the step waits for, on a hint or when its time has come, until it is over or too late."""
    step_state = state.steps[step.id]
    correlation = step_state.correlation or ""
    hints = state.hint_count(correlation)
    deadline_at, next_check_at = step_state.deadline_at, step_state.next_check_at
    if deadline_at is not None and _too_late(step_state, deadline_at, policy):
        decision.records.append(ev.StepFailed(step.id, step_state.attempt, _timeout_error(step)))
        return
    overdue = deadline_at is not None and deadline_at <= now
    # Asked at the deadline, however far off the next check is.
    asked = deadline_at is None or (step_state.asked_at is not None and step_state.asked_at >= deadline_at)
    resting = next_check_at is not None and next_check_at > now and not (overdue and not asked)
    # What is new breaks the rest: after an outage, a callback should not have to wait for the next try.
    told = hints > step_state.hints_checked
    if told or (not resting and (overdue or next_check_at is not None)):
        attempt = step_state.attempt
        act(state, step, decision, lambda params: Check(step, attempt, params, correlation, hints))
    for at in (deadline_at, next_check_at):
        if at is not None and at > now:
            decision.wake(at)


def _too_late(step_state: StepState, deadline_at: datetime, policy: Policy) -> bool:
    """The deadline holds when the API said «not over» after it, or has long been silent."""
    checked_at, asked_at = step_state.checked_at, step_state.asked_at
    if checked_at is not None and checked_at >= deadline_at:
        return True
    return asked_at is not None and asked_at >= deadline_at + timedelta(seconds=policy.patience_s)


def act(state: RunState, step: Step, decision: Decision, make: Callable[[dict[str, Any]], Action]) -> None:
    """The action, given the step's parameters; a failure where they cannot be worked out."""
    try:
        given = params(state, step)
    except OrchestratorError as error:
        attempt = state.steps[step.id].attempt
        decision.records.append(ev.StepFailed(step.id, attempt, expression_error(error)))
    else:
        decision.actions.append(make(given))


def params(state: RunState, step: Step) -> dict[str, Any]:
    """Those of a step with items are each item's own. Raises ExpressionError."""
    return expressions.render(step.with_, state.scope()) if step.foreach is None and step.with_ else {}


def _timeout_error(step: Step) -> ev.ErrorInfo:
    return ev.ErrorInfo(
        f"Not done within {step.timeout_s:g} s." if step.timeout_s else "Not done in time.",
        "Start the run again to wait as long once more, or look at the job in the MetaStudio console.",
        "TIMEOUT",
    )


def expression_error(error: OrchestratorError) -> ev.ErrorInfo:
    """As the journal has it."""
    return ev.ErrorInfo(error.message, error.hint, "EXPRESSION")
