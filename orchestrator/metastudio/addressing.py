"""The parameters of a call, checked by their model and put into its URL."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from orchestrator.domain.nearest import did_you_mean
from orchestrator.errors import UsageError
from orchestrator.metastudio.mistakes import explain
from orchestrator.metastudio.operation import AnyOperation


def address(
    operation: AnyOperation,
    endpoint: str,
    project_id: str,
    *,
    path: Mapping[str, str],
    query: Mapping[str, object],
) -> str:
    """The URL of a call, percent-encoded as it is sent; a parameter of the query that is None is left out.

    Times are written in UTC, lists and tuples in their order, sets in that of their texts. Raises UsageError for a
    parameter that is missing, unknown, of the wrong type, out of its range or none of the values that the reference
    gives.
    """
    _refuse_unknown(operation, "path", path, operation.path_names)
    segments = _segments(operation, {**path, "project_id": project_id})
    pairs = _pairs(operation, query)
    checked = _checked(operation, {**path, **pairs})
    url = endpoint.rstrip("/") + operation.path.format_map(segments)
    written = [pair for name in pairs for pair in _written(operation, name, checked[name])]
    return f"{url}?{urlencode(written, quote_via=quote, safe='~')}" if written else url


def _segments(operation: AnyOperation, values: Mapping[str, Any]) -> dict[str, str]:
    segments = {}
    for name in ("project_id", *operation.path_names):
        value = values.get(name, "")
        if not isinstance(value, str):
            raise UsageError(
                f"The path parameter {name} of {operation.id} has to be text, not {type(value).__name__}."
            )
        # An empty or dotted segment would address another resource.
        if value in {"", ".", ".."}:
            raise UsageError(f"{operation.id} needs the path parameter {name}.")
        segments[name] = quote(_proper(operation, name, value), safe="~")
    return segments


def _pairs(operation: AnyOperation, values: Mapping[str, object]) -> dict[str, object]:
    """The query's parameters that are there, in the types that their model reads."""
    _refuse_unknown(operation, "query", values, operation.query)
    missing = [name for name in operation.required_query if values.get(name) is None]
    if missing:
        raise UsageError(f"{operation.id} needs the query parameter {', '.join(missing)}.")
    pairs: dict[str, object] = {}
    for name, value in values.items():
        if value is None:
            continue
        match value:
            case list() | tuple():
                pairs[name] = [_plain(operation, name, one) for one in value]
            case set() | frozenset():
                pairs[name] = sorted((_plain(operation, name, one) for one in value), key=str)
            case _:
                one = _plain(operation, name, value)
                pairs[name] = [one] if name in operation.list_query else one
    return pairs


def _plain(operation: AnyOperation, name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Enum):
        value = value.value
    return _proper(operation, name, value) if isinstance(value, str) else value


def _checked(operation: AnyOperation, values: Mapping[str, object]) -> dict[str, Any]:
    """The values as their types have them."""
    from orchestrator.metastudio.parameters import (  # noqa: PLC0415  importing the client stays light: it loads with the first call
        PARAMETERS,
    )

    model = PARAMETERS.get(operation.id)
    if model is None:
        return {}
    try:
        checked = model.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(explain(error, model))
        raise UsageError(f"{operation.id}: {wrong}{'' if wrong.endswith('?') else '.'}") from error
    return {name: getattr(checked, name) for name in values}


def _written(operation: AnyOperation, name: str, value: Any) -> list[tuple[str, str]]:
    texts = [_text(one) for one in (value if isinstance(value, list) else [value])]
    joined = texts if name in operation.list_query or not texts else [",".join(texts)]
    return [(name, text) for text in joined]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _proper(operation: AnyOperation, name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"The parameter {name} of {operation.id} holds half a character.") from error
    return text


def _refuse_unknown(
    operation: AnyOperation, kind: str, values: Iterable[str], names: tuple[str, ...]
) -> None:
    for name in values:
        if name not in names:
            near = did_you_mean(name, names)
            hint = f"{near[0].upper()}{near[1:]}" if near else f"It knows {', '.join(names) or 'none'}."
            raise UsageError(f"{operation.id} has no {kind} parameter {name!r}.", hint=hint)
