"""Quantities that are known exactly, or between two bounds."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """At least `low`, at most `high`."""

    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> "Span":
        """A quantity that is known."""
        return cls(value, value)

    @property
    def exact(self) -> bool:
        """Whether both bounds are the same."""
        return self.low == self.high

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.high + other.high)

    def __mul__(self, factor: "Span | float") -> "Span":
        """With a factor that is not below 0."""
        by = factor if isinstance(factor, Span) else Span(factor, factor)
        return Span(self.low * by.low, self.high * by.high)


NOTHING = Span(0.0, 0.0)
ONE = Span(1.0, 1.0)


def add_to(totals: MutableMapping[str, Span], more: Mapping[str, Span], times: Span | float = ONE) -> None:
    """Adds `more`, so many times, to the totals of the same names."""
    for name, span in more.items():
        totals[name] = totals.get(name, NOTHING) + span * times


def named(spans: Mapping[str, Span]) -> Iterator[tuple[str, Span]]:
    """Those that are not nothing, by name."""
    return ((name, span) for name, span in sorted(spans.items()) if span.high > 0)
