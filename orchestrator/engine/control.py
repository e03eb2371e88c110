"""What people may do with a run: cancel, pause, resume, retry, approve, replay. Which events follow, or why not. Pure.

`Engine` does it in a running process, `offline.Offline` straight on a store: the same verbs, the same rules.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.engine.resumption import held, resumption
from orchestrator.errors import OrchestratorError, RetryClass
from orchestrator.store.base import Summary

#: The step kind that waits for somebody's word.
APPROVE = "approve"


#: In these a run can be paused.
CAN_PAUSE = frozenset({RunStatus.CREATED, RunStatus.RUNNING})


class UnknownRunError(OrchestratorError):
    """There is no such run."""

    exit_code = 2


class ControlError(OrchestratorError):
    """What was asked for does not fit the run as it is."""

    exit_code = 2


class Control(Protocol):
    """Verbs about one run, durable when they return. Each raises UnknownRunError and ControlError."""

    async def cancel(self, run_id: RunId, *, reason: str = "") -> None:
        """End the run: what waits is called off, `finally` runs. Its own child runs end with it."""
        ...

    async def pause(self, run_id: RunId, *, reason: str = "") -> None:
        """Begin nothing new until the run is resumed; what is under way ends. Its own child runs pause with it."""
        ...

    async def resume(self, run_id: RunId) -> None:
        """End a pause; held steps are tried again. Of a table run, all its paused child runs go on."""
        ...

    async def retry(self, run_id: RunId) -> None:
        """Go on from the failed steps; of a table run, all its failed child runs do."""
        ...

    async def approve(
        self,
        run_id: RunId,
        step: StepId | None = None,
        *,
        approved: bool = True,
        by: str = "",
        comment: str = "",
    ) -> None:
        """Give a step the word that it waits for; without `step` the only one that waits for one."""
        ...

    async def replay(
        self,
        run_id: RunId,
        *,
        pipeline: Pipeline | None = None,
        inputs: Mapping[str, Any] | None = None,
        first: StepId | None = None,
    ) -> RunId:
        """A new run with another definition or other inputs, which keeps what is still valid of the old one.

        `first`: everything from this step on is done anew. Returns the new run's id.
        """
        ...


def unknown(run_id: RunId) -> UnknownRunError:
    """There is no run of that id."""
    return UnknownRunError(f"There is no run {run_id}.", hint="`orchestrator runs list` shows them.")


def cancelling(state: RunState, reason: str) -> Sequence[ev.EventBody]:
    """A second wish changes nothing."""
    if state.status is RunStatus.CANCELLING:
        return ()
    if state.status.over:
        raise _unfit(state, "cancelled", "Only runs that are not over can be.")
    return (ev.RunCancelling(reason),)


def pausing(state: RunState, reason: str) -> Sequence[ev.EventBody]:
    """A second wish changes nothing."""
    if state.status is RunStatus.PAUSED:
        return ()
    if state.status.over or state.status is RunStatus.CANCELLING:
        raise _unfit(state, "paused", "Only runs that are under way can be.")
    return (ev.RunPaused(reason or "Somebody paused it."),)


def resuming(state: RunState) -> Sequence[ev.EventBody]:
    """As `going_on`, for a run of which something is paused."""
    if state.status is not RunStatus.PAUSED and not (
        state.status is RunStatus.RUNNING and state.children_paused
    ):
        raise _unfit(
            state, "resumed", "Only paused runs can be; `orchestrator runs retry` takes up failed ones."
        )
    return going_on(state)


def going_on(state: RunState) -> Sequence[ev.EventBody]:
    """A pause ends; held steps are tried again."""
    return (ev.RunResumed(held(state)),) if state.status is RunStatus.PAUSED else ()


def rows_rest(rows: RunState | Summary) -> bool:
    """Whether all rows of a table run are over or paused, and some of them paused."""
    over = rows.children_succeeded + rows.children_failed
    return rows.children_paused > 0 and over + rows.children_paused >= (rows.rows_total or 0)


def items_resting(state: RunState, *, items: RunState, why: str) -> Sequence[ev.EventBody]:
    """A run pauses when a step's items all rest: somebody has to see to the cause."""
    waiting = [id_ for id_, step in state.steps.items() if step.correlation == items.id]
    if state.status is not RunStatus.RUNNING or not waiting:
        return ()
    paused = f"{items.children_paused} of {items.rows_total} items are paused"
    hint = f"`orchestrator runs list --parent {items.id}` shows them. See to the cause, then resume this run."
    message = f"Step {waiting[0]}: {paused}{f': {why}' if why else '.'}"
    return (ev.RunPaused(message, ev.ErrorInfo(message, hint, "ITEMS", RetryClass.SUPPORT)),)


def sub_run_resting(state: RunState, *, child: RunState) -> Sequence[ev.EventBody]:
    """A run pauses when the run of a step's pipeline does: somebody has to see to the cause."""
    waiting = [id_ for id_, step in state.steps.items() if step.correlation == child.id]
    if state.status is not RunStatus.RUNNING or not waiting:
        return ()
    message = f"Step {waiting[0]}: run {child.id} is paused: {child.reason}"
    hint = f"`orchestrator runs show {child.id}` shows it. See to the cause, then resume this run."
    return (ev.RunPaused(message, ev.ErrorInfo(message, hint, "SUB_RUN", RetryClass.SUPPORT)),)


def retrying(
    state: RunState, leaves: Callable[[str], str | None], *, is_there: Callable[[Path], bool]
) -> Sequence[ev.EventBody]:
    """As `resumption` of a run that failed or is paused."""
    stopped = state.status is RunStatus.RUNNING and (state.children_failed or state.children_paused)
    if state.status not in {RunStatus.FAILED, RunStatus.PAUSED} and not stopped:
        raise _unfit(state, "retried", "Only failed and paused runs can be; replay makes a run anew.")
    return resumption(state, leaves, state.out, is_there=is_there)


def approving(
    state: RunState, step: StepId | None, *, approved: bool, by: str, comment: str
) -> Sequence[ev.EventBody]:
    """The step's approval is the step's outcome."""
    waiting = [
        one.id
        for one in state.all_steps
        # With `foreach` each item's own run asks, and the step waits for those.
        if one.uses == APPROVE and one.foreach is None and state.steps[one.id].status is StepStatus.WAITING
    ]
    if step is None and len(waiting) == 1:
        step = waiting[0]
    if state.status.over or step not in waiting:
        which = (
            f"Name one of: {', '.join(waiting)}."
            if waiting
            else "None of its steps waits for an approval now."
        )
        asked = f"step {step} of run {state.id}" if step else f"run {state.id}"
        raise ControlError(f"There is nothing to approve in {asked}.", hint=which)
    return (ev.ApprovalGiven(step, state.steps[step].attempt, approved, by, comment),)


def _unfit(state: RunState, verb: str, hint: str) -> ControlError:
    return ControlError(f"Run {state.id} is {state.status.value} and cannot be {verb}.", hint=hint)
