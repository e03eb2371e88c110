"""The command `orchestrator`: its verbs, and the one place where errors become messages and exit codes."""

import io
import sys
from typing import Annotated

import typer

from orchestrator import __version__
from orchestrator.cli import config, daemon, demo, emulator, output, pipelines, runs
from orchestrator.cli import run as run_verb
from orchestrator.errors import OrchestratorError

app = typer.Typer(
    name="orchestrator",
    # Plain help: the rich one would triple the time it takes to appear.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(argv: list[str]) -> int:
    """Carry out a command line (without the program's name); its exit code.

    0 done, 1 a run failed, 2 wrong usage, definition or configuration, 3 something cannot be reached, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(argv, prog_name="orchestrator", standalone_mode=False)
    except OrchestratorError as error:
        output.complain(error.message, error.hint)
        return error.exit_code
    except typer.TyperException as error:
        output.complain(error.format_message(), _usage_hint(error))
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _usage_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "orchestrator"
    return f"`{path} --help` shows how it is used."


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Turn declarative pipeline files into finished avatar videos with Huawei Cloud MetaStudio."""
    if version:
        output.result(f"orchestrator {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        output.note(ctx.get_help())
        raise typer.Exit(2)


app.command("demo")(demo.demo)
app.command("run")(run_verb.run)
app.add_typer(runs.app, name="runs")
app.command("daemon")(daemon.daemon)
app.command("validate")(pipelines.validate)
app.command("schema")(pipelines.schema)
app.command("emulator")(emulator.emulator)
app.add_typer(config.app, name="config")


@app.command("version")
def show_version(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False
) -> None:
    """Show the version."""
    if as_json:
        output.json_result({"version": __version__}, one_line=True)
    else:
        output.result(f"orchestrator {__version__}")
