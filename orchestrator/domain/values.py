"""What expressions work on: plain data, bounded in size and in the work that it takes, and how it reads as text."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import NoneType
from typing import Any, Final, TypeVar

from jinja2 import UndefinedError
from jinja2.runtime import Undefined

from orchestrator.domain import secrets
from orchestrator.errors import UsageError

#: Characters (and members, which count as `MEMBER` each) of what an expression or a whole rendered value may hold.
RESULT_LIMIT: Final = 1_048_576
#: What a member of a list or a mapping counts beside its own size: about the characters that it takes as JSON.
MEMBER: Final = 8
#: Steps of work that all expressions of one rendered value may take together: about a tenth of a second. A character
#: that is gone through takes one, a member of a list or a mapping `MEMBER_WORK`.
WORK_LIMIT: Final = 4_194_304
MEMBER_WORK: Final = 40
#: Levels of lists and mappings in a rendered value.
DEPTH_LIMIT: Final = 64
_INTEGER_LIMIT: Final = 2**63
_HALF: Final = re.compile("[\ud800-\udfff]")
_Number = TypeVar("_Number", int, float)
_Made = TypeVar("_Made")


class ExpressionError(UsageError):
    """An expression cannot be read or has no value."""

    def __init__(self, message: str = "", *, hint: str = "", offset: int = 0) -> None:
        """`offset` is the place in the text, in characters from its start."""
        super().__init__(message, hint=hint)
        self.offset = offset


_work_left: ContextVar[list[int] | None] = ContextVar("work_left", default=None)


@contextmanager
def working() -> Iterator[None]:
    """Bounds the work inside the block; one inside another is a part of it."""
    if _work_left.get() is not None:
        yield
        return
    token = _work_left.set([WORK_LIMIT])
    try:
        yield
    finally:
        _work_left.reset(token)


def spend(amount: float) -> None:
    """Account for work before it is done; raises ExpressionError when it is too much."""
    left = _work_left.get()
    if left is not None:
        left[0] -= int(amount) + 1
        if left[0] < 0:
            raise ExpressionError(
                "the expression takes too much work", hint="Give it less data, or use fewer filters."
            )


def spend_on(value: Any) -> bool:
    """Account for going through the whole value once; whether a secret stands in it."""
    if isinstance(value, str):
        spend(len(value))
        return secrets.marked(value)
    if isinstance(value, dict | Mapping):
        spend(MEMBER_WORK * len(value))
        return any(
            spend_on(key) or (not isinstance(item, _LEAVES) and spend_on(item)) for key, item in value.items()
        )
    if isinstance(value, list | tuple):
        spend(MEMBER_WORK * len(value))
        return any(not isinstance(item, _LEAVES) and spend_on(item) for item in value)
    return False


#: What holds neither texts nor members.
_LEAVES: Final = (int, float, NoneType)


class SecretMisuseError(ExpressionError):
    """More is done with a secret than handing it on."""


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
            return whole(str(value))
        case int():
            return bounded(int(value))
        case float() if math.isfinite(value):
            return float(value)
    if depth >= DEPTH_LIMIT:
        raise ExpressionError(f"the result is nested deeper than {DEPTH_LIMIT} levels")
    if isinstance(value, Mapping):
        _take_members(len(value), budget)
        return {_key(key, budget): plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        _take_members(len(value), budget)
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
            refuse_secret(value)
            return json.dumps(value, ensure_ascii=False)


def truth_of(value: Any) -> bool:
    """Whether a condition with this value holds.

    none, 0, empty lists, mappings and texts do not. A text (a table's cell) must read true/yes/on/1 or false/no/off/0;
    anything else raises ExpressionError rather than being true for not being empty.
    """
    if not isinstance(value, str):
        return bool(value)
    word = value.strip().casefold() if len(value) <= 100 else "-"
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"", "false", "no", "off", "0"}:
        return False
    raise ExpressionError(
        "the condition is a text that is neither true nor false", hint="Compare it: `… == 'x'`."
    )


def refuse_secret(value: Any) -> None:
    """Raises ExpressionError when a secret stands in the value: nothing but to hand it on can be done with one."""
    if spend_on(value):
        raise SecretMisuseError(
            "a secret can be handed on and joined with texts, and nothing else",
            hint="Its value is not known here: it is put in when the step is done.",
        )


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


def whole(text: str) -> str:
    """The text; raises ExpressionError when it holds half of a surrogate pair, which nothing can write down."""
    if not text.isascii() and (half := _HALF.search(text)):
        raise ExpressionError(
            f"the text holds half a character (U+{ord(half[0]):04X})",
            hint="Write the character itself, or both halves: \\ud83d\\ude00.",
        )
    return text


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


def _take_members(number: int, budget: Budget) -> None:
    budget.take(MEMBER * number + 1)
    spend(MEMBER_WORK * number)


def _key(key: Any, budget: Budget) -> str:
    if not isinstance(key, str):
        raise ExpressionError(f"a {kind(key)} is not a key")
    if secrets.marked(key):
        raise ExpressionError("a secret is not a key")
    budget.take(len(key))
    return whole(str(key))


def _limit(number: Any) -> float:
    return math.inf if isinstance(number, float) else _INTEGER_LIMIT
