"""From what has happened to what to do next: a pure function, the heart of the engine.

`decide` returns records (events that follow at once from the state) and actions (work for the executor). The engine
appends the records, applies them, asks again until there are none, and only then performs the actions. Actions are
repeated as long as their outcome is not in the journal; the engine drops those that it has under way.
"""

from collections.abc import Sequence
from datetime import datetime

from orchestrator.domain import decide_waiting as waiting
from orchestrator.domain import events as ev
from orchestrator.domain import expressions
from orchestrator.domain.actions import (
    Action,
    CallOff,
    Check,
    Decision,
    FanOut,
    LookUp,
    Perform,
    Policy,
    SpawnChildren,
    StepAction,
)
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState, RunStatus, StepState, StepStatus
from orchestrator.errors import OrchestratorError, RetryClass

__all__ = [
    "Action",
    "CallOff",
    "Check",
    "Decision",
    "FanOut",
    "LookUp",
    "Perform",
    "Policy",
    "SpawnChildren",
    "StepAction",
    "decide",
]


def decide(state: RunState, now: datetime, policy: Policy) -> Decision:
    """What to record and what to do, given what has happened to a run."""
    decision = Decision()
    if state.status.over:
        if state.status is RunStatus.FAILED and state.children_succeeded == state.rows_total:
            # Its failed rows went on one by one, and the last of them is done.
            decision.records.append(ev.RunSucceeded({"rows": state.rows_total}))
        return decision
    if state.status is RunStatus.CREATED:
        decision.records.append(ev.RunStarted())
    elif state.rows_total is not None:
        _decide_rows(state, state.rows_total, policy, decision)
    else:
        _Steps(state, now, policy, decision).decide()
    return decision


def _decide_rows(state: RunState, total: int, policy: Policy, decision: Decision) -> None:
    under_way = state.children_own - state.children_own_over
    if state.status is RunStatus.CANCELLING:
        # Its own child runs have been told; those that it shares with another run go on.
        if under_way <= 0:
            decision.records.append(ev.RunCancelled())
        return
    if state.status is RunStatus.PAUSED:
        return
    over = state.children_succeeded + state.children_failed
    # A held row gives its place away: the others would wait for a person with it.
    room = max(0, (state.pipeline.concurrency_limit or total) - max(0, under_way - state.children_paused))
    stop = min(total, state.children_created + min(room, policy.spawn_chunk))
    if stop > state.children_created:
        decision.actions.append(SpawnChildren(state.children_created, stop))
    if over < total or state.children_created < total:
        return
    if state.children_failed:
        message = f"{state.children_failed} of {total} rows failed or were cancelled."
        hint = f"`orchestrator runs list --parent {state.id}` shows them; `runs retry {state.id}` takes up those that failed."
        decision.records.append(ev.RunFailed(ev.ErrorInfo(message, hint, "ROWS")))
    else:
        decision.records.append(ev.RunSucceeded({"rows": total}))


