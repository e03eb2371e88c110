"""`orchestrator api`: the operations of the MetaStudio API, listed, explained and called."""

from typing import Annotated

import typer

from orchestrator.cli.options import ConfigOption, JsonOption, LogLevelOption, StateOption

app = typer.Typer(help="Look up and call any operation of the API.")


def _operations(incomplete: str) -> list[str]:
    """For the shell's completion."""
    from orchestrator.metastudio.operations import OPERATIONS

    return [name for name in OPERATIONS if name.startswith(incomplete)]


OperationArgument = Annotated[
    str,
    typer.Argument(
        metavar="OPERATION",
        help="Its name: list_assets; ListAssets is the same.",
        show_default=False,
        autocompletion=_operations,
    ),
]


@app.command("list")
def list_(
    *,
    category: Annotated[
        str | None,
        typer.Option(metavar="CATEGORY", help="Only these; part of the name will do.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the operations.

    With the calls per second that the account's region allows, what kind of step carries each out, and whether it
    reads, creates or changes. A terminal that is narrow shows less of it.
    """
    from orchestrator.cli.api_list import show_list
    from orchestrator.cli.startup import start

    show_list(start({}, config, quiet=True), category, as_json=as_json)


@app.command("show")
def show(operation: OperationArgument, *, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Explain an operation.

    Its parameters and the fields of its body with their types and limits, an example of the request and of the
    answer, and how it can fail. With --json, the schemas too.
    """
    from orchestrator.cli.api_show import show_operation
    from orchestrator.cli.startup import start

    show_operation(start({}, config, quiet=True), operation, as_json=as_json)


@app.command("call")
def call(
    operation: OperationArgument,
    *,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--parameter",
            metavar="NAME=VALUE",
            help="A parameter, or a field of the body; may be repeated.",
            show_default=False,
        ),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(metavar="JSON|@FILE|-", help="The body; - reads it from stdin.", show_default=False),
    ] = None,
    all_pages: Annotated[
        bool, typer.Option("--all-pages", help="Every item of every page, a JSON object a line.")
    ] = False,
    emulator: Annotated[
        bool, typer.Option("--emulator", help="Call the emulator that `run --emulator` uses.")
    ] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    log_level: LogLevelOption = None,
) -> int:
    """Call an operation and print its answer as JSON.

    A value is read by the type of what it is for: text as it is, lists as JSON or by repeating -p, objects as JSON.
    outer.inner=VALUE sets a field inside an object of the body. Everything is checked before the call is made, which
    waits for the quota. Answers are shown whole: keep the signed addresses of files in them to yourself.
    """
    from orchestrator.cli.api_call import call as carry_out
    from orchestrator.cli.startup import start

    settings = start({"state": state, "log.level": log_level}, config, quiet=True)
    return carry_out(
        settings, operation, parameters or (), body, all_pages=all_pages, emulator=emulator, as_json=as_json
    )
