"""From a definition and its prepared inputs to what the engine is asked to run."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.definition.prepare import Prepared, PreparedRow
from orchestrator.domain.input_files import paths_in
from orchestrator.domain.pipeline import Pipeline
from orchestrator.engine.groups import GroupNameError, group_of
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.engine.run_keys import RunKeys

#: Larger files are told apart by size and time of change: hashing them twice would take longer than it is worth.
_HASHED_UP_TO = 64 * 1024**2


def submission(pipeline: Pipeline, prepared: Prepared, *, again: bool = False) -> Submission:
    """One run, or one with a child run for each row. Reads the input files: call it off the event loop.

    Raises GroupNameError for a row whose concurrency group has no name.
    """
    rows = None
    # Rows share files: each is read once.
    seen: dict[str, str] = {}
    uses = RunKeys(pipeline).uses_input
    if pipeline.rows is not None or prepared.rows:
        for row in prepared.rows if pipeline.group else ():
            _check_group(pipeline, row)
        rows = [
            RowInput(row.name, row.inputs, row.row, _content(pipeline, row.inputs, uses, seen))
            for row in prepared.rows
        ]
    return Submission(
        pipeline=pipeline,
        name=pipeline.name,
        inputs=prepared.inputs,
        content=_content(pipeline, prepared.inputs, uses, seen),
        rows=rows,
        again=again,
        table=prepared.table,
    )


def _check_group(pipeline: Pipeline, row: PreparedRow) -> None:
    try:
        group_of(pipeline, row.inputs, row.row)
    except GroupNameError as error:
        raise GroupNameError(f"Row {row.name}: {error.message}", hint=error.hint) from error


def content_of(pipeline: Pipeline, inputs: Mapping[str, Any]) -> str:
    """A fingerprint of the files among the inputs of one run. Reads them. Raises OSError."""
    return _content(pipeline, inputs, RunKeys(pipeline).uses_input, {})


def _content(
    pipeline: Pipeline, inputs: Mapping[str, Any], uses: Callable[[str], bool], seen: dict[str, str]
) -> str:
    """A fingerprint of the files among the inputs: a changed picture makes a new video, an untouched one does not.

    `seen`: those of single files, by path.
    """
    digest = hashlib.sha256()
    for name, spec in sorted(pipeline.inputs.items()):
        for path in paths_in(spec.type, inputs.get(name)) if uses(name) else ():
            if path not in seen:
                seen[path] = _fingerprint(Path(path))
            digest.update(f"{name}\0{seen[path]}\0".encode())
    for step in pipeline.all_steps:
        if step.pipeline is not None:
            digest.update(_defaults_of(step.pipeline).encode())
    return digest.hexdigest()


def _defaults_of(pipeline: Pipeline) -> str:
    """The same for the files that a sub-pipeline takes when it is not told otherwise."""
    home = Path(pipeline.folder)
    files = {
        name: str(home / spec.default)
        for name, spec in pipeline.inputs.items()
        if spec.type == "file" and isinstance(spec.default, str) and (home / spec.default).is_file()
    }
    return content_of(pipeline, files)


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    if stat.st_size > _HASHED_UP_TO:
        return f"{stat.st_size}/{stat.st_mtime_ns}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
