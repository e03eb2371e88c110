"""The rate table, enforced: so many calls in any window of one second, per operation (reference Table 1-3)."""

from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from orchestrator.emulator.refusals import THROTTLED, Refusal

_WINDOW = timedelta(seconds=1)


class Quota:
    """A sliding window of one second for each operation of the one tenant.

    A refused call takes no place in the window.
    """

    def __init__(self, rates: Mapping[str, float]) -> None:
        """`rates` are calls per second by operation; an operation without a rate is free."""
        self._rates = rates
        self._admitted: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def check(self, operation: str, now: datetime) -> None:
        """Admits the call at `now`.

        Raises:
            Refusal: APIGW.0308 in the gateway's words, with the rate.
        """
        if not self.admit(operation, now):
            raise throttled(f"policy user over ratelimit,limit:{self._rates[operation]:g},time:1 second")

    def admit(self, operation: str, now: datetime) -> bool:
        """Whether the call at `now` is within the quota; it is counted if so."""
        rate = self._rates.get(operation)
        if rate is None:
            return True
        window = self._admitted[operation]
        while window and now - window[0] >= _WINDOW:
            window.popleft()
        if len(window) >= rate:
            return False
        window.append(now)
        return True

    def reset(self) -> None:
        """Forgets all calls."""
        self._admitted.clear()


def throttled(policy: str, *, code: str = THROTTLED, status: int | None = None) -> Refusal:
    """The gateway's refusal of a call over the quota."""
    return Refusal(code, policy, status=status, message="The throttling threshold has been reached")
