"""How a figure and a table are printed, the same in every bench."""

import os
import platform
import sqlite3
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

#: Of what the tables of a bench depend on beside the machine.
_PACKAGES: Final = ("aiohttp", "pydantic")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some measurements, with the least and the most: one figure alone says little on a busy machine."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 0) -> str:
        """Such as `3,210 (3,050 to 3,260)`; the median alone when there was one measurement."""
        median, least, most = (f"{value:,.{digits}f}" for value in (self.median, self.least, self.most))
        return median if least == most else f"{median} ({least} to {most})"


def say(line: str = "") -> None:
    """A line of the result, at once: a bench may be watched through a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def progress(line: str) -> None:
    """A line about how far the bench is, to stderr."""
    sys.stderr.write(f"  … {line}\n")
    sys.stderr.flush()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column to the left, the others to the right, each as wide as its widest cell."""
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines if column < len(line)) for column in range(len(heads))]
    for line in lines:
        # A last cell that stands for the columns which it leaves out is a remark, and has no width.
        first, *rest = line
        cells = [first.ljust(widths[0])]
        if len(line) < len(heads):
            cells += rest
        else:
            cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        say("  ".join(cells).rstrip())


def machine() -> str:
    """Under what the figures were taken: they are comparable on one machine only."""
    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed; of at least one value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"
