"""`orchestrator runs results`: what came of a table's rows, as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import ConfigOption, DaemonOption, JsonOption, StateOption

if TYPE_CHECKING:
    from orchestrator.server.reads import RunReader


def results(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Its id, the id's beginning, or its name.", show_default=False),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to: .csv, .tsv, .xlsx or .jsonl; NAME.results.csv if left out.",
            show_default=False,
        ),
    ] = None,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write what has come of a table's rows so far.

    The columns of the table, then status, error and id of each row's run and its outputs, as `orchestrator run` writes
    them beside the table. Prints the file's name; an older file is replaced.
    """
    from orchestrator.cli.process import complete
    from orchestrator.cli.runs_place import reading
    from orchestrator.cli.startup import start

    settings = start({"state": state}, config, quiet=True)

    async def write() -> tuple[Path, int]:
        async with reading(settings, daemon) as (reads, _):
            return await _write(reads, run, out)

    path, rows = complete(write())
    if as_json:
        output.json_result({"path": str(path), "rows": rows}, one_line=True)
    else:
        output.result(str(path))


async def _write(reads: "RunReader", wanted: str, out: Path | None) -> tuple[Path, int]:
    from orchestrator.cli.history import find
    from orchestrator.cli.places import reason
    from orchestrator.cli.result_tables import check_target, write_results
    from orchestrator.errors import UsageError

    found = await find(reads, wanted)
    target = out or Path(f"{found.name}.results.csv")
    check_target(target, None)
    try:
        return target, await write_results(reads, found.id, None, target)
    except OSError as error:
        raise UsageError(
            f"The results cannot be written to {target}: {reason(error)}.", hint="Choose another --out."
        ) from error
