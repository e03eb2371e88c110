"""Sans-IO: makes the request of an operation and reads its answer, or raises what the answer means."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.metastudio import strict_json
from orchestrator.metastudio.addressing import address
from orchestrator.metastudio.errors import AnswerLost, CallError, Executed, api_error
from orchestrator.metastudio.mistakes import explain
from orchestrator.metastudio.operation import AnyOperation, Operation
from orchestrator.metastudio.shown import shown
from orchestrator.metastudio.untrusted import mended, refuse_depth

Q = TypeVar("Q")
R = TypeVar("R")

#: A body sent with an access key pair may have 12 MiB, larger ones go with a token (reference 3.2).
MAX_BODY_BYTES = 12 * 1024 * 1024
#: A server may ask for a pause, not for a standstill.
MAX_RETRY_AFTER_S = 3600.0
#: Answers nest a few levels; what is far deeper would break those who walk through it, or write it, one call a level.
MAX_ANSWER_DEPTH = 64
_MALFORMED_HINT = "Check what lies between here and the endpoint (proxy, gateway) if it happens again."


_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")


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
        """The service's id of this call, for its support; empty if it sent none that can be shown."""
        sent = self.header("X-Request-Id") or self.header("X-IAM-Trace-Id")
        return sent if _REQUEST_ID.fullmatch(sent) else ""


def build_request(
    operation: Operation[Q, Any],
    endpoint: str,
    project_id: str,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, object] | None = None,
    body: Q | None = None,
) -> Request:
    """The unsigned request. Raises UsageError for a body that isn't the operation's, else as `address`.

    It may have any size: see `too_large_to_sign`.
    """
    return Request(
        method=operation.method,
        url=address(operation, endpoint, project_id, path=path or {}, query=query or {}),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        body=_body(operation, body),
        operation=operation.id,
        reads=operation.reads,
    )


def too_large_to_sign(request: Request) -> bool:
    """Whether `request` has to go with a token: its body is larger than an access key pair allows (reference 3.2)."""
    return len(request.body) > MAX_BODY_BYTES


def parse_body(operation: Operation[Q, R], data: Mapping[str, Any] | str | bytes | None) -> Q | None:
    """`data`, or the JSON text that it is, as the body of the operation; None for one that isn't needed.

    Raises UsageError: for text that isn't JSON with its place, for fields that don't fit with all mistakes at once, one
    a line, each with the path of its field.
    """
    model: Any = operation.request
    if isinstance(data, str | bytes):
        try:
            data = strict_json.loads(data) if data.strip() else None
        except ValueError as error:
            raise UsageError(f"The body of {operation.id} is no JSON: {error}.") from error
    if model is None:
        if data:
            raise UsageError(f"{operation.id} takes no body.")
        return None
    if data is None and not operation.request_required:
        return None
    try:
        body: Q = model.model_validate(data if data is not None else {})
    except ValidationError as error:
        mistakes = explain(error, model)
        listed = f" {mistakes[0]}" if len(mistakes) == 1 else "".join(f"\n  {one}" for one in mistakes)
        raise UsageError(f"The body of {operation.id} doesn't fit:{listed}") from error
    return body


def read_response(operation: Operation[Q, R], response: Response) -> R:
    """The answer as the operation's response model, None for an operation without.

    Raises as `read_json`, and AnswerLost for JSON that isn't the answer of this operation.
    """
    with _readable(operation, response):
        model: Any = operation.response
        if model is None:
            if not 200 <= response.status < 300 or response.body.strip():
                read_json(operation, response)
            return None  # type: ignore[return-value]  # without a response model, R is None
        data = read_json(operation, response)
        try:
            answer: R = model.model_validate(data)
        except ValidationError as error:
            raise malformed(operation, response, "doesn't have the shape that the reference gives") from error
        if operation.items and not _is_page(data.get(operation.items)):
            raise malformed(operation, response, f"has {operation.items} that can't be read")
        if operation.creates and not any(getattr(answer, name) is not None for name in model.model_fields):
            raise malformed(operation, response, "has none of the fields that the reference gives")
        return answer


def _is_page(items: Any) -> bool:
    """A list that can't be read must not look like an empty one: something might be created twice for it."""
    return not items or (
        isinstance(items, list) and all(one is None or isinstance(one, dict) for one in items)
    )


def read_json(operation: AnyOperation, response: Response) -> Any:
    """The JSON of a successful answer, as the service sent it.

    Raises ApiError for a refusal (of its kinds ServerError for a 5xx), also for one inside a 2xx, and AnswerLost for
    anything that isn't an answer of the API: a redirect, HTML, an empty or broken body.
    """
    with _readable(operation, response):
        if not 200 <= response.status < 300:
            raise _failure(operation, response)
        try:
            data = _json(response)
        except ValueError as error:
            raise malformed(operation, response, f"is {_nature(response, error)}") from error
        _refuse_error_body(operation, response, data)
        return data


