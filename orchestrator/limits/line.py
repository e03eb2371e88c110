"""What the answers of late say about the line to the server: how fast it is at best, and how uneven. Pure.

All figures come from round trips alone: neither the split between there and back nor the server's own time is known,
and none is needed (see `limits.bucket`).
"""

import math
from dataclasses import dataclass, field

#: Answers before anything is concluded from them.
FEWEST = 16
#: Figures are kept for one to two of these: a route may change.
EPOCH_S = 300.0
#: Of how many answers the mean is about.
_MEAN_OF = 64


@dataclass(slots=True)
class _Epoch:
    began_at: float
    answers: int = 0
    least_s: float = math.inf
    most_s: float = 0.0


@dataclass(slots=True)
class Line:
    """Round trips of one operation's calls, in seconds on any steady clock."""

    #: A running mean; survives `forget`, because estimates for people need no trust.
    mean_s: float = 0.0
    _now: _Epoch = field(default_factory=lambda: _Epoch(-math.inf))
    _before: _Epoch = field(default_factory=lambda: _Epoch(-math.inf))

    def answered(self, took_s: float, now: float) -> None:
        """A reply came after `took_s`."""
        if now - self._now.began_at > EPOCH_S:
            # What is older than the epoch before says nothing of today's line.
            idle = now - self._now.began_at > 2 * EPOCH_S
            self._before = _Epoch(now) if idle else self._now
            self._now = _Epoch(now)
        epoch = self._now
        epoch.answers += 1
        epoch.least_s = min(epoch.least_s, took_s)
        epoch.most_s = max(epoch.most_s, took_s)
        self.mean_s += (took_s - self.mean_s) / min(self.answers, _MEAN_OF)

    def forget(self) -> None:
        """The figures proved wrong: start again."""
        self._now = _Epoch(-math.inf)
        self._before = _Epoch(-math.inf)

    @property
    def answers(self) -> int:
        """Answers that the figures rest on."""
        return self._now.answers + self._before.answers

    @property
    def is_known(self) -> bool:
        """Whether there were answers enough to rely on."""
        return self.answers >= FEWEST

    @property
    def slowest_s(self) -> float:
        """The longest round trip seen, 0 before the first."""
        return max(self._now.most_s, self._before.most_s)

    @property
    def spread_s(self) -> float:
        """Between the shortest round trip and the longest; 0 before the first."""
        return self.slowest_s - self._least_s if self.answers else 0.0

    @property
    def floor_s(self) -> float:
        """What no round trip falls below, there and back of two different calls taken together; 0 if not known.

        The shortest seen is a little more than the shortest possible, the more so the fewer were seen: where round
        trips are dense near their end, by about their width over the root of their number. Twice the mean in place of
        the width also allows for a line that was slow so far.
        """
        if not self.is_known:
            return 0.0
        return max(0.0, self._least_s - 2.0 * self.mean_s / math.sqrt(self.answers))

    @property
    def _least_s(self) -> float:
        return min(self._now.least_s, self._before.least_s)
