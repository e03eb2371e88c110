"""What every behaviour gets and gives: the call, its parameters, pages, times."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.presign import Presigner
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.emulator.world import World
from orchestrator.metastudio.models.base import RequestModel

B = TypeVar("B", bound=RequestModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised call of an operation, its body checked against the operation's model."""

    operation: str
    world: World
    config: EmulatorConfig
    #: Time of the emulated world.
    now: datetime
    links: Presigner
    #: Decides whether a new video job is to fail, and with which code.
    doom: Callable[[], str | None]
    path: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    body: RequestModel | None = field(default=None, repr=False)
    #: The body as it came, for echoing.
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    app_user_id: str | None = None
    #: A fault plan wants presigned URLs that have expired.
    expired_urls: bool = False

    def body_as(self, model: type[B]) -> B:
        """The checked body."""
        assert isinstance(self.body, model)
        return self.body

    # -- query -----------------------------------------------------------------------------------

    def text(self, name: str, allowed: Iterable[str] | None = None) -> str | None:
        """A query parameter; None when absent or empty.

        Raises:
            Refusal: it is given twice, or not one of `allowed`.
        """
        values = [value for key, value in self.query if key == name]
        if len(values) > 1 and len(set(values)) > 1:
            raise Refusal(INVALID_PARAMETER, f"{name}: given more than once")
        if not values or not values[0]:
            return None
        if allowed is not None and values[0] not in allowed:
            raise Refusal(INVALID_PARAMETER, f"{name}: one of {', '.join(allowed)}")
        return values[0]

    def items(self, name: str, allowed: Iterable[str] | None = None) -> tuple[str, ...]:
        """A query parameter that holds a list, comma separated or repeated; empty when absent."""
        values = [item for key, value in self.query if key == name for item in value.split(",")]
        listed = tuple(item.strip() for item in values if item.strip())
        if allowed is not None and (wrong := [item for item in listed if item not in allowed]):
            raise Refusal(INVALID_PARAMETER, f"{name}: {wrong[0][:64]} is none of {', '.join(allowed)}")
        return listed

    def number(self, name: str, low: int, high: int, default: int) -> int:
        """A whole number in the query within its range."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 10 and low <= int(value) <= high):
            raise Refusal(INVALID_PARAMETER, f"{name}: a number from {low} to {high}")
        return int(value)

    def flag(self, name: str) -> bool | None:
        """A boolean in the query; None when absent."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in {"true", "false"}:
            raise Refusal(INVALID_PARAMETER, f"{name}: true or false")
        return value.lower() == "true"

    def time(self, name: str) -> datetime | None:
        """A time in the query, read as UTC unless it says otherwise."""
        value = self.text(name)
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise Refusal(INVALID_PARAMETER, f"{name}: a time such as 2026-01-31T08:00:00Z") from error

    def page(self, rows: Sequence[T]) -> Sequence[T]:
        """The part of `rows` that `offset` and `limit` ask for (limit 1 to 100, 10 by default)."""
        offset = self.number("offset", 0, 2**31 - 1, 0)
        return rows[offset : offset + self.number("limit", 1, 100, 10)]

    def ordered(self, rows: Iterable[T], keys: Mapping[str, Callable[[T], Any]]) -> list[T]:
        """`rows` by `sort_key` and `sort_dir`; the first of `keys`, ascending, by default."""
        key = self.text("sort_key", keys) or next(iter(keys))
        return sorted(rows, key=keys[key], reverse=self.text("sort_dir", ("asc", "desc")) == "desc")


#: The JSON value of the answer; None answers without a body.
Behaviour = Callable[[Call], Any]


def stamp(at: datetime | None) -> str | None:
    """A time as the API writes it: UTC, whole seconds."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def compact(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` without its Nones."""
    return {key: item for key, item in value.items() if item is not None}


def seconds(value: float) -> float:
    """A duration as the API gives it, to the hundredth of a second."""
    return math.floor(value * 100 + 0.5) / 100
