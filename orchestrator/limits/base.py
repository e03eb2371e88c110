"""What a limiter is: it lets calls of the API pass at the pace of the quota, the oldest run first."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BucketState:
    """What a person may want to know about one operation's quota."""

    operation: str
    category: str
    #: Granted calls per second, and those to be expected with the present replies and slow-down.
    rate: float
    effective_rate: float
    waiting: int
    in_flight: int
    #: Seconds until the next call may be sent; None when a reply has to come first.
    next_free_s: float | None
    sent: int
    throttles: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a call waits: for which quota, behind how many, for how long."""

    operation: str
    label: str
    #: Calls that are served before it.
    ahead: int
    #: Estimated seconds until its turn.
    wait_s: float
    #: Seconds that it has waited.
    waited_s: float


class Permit(Protocol):
    """The right to send one call."""

    def unused(self) -> None:
        """Nothing was sent, so the permit is free again at once."""


class Limiter(Protocol):
    """Shared by everything that calls the API in the name of one tenant."""

    def permit(
        self, operation: str, *, order: float = 0.0, low: bool = False, label: str = ""
    ) -> AbstractAsyncContextManager[Permit]:
        """Enter to wait for the turn, leave when the reply is there (or none will come).

        Served by `order`, lowest first (a run's start, so that the oldest ends first), then by arrival; `low` calls
        only when no other waits. `label` is what `waiting` shows. Raises UsageError for an unknown operation.
        """

    def throttled(self, operation: str, retry_after_s: float | None = None) -> None:
        """The server refused a call for its quota: pause, then go slower for a while."""

    def snapshot(self) -> list[BucketState]:
        """Every operation that was ever called or waits, by category and name."""

    def waiting(self, operation: str | None = None, *, label: str | None = None) -> list[Waiting]:
        """The calls that wait, in the order in which they will be served."""
