"""What a replay is to change, checked before a new run begins."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.loader import check_text
from orchestrator.definition.prepare import prepare
from orchestrator.definition.problems import DefinitionError
from orchestrator.domain.ids import RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState
from orchestrator.engine.control import unknown
from orchestrator.engine.loading import load_state
from orchestrator.store.base import Store


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition's text; `name` is what problems in it are reported under."""

    text: str
    name: str = "definition"


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the run that is replayed; None: nothing."""

    pipeline: Pipeline | None
    inputs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Replays:
    """Reads what somebody wants to change."""

    store: Store
    kinds: StepKinds
    region: str
    #: Folders that inputs may name files in; none: the definition's own.
    roots: Sequence[Path] = ()

    async def changes(
        self, run_id: RunId, *, inputs: Mapping[str, Any], definition: Definition | None
    ) -> Changes:
        """The changed definition, and the inputs that get another value, or one for the first time.

        Relative paths start at the folder of the run's own definition, also in a changed one. Raises UnknownRunError,
        and DefinitionError with all mistakes.
        """
        state = await load_state(self.store, run_id, {})
        if state is None:
            raise unknown(run_id)
        return await asyncio.to_thread(self._read, state, inputs, definition)

    def _read(self, state: RunState, given: Mapping[str, Any], definition: Definition | None) -> Changes:
        changed = None
        if definition is not None:
            changed, problems = check_text(
                definition.text.encode(),
                self.kinds,
                file=definition.name,
                folder=Path(state.pipeline.folder),
                roots=self.roots,
            )
            if changed is None:
                raise DefinitionError(problems)
        pipeline = changed or state.pipeline
        # What the run has already was checked when it began; here its absence is no mistake.
        kept = state.inputs.keys() - given.keys()
        asked = {
            name: replace(spec, required=False, default=None) if name in kept else spec
            for name, spec in pipeline.inputs.items()
        }
        read = prepare(
            replace(pipeline, rows=None, inputs=asked), given, region=self.region, roots=self.roots
        ).inputs
        new = {name: value for name, value in read.items() if name not in kept}
        return Changes(changed, new or None)
