"""What expressions work on: plain data, bounded in size, and how it reads as text."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from jinja2 import UndefinedError
from jinja2.runtime import Undefined

from orchestrator.errors import UsageError

#: Characters (and members, which count one each) of what an expression or a whole rendered value may hold.
RESULT_LIMIT: Final = 1_048_576
#: Levels of lists and mappings in a rendered value.
DEPTH_LIMIT: Final = 64
_INTEGER_LIMIT: Final = 2**63
_Number = TypeVar("_Number", int, float)
_Made = TypeVar("_Made")


class ExpressionError(UsageError):
    """An expression cannot be read or has no value."""

    def __init__(self, message: str = "", *, hint: str = "", offset: int = 0) -> None:
        """`offset` is the place in the text, in characters from its start."""
        super().__init__(message, hint=hint)
        self.offset = offset


class Budget:
    """What is left of `RESULT_LIMIT` while one value is being rendered."""

    def __init__(self) -> None:
        self._left = RESULT_LIMIT

    def take(self, amount: int) -> None:
        """Raises ExpressionError when more is taken than there was."""
        self._left -= amount
        if self._left < 0:
            raise ExpressionError(f"the result is larger than {RESULT_LIMIT:,} characters")


def plain(value: Any, budget: Budget, depth: int = 0) -> Any:
    """A copy of `value` made of dict, list, str, int, float, bool and None; raises ExpressionError for anything else."""
    refuse_undefined(value)
    match value:
        case None | bool():
            return value
        case str():
            budget.take(len(value))
            return str(value)
        case int():
            return bounded(int(value))
        case float() if math.isfinite(value):
            return float(value)
    if depth >= DEPTH_LIMIT:
        raise ExpressionError(f"the result is nested deeper than {DEPTH_LIMIT} levels")
    if isinstance(value, Mapping):
        budget.take(len(value) + 1)
        return {_key(key, budget): plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        budget.take(len(value) + 1)
        return [plain(item, budget, depth + 1) for item in value]
    raise ExpressionError(f"a {kind(value)} is not plain data")


def text_of(value: Any) -> str:
    """How `value` reads inside a text: true/false, numbers as written, lists and mappings as JSON.

    Raises ExpressionError for none: a text with a hole in it is a mistake more often than a wish.
    """
    value = plain(value, Budget())
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            raise ExpressionError("the value is none", hint="Say what to write instead: `| default('…')`.")
        case int() | float():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def refuse_undefined(value: Any) -> None:
    """Raises ExpressionError, with the reason, when there is no value."""
    if isinstance(value, Undefined):
        try:
            str(value)  # a strict undefined raises with its own message
        except UndefinedError as error:
            raise ExpressionError(error.message or "the expression has no value") from error


def bounded(number: _Number) -> _Number:
    """The number; raises ExpressionError when it is not finite or needs more than 64 bits."""
    if not abs(number) < _limit(number):  # so that a NaN is refused too
        raise ExpressionError("the number is too large")
    return number


def bounded_text(size: int, make: Callable[[], _Made]) -> _Made:
    """What `make` returns, if its `size` is within the limit; raises ExpressionError before making it otherwise."""
    if size > RESULT_LIMIT:
        raise ExpressionError(f"the result is larger than {RESULT_LIMIT:,} characters")
    return make()


def is_number(value: Any) -> bool:
    """Whether `value` is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind(value: Any) -> str:
    """The kind of `value` in a user's words."""
    kinds = (
        (bool, "true/false"),
        (str, "text"),
        ((int, float), "number"),
        (Mapping, "mapping"),
        ((list, tuple), "list"),
    )
    if value is None:
        return "none"
    return next((name for types, name in kinds if isinstance(value, types)), type(value).__name__)


def _key(key: Any, budget: Budget) -> str:
    if not isinstance(key, str):
        raise ExpressionError(f"a {kind(key)} is not a key")
    budget.take(len(key))
    return str(key)


def _limit(number: Any) -> float:
    return math.inf if isinstance(number, float) else _INTEGER_LIMIT
