"""`pipeline.run`: a step that is done by a run of another pipeline, a child run of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.definition.prepare import prepare
from orchestrator.definition.problems import DefinitionError
from orchestrator.definition.secret_inputs import Trust
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from orchestrator.domain.input_files import NAMING_FILES, paths_in
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.confidential import secrets_of
from orchestrator.engine.groups import GroupNameError, group_of
from orchestrator.engine.reception import Submission, Submitted
from orchestrator.errors import OrchestratorError, RetryClass
from orchestrator.steps.base import Done, StepError
from orchestrator.store.base import Store, StoreError


class SubRuns:
    """Begins the run of a step's pipeline, and says what came of it."""

    def __init__(
        self,
        store: Store,
        submit: Callable[[Submission], Awaitable[Submitted]],
        cancel: Callable[..., Awaitable[None]],
        *,
        region: str,
        roots: Sequence[Path],
    ) -> None:
        """`submit` starts a run, or takes up the one that an interrupted attempt has started; `cancel` ends one.

        `roots`: folders that pipelines may read; none: their own.
        """
        self._store, self._submit, self._cancel = store, submit, cancel
        self._region, self._roots = region, roots

    async def begin(self, state: RunState, step: Step, given: Mapping[str, Any]) -> RunId:
        """The run of the step's pipeline, begun or gone on with. Raises StepError, for inputs that do not fit too."""
        pipeline = step.pipeline
        assert pipeline is not None
        inputs = await self._inputs(pipeline, given, state)
        try:
            await self._refuse_own_group(group_of(pipeline, inputs), state)
            wanted = Submission(
                pipeline,
                f"{state.name}/{step.id}",
                inputs,
                # Two runs never share one, and two steps neither.
                content=f"{state.id}/{step.id}",
                out=state.out,
                parent=state.id,
            )
            return (await self._submit(wanted)).run_id
        except GroupNameError as error:
            raise StepError(error.message, hint=error.hint, code="PARAMETERS") from error
        except StoreError as error:
            raise StepError(error.message, hint=error.hint, code="STORE", retry=RetryClass.LATER) from error

    async def look(self, child: RunId) -> Done | None:
        """Its outputs once it has succeeded, None before it is over. Raises StepError when it ended otherwise."""
        summary = await self._store.summary(child)
        if summary is None:
            raise StepError(f"The run {child} is gone.", code="SUB_RUN")
        if not summary.status.over:
            return None
        if summary.status is not RunStatus.SUCCEEDED:
            why = summary.error or f"it was {summary.status.value}"
            hint = summary.hint or "Retry this run: what its step has done is not done again."
            if summary.status is RunStatus.CANCELLED:
                hint = "A retry of this run begins it anew, from its first step: what it has made is made once more."
            raise StepError(
                f"Run {child} ({summary.name}): {why}",
                hint=hint,
                code="SUB_RUN",
            )
        ends = (event.body for event in reversed(await self._store.journal(child)))
        return Done(next(body.outputs for body in ends if isinstance(body, ev.RunSucceeded)))

    async def give_up(self, child: RunId) -> None:
        """Cancel it: the step that waits for it has no more time."""
        try:
            await self._cancel(child, reason="The step that waits for it has run out of time.")
        except OrchestratorError:
            return  # it is over, or about to be

    async def _inputs(self, pipeline: Pipeline, given: Mapping[str, Any], state: RunState) -> dict[str, Any]:
        # What the caller was given as slides has been read already.
        ready = {
            name: value
            for name, value in given.items()
            if (spec := pipeline.inputs.get(name)) and spec.type == "slides" and not isinstance(value, str)
        }
        needed = {
            name: replace(spec, required=False, default=None) if name in ready else spec
            for name, spec in pipeline.inputs.items()
        }
        home = Path(state.pipeline.folder)
        rest = {
            name: _located(value, home) if name in needed and needed[name].type in NAMING_FILES else value
            for name, value in given.items()
            if name not in ready
        }

        def prepared() -> Mapping[str, Any]:
            read = replace(pipeline, inputs=needed)
            roots = self._readable(pipeline, state)
            return prepare(
                read, rest, region=self._region, roots=roots, trust=Trust(handed_on=secrets_of(state))
            ).inputs

        try:
            # Only files take time to look at.
            reads_files = any(spec.type in NAMING_FILES for spec in needed.values())
            inputs = await asyncio.to_thread(prepared) if reads_files else prepared()
        except DefinitionError as error:
            told = "; ".join(problem.message.removeprefix("-i ") for problem in error.problems)
            raise StepError(
                f"The inputs for {pipeline.name} do not fit: {told}.",
                hint="Mend `with.inputs` of the step, or what it was made from.",
                code="PARAMETERS",
            ) from error
        return {**inputs, **ready}

    def _readable(self, pipeline: Pipeline, state: RunState) -> tuple[Path, ...]:
        """Where its files may lie: where both definitions may read, and beside the files that the caller was given."""
        own = self._roots or (Path(pipeline.folder), Path(state.pipeline.folder))
        specs = state.pipeline.inputs
        passed = (
            Path(path).parent
            for name, value in state.inputs.items()
            if name in specs
            for path in paths_in(specs[name].type, value)
        )
        return tuple(dict.fromkeys((*own, *passed)))

    async def _refuse_own_group(self, group: str | None, state: RunState) -> None:
        """A run that waits for a place which one of those has that wait for it would wait for ever."""
        above: tuple[str | None, RunId | None] = (state.group, state.id)
        while group is not None and above[1] is not None:
            if above[0] == group:
                raise StepError(
                    f"Its concurrency group {group!r} is that of run {above[1]}, which waits for it.",
                    hint="Give the group to the outer pipeline only.",
                    code="PARAMETERS",
                )
            summary = await self._store.summary(above[1])
            parent = (
                None
                if summary is None or summary.parent is None
                else await self._store.summary(summary.parent)
            )
            above = (None, None) if parent is None else (parent.group, parent.id)


def _located(value: Any, home: Path) -> Any:
    """A path that the caller wrote is looked for beside the caller first, then beside the pipeline that it is for."""
    match value:
        case str() if value and "\0" not in value and (home / value).is_file():
            return str(home / value)
        case list():
            return [_located(item, home) for item in value]
        case _:
            return value
