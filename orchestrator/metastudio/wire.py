"""Sans-IO: makes the request of an operation and reads its answer, or raises what the answer means."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError

from orchestrator.errors import UsageError
from orchestrator.metastudio.errors import AnswerLost, CallError, Executed, api_error
from orchestrator.metastudio.operation import AnyOperation, Operation

Q = TypeVar("Q")
R = TypeVar("R")

#: An object signed with an access key pair may have 12 MiB (reference 3.2).
MAX_BODY_BYTES = 12 * 1024 * 1024
_MALFORMED_HINT = "Check what lies between here and the endpoint (proxy, gateway) if it happens again."


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent. Headers, body and URL may hold secrets, so no repr shows them."""

    method: str
    #: Percent-encoded as it is sent.
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    #: For messages: who asks.
    operation: str = ""
    #: It changes nothing at the server.
    reads: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Value of a header whatever its case; empty if it isn't there."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")

    @property
    def request_id(self) -> str:
        """The service's id of this call, for its support; empty if it sent none."""
        return self.header("X-Request-Id")


def build_request(
    operation: Operation[Q, Any],
    endpoint: str,
    project_id: str,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, object] | None = None,
    body: Q | None = None,
) -> Request:
    """The unsigned request. Raises UsageError when a parameter is missing, unknown or empty, or the body too large."""
    url = endpoint.rstrip("/") + _path(operation, {"project_id": project_id, **(path or {})})
    pairs = _query(operation, query or {})
    if pairs:
        url += "?" + urlencode(pairs, quote_via=quote, safe="~")
    return Request(
        method=operation.method,
        url=url,
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        body=_body(operation, body),
        operation=operation.id,
        reads=operation.reads,
    )


def parse_body(operation: Operation[Q, R], data: Mapping[str, Any] | None) -> Q | None:
    """Plain data as the operation's request model; UsageError names every field that doesn't fit."""
    model: Any = operation.request
    if model is None:
        if data:
            raise UsageError(f"{operation.id} takes no body.")
        return None
    if data is None and not operation.request_required:
        return None
    try:
        body: Q = model.model_validate(data if data is not None else {})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageError(f"The body of {operation.id} doesn't fit: {faults}.") from error
    return body


def read_response(operation: Operation[Q, R], response: Response) -> R:
    """The answer as the operation's response model, None for an operation without.

    Raises ApiError for a refusal (of its kinds ServerError for a 5xx), AnswerLost for anything that isn't an answer
    of the API: a redirect, HTML, broken or empty JSON where a body is due.
    """
    if not 200 <= response.status < 300:
        raise _failure(operation, response)
    model: Any = operation.response
    if model is None:
        if response.body.strip():
            _refuse_error_body(operation, response, _json(operation, response), known=())
        return None  # type: ignore[return-value]  # without a response model, R is None
    data = _json(operation, response)
    _refuse_error_body(operation, response, data, known=model.model_fields)
    try:
        answer: R = model.model_validate(data)
    except ValidationError as error:
        raise _lost(operation, response, "doesn't have the shape that the reference gives") from error
    if operation.creates and not any(getattr(answer, name) is not None for name in model.model_fields):
        raise _lost(operation, response, "has none of the fields that the reference gives")
    return answer


def _path(operation: AnyOperation, values: Mapping[str, str]) -> str:
    names = ("project_id", *operation.path_names)
    _refuse_unknown(operation, "path", values, names)
    encoded = {}
    for name in names:
        value = str(values.get(name, ""))
        # An empty or dotted segment would address another resource.
        if value in {"", ".", ".."}:
            raise UsageError(f"{operation.id} needs the path parameter {name}.")
        encoded[name] = quote(value, safe="~")
    return operation.path.format_map(encoded)


def _query(operation: AnyOperation, values: Mapping[str, object]) -> list[tuple[str, str]]:
    _refuse_unknown(operation, "query", values, operation.query)
    missing = [name for name in operation.required_query if values.get(name) is None]
    if missing:
        raise UsageError(f"{operation.id} needs the query parameter {', '.join(missing)}.")
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if value is None:
            continue
        texts = [_text(one) for one in value] if isinstance(value, (list, tuple)) else [_text(value)]
        pairs += [(name, text) for text in (texts if name in operation.list_query else [",".join(texts)])]
    return pairs


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return str(value)


def _refuse_unknown(
    operation: AnyOperation, kind: str, values: Iterable[str], names: tuple[str, ...]
) -> None:
    for name in values:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"It knows {', '.join(names) or 'none'}."
            raise UsageError(f"{operation.id} has no {kind} parameter {name}.", hint=hint)


def _body(operation: AnyOperation, body: object) -> bytes:
    if body is None:
        if operation.request_required:
            raise UsageError(f"{operation.id} needs a body.")
        return b""
    model = operation.request
    if model is None or not isinstance(body, model) or not isinstance(body, BaseModel):
        expected = "no body" if model is None else model.__name__
        raise UsageError(f"{operation.id} takes {expected}, not {type(body).__name__}.")
    data: bytes = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    if len(data) > MAX_BODY_BYTES:
        raise UsageError(
            f"The body of {operation.id} has {len(data)} bytes, over the API's {MAX_BODY_BYTES}."
        )
    return data


def _json(operation: AnyOperation, response: Response) -> Any:
    if not response.body.strip():
        raise _lost(operation, response, "is empty")
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        what = "is HTML" if "html" in response.header("Content-Type") else "isn't whole JSON"
        raise _lost(operation, response, what) from error


def _failure(operation: AnyOperation, response: Response) -> CallError:
    if 300 <= response.status < 400 or response.status < 200:
        return _lost(operation, response, f"is a redirect or informational (HTTP {response.status})")
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError):
        data = None
    code, message, request_id = _error_fields(data)
    return api_error(
        status=response.status,
        code=code,
        api_message=message,
        operation=operation.id,
        reads=operation.reads,
        request_id=response.request_id or request_id,
        retry_after_s=_retry_after_s(response),
    )


def _refuse_error_body(operation: AnyOperation, response: Response, data: Any, known: Iterable[str]) -> None:
    """Some failures come as an error body under a 2xx (the codes of reference 11.2 with status 200)."""
    code, message, request_id = _error_fields(data)
    if not code or any(name in data for name in known):
        return
    raise api_error(
        status=response.status,
        code=code,
        api_message=message,
        operation=operation.id,
        reads=operation.reads,
        request_id=response.request_id or request_id,
    )


def _error_fields(data: Any) -> tuple[str, str, str]:
    """Code, message and request id of an error body, of the API, its gateway or IAM; empty where there is none."""
    if not isinstance(data, dict):
        return "", "", ""
    nested = data.get("error")
    inner: dict[str, Any] = nested if isinstance(nested, dict) else data
    code = inner.get("error_code") or (inner.get("code") if inner is nested else None) or ""
    message = inner.get("error_msg") or (inner.get("message") if inner is nested else None) or ""
    return str(code)[:64], " ".join(str(message).split())[:500], str(data.get("request_id") or "")[:128]


def _retry_after_s(response: Response) -> float | None:
    value = response.header("Retry-After")
    # The other form, a date, would need the server's clock to be ours.
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None


def _lost(operation: AnyOperation, response: Response, what: str) -> AnswerLost:
    return AnswerLost(
        f"The answer (HTTP {response.status}) {what}.",
        hint=_MALFORMED_HINT,
        operation=operation.id,
        executed=Executed.NO if operation.reads else Executed.UNKNOWN,
        request_id=response.request_id,
    )
