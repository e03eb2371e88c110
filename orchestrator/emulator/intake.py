"""Checks what a request brings before any behaviour sees it: parameters, body, and what both have to meet."""

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from orchestrator.emulator.faults import explain
from orchestrator.emulator.refusals import INVALID_PARAMETER, UNFIT_TOGETHER, Refusal
from orchestrator.emulator.wire import MalformedBodyError, Request, read_object
from orchestrator.metastudio.models.base import RequestModel
from orchestrator.metastudio.operations import AnyOperation
from orchestrator.metastudio.parameters import PARAMETERS

#: So many fields that are unknown or wrong are looked at; who sends more means something else.
_MAX_MISTAKES = 10_000


def check_parameters(
    operation: AnyOperation, path: Mapping[str, str], query: tuple[tuple[str, str], ...]
) -> None:
    """Passes when path and query are as the reference wants them; parameters that it doesn't know are ignored.

    Raises:
        Refusal: MSS.00000003 with everything that is wrong.
    """
    model = PARAMETERS.get(operation.id)
    if model is None:
        return
    lists = _lists(operation.id)
    values: dict[str, Any] = {name: value for name, value in path.items() if name in model.model_fields}
    for name, value in query:
        if name in lists:
            # Both ways of writing a list are in use: repeated, and separated by commas.
            values.setdefault(name, []).extend(item for part in value.split(",") if (item := part.strip()))
        elif name in model.model_fields and value and values.setdefault(name, value) != value:
            raise Refusal(INVALID_PARAMETER, f"{name}: given more than once")
    given = {name: value for name, value in values.items() if value}
    try:
        model.model_validate(given)
    except ValidationError as error:
        raise Refusal(INVALID_PARAMETER, explain(error)) from error


def read_body(request: Request, operation: AnyOperation) -> dict[str, Any]:
    """The JSON object in the body; empty for an operation without one.

    Raises:
        Refusal: MSS.00000003, it is missing or broken.
    """
    if operation.request is None:
        return {}
    if operation.request_required and not request.body.strip():
        raise Refusal(INVALID_PARAMETER, "body: required")
    try:
        return read_object(request.body)
    except MalformedBodyError as error:
        raise Refusal(INVALID_PARAMETER, f"body: {error}") from error


def checked_body(operation: AnyOperation, raw: Mapping[str, Any]) -> RequestModel | None:
    """The body as the operation's model; None for an operation without one.

    Fields that the reference doesn't know are ignored, as are those that it only knows in answers: the service is ahead
    of its document, and callers send back what they were shown.

    Raises:
        Refusal: MSS.00000003 with everything that is wrong; for fields that don't fit together the service's own code,
            MSS.20010151 where it has none.
    """
    model: type[RequestModel] | None = operation.request
    if model is None:
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        if error.error_count() > _MAX_MISTAKES:
            raise Refusal(
                INVALID_PARAMETER, f"body: more than {_MAX_MISTAKES} unknown or wrong fields"
            ) from error
        mistakes = error.errors(include_url=False, include_input=False)
        unknown = [one["loc"] for one in mistakes if one["type"] == "extra_forbidden"]
        if not unknown:
            raise Refusal(_code(error), explain(error)) from error
    known = copy.deepcopy(dict(raw))
    for place in unknown:
        _remove(known, place)
    return checked_body(operation, known)


def _remove(body: Any, place: tuple[str | int, ...]) -> None:
    *outer, last = place
    for part in outer:
        body = body[part]
    del body[last]


def _code(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_input=False)
    if any(detail["type"] != "condition" for detail in details):
        return INVALID_PARAMETER
    # The code is that of the first mistake, with which the message begins.
    return details[0].get("ctx", {}).get("code") or UNFIT_TOGETHER


@cache
def _lists(operation: str) -> frozenset[str]:
    fields = PARAMETERS[operation].model_fields
    return frozenset(name for name, field in fields.items() if _holds_list(field.annotation))


def _holds_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_holds_list(one) for one in get_args(annotation))
