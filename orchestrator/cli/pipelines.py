"""`orchestrator validate` and `orchestrator schema`: definitions, without calling anything."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import ConfigOption, InputsOption, JsonOption, RowsOption
from orchestrator.cli.problem_formats import github, once, problems_json, sarif, summary
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.definition.problems import Problem

__all__ = ["problems_json", "schema", "validate"]


class Format(StrEnum):
    """How problems are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def validate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Definitions, or folders of them.", show_default=False),
    ] = None,
    *,
    inputs: InputsOption = None,
    rows: RowsOption = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="REGION", help="Where it is to run.", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 2 for warnings, too.")] = False,
    form: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help="text, json, sarif or github.")
    ] = Format.TEXT,
    as_json: JsonOption = False,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", metavar="CODE", help="Say what a code means, with examples.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Check definitions; nothing is called.

    With them, the inputs, rows and files that are named there or given here. Each problem is a line of stdout: FILE:LINE:COLUMN: CODE MESSAGE.
    Exit code 2 with an error; warnings alone change it only with --strict.
    """
    if explain is not None:
        from orchestrator.definition.rules import explained

        output.result(explained(explain))
        return 0
    if not files:
        raise UsageError("No definition is named.", hint="Write orchestrator validate FILE.")
    from orchestrator.cli.checking import checked, definitions
    from orchestrator.cli.startup import key_values, start

    settings = start({"region": region}, config, quiet=True)
    given = key_values(inputs)
    found = {
        str(file): checked(file, given, rows, settings, runs=False).problems for file in definitions(files)
    }
    _show(found, Format.JSON if as_json else form)
    problems = [problem for some in found.values() for problem in some]
    return 2 if any(strict or problem.severity == "error" for problem in problems) else 0


def _show(found: "Mapping[str, Sequence[Problem]]", form: Format) -> None:
    match form:
        case Format.JSON:
            output.json_result(problems_json(found))
        case Format.SARIF:
            output.json_result(sarif(found))
        case Format.GITHUB:
            for line in github(found):
                output.result(line)
            output.note(summary(found))
        case Format.TEXT:
            from orchestrator.definition.problems import lines

            for line in lines(once(found)):
                output.result(line)
            output.note(summary(found))


def schema(
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write it to a file.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of definitions.

    Draft-07, for editors: it completes and checks keys, step kinds and their parameters.
    """
    from orchestrator.app import kind_infos
    from orchestrator.definition.schema import definition_schema

    document = definition_schema(kind_infos())
    if out is None:
        output.json_result(document)
        return
    from orchestrator.cli.places import reason

    try:
        out.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{out} cannot be written: {reason(error)}.", hint="Choose another --out."
        ) from error
    output.note(f"Written to {out}. In a definition: # yaml-language-server: $schema={out}")
