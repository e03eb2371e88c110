"""`orchestrator config`: the effective settings."""

from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import ConfigOption, JsonOption

app = typer.Typer(help="Look at the settings.", no_args_is_help=False)


@app.command("show")
def show(
    *,
    origin: Annotated[bool, typer.Option("--origin", help="Also say where each value came from.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every effective setting, secrets hidden."""
    from orchestrator.app import checked_limits
    from orchestrator.settings import Settings

    settings = Settings.load({}, config)
    checked_limits(settings)
    origins = settings.origins
    shown = settings.shown()
    if as_json:
        output.json_result(
            {
                name: {"value": value, "origin": origins[name]} if origin else value
                for name, value in shown.items()
            }
        )
        return
    name_width = max(map(len, shown))
    value_width = min(48, max(map(len, shown.values())))
    for name, value in shown.items():
        line = (
            f"{name:<{name_width}}  {value:<{value_width}}  {origins[name]}"
            if origin
            else f"{name:<{name_width}}  {value}"
        )
        output.result(line.rstrip())
