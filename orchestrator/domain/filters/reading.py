"""How filters read what they are given. What they make is paid for before it is made."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestrator.domain.values import (
    MEMBER_WORK,
    ExpressionError,
    bounded,
    is_number,
    kind,
    refuse_secret,
    spend,
)

_WHOLE: Final = re.compile(r"\s*[+-]?[0-9]{1,19}\s*", re.ASCII)
_FLOAT: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)


def text(value: Any) -> str:
    """The text that is given; raises ExpressionError for anything else, and for a secret."""
    if not isinstance(value, str):
        raise ExpressionError(f"a text is needed, not {kind(value)}", hint="`| string` makes one.")
    refuse_secret(value)
    return str(value)


def members(value: Any, name: str) -> Sequence[Any]:
    """The list that the filter `name` is given; raises ExpressionError for anything else."""
    if not isinstance(value, list | tuple):
        raise ExpressionError(f"`{name}` is for a list, not for {kind(value)}")
    spend(MEMBER_WORK * len(value))
    return value


def member_of(item: Any, attribute: Any, place: int) -> Any:
    """The member `attribute` of the mapping that stands at `place` of a list; raises ExpressionError."""
    if not isinstance(attribute, str):
        raise ExpressionError(f"a member is named by a text, not by {kind(attribute)}")
    if not isinstance(item, Mapping):
        raise ExpressionError(f"item {place + 1} of the list is {kind(item)}, not a mapping")
    if attribute not in item:
        raise ExpressionError(f"item {place + 1} of the list has no {attribute[:60]!r}")
    return item[attribute]


def whole(value: Any) -> int:
    """A whole number, or a text that reads as one; raises ExpressionError."""
    if isinstance(value, str) and _WHOLE.fullmatch(value[:100]) and len(value) <= 100:
        return bounded(int(value))
    if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
        return bounded(int(value))
    raise ExpressionError(f"the {kind(value)} is not a whole number")


def number(value: Any) -> float:
    """A number, or a text that reads as one; raises ExpressionError."""
    if isinstance(value, str) and len(value) <= 400 and _FLOAT.fullmatch(value):
        return bounded(float(value))
    if is_number(value):
        return float(value)
    raise ExpressionError(f"the {kind(value)} is not a number")


def within(value: Any, least: int, most: int, what: str) -> int:
    """A whole number of the range; raises ExpressionError that says what it is needed for."""
    found = whole(value)
    if not least <= found <= most:
        raise ExpressionError(f"{what}: {least:,} to {most:,}")
    return found
