"""The arithmetic of one operation's quota: pure, the time is an argument.

There are `rate` permits. Each call takes one, and it comes back so late after the reply that a server which grants
`rate` calls in any one second can't see more, wherever on the way it counts:

    A call is sent at s, counted at a, answered at r. Let f be the least time from s to a, and b that from a to r, the
    server's own work included. An old call was counted at `a <= r - b`; the call that takes over its permit at s' is
    counted at `a' >= s' + f`. So with `s' = r + 1 - (f + b)` they are counted a second apart: `a' - a >= 1`.
    Neither f nor b can be measured from here, but their sum can: it is the least round trip, `Line.floor_s`.
    With each permit's calls counted a second apart, no second holds more than one call of each permit.

As long as the floor isn't known it counts as 0. A call without a reply may be counted later than it is given up, so its
permit stays away for as long as the slowest reply took, and a second more. A permit never comes back before the reply,
however slow the server is.

That does for a sliding window, for fixed windows of any phase and for a token bucket that holds a second's worth. Some
servers count in shorter times. So sends are also spaced by `1 / rate` on average. One may be early, to make up for those
that had to wait for a permit: by so much less than a spacing as calls may close up on the line. Then a token bucket that
holds two refuses none either, on a line whose jitter stays below the spacing. Beyond that no spacing would help, and the
slack serves the other servers.

When a server refuses nevertheless, the figures of the line are forgotten, the slack goes and the spacing grows by a
fixed step; each accepted call takes a little of it back. Both together settle where about `RECOVERY_STEP / SLOW_STEP` of
the calls are refused, if the server goes on refusing at all.
"""

import heapq
import math
from dataclasses import dataclass, field

from orchestrator.limits.base import Why
from orchestrator.limits.line import Line

