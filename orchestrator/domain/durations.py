"""Durations as people write them: `30m`, `1h30m`, `45s`, `500ms`, `30d`."""

import re
from collections.abc import Mapping
from typing import Any, Final

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_YEAR_S = 366 * 86400


def seconds(value: Any, *, years: int = 1) -> float:
    """The duration `30m`, `1h30m`, `45s`, `500ms` or a plain number, in seconds; raises ValueError."""
    total: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        total = float(value)
    elif (
        isinstance(value, str)
        and (parts := _DURATION.findall(value))
        and "".join(a + b for a, b in parts) == value
    ):
        total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if total is None:
        raise ValueError("has to be a duration such as 45s, 30m, 6h or a number of seconds")
    if not 0 < total <= years * _YEAR_S:
        limit = "a year" if years == 1 else f"{years} years"
        raise ValueError(f"has to be longer than nothing and no longer than {limit}")
    return total
