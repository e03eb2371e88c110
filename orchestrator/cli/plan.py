"""`orchestrator plan`: what a definition would do, cost and take."""

from enum import StrEnum
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
    PricesOption,
    RowsOption,
    StateOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.cli.planned import Reckoning
    from orchestrator.definition.problems import DefinitionError


class Format(StrEnum):
    """How the graph is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"


def plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Definition.", show_default=False)],
    *,
    inputs: InputsOption = None,
    rows: RowsOption = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="REGION", help="Whose quota counts. Default: the setting.", show_default=False),
    ] = None,
    prices: PricesOption = None,
    budget: BudgetOption = None,
    assume: AssumeOption = None,
    render_factor: Annotated[
        float, typer.Option(metavar="X", min=0, help="Minutes that making a minute of video takes.")
    ] = 1.0,
    again: Annotated[bool, typer.Option("--again", help="As if nothing had been done yet.")] = False,
    form: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help="text; or the graph alone: mermaid, dot.")
    ] = Format.TEXT,
    state: StateOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Say what a definition would do, cost and take; nothing is called.

    The steps as a graph, the runs and which of them are done already, the calls of each operation, minutes of video, the
    resource types, the price if there is a price file, the time under the quota and its bottleneck. What only the run
    will know is said to be open.
    """
    from orchestrator.cli.pipelines import problems_json
    from orchestrator.cli.plan_shown import plan_json, show
    from orchestrator.cli.planned import plan_for
    from orchestrator.cli.startup import key_values, start
    from orchestrator.definition.problems import DefinitionError
    from orchestrator.planning.budget import OverBudgetError, check_budget

    settings = start({"state": state, "region": region}, config, quiet=True)
    reckoning = reckoning_of(prices, assume, render_factor)
    try:
        if form is not Format.TEXT:
            _draw(file, form, settings.files.roots)
            return 0
        from orchestrator.cli.checking import checked, wanted

        review = checked(file, key_values(inputs), rows, settings, values=True, runs=False)
        found = plan_for(wanted(review, again=again), settings, reckoning)
    except DefinitionError as error:
        output.note(error.message)
        output.complain(_unplanned(error))
        if as_json:
            output.json_result(problems_json({str(file): error.problems}))
        return error.exit_code
    if as_json:
        output.json_result(plan_json(found, render_factor))
    else:
        show(found, render_factor)
    if budget is not None:
        try:
            check_budget(found, budget)
        except OverBudgetError as error:
            output.complain(error.message, error.hint)
            return error.exit_code
    return 0


def reckoning_of(prices: Path | None, assume: list[str] | None, render_factor: float = 1.0) -> "Reckoning":
    """What the options say. Raises UsageError for an assumption that is no number."""
    from orchestrator.cli.planned import Reckoning
    from orchestrator.errors import UsageError

    assumed: dict[str, float] = {}
    for text in assume or ():
        step, _, number = text.partition("=")
        try:
            assumed[step.strip()] = float(number)
        except ValueError:
            raise UsageError(
                f"--assume {text!r} is not STEP=NUMBER.", hint="Write --assume video=3."
            ) from None
    return Reckoning(prices, render_factor, assumed)


def _unplanned(error: "DefinitionError") -> str:
    from orchestrator.cli.progress.words import count
    from orchestrator.definition.problems import RowProblem

    found = error.errors
    rows = {(one.file, one.line) for one in found if isinstance(one, RowProblem)}
    where = f", in {count(len(rows), 'row')}" if rows else ""
    return f"{count(len(found), 'problem')}{where}; there is no plan before that is mended."


def _draw(file: Path, form: Format, roots: "Sequence[Path]") -> None:
    from orchestrator.app import kind_infos
    from orchestrator.definition.loader import load
    from orchestrator.planning.graph import dot, mermaid

    pipeline = load(file, kinds=kind_infos(), roots=roots)
    output.result(mermaid(pipeline) if form is Format.MERMAID else dot(pipeline))
