"""JSON as the standard has it. Python's own reader also takes NaN, two values for one key and numbers that overflow."""

import json
import math
from typing import Any, Never

#: Longer than any number of the API; a longer one only costs time.
_MAX_DIGITS = 32


def loads(text: str | bytes) -> Any:
    """The value in `text` (bytes are UTF-8). Raises ValueError, which says why and where, for anything that isn't one."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"byte {error.start + 1} is not UTF-8") from error
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_int=_int, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the key {name[:40]!a} occurs twice")
            seen.add(name)
    return data


def _refuse(text: str) -> Never:
    raise ValueError(f"{text} is no JSON number")


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("an integer is too long")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
