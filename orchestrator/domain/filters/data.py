"""Filters of any value: what to take when there is none, how large it is, and JSON."""

import json as json_format
from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2.runtime import Undefined

from orchestrator.domain import secrets
from orchestrator.domain.filters.reading import text
from orchestrator.domain.values import (
    MEMBER_WORK,
    Budget,
    ExpressionError,
    kind,
    plain,
    refuse_secret,
    spend,
)

#: Characters of a text that `from_json` reads: what it makes of them is many times as large.
_JSON_READS: Final = 131_072


def default(value: Any, fallback: Any = "") -> Any:
    """`fallback` (without one an empty text) where there is no value, or none.

    none | default('-') → '-'
    """
    return fallback if value is None or isinstance(value, Undefined) else value


def length(value: Any) -> int:
    """How many characters, items or members.

    ['a', 'b'] | length → 2
    """
    return len(value) if isinstance(value, list | tuple | Mapping) else len(text(value))


def json(value: Any) -> str:
    """As JSON.

    ['a', 1] | json → '["a", 1]'
    """
    data = plain(value, Budget())
    refuse_secret(data)
    return json_format.dumps(data, ensure_ascii=False)


def from_json(value: Any) -> Any:
    """What a JSON text says; 131,072 characters at most.

    '{"size": [1, 2]}' | from_json → {'size': [1, 2]}
    """
    given = text(value)
    if len(given) > _JSON_READS:
        raise ExpressionError(f"`from_json` reads {_JSON_READS:,} characters at most")
    spend(MEMBER_WORK * len(given) // 2)
    try:
        read = json_format.loads(given, parse_constant=_no_constant)
        # JSON's escapes can write what no text may hold: the marks of a secret, and halves of a character.
        unusable = secrets.marked(read)
        json_format.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ExpressionError("the JSON holds half a character (U+D800 to U+DFFF)") from error
    except (ValueError, RecursionError) as error:
        raise ExpressionError("the text is not JSON") from error
    if unusable:
        raise ExpressionError("the JSON holds characters (U+FDD0, U+FDD1) that no text may hold")
    return read


def keys(value: Any) -> list[str]:
    """The names of a mapping's members.

    {'w': 16, 'h': 9} | keys → ['w', 'h']
    """
    return list(_mapping(value, "keys"))


def values(value: Any) -> list[Any]:
    """The values of a mapping's members.

    {'w': 16, 'h': 9} | values → [16, 9]
    """
    return list(_mapping(value, "values").values())


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ExpressionError(f"`{name}` is for a mapping, not for {kind(value)}")
    spend(MEMBER_WORK * len(value))
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "default": default,
    "from_json": from_json,
    "json": json,
    "keys": keys,
    "length": length,
    "values": values,
}
