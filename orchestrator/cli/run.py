"""`orchestrator run`: a definition carried out in the foreground."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import output
from orchestrator.cli.options import (
    ConfigOption,
    InputsOption,
    JsonOption,
    LogLevelOption,
    RowsOption,
    StateOption,
)

if TYPE_CHECKING:
    from orchestrator.cli.results import Report
    from orchestrator.engine.reception import Submission
    from orchestrator.settings import Settings


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Definition to run.", show_default=False)],
    *,
    inputs: InputsOption = None,
    rows: RowsOption = None,
    emulator: Annotated[
        bool, typer.Option("--emulator", help="Let an emulator in this process play MetaStudio.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where finished files go.", show_default=False)
    ] = None,
    state: StateOption = None,
    again: Annotated[bool, typer.Option("--again", help="Run even if the same has been done.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    log_level: LogLevelOption = None,
) -> int:
    """Run a definition until its end.

    With a table there is one run for each row. The same command goes on where a stopped or killed one was. Outputs go
    to stdout, a line each: NAME, OUTPUT and VALUE with tabs between.
    """
    from orchestrator.cli.foreground import prepared
    from orchestrator.cli.pipelines import problems_json
    from orchestrator.cli.places import ensure_writable
    from orchestrator.cli.process import StoppedError, complete
    from orchestrator.cli.startup import key_values, start
    from orchestrator.definition.problems import DefinitionError

    settings = start({"state": state, "out": out, "log.level": log_level}, config, quiet=True)
    try:
        wanted = prepared(file, key_values(inputs), rows, settings, again=again)
    except DefinitionError as error:
        output.note(error.message)
        output.complain(f"{_problems(len(error.problems))}; nothing was called.")
        if as_json:
            output.json_result(problems_json({str(file): error.problems}))
        return error.exit_code
    ensure_writable(settings.out, "The output folder", option="--out")
    try:
        found, emulated = complete(_run(settings, wanted, emulator=emulator))
    except StoppedError as error:
        output.note("stopped; the same command goes on from here")
        return error.exit_code
    _show(found, emulated, as_json=as_json)
    return found.exit_code


async def _run(
    settings: "Settings", wanted: "Submission", *, emulator: bool
) -> "tuple[Report, dict[str, Any] | None]":
    from orchestrator.app import application
    from orchestrator.cli.foreground import carry, emulator_part

    async with application(settings, emulator=emulator) as app:
        if app.emulator is not None:
            output.note(f"emulator: {app.emulator.endpoint}")
        found = await carry(app, wanted)
        return found, await emulator_part(app)


def _show(found: "Report", emulated: dict[str, Any] | None, *, as_json: bool) -> None:
    from orchestrator.cli.foreground import totals_line
    from orchestrator.cli.results import show

    if as_json:
        output.json_result({**found.to_json(), "emulator": emulated})
    else:
        show(found)
    if emulated is not None:
        output.note(totals_line(emulated["stats"]))


def _problems(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"
