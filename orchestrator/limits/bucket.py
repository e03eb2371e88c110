"""The arithmetic of one operation's quota: pure, the time is an argument.

`rate` permits per second; a permit comes back one second after the reply. The server counts a call somewhere between
its sending and its reply, so whatever window it counts in, it never sees more than `rate` calls in a second. Sends are
also spaced, because a server may count in windows shorter than a second; when one still refuses, the spacing grows by
a fixed step and shrinks back a little with each accepted call.
"""

import math
from collections import deque
from dataclasses import dataclass, field

#: Added to the spacing by a throttle, in units of the normal spacing.
SLOW_STEP = 0.2
#: Taken off again by each reply.
RECOVERY_STEP = 0.005
#: Slowest pace that throttles can bring about: a server that refuses even this is out of order, not busy.
MAX_SLOW = 8.0
#: Silence after a throttle when the server doesn't say how long: its window is empty then.
PAUSE_S = 1.0
#: Longest silence that a server can ask for; a wrong header must not stop the work for a day.
MAX_PAUSE_S = 120.0


@dataclass(slots=True)
class Bucket:
    """State of one operation's quota. Times are seconds on any steady clock."""

    #: Calls per second that the API grants, above 0.
    rate: float
    in_flight: int = 0
    sent: int = 0
    throttles: int = 0
    #: Extra spacing, in units of the normal one.
    slow: float = 0.0
    #: How long replies take lately; only for estimates.
    reply_s: float = 0.0
    _cooling: deque[float] = field(default_factory=deque)
    _paced_at: float = -math.inf
    _blocked_until: float = -math.inf

    def __post_init__(self) -> None:
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise ValueError(f"a rate is a number above 0, not {self.rate}")

    @property
    def permits(self) -> int:
        """Calls that may be under way or cooling at once."""
        return max(1, math.floor(self.rate))

    @property
    def hold_s(self) -> float:
        """Seconds from a reply until its permit is back; over 1 only for rates below 1."""
        return max(1.0, 1.0 / self.rate)

    @property
    def spacing_s(self) -> float:
        """Seconds between two sends."""
        return (1.0 + self.slow) / self.rate

    @property
    def effective_rate(self) -> float:
        """Calls per second that can be expected with the present replies and slow-down."""
        return min(1.0 / self.spacing_s, self.permits / (self.hold_s + self.reply_s))

    def free_at(self, now: float) -> float:
        """When the next call may be sent, at the earliest `now`; infinite when a reply has to come first."""
        while self._cooling and self._cooling[0] <= now:
            self._cooling.popleft()
        earliest = max(now, self._paced_at, self._blocked_until)
        missing = self.in_flight + len(self._cooling) - self.permits
        if missing < 0:
            return earliest
        if missing >= len(self._cooling):
            return math.inf
        return max(earliest, self._cooling[missing])

    def take(self, now: float) -> None:
        """A call is sent now."""
        self.in_flight += 1
        self.sent += 1
        self._paced_at = now + self.spacing_s

    def replied(self, sent_at: float, now: float) -> None:
        """The call of `sent_at` got its answer, or will get none any more."""
        self.in_flight -= 1
        self._cooling.append(now + self.hold_s)
        self.slow = max(0.0, self.slow - RECOVERY_STEP)
        self.reply_s += (now - sent_at - self.reply_s) / 8

    def untake(self) -> None:
        """The call never left, so the server didn't count it."""
        self.in_flight -= 1
        self.sent -= 1

    def throttled(self, now: float, retry_after_s: float | None) -> None:
        """The server refused a call for its quota; `retry_after_s` if it said when to come back."""
        self.throttles += 1
        self.slow = min(MAX_SLOW, self.slow + SLOW_STEP)
        pause_s = PAUSE_S if retry_after_s is None else min(retry_after_s, MAX_PAUSE_S)
        self._blocked_until = max(self._blocked_until, now + pause_s)

    def wait_s(self, now: float, ahead: int) -> float:
        """Estimated seconds until a call with `ahead` others before it may be sent."""
        first = self.free_at(now)
        until_first = self.reply_s + self.hold_s if math.isinf(first) else first - now
        return until_first + ahead / self.effective_rate
