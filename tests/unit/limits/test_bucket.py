import math

import pytest

from orchestrator.limits.bucket import MAX_PAUSE_S, MAX_SLOW, PAUSE_S, SLOW_STEP, Bucket


def test_a_fresh_bucket_is_free_at_once() -> None:
    """The first call need not wait."""
    assert Bucket(5).free_at(10.0) == 10.0


def test_sends_are_spaced() -> None:
    """The second call waits one spacing although permits are left."""
    bucket = Bucket(5)
    bucket.take(10.0)
    assert bucket.free_at(10.0) == pytest.approx(10.2)


def test_a_permit_returns_one_second_after_the_reply() -> None:
    """With all permits out, the next call waits for the first reply plus a second."""
    bucket = Bucket(2)
    bucket.take(0.0)
    bucket.take(0.5)
    assert math.isinf(bucket.free_at(1.0))
    bucket.replied(0.0, 1.2)
    assert bucket.free_at(1.3) == pytest.approx(2.2)
    assert bucket.free_at(2.3) == pytest.approx(2.3)


def test_a_call_that_never_left_gives_its_permit_back_at_once() -> None:
    """Only what the server may have counted is held."""
    bucket = Bucket(1)
    bucket.take(0.0)
    bucket.untake()
    assert bucket.free_at(1.0) == 1.0
    assert bucket.sent == 0


def test_a_rate_below_one_holds_its_permit_longer() -> None:
    """Half a call per second is one call in two seconds."""
    bucket = Bucket(0.5)
    bucket.take(0.0)
    bucket.replied(0.0, 0.0)
    assert bucket.free_at(0.1) == pytest.approx(2.0)


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    """A rate has to be a number above 0."""
    with pytest.raises(ValueError, match="rate"):
        Bucket(rate)


def test_a_throttle_pauses_and_slows_down_and_replies_recover() -> None:
    """Spacing grows by a step with each throttle and comes back with accepted calls."""
    bucket = Bucket(10)
    bucket.throttled(5.0, None)
    assert bucket.free_at(5.0) == 5.0 + PAUSE_S
    assert bucket.spacing_s == pytest.approx((1 + SLOW_STEP) / 10)
    for _ in range(100):
        bucket.take(7.0)
        bucket.replied(7.0, 7.0)
    assert bucket.spacing_s == pytest.approx(0.1)


def test_the_server_says_how_long_to_pause_within_reason() -> None:
    """Retry-After counts, but a wrong one doesn't stop the work for a day."""
    bucket = Bucket(10)
    bucket.throttled(0.0, 7.0)
    assert bucket.free_at(0.0) == 7.0
    bucket.throttled(0.0, 86400.0)
    assert bucket.free_at(0.0) == MAX_PAUSE_S


def test_slowing_down_has_an_end() -> None:
    """However often it is throttled, the bucket keeps trying."""
    bucket = Bucket(10)
    for _ in range(1000):
        bucket.throttled(0.0, None)
    assert bucket.slow == MAX_SLOW


def test_the_estimate_counts_those_ahead() -> None:
    """Ten calls ahead at 5/s are two seconds."""
    assert Bucket(5).wait_s(0.0, 10) == pytest.approx(2.0)
