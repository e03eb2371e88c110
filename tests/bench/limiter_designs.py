"""What each part of the limiter's arithmetic is good for: designs beside each other, on the servers that they are to suit.

Pure arithmetic in virtual time, without an event loop: as many calls are ready as the quota lets through.
`python tests/bench/limiter_designs.py [SECONDS]` prints a table.
"""

import heapq
import math
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.limits.bucket import Bucket
from orchestrator.limits.line import Line

RATES = (3, 5, 10, 20)
#: Seconds that one way takes.
Delay = Callable[[random.Random], float]

LINES: Mapping[str, Delay] = {
    "±10 ms": lambda rng: rng.uniform(0.02, 0.04),
    "WAN": lambda rng: rng.uniform(0.02, 0.1),
    "WAN, long tail": lambda rng: 0.02 + min(1.0, rng.expovariate(25)),
}


class Server(Protocol):
    """Counts calls at their arrival."""

    def accepts(self, now: float) -> bool:
        """Whether the call that arrives now is within the quota."""


@dataclass(slots=True)
class SlidingWindow:
    """At most `rate` calls in any one second."""

    rate: int
    _seen: deque[float] = field(default_factory=deque)

    def accepts(self, now: float) -> bool:
        """As `Server.accepts`."""
        while self._seen and self._seen[0] <= now - 1:
            self._seen.popleft()
        if len(self._seen) >= self.rate:
            return False
        self._seen.append(now)
        return True


@dataclass(slots=True)
class FixedWindow:
    """At most `rate` calls in each second of its own clock."""

    rate: int
    phase_s: float = 0.37
    _window: float = -1.0
    _seen: int = 0

    def accepts(self, now: float) -> bool:
        """As `Server.accepts`."""
        window = math.floor(now + self.phase_s)
        if window != self._window:
            self._window, self._seen = window, 0
        if self._seen >= self.rate:
            return False
        self._seen += 1
        return True


@dataclass(slots=True)
class TokenBucket:
    """Holds `burst` tokens, gets `rate` a second."""

    rate: int
    burst: int
    _tokens: float = math.inf
    _at: float = 0.0

    def accepts(self, now: float) -> bool:
        """As `Server.accepts`."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True


SERVERS: Mapping[str, Callable[[int], Server]] = {
    "sliding window": SlidingWindow,
    "fixed window": FixedWindow,
    "burst of a second": lambda rate: TokenBucket(rate, rate),
    "burst of two": lambda rate: TokenBucket(rate, 2),
    "burst of one": lambda rate: TokenBucket(rate, 1),
}


@dataclass(slots=True)
class Score:
    """What became of the calls."""

    seconds: float
    rate: float
    accepted: int = 0
    refused: int = 0
    #: Of those that arrived in the first second.
    refused_at_first: int = 0
    #: Of those that arrived after the first ten seconds.
    late: int = 0
    refused_late: int = 0

    def arrived(self, at: float, *, accepted: bool) -> None:
        """Count a call; `at` is in seconds from the beginning."""
        self.accepted += accepted
        self.refused += not accepted
        self.refused_at_first += not accepted and at < 1
        self.late += at > 10
        self.refused_late += not accepted and at > 10

    @property
    def used(self) -> float:
        """Share of the quota that was used."""
        return self.accepted / self.seconds / self.rate

    def __str__(self) -> str:
        late = self.refused_late / max(1, self.late)
        return f"{self.used:6.1%} {self.refused:5d} {self.refused_at_first:4d} {late:6.1%}"


def play(bucket: Bucket, server: Server, delay: Delay, seconds: float, seed: int = 1) -> Score:
    """Sends whenever the bucket allows it, from 0 on."""
    rng = random.Random(seed)
    score = Score(seconds, bucket.rate)
    #: When, which call, when it was sent, what the server said: None on the way there.
    events: list[tuple[float, int, float, bool | None]] = []
    now = 0.0
    while now < seconds:
        free_at = bucket.free_at(now)
        if free_at <= now + 1e-9:
            bucket.take(now)
            heapq.heappush(events, (now + delay(rng), bucket.sent, now, None))
        elif events and events[0][0] <= free_at:
            now, number, sent_at, accepted = heapq.heappop(events)
            if accepted is None:
                accepted = server.accepts(now)
                score.arrived(now, accepted=accepted)
                heapq.heappush(events, (now + delay(rng), number, sent_at, accepted))
            else:
                bucket.replied(sent_at, now)
                if not accepted:
                    bucket.throttled(now, None)
        else:
            now = free_at
    return score


class UnknownLine(Line):
    """Learns nothing: permits come back a second after the reply."""

    @property
    def is_known(self) -> bool:
        return False


class TrustingLine(Line):
    """Takes the shortest round trip seen for the shortest possible."""

    @property
    def floor_s(self) -> float:
        return self._least_s if self.is_known else 0.0


class Even(Bucket):
    """No call is ever early."""

    @property
    def slack_s(self) -> float:
        return 0.0


class Unspaced(Bucket):
    """Goes by the permits alone."""

    @property
    def slack_s(self) -> float:
        return 1.0


@dataclass(slots=True)
class Clockwork(Bucket):
    """Sends evenly, at a share of the rate, whatever the replies say."""

    share: float = 1.0

    @property
    def spacing_s(self) -> float:
        return 1.0 / (self.share * self.rate)

    def free_at(self, now: float) -> float:
        return max(now, self._due_at)

    def throttled(self, now: float, retry_after_s: float | None) -> None:
        pass


DESIGNS: Mapping[str, Callable[[float], Bucket]] = {
    "permit a second after the reply, even": lambda rate: Even(rate, line=UnknownLine()),
    "permit by the line, not spaced": Unspaced,
    "permit by the line, even": Even,
    "the same, a call may be early": Bucket,
    "the same, floor without margin": lambda rate: Bucket(rate, line=TrustingLine()),
}


def table(seconds: float) -> Iterator[str]:
    """For each design, line and server, by rate: share of the quota used and calls refused."""
    yield f"{seconds:g} s each: quota used, calls refused"
    yield f"{'':24}{'':18}" + "".join(f"{f'{rate}/s':>14}" for rate in RATES)
    for design, bucket in DESIGNS.items():
        yield design
        for line, delay in LINES.items():
            for name, server in SERVERS.items():
                scores = [play(bucket(rate), server(rate), delay, seconds) for rate in RATES]
                yield f"    {line:20}{name:18}" + "".join(f"{s.used:8.1%}{s.refused:6d}" for s in scores)


def paces(seconds: float) -> Iterator[str]:
    """What even sending alone gets from a burst of two when the line's jitter exceeds the spacing."""
    yield "sent evenly at 20/s times this share, WAN, burst of two: quota used, calls refused, of all"
    for share in (0.75, 0.77, 0.8, 0.85, 0.9, 0.95, 1.0):
        score = play(Clockwork(20, share=share), TokenBucket(20, 2), LINES["WAN"], seconds)
        yield f"    {share:4.0%}{score.used:8.1%}{score.refused:6d}{score.refused_late / max(1, score.late):8.2%}"


if __name__ == "__main__":
    for_s = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    for rows in (table(for_s), paces(for_s)):
        for row in rows:
            sys.stdout.write(row + "\n")
