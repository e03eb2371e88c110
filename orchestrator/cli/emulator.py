"""`orchestrator emulator`: MetaStudio on this machine."""

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import output
from orchestrator.cli.options import LogLevel
from orchestrator.errors import UnreachableError, UsageError

if TYPE_CHECKING:
    from orchestrator.emulator.faults import FaultPlan

Region = Literal["cn-north-4", "cn-east-3", "ap-southeast-3"]
CallbackTime = Literal["decimal", "hex"]


def emulator(
    *,
    port: Annotated[
        int, typer.Option(metavar="N", help="Port of the API; 0 takes a free one.", min=0, max=65535)
    ] = 0,
    region: Annotated[Region, typer.Option(help="Whose rate table holds.")] = "cn-north-4",
    seed: Annotated[int, typer.Option(metavar="N", help="Keys, ids and faults follow from it.")] = 0,
    speed: Annotated[
        float, typer.Option(metavar="X", help="How much faster than real its time passes.", min=0.01)
    ] = 1.0,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plan of faults (YAML or JSON).", show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep its world here, across restarts.", show_default=False),
    ] = None,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="Lift the rate table.")] = False,
    callback_time: Annotated[
        CallbackTime, typer.Option(help="How the time that callbacks sign is written.")
    ] = "decimal",
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", metavar="LEVEL", help="Least level logged to stderr.")
    ] = "warning",
) -> int:
    """Play MetaStudio on this machine.

    Until SIGTERM or Ctrl-C. The first line of stdout is a JSON object with the endpoint and credentials.
    """
    import asyncio
    import contextlib

    from orchestrator.cli.places import ensure_writable
    from orchestrator.cli.process import complete
    from orchestrator.cli.startup import configure_logs
    from orchestrator.emulator.config import EmulatorConfig
    from orchestrator.emulator.server import EmulatorServer

    configure_logs(log_level)
    if data is not None:
        ensure_writable(data, "The emulator's folder", option="--data")
    settings = EmulatorConfig(
        port=port,
        region=region,
        seed=seed,
        speed=speed,
        data_dir=data,
        faults=None if faults is None else _plan(faults),
        limits=not no_limits,
        callback_time=callback_time,
    )

    async def serve() -> None:
        async with EmulatorServer(settings) as server:
            output.json_result(server.hello, one_line=True)
            output.note(f"page: {server.endpoint}/_emulator/")
            # Being stopped is its proper end.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    try:
        complete(serve())
    except UsageError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            raise UnreachableError(
                f"Port {port} is in use.", hint="Choose another --port; 0 takes a free one."
            ) from error
        raise
    return 0


def _plan(path: Path) -> "FaultPlan":
    from orchestrator.emulator.faults import FaultPlan, FaultPlanError

    try:
        return FaultPlan.load(path)
    except FaultPlanError as error:
        raise FaultPlanError(
            error.message,
            hint='How a plan is written stands in docs/howto/rehearse-with-the-emulator.md, under "With faults".',
        ) from error.__cause__
