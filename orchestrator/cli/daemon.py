"""`orchestrator daemon`: the long-lived process."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import output
from orchestrator.cli.options import ConfigOption, JsonOption, LogLevelOption, StateOption

if TYPE_CHECKING:
    from orchestrator.app import Application


def daemon(
    *,
    state: StateOption = None,
    emulator: Annotated[
        bool, typer.Option("--emulator", help="Let an emulator in this process play MetaStudio.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    log_level: LogLevelOption = None,
) -> int:
    """Work on and on, with a dashboard.

    Takes up unfinished runs, receives callbacks and serves the dashboard, until SIGTERM or Ctrl-C. The first line of
    stdout says that it is ready, and under which addresses.
    """
    import asyncio
    import contextlib

    from orchestrator.app import application
    from orchestrator.cli.process import StoppedError, complete
    from orchestrator.cli.startup import start

    settings = start({"state": state, "log.level": log_level}, config)

    async def serve() -> None:
        async with application(settings, emulator=emulator, admin=True, everything=True) as app:
            _ready(app, as_json=as_json)
            # Being stopped is its proper end; failing is not.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(app.engine.failed)

    with contextlib.suppress(StoppedError):
        complete(serve())
    return 0


def _ready(app: "Application", *, as_json: bool) -> None:
    endpoint = app.emulator.endpoint if app.emulator else None
    if as_json:
        facts: dict[str, Any] = {
            "dashboard": app.admin_url,
            "callbacks": app.public_url,
            "state": app.settings.shown()["state"],
            "emulator": endpoint,
            "resumed": app.resumed,
        }
        output.json_result(facts, one_line=True)
        return
    parts = [
        f"dashboard {app.admin_url}",
        f"callbacks {app.public_url}",
        f"state {app.settings.shown()['state']}",
    ]
    if endpoint:
        parts.append(f"emulator {endpoint}")
    if app.resumed:
        parts.append(f"unfinished runs taken up: {app.resumed:,}")
    output.result(f"ready: {', '.join(parts)}")