class _Steps:
    """The decision about a run's steps."""

    def __init__(self, state: RunState, now: datetime, policy: Policy, decision: Decision) -> None:
        self.state, self.now, self.policy, self.decision = state, now, policy, decision
        self.failed = state.failed_step is not None
        self.cancelling = state.status is RunStatus.CANCELLING

    def decide(self) -> None:
        """Groups of steps, one after the other: the pipeline's own, those for a failure, those for every end."""
        pipeline = self.state.pipeline
        over = self._work(pipeline.steps, failing=self.failed)
        if over and self.failed:
            over = self._work(pipeline.on_failure)
        if over:
            over = self._group(pipeline.finally_, winding_down=False)
        if over and not self.decision.records and self.state.status is not RunStatus.PAUSED:
            end = ev.RunCancelled(_unanswered(self.state)) if self.cancelling else _end(self.state)
            self.decision.records.append(end)

    def _work(self, steps: Sequence[Step], *, failing: bool = False) -> bool:
        if self.cancelling:
            called_off = [self._call_off_made(step) for step in steps]
            return self._group(steps, winding_down=True) and not any(called_off)
        return self._group(steps, winding_down=False, failing=failing)

    def _group(self, steps: Sequence[Step], *, winding_down: bool, failing: bool = False) -> bool:
        """Whether all of the steps are over, or left behind by a failure or a cancellation."""
        states = self.state.steps
        all_over = True
        for step in steps:
            step_state = states[step.id]
            status = step_state.status
            if status.over:
                continue
            if status is StepStatus.PENDING and (winding_down or failing):
                continue
            if status is StepStatus.HELD and failing:
                continue
            all_over = False
            if winding_down:
                self._wind_down(step, step_state)
            elif status is StepStatus.PENDING:
                self._start(step, steps)
            else:
                self._go_on(step, step_state)
        return all_over

    def _start(self, step: Step, group: Sequence[Step]) -> None:
        if self.state.status is RunStatus.PAUSED:
            return
        states = self.state.steps
        for need in step.needs:
            # Needs in an earlier group are over, or were left behind when it ended.
            if not states[need].status.over and any(other.id == need for other in group):
                return
        self.decision.records.append(_start(self.state, step))

    def _go_on(self, step: Step, step_state: StepState) -> None:
        state, decision = self.state, self.decision
        paused = state.status is RunStatus.PAUSED
        match step_state.status:
            case StepStatus.SENT | StepStatus.UNKNOWN:
                waiting.look_up(state, step, self.now, self.policy, decision)
            case StepStatus.WAITING:
                waiting.await_(state, step, self.now, self.policy, decision)
            case _ if paused:
                pass
            case StepStatus.RUNNING:
                _perform(state, step, decision)
            case StepStatus.RETRYING:
                assert step_state.next_attempt_at is not None
                if step_state.next_attempt_at <= self.now:
                    decision.records.append(ev.StepIntended(step.id, step_state.attempt + 1))
                else:
                    decision.wake(step_state.next_attempt_at)
            case StepStatus.HELD:
                self._hold(step, step_state)
            case _:
                raise AssertionError(step_state.status)

    def _hold(self, step: Step, step_state: StepState) -> None:
        """A person has to see to the cause; a run that ends anyway does not wait for one."""
        error = step_state.error or ev.ErrorInfo("The step is held.")
        if self.cancelling:
            told = f"It was held: {error.message}"
            self.decision.records.append(ev.StepCancelled(step.id, step_state.attempt, told))
        elif not any(isinstance(record, ev.RunPaused) for record in self.decision.records):
            self.decision.records.append(ev.RunPaused(f"Step {step.id}: {error.message}", error))

    def _wind_down(self, step: Step, step_state: StepState) -> None:
        state, decision = self.state, self.decision
        attempt = step_state.attempt
        match step_state.status:
            case StepStatus.SENT | StepStatus.UNKNOWN:
                # What it may have made has to be known before it can be called off.
                waiting.look_up(state, step, self.now, self.policy, decision)
            case StepStatus.RUNNING if step.has_child_run:
                # That may have begun: it is found out by beginning it, which is done once.
                _perform(state, step, decision)
            case StepStatus.WAITING if step.has_child_run:
                self._call_off_child(step, step_state)
            case StepStatus.WAITING if step.uses in self.policy.callable_off:
                self._call_off(step, step_state.correlation or "")
            case StepStatus.WAITING:
                decision.records.append(ev.StepCancelled(step.id, attempt, "It is not waited for any more."))
            case StepStatus.HELD:
                self._hold(step, step_state)
            case _:
                decision.records.append(ev.StepCancelled(step.id, attempt, "Nothing was under way."))

    def _call_off_child(self, step: Step, step_state: StepState) -> None:
        """Once, then again on a hint or now and then, until it is over."""
        next_at = step_state.next_check_at
        told = self.state.hint_count(step_state.correlation) > step_state.hints_checked
        if step_state.asked_at is None or told or next_at is None or next_at <= self.now:
            self._call_off(step, step_state.correlation or "")
        else:
            self.decision.wake(next_at)

    def _call_off_made(self, step: Step) -> bool:
        """Whether a job that a step has started, and for which no other step waits yet, has to be called off."""
        step_state = self.state.steps[step.id]
        handle = self.policy.callable_off.get(step.uses)
        # Attempt 0: another run's work, kept by a replay.
        if step_state.status is not StepStatus.SUCCEEDED or handle is None or not step_state.attempt:
            return False
        correlation = step_state.outputs.get(handle)
        seen_to = {StepStatus.WAITING, StepStatus.SUCCEEDED, StepStatus.CANCELLED}
        others = (other for other in self.state.steps.values() if other.correlation == correlation)
        if correlation is None or any(other.status in seen_to for other in others):
            return False
        self._call_off(step, str(correlation))
        return True

    def _call_off(self, step: Step, correlation: str) -> None:
        attempt = self.state.steps[step.id].attempt
        try:
            # What a child run was given is its own.
            params = {} if step.has_child_run else waiting.params(self.state, step)
        except OrchestratorError as error:  # what it was given is being fetched anew
            told = f"It could not be called off: {error.message}"
            self.decision.records.append(ev.StepCancelled(step.id, attempt, told))
        else:
            self.decision.actions.append(CallOff(step, attempt, params, correlation))


