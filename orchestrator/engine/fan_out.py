"""`foreach`: a step that is done once for each item, as the rows of a child run of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain import expressions
from orchestrator.domain.decide import FanOut
from orchestrator.domain.expressions import ExpressionError
from orchestrator.domain.ids import RunId
from orchestrator.domain.input_files import NAMING_FILES, paths_in
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.reception import RowInput, Submission, Submitted
from orchestrator.errors import RetryClass
from orchestrator.steps.base import Done, StepError
from orchestrator.store.base import Store

_CHUNK = 100


class FanOuts:
    """Begins the child run of a step with `foreach`, and says what came of it."""

    def __init__(self, store: Store, submit: Callable[[Submission], Awaitable[Submitted]]) -> None:
        """`submit` starts a run, or takes up the one that an interrupted attempt has started."""
        self._store, self._submit = store, submit

    async def begin(self, state: RunState, action: FanOut) -> RunId:
        """The child run, begun or gone on with. Raises StepError when an item's parameters have no value."""
        step = action.step
        wanted = Submission(
            _one_step(state.pipeline, step),
            f"{state.name}/{step.id}",
            _files(state),
            rows=await _rows(state, action),
            out=state.out,
            parent=state.id,
        )
        return (await self._submit(wanted)).run_id

    async def look(self, child: RunId) -> Done | None:
        """Its outputs once all items are done, None before. Raises StepError when some failed."""
        summary = await self._store.summary(child)
        if summary is None:
            raise StepError(f"The run {child} of the items is gone.", code="ITEMS")
        if not summary.status.over:
            return None
        total = summary.rows_total or 0
        if summary.status is not RunStatus.SUCCEEDED:
            missing = total - summary.children_succeeded
            raise StepError(
                f"{missing} of {total} items were not done.",
                hint=f"`orchestrator runs list --parent {child}` shows them; retry takes up only those.",
                code="ITEMS",
                retry=RetryClass.NEVER,
            )
        results = [outputs async for outputs in self._results(child, total)]
        return Done({"results": results, "total": total})

    async def _results(self, child: RunId, total: int) -> AsyncIterator[Any]:
        for start in range(0, total, _CHUNK):
            rows = await self._store.rows(child, start, start + _CHUNK)
            for outputs in await asyncio.gather(*(self._outputs(row.child) for row in rows)):
                yield outputs

    async def _outputs(self, run_id: RunId | None) -> Any:
        summary = None if run_id is None else await self._store.summary(run_id)
        last = [] if summary is None else await self._store.journal(summary.id, summary.seq - 1)
        if summary is not None and last and not isinstance(last[-1].body, ev.RunSucceeded):
            last = await self._store.journal(summary.id)  # something was told of it after its end
        ends = (event.body for event in reversed(last))
        return next((body.outputs["outputs"] for body in ends if isinstance(body, ev.RunSucceeded)), None)


def _one_step(pipeline: Pipeline, step: Step) -> Pipeline:
    """The pipeline of one item: the step alone, with parameters that were worked out for the item."""
    alone = replace(
        step,
        with_={name: f"${{{{ row.params[{name!r}] }}}}" for name in step.with_},
        needs=(),
        if_=None,
        foreach=None,
        max_parallel=None,
        continue_on_error=False,
    )
    return Pipeline(
        f"{pipeline.name}/{step.id}",
        description=f"One item of step {step.id}.",
        inputs={
            name: spec if spec.type == "secret" else replace(spec, type="files")
            for name, spec in pipeline.inputs.items()
            if spec.type == "secret" or spec.type in NAMING_FILES
        },
        steps=(alone,),
        outputs={"outputs": f"${{{{ steps[{str(step.id)!r}] }}}}"},
        concurrency_limit=step.max_parallel,
        folder=pipeline.folder,
    )


def _files(state: RunState) -> Mapping[str, Any]:
    """The run's files and secrets, which its items may use as well; all else is in their parameters."""
    inputs = state.pipeline.inputs
    secret = {name: state.inputs.get(name) for name, spec in inputs.items() if spec.type == "secret"}
    named = {
        name: paths_in(inputs[name].type, value) for name, value in state.inputs.items() if name in inputs
    }
    return {**{name: list(paths) for name, paths in named.items() if paths}, **secret}


async def _rows(state: RunState, action: FanOut) -> Sequence[RowInput]:
    step, scope, files = action.step, state.scope(), _files(state)
    rows = []
    for index, item in enumerate(action.items):
        try:
            params: Mapping[str, Any] = expressions.render(
                step.with_, {**scope, "item": item, "index": index}
            )
        except ExpressionError as error:
            which = f"item {index + 1} of {len(action.items)}"
            raise StepError(f"{error.message} ({which})", hint=error.hint, code="EXPRESSION") from error
        rows.append(
            RowInput(
                f"{state.name}/{step.id}-{index + 1}",
                files,
                {"params": params},
                # Two runs never share an item's run, and two items of one run neither.
                content=f"{state.id}/{step.id}/{index}",
            )
        )
        if index % _CHUNK == _CHUNK - 1:
            await asyncio.sleep(0)  # others have their turn, too
    return rows
