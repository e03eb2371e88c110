import math

import pytest

from orchestrator.limits.base import Why
from orchestrator.limits.bucket import (
    LOST_S,
    MARGIN_S,
    MAX_OWN_PAUSE_S,
    MAX_PAUSE_S,
    MAX_SLOW,
    SLOW_STEP,
    Bucket,
)
from orchestrator.limits.line import FEWEST


def learnt(bucket: Bucket, *round_trips_s: float, times: int = 10_000) -> Bucket:
    """The bucket after answers that took as long, at 0."""
    for took_s in round_trips_s * (times // len(round_trips_s)):
        bucket.line.answered(took_s, 0.0)
    return bucket


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
    assert bucket.free_at(1.3) == pytest.approx(2.2 + MARGIN_S)
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
    assert bucket.free_at(0.1) == pytest.approx(2.0 + MARGIN_S)


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    """A rate has to be a number above 0."""
    with pytest.raises(ValueError, match="rate"):
        Bucket(rate)


def test_a_permit_returns_as_much_sooner_as_the_line_is_long() -> None:
    """A round trip that never takes less than 200 ms lets the next call leave 200 ms sooner, less a margin."""
    bucket = learnt(Bucket(10), 0.2)
    assert 1 - 0.2 < bucket.hold_s < 1 - 0.2 + 0.006
    assert learnt(Bucket(10), 0.2, times=FEWEST - 1).hold_s == 1 + MARGIN_S


def test_a_permit_never_returns_before_the_reply() -> None:
    """However slow the server is."""
    bucket = learnt(Bucket(2), 5.0)
    assert bucket.hold_s == MARGIN_S
    bucket.take(20.0)
    bucket.take(21.0)
    assert math.isinf(bucket.free_at(24.0))
    assert bucket.why(24.0) is Why.IN_FLIGHT


def test_a_timer_that_fires_too_early_lets_one_go_not_all() -> None:
    """A permit that is taken a rounding error before it is back isn't there for the next."""
    bucket = Bucket(2)
    for at in (0.0, 0.5):
        bucket.take(at)
        bucket.replied(at, at)
    early = bucket.free_at(0.5) - 1e-12
    bucket.take(early)
    bucket.replied(early, early)
    assert bucket.free_at(early) == pytest.approx(1.5 + MARGIN_S)


def test_a_lost_call_holds_its_permit_as_long_as_it_may_be_counted() -> None:
    """Given up early, it may still be on the way; given up late, it may have been counted just now."""
    bucket = Bucket(1)
    bucket.take(0.0)
    bucket.lost(0.0, 0.1)
    assert bucket.free_at(0.1) == LOST_S + 1
    bucket.take(10.0)
    bucket.lost(10.0, 40.0)
    assert bucket.free_at(40.0) == 41.0


def test_a_slow_line_makes_a_lost_call_hold_longer() -> None:
    """A call that is given up may take as long as the slowest reply did."""
    bucket = learnt(Bucket(1), 0.1, 7.0)
    bucket.take(10.0)
    bucket.lost(10.0, 10.1)
    assert bucket.free_at(10.1) == 18.0


def test_a_call_may_be_early_to_make_up_for_a_late_one() -> None:
    """Half a spacing on a quiet line, less on an uneven one, nothing on one that isn't known yet."""
    assert Bucket(10).slack_s == 0.0
    assert learnt(Bucket(10), 0.1, 0.11).slack_s == pytest.approx(0.05)
    assert learnt(Bucket(10), 0.1, 0.2).slack_s == pytest.approx(0.04)
    assert learnt(Bucket(10), 0.1, 0.26).slack_s == pytest.approx(0.1 / 6)


def test_where_no_spacing_would_help_the_slack_is_full() -> None:
    """On a line that bunches calls anyway, only the windows count."""
    assert learnt(Bucket(10), 0.1, 0.9).slack_s == pytest.approx(0.05)


def test_a_refusal_pauses_and_slows_down_and_replies_recover() -> None:
    """Spacing grows by a step with each refusal and comes back with accepted calls."""
    bucket = Bucket(10)
    bucket.take(5.0)
    bucket.replied(5.0, 5.0)
    bucket.throttled(5.0, None)
    assert bucket.free_at(5.0) == pytest.approx(5.2)
    assert bucket.why(5.0) is Why.PAUSED
    assert bucket.spacing_s == pytest.approx((1 + SLOW_STEP) / 10)
    for _ in range(300):
        bucket.take(7.0)
        bucket.replied(7.0, 7.0)
    assert bucket.spacing_s == pytest.approx(0.1)


def test_pauses_double_until_a_call_is_accepted() -> None:
    """Eight tries outlast other users of the quota for some seconds."""
    bucket = Bucket(10)
    now, pauses = 0.0, []
    for accepted in (0, 0, 0, 0, 0, 0, 0, 1):
        for at in (now - 50,) * accepted + (now,):
            bucket.take(at)
            bucket.replied(at, at)
        bucket.throttled(now, None)
        pauses.append(bucket.free_at(now) - now)
        now += 100
    assert pauses[:-1] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, MAX_OWN_PAUSE_S, MAX_OWN_PAUSE_S])
    assert pauses[-1] == pytest.approx(bucket.spacing_s, abs=0.03)


def test_refusals_that_were_on_their_way_count_once() -> None:
    """A bunch that was sent at the old pace slows down by one step, not by one each."""
    bucket = learnt(Bucket(10), 0.5)
    for now in (10.0, 10.1, 10.2, 10.4):
        bucket.throttled(now, None)
    assert bucket.spacing_s == pytest.approx((1 + SLOW_STEP) / 10)
    assert bucket.throttles == 4


def test_a_refusal_makes_the_line_doubtful() -> None:
    """Whatever made permits come back early and calls leave early has to be learnt anew."""
    bucket = learnt(Bucket(10), 0.2)
    bucket.throttled(10.0, None)
    assert bucket.hold_s == 1 + MARGIN_S
    assert bucket.slack_s == 0.0


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
    for minute in range(1000):
        bucket.throttled(60.0 * minute, None)
    assert bucket.slow == MAX_SLOW


def test_the_estimate_counts_those_ahead() -> None:
    """Ten calls ahead at 5/s are two seconds."""
    assert Bucket(5).wait_s(0.0, 10) == pytest.approx(2.0, abs=0.01)
