"""The command `orchestrator`: its verbs, and the one place where errors become messages and exit codes."""

import errno
import io
import sys
from typing import Annotated

import typer

from orchestrator import __version__
from orchestrator.cli import api, config, daemon, db, demo, emulator, output, pipelines, plan, runs
from orchestrator.cli import run as run_verb
from orchestrator.cli.places import reason
from orchestrator.errors import OrchestratorError

#: What writing to a file that takes no more ends with.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

app = typer.Typer(
    name="orchestrator",
    # Plain help: the rich one would triple the time it takes to appear.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(argv: list[str]) -> int:
    """Carry out a command line (without the program's name); its exit code.

    0 done, 1 a run failed, 2 wrong usage, definition or configuration, 3 something cannot be reached, 130 interrupted,
    141 the reader of stdout has gone.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(argv, prog_name="orchestrator", standalone_mode=False)
    except OrchestratorError as error:
        output.complain(_explained(error), error.hint)
        return error.exit_code
    except OSError as error:
        # Help and shell completion are written by the library, and nothing else that it does can end so.
        if error.filename is not None or error.errno not in _FULL:
            raise
        failure = output.unwritable(error)
        output.complain(failure.message, failure.hint)
        return failure.exit_code
    except typer.TyperException as error:
        output.complain(error.format_message(), _usage_hint(error))
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _explained(error: OrchestratorError) -> str:
    """The message, with the system's part of it in plain words, and with the request id of a call."""
    message, cause = error.message, error.__cause__
    if isinstance(cause, OSError):
        message = message.replace(str(cause), reason(cause)).replace(
            f": {cause.strerror}", f": {reason(cause)}"
        )
    request_id = getattr(error, "request_id", "")
    return f"{message} (request id {request_id})" if request_id else message


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
    """Turn declarative pipeline files into finished avatar videos with Huawei Cloud MetaStudio.

    Results go to stdout, progress and logs to stderr. Exit codes: 0 done; 1 a run failed; 2 wrong usage, definition or
    setting; 3 something needed cannot be reached, such as the API, the state or a port; 130 stopped by Ctrl-C; 141 the
    reader of stdout went away (`| head`), which changes nothing about what the command did.

    With NO_COLOR set to anything but an empty text, or where stderr is no terminal, there is no colour, and progress is plain
    lines instead of a picture that is redrawn.
    """
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
app.command("plan")(plan.plan)
app.command("schema")(pipelines.schema)
app.add_typer(api.app, name="api")
app.command("emulator")(emulator.emulator)
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")


@app.command("version")
def show_version(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False
) -> None:
    """Show the version."""
    if as_json:
        output.json_result({"version": __version__}, one_line=True)
    else:
        output.result(f"orchestrator {__version__}")
