"""What is done again when a run that is over, or was left behind, is asked for once more. As little as possible."""

from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.domain import events as ev
from orchestrator.domain.ids import StepId
from orchestrator.domain.run import RunState, RunStatus, StepStatus


def resumption(state: RunState, leaves: Callable[[str], str | None], out: str) -> Sequence[ev.EventBody]:
    """The event by which the run goes on; none when nothing is missing.

    A failed run goes on from its failed steps. One that succeeded fetches the files that are not in `out` (any more).
    `leaves` names the output of a step kind that holds the path of a file, if it leaves one.
    """
    match state.status:
        case RunStatus.FAILED:
            return (ev.RunResumed(tuple(_failed(state)), out),)
        case RunStatus.SUCCEEDED:
            missing = [
                step.id
                for step in state.pipeline.steps
                if _is_missing(state, step.id, leaves(step.uses), out)
            ]
            return (ev.RunResumed(tuple(state.behind(missing)), out),) if missing else ()
        case RunStatus.CREATED | RunStatus.RUNNING | RunStatus.CANCELLED:
            moved = state.status is RunStatus.RUNNING and state.out != out
            return (ev.RunResumed((), out),) if moved else ()


def _failed(state: RunState) -> list[StepId]:
    """The failed steps, those behind them, and whatever ran because the run was ending."""
    failed = [
        step.id
        for step in state.pipeline.steps
        if state.steps[step.id].status is StepStatus.FAILED and not step.continue_on_error
    ]
    ending = [step.id for step in (*state.pipeline.on_failure, *state.pipeline.finally_)]
    return [*state.behind(failed), *(step_id for step_id in ending if state.steps[step_id].status.over)]


def _is_missing(state: RunState, step_id: StepId, output: str | None, out: str) -> bool:
    step = state.steps[step_id]
    if output is None or output not in step.outputs:
        return False
    path = Path(str(step.outputs[output]))
    return not (path.is_relative_to(out) and path.is_file())
