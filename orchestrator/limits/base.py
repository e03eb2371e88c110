"""What a limiter is: it lets calls of the API pass at the pace of the quota, the oldest run first."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Why(StrEnum):
    """What holds a call back."""

    #: As many calls were sent as the API grants.
    QUOTA = "quota"
    #: The server refused a call and is left alone for a while.
    PAUSED = "paused after a refusal"
    #: Every call that the API grants in a second is still without a reply.
    IN_FLIGHT = "replies are missing"


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
    #: What holds the next call back; None when none waits.
    why: Why | None = None


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
    why: Why = Why.QUOTA


class Permit(Protocol):
    """The right to send one call."""

    def unused(self) -> None:
        """Nothing was sent, so the permit is free again at once."""

    def answered(self) -> None:
        """The answer is here. Leaving without an exception says the same; with one, the answer counts as lost."""


class Limiter(Protocol):
    """Shared by everything that calls the API in the name of one tenant."""

    def permit(
        self, operation: str, *, order: float = 0.0, low: bool = False, label: str = ""
    ) -> AbstractAsyncContextManager[Permit]:
        """Enter to wait for the turn, leave when the reply is there (or none will come).

        Served by `order`, lowest first (a run's start, so that the oldest ends first), then by arrival; `low` calls
        only when no other waits. `label` is what `waiting` shows. Once left, it may be entered again to send the
        same call once more: it then waits in its old place, before those who came later. Raises UsageError for an
        unknown operation.
        """

    def throttled(self, operation: str, retry_after_s: float | None = None) -> None:
        """The server refused a call for its quota: pause, then go slower for a while."""

    def snapshot(self) -> list[BucketState]:
        """Every operation that was ever called or waits, by category and name."""

    def waiting(self, operation: str | None = None, *, label: str | None = None) -> list[Waiting]:
        """The calls that wait, in the order in which they will be served."""