@contextmanager
def _readable(operation: AnyOperation, response: Response) -> Iterator[None]:
    try:
        yield
    except OrchestratorError:
        raise
    except (
        Exception
    ) as error:  # the request has left: whatever breaks here must not pass for a call that had no effect
        raise malformed(operation, response, f"can't be read ({type(error).__name__})") from error


def malformed(operation: AnyOperation, response: Response, what: str) -> AnswerLost:
    """The error for an answer that `what` (such as `is empty`) makes unreadable; a write may have been executed."""
    return AnswerLost(
        f"The answer (HTTP {response.status}) {what}.",
        hint=_MALFORMED_HINT,
        operation=operation.id,
        executed=Executed.NO if operation.reads else Executed.UNKNOWN,
        request_id=response.request_id,
    )


def _body(operation: AnyOperation, body: object) -> bytes:
    if body is None:
        if operation.request_required:
            raise UsageError(f"{operation.id} needs a body.")
        return b""
    model = operation.request
    if model is None or not isinstance(body, model) or not isinstance(body, BaseModel):
        expected = "no body" if model is None else model.__name__
        raise UsageError(f"{operation.id} takes {expected}, not {type(body).__name__}.")
    try:
        return body.model_dump_json(by_alias=True, exclude_none=True).encode()
    except ValueError as error:
        raise UsageError(
            f"The body of {operation.id} can't be written as JSON: {type(error).__name__}."
        ) from error


def _json(response: Response) -> Any:
    if not response.body.strip():
        raise ValueError("empty")
    data = strict_json.loads(response.body)
    refuse_depth(data, MAX_ANSWER_DEPTH)
    # Half a character can only stand there escaped.
    return mended(data) if b"\\u" in response.body else data


def _nature(response: Response, error: ValueError) -> str:
    """What a body is that isn't JSON."""
    kind = response.header("Content-Type").partition(";")[0].strip().lower()
    if not response.body.strip():
        return "empty"
    if "html" in kind or response.body.lstrip()[:1] == b"<":
        return "a page of HTML or XML, as gateways and proxies send it"
    if kind and "json" not in kind:
        return f"{shown(kind, 60) or 'something'} instead of JSON"
    return f"broken JSON ({error})"


def _failure(operation: AnyOperation, response: Response) -> CallError:
    if 300 <= response.status < 400:
        host = _host(response.header("Location"))
        return malformed(operation, response, f"is a redirect{f' to {shown(host, 100)}' if host else ''}")
    if response.status < 200:
        return malformed(operation, response, "isn't a final one")
    data, detail = None, ""
    try:
        data = _json(response)
    except ValueError as error:
        detail = f"The answer is {_nature(response, error)}"
    code, message, request_id = _error_fields(data)
    return api_error(
        status=response.status,
        code=code,
        api_message=message,
        operation=operation.id,
        reads=operation.reads,
        request_id=response.request_id or request_id,
        retry_after_s=_retry_after_s(response),
        detail=detail,
    )


def _host(location: str) -> str:
    """The host that a URL names; empty if it names none or is no URL."""
    try:
        return urlsplit(location).hostname or ""
    except ValueError:
        return ""


def _refuse_error_body(operation: AnyOperation, response: Response, data: Any) -> None:
    """Some failures come as an error body under a 2xx (the codes of reference 11.2 with status 200)."""
    code, message, request_id = _error_fields(data)
    known: Any = operation.response
    if not code or (known is not None and any(name in data for name in known.model_fields)):
        return
    raise api_error(
        status=response.status,
        code=code,
        api_message=message,
        operation=operation.id,
        reads=operation.reads,
        request_id=response.request_id or request_id,
        retry_after_s=_retry_after_s(response),
    )


def _error_fields(data: Any) -> tuple[str, str, str]:
    """Code, message and request id of an error body, of the API, its gateway or IAM; empty where there is none."""
    if not isinstance(data, dict):
        return "", "", ""
    nested = data.get("error")
    inner: dict[str, Any] = nested if isinstance(nested, dict) else data
    code = str(inner.get("error_code") or (inner.get("code") if inner is nested else None) or "")
    message = inner.get("error_msg") or (inner.get("message") if inner is nested else None) or ""
    request_id = str(data.get("request_id") or "")
    return (
        code if _CODE.fullmatch(code) else "",
        shown(str(message), 500),
        request_id if _REQUEST_ID.fullmatch(request_id) else "",
    )


def _retry_after_s(response: Response) -> float | None:
    """Seconds that the server asks to wait, in either of the two forms of `Retry-After`; None if it doesn't.

    A date is read by the clock of the server that wrote it, which the answer's own date shows: ours may differ.
    """
    value = response.header("Retry-After").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER_S)
    until, sent_at = (_date(text) for text in (value, response.header("Date")))
    if until is None or sent_at is None:
        return None
    return min(max((until - sent_at).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _date(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  rarely needed, and it loads half of `email`

    try:
        read = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # `-0000` means a time in UTC of no known zone.
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read