#: Added to the spacing by a refusal, in units of the normal spacing.
SLOW_STEP = 0.2
#: Taken off again by each reply.
RECOVERY_STEP = 0.001
#: Slowest pace that refusals can bring about: a server that refuses even this is out of order, not busy.
MAX_SLOW = 8.0
#: Silence after a refusal when the server doesn't say how long: so many spacings, doubled by each refusal in a row.
PAUSE_SPACINGS = 2.0
#: Longest such silence, in seconds.
MAX_OWN_PAUSE_S = 4.0
#: Longest silence that a server can ask for; a wrong header must not stop the work for a day.
MAX_PAUSE_S = 120.0
#: A call that was given up is counted within this time of its sending, or as long as the slowest reply took.
LOST_S = 1.0
#: Clocks and timers round.
MARGIN_S = 0.001
#: How much calls may close up on the line, as a share of the spread of round trips: half, if there and back are alike.
_ONE_WAY = 0.6
#: The least and the most that a call may be early on a line that leaves room for it, in spacings. The least is what the
#: caution of `_ONE_WAY` makes too little of the room.
_MIN_SLACK, _MAX_SLACK = 1 / 6, 0.5


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
    line: Line = field(default_factory=Line)
    #: When each permit that isn't under way comes back; a heap.
    _cooling: list[float] = field(default_factory=list)
    #: When the next call would be on time, were all before it.
    _due_at: float = -math.inf
    _blocked_until: float = -math.inf
    #: The last refusal that was heeded.
    _slowed_at: float = -math.inf
    #: Replies since then, and how many refusals were heeded without a single one accepted between them.
    _accepted: int = 0
    _in_a_row: int = 0

    def __post_init__(self) -> None:
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise ValueError(f"a rate is a number above 0, not {self.rate}")

    @property
    def permits(self) -> int:
        """Calls that may be under way or cooling at once."""
        return max(1, math.floor(self.rate))

    @property
    def hold_s(self) -> float:
        """Seconds from a reply until its permit is back, now that the line is as it is."""
        window_s = max(1.0, 1.0 / self.rate)
        return max(0.0, window_s - self.line.floor_s) + MARGIN_S

    @property
    def spacing_s(self) -> float:
        """Seconds between two sends, on average."""
        return (1.0 + self.slow) / self.rate

    @property
    def slack_s(self) -> float:
        """Seconds that a call may be early because others were late."""
        if not self.line.is_known:
            return 0.0
        room = 1.0 - _ONE_WAY * self.line.spread_s * self.rate
        slack = min(max(room, _MIN_SLACK), _MAX_SLACK) if room > 0 else _MAX_SLACK
        return slack / self.rate * max(0.0, 1.0 - self.slow / SLOW_STEP)

    @property
    def effective_rate(self) -> float:
        """Calls per second that can be expected with the present replies and slow-down."""
        return min(1.0 / self.spacing_s, self.permits / (self.line.mean_s + self.hold_s))

    def free_at(self, now: float) -> float:
        """When the next call may be sent, at the earliest `now`; infinite when a reply has to come first."""
        while self._cooling and self._cooling[0] <= now:
            heapq.heappop(self._cooling)
        earliest = max(now, self._due_at - self.slack_s, self._blocked_until)
        # Above 0 for a moment when a timer fired a rounding error early and somebody went at its word.
        missing = self.in_flight + len(self._cooling) - self.permits
        if missing < 0:
            return earliest
        if missing >= len(self._cooling):
            return math.inf
        return max(earliest, heapq.nsmallest(missing + 1, self._cooling)[-1])

    def take(self, now: float) -> None:
        """A call is sent now."""
        self.in_flight += 1
        self.sent += 1
        self._due_at = max(now, self._due_at) + self.spacing_s

    def replied(self, sent_at: float, now: float) -> None:
        """The call of `sent_at` got its answer."""
        self.in_flight -= 1
        self.line.answered(now - sent_at, now)
        heapq.heappush(self._cooling, now + self.hold_s)
        self.slow = max(0.0, self.slow - RECOVERY_STEP)
        self._accepted += 1

    def lost(self, sent_at: float, now: float) -> None:
        """The call of `sent_at` is given up; the server may have counted it, or may yet."""
        self.in_flight -= 1
        counted_at = max(now, sent_at + max(LOST_S, self.line.slowest_s))
        heapq.heappush(self._cooling, counted_at + max(1.0, 1.0 / self.rate))

    def untake(self) -> None:
        """The call never left, so the server didn't count it."""
        self.in_flight -= 1
        self.sent -= 1

    def throttled(self, now: float, retry_after_s: float | None) -> None:
        """The server refused a call for its quota, after `replied`; `retry_after_s` if it said when to come back."""
        self.throttles += 1
        self._accepted -= 1
        asked_s = min(retry_after_s or 0.0, MAX_PAUSE_S)
        if now < max(self._blocked_until, self._slowed_at + self.line.mean_s):
            # It was on its way when the last refusal came, so it says nothing about the slower pace.
            self._blocked_until = max(self._blocked_until, now + asked_s)
            return
        self._in_a_row = 1 if self._accepted > 0 else self._in_a_row + 1
        own_s = min(MAX_OWN_PAUSE_S, PAUSE_SPACINGS / self.rate * 2.0 ** (min(self._in_a_row, 16) - 1))
        self._accepted = 0
        self._slowed_at = now
        self._blocked_until = max(self._blocked_until, now + max(own_s, asked_s))
        self._due_at = max(self._due_at, self._blocked_until)
        self.slow = min(MAX_SLOW, self.slow + SLOW_STEP)
        self.line.forget()

    def wait_s(self, now: float, ahead: int) -> float:
        """Estimated seconds until a call with `ahead` others before it may be sent."""
        first = self.free_at(now)
        until_first = self.line.mean_s + self.hold_s if math.isinf(first) else first - now
        return until_first + ahead / self.effective_rate

    def why(self, now: float) -> Why:
        """What holds the next call back, if anything does."""
        if self._blocked_until > now:
            return Why.PAUSED
        if self.in_flight >= self.permits:
            return Why.IN_FLIGHT
        return Why.QUOTA
