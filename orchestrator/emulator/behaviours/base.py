"""What every behaviour gets and gives: the call, its parameters, pages, times."""

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.presign import Presigner
from orchestrator.emulator.records import CallbackTarget
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.emulator.world import World
from orchestrator.metastudio.models.base import RequestModel

B = TypeVar("B", bound=RequestModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Doom:
    """What a fault plan wants to become of a job, a review, a parsing."""

    #: How it fails; None: the behaviour chooses.
    code: str | None = None
    #: It never ends.
    stuck: bool = False


class Send(Protocol):
    """Plans a callback, faults of the plan included."""

    def __call__(
        self,
        target: CallbackTarget,
        job_id: str,
        body: Mapping[str, Any],
        now: datetime,
        *,
        forged_body: Mapping[str, Any] | None = None,
    ) -> None:
        """`forged_body` is what a forged callback would say; the same as `body` by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The world at one time, and what can be done to it."""

    world: World
    config: EmulatorConfig
    #: Time of the emulated world.
    now: datetime
    links: Presigner
    #: What a fault plan wants of the next thing of this kind (`faults.OUTCOMES`); None: let it go well.
    doom: Callable[[str], Doom | None]
    send: Send
    #: Where the API itself is reached, for URLs that lead back to it.
    api_url: str = "http://metastudio.invalid"

    def after(self, seconds: float) -> datetime:
        """The time when `seconds` of the emulated service's work have passed, at the speed of the emulator."""
        return self.now + timedelta(seconds=seconds / self.config.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Moment):
    """One authorised call of an operation, its body checked against the operation's model."""

    operation: str
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

    @property
    def upload_end(self) -> datetime:
        """Until when an upload URL serves that is handed out now."""
        return self.url_end(self.config.upload_url_s)

    def url_end(self, valid_s: float) -> datetime:
        """When a presigned URL that is handed out now expires; a fault plan may want it to have done so already."""
        return self.now + timedelta(seconds=-60 if self.expired_urls else valid_s)

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
        digits = max(10, len(str(high)))
        if not (value.isascii() and value.isdigit() and len(value) <= digits and low <= int(value) <= high):
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

    def window(self) -> slice:
        """What `offset` and `limit` ask for (limit 1 to 100, 10 by default)."""
        offset = self.number("offset", 0, 2**31 - 1, 0)
        return slice(offset, offset + self.number("limit", 1, 100, 10))

    def page(self, rows: Sequence[T]) -> Sequence[T]:
        """The part of `rows` that `offset` and `limit` ask for."""
        return rows[self.window()]

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


def is_url(text: str, schemes: Container[str]) -> bool:
    """Whether `text` is an absolute URL with a host, of one of `schemes` (lower case), written in ASCII."""
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0 and text.isascii()
    except ValueError:
        return False
