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
    if state.status in {RunStatus.CANCELLING, RunStatus.CANCELLED}:
        return ()
    if state.rows_total is not None:
        return _of_table(state, out)
    # A run that fails begins none of its own steps any more: what it has is what there is for its last ones.
    failing = state.failed_step is not None and not state.status.over
    missing = {
        step.id
        for step in state.pipeline.steps
        if not failing
        and (path := _left(state, step.id, leaves(step.uses))) is not None
        and not (path.is_relative_to(out) and is_there(path))
    }
    if state.status in {RunStatus.FAILED, RunStatus.PAUSED}:
        again = _failed(state) if state.status is RunStatus.FAILED else set(held(state))
        again |= missing - _in_use(state, again)
        return (ev.RunResumed(_in_order(state, again), out),)
    if state.status is RunStatus.SUCCEEDED:
        return (ev.RunResumed(_in_order(state, missing), out),) if missing else ()
    if state.out == out:
        return ()
    # One that stands in line for a place in its group does so still.
    begun = () if state.status is RunStatus.RUNNING or state.group is not None else (ev.RunStarted(),)
    return (*begun, ev.RunResumed(_in_order(state, missing - _in_use(state, set())), out))


def _in_use(state: RunState, again: set[StepId]) -> set[StepId]:
    """Steps whose outputs those read that are in the middle of their work, and will read them again."""
    idle = {StepStatus.PENDING, *(status for status in StepStatus if status.over)}
    at_work = (
        step for step in state.all_steps if state.steps[step.id].status not in idle and step.id not in again
    )
    return {need for step in at_work for need in step.needs}


def _of_table(state: RunState, out: str) -> Sequence[ev.EventBody]:
    """Its rows are gone through again, and those that failed or are held go on."""
    stopped = state.children_failed or state.children_paused
    stays = state.status is RunStatus.RUNNING and state.out == out and not stopped
    if stays or state.status is RunStatus.SUCCEEDED:
        return ()
    begun = (ev.RunStarted(),) if state.status is RunStatus.CREATED else ()
    return (*begun, ev.RunResumed((), out))


def _failed(state: RunState) -> set[StepId]:
    """The failed steps, what they cannot succeed without, and whatever ran because the run ended.

    What has succeeded is done again only where it was made from something that is made anew.
    """
    failed = {
        step.id
        for step in state.pipeline.steps
        if state.steps[step.id].status in {StepStatus.FAILED, StepStatus.HELD} and not step.continue_on_error
    }
    spoilt = {maker for step_id in failed for maker in makers_of_what_failed(state, step_id)}
    behind = state.behind(failed | _passed_over(state, failed))
    ending = [step.id for step in (*state.pipeline.on_failure, *state.pipeline.finally_)]
    return {
        *state.behind(spoilt),
        *(step_id for step_id in behind if state.steps[step_id].status is not StepStatus.SUCCEEDED),
        *(step_id for step_id in ending if state.steps[step_id].status.over),
    }


def makers_of_what_failed(state: RunState, step_id: StepId) -> set[StepId]:
    """Steps whose output the step waited for, when that is over and bad: a failed job does not get better."""
    waited = state.steps[step_id]
    verdict = (
        waited.error is not None and waited.error.retry is RetryClass.NEVER and waited.error.code != "TIMEOUT"
    )
    if waited.correlation is None or not verdict:
        return set()
    return {other for other, step in state.steps.items() if waited.correlation in step.outputs.values()}


def _passed_over(state: RunState, steps: set[StepId]) -> set[StepId]:
    """The failed and skipped steps that the given ones had to do without, directly or not."""
    needs = {step.id: step.needs for step in state.all_steps}
    found: set[StepId] = set()
    left = list(steps)
    while left:
        for need in needs.get(left.pop(), ()):
            passed = state.steps[need].status in {StepStatus.FAILED, StepStatus.SKIPPED}
            if passed and need not in found:
                found.add(need)
                left.append(need)
    return found


def _in_order(state: RunState, steps: set[StepId]) -> tuple[StepId, ...]:
    return tuple(step.id for step in state.all_steps if step.id in steps)


def _left(state: RunState, step_id: StepId, output: str | None) -> Path | None:
    """The file that the step left, if it left one."""
    outputs = state.steps[step_id].outputs
    return Path(str(outputs[output])) if output is not None and output in outputs else None


def held(state: RunState) -> tuple[StepId, ...]:
    """The steps that are tried again once a person has seen to the cause."""
    again = {step.id for step in state.all_steps if state.steps[step.id].status is StepStatus.HELD}
    # One cannot look for what it made while its own parameters are gone: what they come from is done again.
    errors = {step_id: state.steps[step_id].error for step_id in again}
    lost = {step_id for step_id, error in errors.items() if error is not None and error.code == "EXPRESSION"}
    again |= {need for need in _passed_over(state, lost) if state.steps[need].status is StepStatus.FAILED}
    return _in_order(state, again)
