"""`orchestrator runs`: what became of runs, and what is to become of them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from orchestrator.cli import runs_control, runs_results
from orchestrator.cli.options import ConfigOption, DaemonOption, JsonOption, RunStatusOption, StateOption

if TYPE_CHECKING:
    from orchestrator.cli.daemon_client import DaemonClient
    from orchestrator.server.reads import RunReader

T = TypeVar("T")

app = typer.Typer(help="Look at runs, and steer them.")

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Its id, the id's beginning, or its name.", show_default=False)
]


@app.command("list")
def list_(
    *,
    state: StateOption = None,
    daemon: DaemonOption = None,
    status: RunStatusOption = None,
    pipeline: Annotated[
        str, typer.Option(metavar="NAME", help="Only runs of this pipeline.", show_default=False)
    ] = "",
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Only runs of this name.", show_default=False)
    ] = "",
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
        daemon,
        config,
        lambda reads, _: list_runs(
            reads,
            status=status or (),
            parent=parent,
            limit=limit,
            cursor=cursor or "",
            as_json=as_json,
            pipeline=pipeline,
            name=name,
        ),
    )


@app.command("show")
def show(
    run: RunArgument,
    *,
    state: StateOption = None,
    daemon: DaemonOption = None,
    events: Annotated[bool, typer.Option("--events", help="Also print the journal.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show one run and its steps.

    With attempts, outputs, errors, and what they wait for. Of several runs with the same name, the newest.
    """
    from orchestrator.cli.history import show_run

    _read(state, daemon, config, lambda reads, _: show_run(reads, run, events=events, as_json=as_json))


@app.command("logs")
def logs(
    run: RunArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until the run is over.")
    ] = False,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Print a run's journal, a line an event.

    With errors, what to do about them, and request ids.
    """
    from orchestrator.cli.process import StoppedError
    from orchestrator.cli.runs_watching import show_logs

    try:
        _read(
            state,
            daemon,
            config,
            lambda reads, near: show_logs(reads, near, run, follow=follow, as_json=as_json),
        )
    except StoppedError as stopped:
        return stopped.exit_code
    return 0


@app.command("watch")
def watch(
    run: RunArgument,
    *,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Watch a run until it is over.

    Exit code 1 unless it succeeded. Where stdout is no terminal, a line a change; with --json, an object a line.
    """
    from orchestrator.cli.process import StoppedError
    from orchestrator.cli.runs_watching import watch_run

    try:
        status = _read(
            state, daemon, config, lambda reads, near: watch_run(reads, near, run, as_json=as_json)
        )
    except StoppedError as stopped:
        return stopped.exit_code
    return 0 if status.value == "succeeded" else 1


app.command("results")(runs_results.results)
app.command("cancel")(runs_control.cancel)
app.command("pause")(runs_control.pause)
app.command("resume")(runs_control.resume)
app.command("retry")(runs_control.retry)
app.command("replay")(runs_control.replay)
app.command("approve")(runs_control.approve)


def _read(
    state: str | None,
    daemon: str | None,
    config: Path | None,
    work: "Callable[[RunReader, DaemonClient | None], Awaitable[T]]",
) -> T:
    from orchestrator.cli.process import complete
    from orchestrator.cli.runs_place import reading
    from orchestrator.cli.startup import start

    settings = start({"state": state}, config, quiet=True)

    async def read() -> T:
        async with reading(settings, daemon) as (reads, near):
            return await work(reads, near)

    return complete(read())
