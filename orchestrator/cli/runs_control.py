"""`orchestrator runs cancel|pause|resume|retry|replay|approve`: what people do with runs."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import (
    ConfigOption,
    DaemonOption,
    InputsOption,
    JsonOption,
    RunStatusOption,
    StateOption,
    Status,
)

if TYPE_CHECKING:
    from orchestrator.cli.runs_place import Place

_RUN = "Its id, the id's beginning, or a name that no other run has."
RunsArgument = Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help=_RUN, show_default=False)]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help=_RUN, show_default=False)]
PipelineOption = Annotated[
    str, typer.Option("--pipeline", metavar="NAME", help="All runs of this pipeline.", show_default=False)
]
ParentOption = Annotated[
    str | None,
    typer.Option("--parent", metavar="RUN", help="Among the runs of this one's rows.", show_default=False),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask before acting on what a filter finds.")
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Return when it has happened; exit code 1 if something else did.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, for the journal.", show_default=False)
]


def cancel(
    runs: RunsArgument = None,
    *,
    reason: ReasonOption = "",
    status: RunStatusOption = None,
    pipeline: PipelineOption = "",
    parent: ParentOption = None,
    yes: YesOption = False,
    wait: WaitOption = False,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """End runs before they are done.

    What they wait for is called off, a video that still waits at the provider included; then `finally` runs. Rows end
    with their table.
    """
    from orchestrator.cli import runs_acting as acting

    which = acting.Which(runs or (), status or (), pipeline, parent, yes)
    verb = acting.cancel(reason)
    return _at(
        state, daemon, config, lambda place: acting.carry_out(place, which, verb, wait=wait, as_json=as_json)
    )


def pause(
    runs: RunsArgument = None,
    *,
    reason: ReasonOption = "",
    status: RunStatusOption = None,
    pipeline: PipelineOption = "",
    parent: ParentOption = None,
    yes: YesOption = False,
    wait: WaitOption = False,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Let runs begin nothing new.

    What is under way ends, and a video that was ordered is made. `runs resume` lets them go on.
    """
    from orchestrator.cli import runs_acting as acting

    which = acting.Which(runs or (), status or (), pipeline, parent, yes)
    verb = acting.pause(reason)
    return _at(
        state, daemon, config, lambda place: acting.carry_out(place, which, verb, wait=wait, as_json=as_json)
    )


def resume(
    runs: RunsArgument = None,
    *,
    status: RunStatusOption = None,
    pipeline: PipelineOption = "",
    parent: ParentOption = None,
    yes: YesOption = False,
    wait: WaitOption = False,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Let paused runs go on.

    Also those that paused themselves, because the quota or the provider has to be seen to first; their held steps are
    tried again.
    """
    from orchestrator.cli import runs_acting as acting

    which = acting.Which(runs or (), status or (), pipeline, parent, yes)
    verb = acting.RESUME
    return _at(
        state, daemon, config, lambda place: acting.carry_out(place, which, verb, wait=wait, as_json=as_json)
    )


def retry(
    runs: RunsArgument = None,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", help="All failed runs: short for --status failed.")
    ] = False,
    status: RunStatusOption = None,
    pipeline: PipelineOption = "",
    parent: ParentOption = None,
    yes: YesOption = False,
    wait: WaitOption = False,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Let failed runs go on from the steps that failed.

    What is done stays done. Of a run with a table, all failed rows; a single row by its own id.
    """
    from orchestrator.cli import runs_acting as acting

    which = acting.Which(
        runs or (), [*(status or ()), *([Status.FAILED] if failed else [])], pipeline, parent, yes
    )
    verb = acting.RETRY
    return _at(
        state, daemon, config, lambda place: acting.carry_out(place, which, verb, wait=wait, as_json=as_json)
    )


def replay(
    run: RunArgument,
    *,
    inputs: InputsOption = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="DEFINITION",
            help="Definition in the place of the run's own.",
            show_default=False,
        ),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="STEP", help="Do this step and all behind it anew.", show_default=False
        ),
    ] = None,
    wait: WaitOption = False,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Run anew what has been run, with something mended.

    Begins a new run with the given inputs or definition changed. Steps that would do the same as before are kept, so
    that nothing is paid for twice. Relative paths start at the folder of the run's own definition.
    """
    from orchestrator.cli import runs_acting as acting
    from orchestrator.cli.startup import key_values

    verb = acting.replay(key_values(inputs), None if file is None else acting.definition(file), first)
    which = acting.Which((run,))
    return _at(
        state, daemon, config, lambda place: acting.carry_out(place, which, verb, wait=wait, as_json=as_json)
    )


def approve(
    run: RunArgument,
    *,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="STEP", help="Which, if several wait for it.", show_default=False),
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Say no: the step fails.")] = False,
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="What there is to say.", show_default=False)
    ] = "",
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Whose word it is; yours.", show_default=False)
    ] = "",
    wait: WaitOption = False,
    state: StateOption = None,
    daemon: DaemonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Give a step the word that it waits for."""
    from orchestrator.cli import runs_acting as acting

    verb = acting.approve(step, approved=not reject, by=by, comment=comment)
    which = acting.Which((run,))
    return _at(
        state, daemon, config, lambda place: acting.carry_out(place, which, verb, wait=wait, as_json=as_json)
    )


def _at(
    state: str | None,
    daemon: str | None,
    config: Path | None,
    work: "Callable[[Place], Coroutine[Any, Any, int]]",
) -> int:
    from orchestrator.cli.process import complete
    from orchestrator.cli.runs_place import controlling
    from orchestrator.cli.startup import start

    settings = start({"state": state}, config, quiet=True)

    async def act() -> int:
        async with controlling(settings, daemon) as place:
            return await work(place)

    return complete(act())
