"""`orchestrator run`: a definition carried out in the foreground."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import (
    AssumeOption,
    BudgetOption,
    ConfigOption,
    InputsOption,
    JsonOption,
    LogLevelOption,
    PricesOption,
    RowsOption,
    StateOption,
)

if TYPE_CHECKING:
    from orchestrator.engine.reception import Submission


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
    budget: BudgetOption = None,
    prices: PricesOption = None,
    assume: AssumeOption = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the results of a table's rows go; beside the table if left out.",
            show_default=False,
        ),
    ] = None,
    no_results: Annotated[bool, typer.Option("--no-results", help="Write no table of results.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    log_level: LogLevelOption = None,
) -> int:
    """Run a definition until its end.

    With a table there is one run for each row. The same command goes on where a stopped or killed one was. Outputs go
    to stdout, a line each: NAME, OUTPUT and VALUE with tabs between; what came of a table's rows also to a table beside
    it, products.results.csv for products.csv.
    """
    from orchestrator.cli.foreground import prepared
    from orchestrator.cli.pipelines import problems_json
    from orchestrator.cli.places import ensure_writable
    from orchestrator.cli.process import StoppedError, complete
    from orchestrator.cli.run_here import run_here, show_outcome
    from orchestrator.cli.startup import key_values, start
    from orchestrator.definition.problems import DefinitionError

    settings = start({"state": state, "out": out, "log.level": log_level}, config, quiet=True)
    try:
        wanted = prepared(file, key_values(inputs), rows, settings, again=again)
        if budget is not None:
            from orchestrator.cli.plan import reckoning_of
            from orchestrator.cli.planned import stay_within

            stay_within(budget, wanted, settings, reckoning_of(prices, assume))
    except DefinitionError as error:
        output.note(error.message)
        output.complain(f"{_problems(len(error.errors))}; nothing was called.")
        if as_json:
            output.json_result(problems_json({str(file): error.problems}))
        return error.exit_code
    ensure_writable(settings.out, "The output folder", option="--out")
    target = None if no_results else _target(results, wanted)
    try:
        found = complete(run_here(settings, wanted, target, emulator=emulator))
    except StoppedError as error:
        output.note("stopped; the same command goes on from here")
        return error.exit_code
    show_outcome(found, as_json=as_json)
    return found.report.exit_code


def _target(results: Path | None, wanted: "Submission") -> Path | None:
    """Where the results of the rows go; None without rows. Raises UsageError."""
    from orchestrator.cli.result_tables import beside, check_target
    from orchestrator.errors import UsageError

    if wanted.table is None:
        if results is not None:
            raise UsageError("--results needs a table.", hint="Without one, the outputs go to stdout.")
        return None
    target = results or beside(wanted.table.path)
    check_target(target, wanted.table.path)
    return target


def _problems(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"
