"""Options that several commands share, each written once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

LogLevel = Literal["debug", "info", "warning", "error"]


class Status(StrEnum):
    """As `domain.run.RunStatus`, which would take pydantic with it."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file.", show_default=False)
]
StateOption = Annotated[
    str | None,
    typer.Option("--state", metavar="URL", help="Where runs are kept: sqlite:///PATH.", show_default=False),
]
DaemonOption = Annotated[
    str | None,
    typer.Option(
        "--daemon",
        metavar="URL",
        help="Ask the daemon with this admin address, whatever the state.",
        show_default=False,
    ),
]
RunStatusOption = Annotated[
    list[Status] | None,
    typer.Option("--status", metavar="STATUS", help="Only these; may be repeated.", show_default=False),
]
LogLevelOption = Annotated[
    LogLevel | None,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        help="Least level logged to stderr: debug, info, warning or error.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
InputsOption = Annotated[
    list[str] | None,
    typer.Option("-i", "--input", metavar="KEY=VALUE", help="An input; may be repeated.", show_default=False),
]
RowsOption = Annotated[
    Path | None,
    typer.Option("--rows", metavar="TABLE", help="Table with a run in each row.", show_default=False),
]
PricesOption = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="Price file: what your contract says. Default: the setting `prices`.",
        show_default=False,
    ),
]
BudgetOption = Annotated[
    float | None,
    typer.Option(
        "--budget",
        metavar="AMOUNT",
        min=0,
        help="Refuse (exit code 2) unless it surely costs no more, in the price file's currency.",
        show_default=False,
    ),
]
AssumeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--assume",
        metavar="STEP=NUMBER",
        help="How many items, or minutes, to reckon with where only the run will know; may be repeated.",
        show_default=False,
    ),
]
