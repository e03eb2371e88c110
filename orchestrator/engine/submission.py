"""From a definition and its prepared inputs to what the engine is asked to run."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.definition.prepare import Prepared
from orchestrator.domain.pipeline import Pipeline
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.engine.run_keys import RunKeys

#: Larger files are told apart by size and time of change: hashing them twice would take longer than it is worth.
_HASHED_UP_TO = 64 * 1024**2


def submission(pipeline: Pipeline, prepared: Prepared, *, again: bool = False) -> Submission:
    """One run, or one with a child run for each row. Reads the input files: call it off the event loop."""
    rows = None
    uses = RunKeys(pipeline).uses_input
    if pipeline.rows is not None or prepared.rows:
        rows = [
            RowInput(row.name, row.inputs, row.row, _content(pipeline, row.inputs, uses))
            for row in prepared.rows
        ]
    return Submission(
        pipeline=pipeline,
        name=pipeline.name,
        inputs=prepared.inputs,
        content=_content(pipeline, prepared.inputs, uses),
        rows=rows,
        again=again,
    )


def content_of(pipeline: Pipeline, inputs: Mapping[str, Any]) -> str:
    """A fingerprint of the files among the inputs of one run. Reads them. Raises OSError."""
    return _content(pipeline, inputs, RunKeys(pipeline).uses_input)


def _content(pipeline: Pipeline, inputs: Mapping[str, Any], uses: Callable[[str], bool]) -> str:
    """A fingerprint of the files among the inputs: a changed picture makes a new video, an untouched one does not."""
    digest = hashlib.sha256()
    for name, spec in sorted(pipeline.inputs.items()):
        if spec.type == "file" and uses(name) and isinstance(path := inputs.get(name), str):
            digest.update(f"{name}\0{_fingerprint(Path(path))}\0".encode())
    return digest.hexdigest()


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    if stat.st_size > _HASHED_UP_TO:
        return f"{stat.st_size}/{stat.st_mtime_ns}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
