"""When a failed attempt is tried again."""

import hashlib
from datetime import datetime, timedelta

from orchestrator.domain.pipeline import RetryPolicy
from orchestrator.errors import RetryClass

#: Pause after the first check that got no answer, and the longest one.
_RECHECK_S = 10.0
_RECHECK_MAX_S = 300.0


def next_attempt_at(
    policy: RetryPolicy, *, attempt: int, retry: RetryClass, now: datetime, salt: str
) -> datetime | None:
    """The time of the attempt after number `attempt`; None when there is none.

    Exponential with equal jitter (half to whole of the delay). The jitter comes from `salt`, so that the same
    history always decides the same.
    """
    if attempt >= policy.attempts or retry not in policy.on:
        return None
    delay_s = min(policy.backoff_s * 2.0 ** (attempt - 1), policy.max_backoff_s)
    return now + _jittered(delay_s, f"{salt}/{attempt}")


def next_check_at(unanswered: int, *, now: datetime, salt: str) -> datetime:
    """When to ask again after a check without an answer that `unanswered` others came before; backed off alike."""
    return now + _jittered(
        min(_RECHECK_S * 2.0 ** min(unanswered, 30), _RECHECK_MAX_S), f"{salt}/{unanswered}"
    )


def _jittered(delay_s: float, salt: str) -> timedelta:
    return timedelta(seconds=delay_s * (0.5 + 0.5 * _fraction(salt)))


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
