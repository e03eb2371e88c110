"""The filters and tests of the expression language. What they make is bounded before it is made."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final
from xml.sax.saxutils import escape

from jinja2.runtime import Undefined

from orchestrator.domain.values import (
    Budget,
    ExpressionError,
    bounded,
    bounded_text,
    is_number,
    kind,
    plain,
    refuse_undefined,
    text_of,
)


def concat(values: list[Any]) -> str:
    """Every value as text, one behind the other: what `~` means."""
    return _join(values)


def _default(value: Any, fallback: Any = "") -> Any:
    return fallback if value is None or isinstance(value, Undefined) else value


def _length(value: Any) -> int:
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    return len(_text(value))


def _join(values: Any, separator: Any = "") -> str:
    if not isinstance(values, list | tuple):
        raise ExpressionError(f"`join` is for a list, not for {kind(values)}")
    texts, glue, budget = [], _text(separator), Budget()
    for value in values:
        texts.append(text_of(value))
        budget.take(len(texts[-1]) + len(glue))
    return glue.join(texts)


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    if not old:
        raise ExpressionError("`replace` needs something to look for")
    return bounded_text(len(text) + text.count(old) * (len(new) - len(old)), lambda: text.replace(old, new))


def _slug(value: Any) -> str:
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text_of(value)[:1_000]).casefold())
    return "-".join(words)[:80].rstrip("-")


def _json(value: Any) -> str:
    return json.dumps(plain(value, Budget()), ensure_ascii=False)


def _ssml_escape(value: Any) -> str:
    text = text_of(value)
    growth = 5 * sum(map(text.count, "&<>\"'"))
    return bounded_text(len(text) + growth, lambda: escape(text, {'"': "&quot;", "'": "&apos;"}))


def _int(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value, re.ASCII):
        return bounded(int(value))
    if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
        return bounded(int(value))
    raise ExpressionError(f"the {kind(value)} is not a whole number")


_FLOAT: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)


def _float(value: Any) -> float:
    if isinstance(value, str) and len(value) <= 400 and _FLOAT.fullmatch(value):
        return bounded(float(value))
    if is_number(value):
        return float(value)
    raise ExpressionError(f"the {kind(value)} is not a number")


def _text(value: Any) -> str:
    refuse_undefined(value)
    if not isinstance(value, str):
        raise ExpressionError(f"a text is needed, not {kind(value)}", hint="`| string` makes one.")
    return str(value)


#: Every filter by its name; `concat`, which `~` becomes, is not one to be written.
FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "basename": lambda value: PurePosixPath(_text(value)).name,
    "default": _default,
    "float": _float,
    "int": _int,
    "join": _join,
    "json": _json,
    "length": _length,
    "lower": lambda value: _text(value).lower(),
    "replace": _replace,
    "slug": _slug,
    "ssml_escape": _ssml_escape,
    "stem": lambda value: PurePosixPath(_text(value)).stem,
    "string": text_of,
    "trim": lambda value: _text(value).strip(),
    "upper": lambda value: _text(value).upper(),
}
#: Every test (`is …`) by its name.
TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: isinstance(value, bool),
    "defined": lambda value: not isinstance(value, Undefined),
    "mapping": lambda value: isinstance(value, Mapping),
    "none": lambda value: value is None,
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "undefined": lambda value: isinstance(value, Undefined),
}
