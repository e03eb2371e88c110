"""Run ids: sortable by time of creation, unguessable enough to stand in a URL."""

import secrets
from collections.abc import Callable
from datetime import datetime

from orchestrator.domain.ids import RunId

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


class RunIds:
    """26 characters: 10 of milliseconds since 1970, 16 (80 bits) of chance. Ascending within a process."""

    def __init__(
        self, clock: Callable[[], datetime], randbits: Callable[[int], int] = secrets.randbits
    ) -> None:
        self._clock = clock
        self._randbits = randbits
        self._last = 0

    def __call__(self) -> RunId:
        milliseconds = int(self._clock().timestamp() * 1000)
        number = (milliseconds << 80) | self._randbits(80)
        # Within one millisecond (or after the clock was set back) the next is the last plus a random step.
        self._last = number if number > self._last else self._last + 1 + self._randbits(32)
        return RunId("".join(_ALPHABET[(self._last >> shift) & 31] for shift in range(125, -5, -5)))
