"""`orchestrator validate` and `orchestrator schema`: definitions, without calling anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import output
from orchestrator.cli.options import ConfigOption, InputsOption, JsonOption, RowsOption

if TYPE_CHECKING:
    from orchestrator.definition.problems import Problem
    from orchestrator.settings import Settings


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Definitions.", show_default=False)],
    *,
    inputs: InputsOption = None,
    rows: RowsOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Check definitions; nothing is called.

    With them, the inputs, rows and files that are named there or given here. Each mistake is a line of stdout: FILE:LINE:COLUMN: CODE MESSAGE.
    """
    from orchestrator.cli.startup import key_values, start

    settings = start({}, config, quiet=True)
    given = key_values(inputs)
    found = {str(file): _problems(file, given, rows, settings) for file in files}
    total = sum(map(len, found.values()))
    if as_json:
        output.json_result(problems_json(found))
    else:
        for problems in found.values():
            for problem in problems:
                output.result(str(problem))
        output.note(_summary(found, total))
    return 2 if total else 0


def schema() -> None:
    """Print the JSON Schema of definitions.

    Draft-07, for editors: it completes and checks keys.
    """
    from orchestrator.app import kind_infos
    from orchestrator.definition.schema import definition_schema

    output.json_result(definition_schema(kind_infos()))


def problems_json(found: "Mapping[str, Sequence[Problem]]") -> dict[str, Any]:
    """The mistakes by the file that was asked for, as `--json` shows them."""
    return {
        "valid": not any(found.values()),
        "files": [
            {"file": file, "problems": [_as_json(problem) for problem in problems]}
            for file, problems in found.items()
        ],
    }


def _problems(file: Path, given: dict[str, str], rows: Path | None, settings: "Settings") -> "list[Problem]":
    from orchestrator.app import kind_infos
    from orchestrator.definition.loader import check
    from orchestrator.definition.prepare import prepare
    from orchestrator.definition.problems import DefinitionError

    pipeline, problems = check(file, kind_infos())
    if pipeline is None:
        return problems
    if not (given or rows or (pipeline.rows and pipeline.rows.from_)):
        return []  # what it will be given is not known yet
    try:
        prepare(pipeline, given, rows, region=settings.region, roots=settings.files.roots, file=file)
    except DefinitionError as error:
        return list(error.problems)
    return []


def _as_json(problem: "Problem") -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line or None,
        "column": problem.col or None,
        "code": str(problem.code),
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def _summary(found: "dict[str, list[Problem]]", total: int) -> str:
    files = "1 file" if len(found) == 1 else f"{len(found)} files"
    if not total:
        return f"{files}: no problems"
    problems = "1 problem" if total == 1 else f"{total} problems"
    return f"{files}: {problems}"