def _perform(state: RunState, step: Step, decision: Decision) -> None:
    attempt = state.steps[step.id].attempt
    if step.foreach is None:
        waiting.act(state, step, decision, lambda params: Perform(step, attempt, params))
        return
    try:
        items = expressions.render(step.foreach, state.scope())
    except OrchestratorError as error:
        decision.records.append(ev.StepFailed(step.id, attempt, waiting.expression_error(error)))
        return
    if isinstance(items, list):
        decision.actions.append(FanOut(step, attempt, items))
    else:
        info = ev.ErrorInfo(
            f"foreach needs a list, this is {'empty' if items is None else type(items).__name__}.",
            "Give an expression whose value is a list.",
            "EXPRESSION",
        )
        decision.records.append(ev.StepFailed(step.id, attempt, info))


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
        return ev.StepFailed(step.id, attempt - 1, waiting.expression_error(error))
    return (
        ev.StepIntended(step.id, attempt) if wanted else ev.StepSkipped(step.id, "its condition is not true")
    )


def _end(state: RunState) -> ev.EventBody:
    if (failed := state.failed_step or _failed_after(state)) is not None:
        error = state.steps[failed.id].error or ev.ErrorInfo("The step failed.")
        message = " ".join(filter(None, (f"Step {failed.id}: {error.message}", _unanswered(state))))
        return ev.RunFailed(ev.ErrorInfo(message, error.hint, error.code, error.retry, error.request_id))
    try:
        return ev.RunSucceeded(expressions.render(state.pipeline.outputs, state.scope()))
    except OrchestratorError as error:
        return ev.RunFailed(waiting.expression_error(error))


def _unanswered(state: RunState) -> str:
    """What held steps may have begun, which nobody looks after once the run is over."""
    return " ".join(
        f"Step {step_id}: {one.error.message} {one.error.hint}"
        for step_id, one in state.steps.items()
        if one.status in {StepStatus.HELD, StepStatus.CANCELLED}
        and one.error is not None
        and one.error.retry is RetryClass.SUPPORT
        and (one.error.code == "NO_ANSWER" or one.unresolved_at is not None)
    )


def _failed_after(state: RunState) -> Step | None:
    """A step of `on_failure` or `finally` that failed."""
    for step in (*state.pipeline.on_failure, *state.pipeline.finally_):
        if state.steps[step.id].status is StepStatus.FAILED and not step.continue_on_error:
            return step
    return None
