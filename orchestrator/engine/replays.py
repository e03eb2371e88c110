"""What a replay keeps of the run that it replays: the steps that would do the same again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain import expressions
from orchestrator.domain.ids import StepId
from orchestrator.domain.nearest import did_you_mean
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, StepStatus
from orchestrator.engine.control import ControlError
from orchestrator.engine.resumption import makers_of_what_failed
from orchestrator.engine.run_keys import sub_pipeline_work
from orchestrator.errors import OrchestratorError

#: When a file was changed last; None: there is none.
ModifiedAt = Callable[[Path], datetime | None]


def check(state: RunState, pipeline: Pipeline, inputs: Mapping[str, Any], first: StepId | None) -> None:
    """Raises ControlError for a replay that makes no sense, or might make something twice."""
    if state.rows_total is not None:
        raise ControlError(
            f"Run {state.id} is a table's.", hint="Run the table again: rows that are done are recognised."
        )
    if state.is_of_step:
        raise ControlError(
            f"Run {state.id} is a part of run {state.parent}.",
            hint=f"`orchestrator runs retry {state.parent}` goes on with it, `runs replay` makes anew what has changed.",
        )
    if not state.status.over:
        raise ControlError(
            f"Run {state.id} is {state.status.value}.",
            hint="Cancel it, or wait for its end, before you replay it.",
        )
    for step_id, step in state.steps.items():
        if step.unresolved_at is not None:
            raise ControlError(
                f"Nobody knows what step {step_id} of run {state.id} has made.",
                hint=f"`orchestrator runs retry {state.id}` looks for it first.",
            )
    for name in inputs:
        if name not in pipeline.inputs:
            raise ControlError(
                f"The pipeline {pipeline.name} has no input {name!r}.",
                hint=did_you_mean(name, pipeline.inputs) or f"It has {', '.join(pipeline.inputs) or 'none'}.",
            )
    steps = [step.id for step in pipeline.steps]
    if first is not None and first not in steps:
        raise ControlError(
            f"The pipeline {pipeline.name} has no step {first!r}.",
            hint=did_you_mean(first, steps) or f"It has {', '.join(steps)}.",
        )


def kept(
    old: RunState,
    new: RunState,
    leaves: Callable[[str], str | None],
    *,
    first: StepId | None,
    modified_at: ModifiedAt,
) -> Sequence[ev.StepReused]:
    """The steps of `new` (created, nothing done) whose outcome in `old` still counts.

    Those with the same kind and the same parameters, as far as all that they need is kept, too; not those behind
    `first`, none whose files were changed since, or whose own have gone, and none that made what has failed.
    """
    anew = set(new.behind([first])) if first is not None else set()
    before = {step.id: step for step in old.pipeline.steps}
    found: dict[StepId, ev.StepReused] = {}
    outputs: dict[str, Any] = {}
    dead = _dead_ends(old)
    for step in _in_order(new.pipeline.steps):
        was = before.get(step.id)
        if was is None or step.id in anew or any(need not in found for need in step.needs):
            continue
        done = old.steps[step.id]
        # What was to be called off and goes on counts as well: it is paid for.
        is_done = done.status is StepStatus.SUCCEEDED or (done.goes_on and bool(done.outputs))
        if not is_done or step.id in dead or not _same(was, step):
            continue
        params, scope = _rendered(was, old.scope()), {**new.scope(), "steps": outputs}
        if params is None or params != _rendered(step, scope) or not _wanted(step, scope):
            continue
        since = done.started_at or old.created_at
        files = [*_paths(params, Path(new.pipeline.folder))]
        if since is not None and any((at := modified_at(path)) is not None and at > since for path in files):
            continue
        left = done.outputs.get(leaves(step.uses) or "")
        if left is not None and modified_at(Path(str(left))) is None:
            continue
        found[step.id] = ev.StepReused(step.id, old.id, done.outputs)
        outputs[step.id] = done.outputs
    return list(found.values())


def _dead_ends(old: RunState) -> set[StepId]:
    """Steps that made what another one waited for in vain: it failed, or was called off."""
    made: set[StepId] = set()
    for step_id, step in old.steps.items():
        if step.status is StepStatus.CANCELLED and not step.goes_on and step.correlation is not None:
            made |= {id_ for id_, other in old.steps.items() if step.correlation in other.outputs.values()}
        if step.status is StepStatus.FAILED:
            made |= makers_of_what_failed(old, step_id)
    return made


def _in_order(steps: Sequence[Step]) -> Iterator[Step]:
    """Each step after those that it needs."""
    left = list(steps)
    given: set[StepId] = set()
    while left:
        ready = [step for step in left if given.issuperset(step.needs)]
        if not ready:
            return
        yield from ready
        given |= {step.id for step in ready}
        left = [step for step in left if step.id not in given]


def _same(old: Step, new: Step) -> bool:
    same = (old.uses, old.foreach, old.if_) == (new.uses, new.foreach, new.if_)
    return same and sub_pipeline_work(old) == sub_pipeline_work(new)


def _wanted(step: Step, scope: Mapping[str, Any]) -> bool:
    try:
        return step.if_ is None or expressions.truth(step.if_, scope)
    except OrchestratorError:
        return False


def _rendered(step: Step, scope: Mapping[str, Any]) -> Any:
    """What the step is about; None: it cannot be worked out."""
    try:
        if step.foreach is None:
            return expressions.render(step.with_, scope)
        items = expressions.render(step.foreach, scope)
        return [
            expressions.render(step.with_, {**scope, "item": item, "index": index})
            for index, item in enumerate(items)
        ]
    except (OrchestratorError, TypeError):
        return None


def _paths(value: Any, folder: Path) -> Iterator[Path]:
    """Every text that may be the name of a file."""
    match value:
        case str() if value and len(value) < 1024 and "\n" not in value and "\0" not in value:
            yield folder / value
        case list():
            for item in value:
                yield from _paths(item, folder)
        case dict():
            for item in value.values():
                yield from _paths(item, folder)
        case _:
            pass
