"""Requests and answers as values, without a socket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

JSON_TYPE = "application/json"
#: Deeper bodies than any of the API are refused before they are walked.
_MAX_DEPTH = 64


class MalformedBodyError(ValueError):
    """The body is no JSON object."""


class Delivery(StrEnum):
    """What becomes of an answer on its way to the caller."""

    WHOLE = "whole"
    #: The connection stays open and silent.
    NEVER = "never"
    #: The connection is cut before the first byte.
    CUT = "cut"
    #: The head promises more than what comes before the cut.
    HALF = "half"


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request with its target as it was sent, query included."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path as it was sent, still escaped."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The query's pairs, unescaped, in the order they came."""
        raw = self.target.partition("?")[2]
        pairs = (part.partition("=") for part in raw.split("&") if part)
        return tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)

    def header(self, name: str) -> str | None:
        """The value of a header, whatever the case of its name."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, and what a fault plan does to it on its way."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    delivery: Delivery = Delivery.WHOLE
    delay_s: float = 0.0

    def with_header(self, name: str, value: str) -> "Answer":
        """The same answer with one more header."""
        return replace(self, headers={**self.headers, name: value})

    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)


def json_answer(status: int, value: Any) -> Answer:
    """An answer whose body is `value` as JSON."""
    return Answer(status, json.dumps(value, ensure_ascii=False).encode(), {"Content-Type": JSON_TYPE})


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; an empty body is an empty object, a byte order mark before it is passed over.

    Raises:
        MalformedBodyError: it is not UTF-8, not JSON, nested too deeply, or no object.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
        # Lone surrogates pass the parser and fail wherever the text is written.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError("the body is no valid JSON") from error
    if not isinstance(value, dict):
        raise MalformedBodyError("the body is no JSON object")
    if _depth(value) > _MAX_DEPTH:
        raise MalformedBodyError("the body is nested too deeply")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth
