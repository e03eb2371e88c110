"""Makes the new run of a replay."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState
from orchestrator.engine import replays
from orchestrator.engine.control import ControlError
from orchestrator.engine.reception import Reception
from orchestrator.engine.submission import content_of


class Replaying:
    """Reads files, off the event loop."""

    def __init__(self, reception: Reception, leaves: Callable[[str], str | None]) -> None:
        """`leaves` names the output of a step kind that holds a file's path, if it leaves one."""
        self._reception, self._leaves = reception, leaves

    async def replay(
        self, old: RunState, pipeline: Pipeline | None, inputs: Mapping[str, Any], first: StepId | None
    ) -> RunId:
        """As `Control.replay`."""
        pipeline = pipeline or old.pipeline
        replays.check(old, pipeline, inputs, first)
        wanted = {**{name: value for name, value in old.inputs.items() if name in pipeline.inputs}, **inputs}
        new = RunState(old.id, pipeline)
        new.name, new.inputs, new.row, new.out = old.name, wanted, old.row, old.out

        def compare() -> tuple[str, list[ev.StepReused]]:
            found = replays.kept(old, new, self._leaves, first=first, modified_at=_modified_at)
            return content_of(pipeline, wanted), list(found)

        try:
            content, kept = await asyncio.to_thread(compare)
        except OSError as error:
            raise ControlError(
                f"The file {error.filename} cannot be read: {error.strerror}.",
                hint="Put it back, or replay the run with another one (-i).",
            ) from error
        return await self._reception.replay(old, pipeline, wanted, content, kept)


def _modified_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.is_file() else None
    except (OSError, ValueError):
        return None
