"""`orchestrator demo`: the whole, on this machine, without an account."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import ConfigOption, JsonOption, LogLevelOption


def demo(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the videos go.")] = Path("demo-output"),
    rows: Annotated[int, typer.Option(metavar="N", help="How many products.", min=1, max=100_000)] = 3,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Keep dashboard and emulator up until Ctrl-C. The state stays, too, as state-… in the folder of --out.",
        ),
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    log_level: LogLevelOption = None,
) -> int:
    """Make three videos, no account needed.

    The sample pipeline runs with an emulator in the place of MetaStudio. Ends with the videos' paths; each was opened
    and a picture of it decoded.
    """
    from orchestrator.cli.demonstration import demonstrate
    from orchestrator.cli.process import StoppedError, complete

    try:
        return complete(
            demonstrate(out, rows, keep=keep, as_json=as_json, config=config, log_level=log_level)
        )
    except StoppedError as error:
        output.note("stopped; the next demo begins anew")
        return error.exit_code
