"""What is done again when a run that is over, or was left behind, is asked for once more. As little as possible."""

from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.domain import events as ev
from orchestrator.domain.ids import StepId
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.errors import RetryClass


def resumption(
    state: RunState, leaves: Callable[[str], str | None], out: str, *, is_there: Callable[[Path], bool]
) -> Sequence[ev.EventBody]:
    """The events by which the run goes on; none when nothing is missing.

    A failed run goes on from its failed steps. Files that are not in `out` (any more) are fetched. `leaves` names the
    output of a step kind that holds the path of a file, if it leaves one; `is_there` tells whether a file exists.
    """
    if state.status is RunStatus.CANCELLED:
        return ()
    missing = {
        step.id
        for step in state.pipeline.steps
        if (path := _left(state, step.id, leaves(step.uses))) is not None
        and not (path.is_relative_to(out) and is_there(path))
    }
    if state.status is RunStatus.FAILED:
        return (ev.RunResumed(_in_order(state, _failed(state) | missing), out),)
    if state.status is RunStatus.SUCCEEDED:
        return (ev.RunResumed(_in_order(state, missing), out),) if missing else ()
    if state.out == out:
        return ()
    begun = () if state.status is RunStatus.RUNNING else (ev.RunStarted(),)
    return (*begun, ev.RunResumed(_in_order(state, missing), out))


def _failed(state: RunState) -> set[StepId]:
    """The failed steps, what they cannot succeed without, those behind them, and whatever ran because the run ended."""
    failed = {
        step.id
        for step in state.pipeline.steps
        if state.steps[step.id].status is StepStatus.FAILED and not step.continue_on_error
    }
    spoilt = {maker for step_id in failed for maker in _makers_of_what_failed(state, step_id)}
    passed = {
        step_id
        for step_id in _ahead(state, failed)
        if state.steps[step_id].status in {StepStatus.FAILED, StepStatus.SKIPPED}
    }
    ending = [step.id for step in (*state.pipeline.on_failure, *state.pipeline.finally_)]
    return {
        *state.behind(failed | spoilt | passed),
        *(step_id for step_id in ending if state.steps[step_id].status.over),
    }


def _makers_of_what_failed(state: RunState, step_id: StepId) -> set[StepId]:
    """Steps whose output the step waited for, when that is over and bad: a failed job does not get better."""
    waited = state.steps[step_id]
    verdict = (
        waited.error is not None and waited.error.retry is RetryClass.NEVER and waited.error.code != "TIMEOUT"
    )
    if waited.correlation is None or not verdict:
        return set()
    return {other for other, step in state.steps.items() if waited.correlation in step.outputs.values()}


def _ahead(state: RunState, steps: set[StepId]) -> set[StepId]:
    """All that the steps need, directly or not."""
    needs = {step.id: step.needs for step in state.pipeline.steps}
    found: set[StepId] = set()
    left = list(steps)
    while left:
        for need in needs.get(left.pop(), ()):
            if need not in found:
                found.add(need)
                left.append(need)
    return found


def _in_order(state: RunState, steps: set[StepId]) -> tuple[StepId, ...]:
    return tuple(step.id for step in state.all_steps if step.id in steps)


def _left(state: RunState, step_id: StepId, output: str | None) -> Path | None:
    """The file that the step left, if it left one."""
    outputs = state.steps[step_id].outputs
    return Path(str(outputs[output])) if output is not None and output in outputs else None
