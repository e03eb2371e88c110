"""Options that several commands share, each written once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

LogLevel = Literal["debug", "info", "warning", "error"]

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file.", show_default=False)
]
StateOption = Annotated[
    str | None,
    typer.Option("--state", metavar="URL", help="Where runs are kept: sqlite:///PATH.", show_default=False),
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
