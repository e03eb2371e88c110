"""`orchestrator api call`: one operation, called."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import BaseModel

from orchestrator.app import api_client
from orchestrator.cli import output
from orchestrator.cli.api_arguments import Arguments, read_arguments
from orchestrator.cli.api_facts import facts, find_operation
from orchestrator.cli.process import StoppedError, complete
from orchestrator.errors import UsageError
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.errors import CallError, Executed
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.settings import Settings

_LABEL = "api call"
_PAGE = 100


def call(
    settings: Settings,
    name: str,
    given: Sequence[str],
    body: str | None,
    *,
    all_pages: bool,
    emulator: bool,
    as_json: bool,
) -> int:
    """Call the operation and print its answer; the exit code.

    Raises UsageError before anything is called when the arguments don't fit, afterwards as `MetaStudio.call`.
    """
    found = facts(find_operation(name))
    operation = found.operation
    arguments = read_arguments(found, given, body)
    if all_pages:
        _refuse_without_pages(operation, arguments)
    client = api_client(settings, emulator=emulator)
    try:
        if all_pages:
            complete(_print_pages(client, operation, arguments))
        else:
            answer = complete(_answer(client, operation, arguments))
            _print_answer(operation, answer, as_json=as_json)
    except StoppedError as error:
        output.note(_stopped(operation))
        return error.exit_code
    except CallError as error:
        if error.executed is Executed.UNKNOWN:
            error.hint = f"It may have been carried out all the same: look before you call it again. {error.hint}".strip()
        raise
    return 0


def _refuse_without_pages(operation: AnyOperation, arguments: Arguments) -> None:
    if not operation.items:
        paged = ", ".join(one.id for one in OPERATIONS.values() if one.items)
        raise UsageError(f"{operation.id} has no pages.", hint=f"--all-pages is for {paged}.")
    if "offset" in arguments.query:
        raise UsageError("--all-pages begins with the first page.", hint="Leave out -p offset.")


async def _answer(
    client: AbstractAsyncContextManager[MetaStudio], operation: AnyOperation, arguments: Arguments
) -> Any:
    async with client as api:
        return await api.call(
            operation,
            path=arguments.path,
            query=arguments.query,
            body=arguments.body,
            headers=arguments.headers,
            label=_LABEL,
        )


async def _print_pages(
    client: AbstractAsyncContextManager[MetaStudio], operation: AnyOperation, arguments: Arguments
) -> None:
    query = dict(arguments.query)
    limit = query.pop("limit", _PAGE)
    assert isinstance(limit, int), "checked by its type"
    async with client as api:
        async for item in api.pages(
            operation,
            path=arguments.path,
            query=query,
            limit=limit,
            headers=arguments.headers,
            label=_LABEL,
        ):
            output.json_result(plain(item), one_line=True)


def _print_answer(operation: AnyOperation, answer: Any, *, as_json: bool) -> None:
    # Presigned URLs are shown whole: they are what the user asked for.
    if answer is not None or as_json:
        output.json_result(plain(answer), one_line=as_json)
    else:
        output.note(f"{operation.id}: done")


def plain(answer: Any) -> Any:
    """An answer, or an item of one, as JSON has it: the fields that the service sent, under its names."""
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(answer, Mapping | list):
        return json.loads(json.dumps(answer, default=plain))
    return answer


def _stopped(operation: AnyOperation) -> str:
    if operation.reads:
        return "stopped"
    return f"stopped; {operation.id} may have been carried out all the same: look before you call it again"
