"""Filters of numbers."""

import builtins
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.domain.filters.reading import number, whole, within
from orchestrator.domain.values import bounded


def int(value: Any) -> builtins.int:  # noqa: A001 - it is named as it is written in expressions
    """A whole number, of a text or of a number without a fraction.

    '012' | int → 12
    """
    return whole(value)


def float(value: Any) -> builtins.float:  # noqa: A001 - as above
    """A number, of a text such as a cell.

    '1.50' | float → 1.5
    """
    return number(value)


def round(value: Any, digits: Any = 0) -> builtins.float:  # noqa: A001 - as above
    """Rounded to so many digits behind the point; a whole number without them.

    2.375 | round(1) → 2.4
    '2.6' | round → 3
    """
    places = within(digits, 0, 15, "`round` takes a number of digits")
    rounded = builtins.round(number(value), places)
    return bounded(rounded if places else builtins.int(rounded))


def fixed(value: Any, digits: Any) -> str:
    """As text with just so many digits behind the point.

    3.5 | fixed(2) → '3.50'
    """
    places = within(digits, 0, 15, "`fixed` takes a number of digits")
    return f"{number(value):.{places}f}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "fixed": fixed,
    "float": float,
    "int": int,
    "round": round,
}
