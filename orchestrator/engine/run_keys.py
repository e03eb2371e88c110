"""What a run is about: equal keys would make the same videos.

Only what can change the outcome counts: steps, outputs, the inputs and columns that they use, the row's name. A new
description, another concurrency or an unused column makes nothing anew.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.domain import expressions
from orchestrator.domain.ids import RunKey, content_hash
from orchestrator.domain.pipeline import Pipeline, Step


class RunKeys:
    """The keys of one pipeline's runs."""

    def __init__(self, pipeline: Pipeline) -> None:
        steps = pipeline.all_steps
        self._pipeline = content_hash(
            [
                pipeline.name,
                pipeline.folder,  # paths written in the definition start there
                [
                    [_work(step) for step in group]
                    for group in (pipeline.steps, pipeline.on_failure, pipeline.finally_)
                ],
                pipeline.outputs,
            ]
        )
        used = _references(
            [*(step.with_ for step in steps), *(step.foreach for step in steps), pipeline.outputs],
            [step.if_ for step in steps],
        )
        self._inputs = _members("inputs", used)
        self._columns = _members("row", used)

    @property
    def work(self) -> str:
        """What its runs do, whatever they are given: a hash."""
        return self._pipeline

    def uses_input(self, name: str) -> bool:
        """Whether the value of an input matters."""
        return self._inputs is None or name in self._inputs

    def key(
        self,
        inputs: Mapping[str, Any],
        *,
        row: Mapping[str, Any] | None = None,
        name: str = "",
        content: str = "",
    ) -> RunKey:
        """The key of a run; `name` and `row` for a child run, `content` for what its files hold."""
        values = {key: value for key, value in inputs.items() if self.uses_input(key)}
        cells = {
            key: cell for key, cell in (row or {}).items() if self._columns is None or key in self._columns
        }
        return RunKey(content_hash([self._pipeline, name, values, cells, content]))

    def table_key(self, inputs: Mapping[str, Any], rows: Iterable[RunKey]) -> RunKey:
        """The key of a run that has a child run for each row."""
        values = {key: value for key, value in inputs.items() if self.uses_input(key)}
        return RunKey(content_hash([self._pipeline, values, list(rows)]))


def sub_pipeline_work(step: Step) -> list[Any]:
    """What the pipeline that a step runs does, and with what when it is not told; empty for other steps."""
    if step.pipeline is None:
        return []
    keys = RunKeys(step.pipeline)
    declared = step.pipeline.inputs.items()
    return [keys.work, {name: [spec.type, spec.default] for name, spec in declared if keys.uses_input(name)}]


def _work(step: Step) -> list[Any]:
    work = [step.id, step.uses, step.with_, step.needs, step.if_, step.continue_on_error]
    return [*work, *([] if step.foreach is None else [step.foreach]), *sub_pipeline_work(step)]


def _references(values: list[Any], conditions: Iterable[str | None]) -> set[expressions.Reference]:
    found = expressions.references(values)
    for condition in conditions:
        if condition is not None:
            for expression in expressions.condition(condition).expressions:
                found |= set(expression.references())
    return found


def _members(root: str, used: Iterable[expressions.Reference]) -> frozenset[str] | None:
    """The members of `root` that are used; None: it is used as a whole."""
    paths = [reference.path for reference in used if reference.root == root]
    return None if any(not path for path in paths) else frozenset(path[0] for path in paths)
