"""`orchestrator runs`: what became of runs, straight from the state."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import ConfigOption, JsonOption, StateOption

if TYPE_CHECKING:
    from orchestrator.cli.history import History

app = typer.Typer(help="Look at runs.")


class Status(StrEnum):
    """As `domain.run.RunStatus`, which would take pydantic with it."""

    CREATED = "created"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@app.command("list")
def list_(
    *,
    state: StateOption = None,
    status: Annotated[
        list[Status] | None,
        typer.Option(metavar="STATUS", help="Only these; may be repeated.", show_default=False),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="The runs of this one's rows.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many.", min=1, max=10_000)] = 50,
    cursor: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on after this run.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List runs, newest first.

    The runs of a table's rows only with --parent. With --json, one object a line.
    """
    from orchestrator.cli.history import list_runs

    _read(
        state,
        config,
        lambda history: list_runs(
            history, status=status or (), parent=parent, limit=limit, cursor=cursor or "", as_json=as_json
        ),
    )


@app.command("show")
def show(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Its id, the id's beginning, or its name.", show_default=False),
    ],
    *,
    state: StateOption = None,
    events: Annotated[bool, typer.Option("--events", help="Also print the journal.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show one run and its steps.

    With attempts, outputs and errors. Of several runs with the same name, the newest.
    """
    from orchestrator.cli.history import show_run

    _read(state, config, lambda history: show_run(history, run, events=events, as_json=as_json))


def _read(state: str | None, config: Path | None, work: "Callable[[History], Awaitable[None]]") -> None:
    from orchestrator.app import state_path
    from orchestrator.cli.history import History
    from orchestrator.cli.process import complete
    from orchestrator.cli.startup import start

    settings = start({"state": state}, config, quiet=True)

    async def read() -> None:
        async with History.at(state_path(settings)) as history:
            await work(history)

    complete(read())
