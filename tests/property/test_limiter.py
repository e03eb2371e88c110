"""The limiter's promise: a server that counts strictly never sees more than it grants, whatever the line does."""

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.limits.bucket import LOST_S, Bucket
from orchestrator.limits.local import LocalLimiter
from tests.bench.limiter_designs import SERVERS, FixedWindow, TokenBucket, TrustingLine, Unspaced, play
from tests.simulation.loop import run_virtual

rates = st.sampled_from([1, 2, 3, 5, 10, 20])
seeds = st.integers(0, 2**32)
one_way = st.floats(0.0, 0.4)
#: Longest time from leaving to being counted, so that a lost call is counted before its permit may return.
LONGEST_S = LOST_S


def most_in_a_second(counted: list[float]) -> int:
    """The most calls in any window of one second, open at its beginning."""
    ordered = sorted(counted)
    most, first = 0, 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def counted_at(
    bucket: Bucket, there: Callable[[], float], back: Callable[[], float], *, lost: float, rng: random.Random
) -> list[float]:
    """When a server counts the calls of 30 s; a share of `lost` gets no answer and is given up at any time."""
    ends: list[tuple[float, int, float, bool]] = []
    counted: list[float] = []
    numbers, now = count(), 0.0
    while now < 30:
        free_at = bucket.free_at(now)
        if free_at <= now + 1e-9:
            bucket.take(now)
            counted.append(now + there())
            is_lost = rng.random() < lost
            ended_at = now + rng.uniform(0, 5) if is_lost else counted[-1] + back()
            heapq.heappush(ends, (ended_at, next(numbers), now, is_lost))
        elif ends and ends[0][0] <= free_at:
            now, _, sent_at, is_lost = heapq.heappop(ends)
            (bucket.lost if is_lost else bucket.replied)(sent_at, now)
        else:
            now = free_at
    return counted


@given(
    rates, seeds, one_way, one_way, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 0.3)
)
@settings(max_examples=60, deadline=None)
def test_no_second_holds_more_than_the_rate(
    rate: int,
    seed: int,
    there_s: float,
    back_s: float,
    there_jitter_s: float,
    back_jitter_s: float,
    bias: float,
    lost: float,
) -> None:
    """Long or short, even or not, alike in both directions or not, with answers lost: R calls in a second at most."""
    rng = random.Random(seed)

    def way(least_s: float, jitter_s: float) -> Callable[[], float]:
        # A bias of 0 is an even jitter, 1 one that is nearly always small.
        return lambda: min(LONGEST_S, least_s + jitter_s * rng.random() ** (1 + 3 * bias))

    bucket = Bucket(rate)
    counted = counted_at(bucket, way(there_s, there_jitter_s), way(back_s, back_jitter_s), lost=lost, rng=rng)
    assert most_in_a_second(counted) <= rate


@given(
    rates, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40), one_way, one_way
)
@settings(max_examples=100, deadline=None)
def test_with_the_floor_known_the_line_may_do_anything(
    rate: int, jitters: list[tuple[float, float]], there_s: float, back_s: float
) -> None:
    """Permits alone, without spacing or margin, let no order of long and short ways bring too many through."""
    bucket = Unspaced(rate, line=TrustingLine())
    for _ in range(20):
        bucket.line.answered(there_s + back_s, 0.0)
    theres, backs = (count(), count())

    def there() -> float:
        return there_s + (LONGEST_S - there_s) * jitters[next(theres) % len(jitters)][0]

    def back() -> float:
        return back_s + jitters[next(backs) % len(jitters)][1]

    counted = counted_at(bucket, there, back, lost=0.1, rng=random.Random(rate))
    assert most_in_a_second(counted) <= rate


@given(rates, seeds, st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_windows_of_any_phase_and_buckets_of_a_second_refuse_nothing(
    rate: int, seed: int, phase_s: float
) -> None:
    """What holds for a sliding window holds for them."""
    wan = lambda rng: rng.uniform(0.02, 0.1)  # noqa: E731  reads as a table's entry
    for server in (FixedWindow(rate, phase_s), TokenBucket(rate, rate)):
        assert play(Bucket(rate), server, wan, 20, seed).refused == 0


@pytest.mark.parametrize("rate", [3, 5, 10, 20])
@pytest.mark.parametrize("name", sorted(SERVERS.keys() - {"burst of one"}))
def test_the_quota_is_used(rate: int, name: str) -> None:
    """97 % of it on a line with ±10 ms, with nothing refused."""
    score = play(Bucket(rate), SERVERS[name](rate), lambda rng: rng.uniform(0.02, 0.04), 300)
    assert (score.refused, score.used >= 0.97) == (0, True)


@pytest.mark.parametrize(
    # 80 ms of jitter are more than a spacing at 20/s: a burst of two can't take that evenly sent, whoever sends.
    ("rate", "name"),
    [(rate, name) for rate in (3, 5, 10, 20) for name in SERVERS if (rate, name) != (20, "burst of two")],
)
def test_the_quota_is_used_on_a_long_line(rate: int, name: str) -> None:
    """90 % of it with the jitter of a WAN and nothing refused; a server without bursts is learnt."""
    score = play(Bucket(rate), SERVERS[name](rate), lambda rng: rng.uniform(0.02, 0.1), 300)
    if name == "burst of one":
        assert score.refused_late < 0.02 * score.late
    else:
        assert (score.refused, score.used >= 0.90) == (0, True)


@dataclass
class Wait:
    """One call's time in the queue, on the loop's clock."""

    key: tuple[bool, float, int]
    began_at: float
    ended_at: float = 0.0
    is_served: bool = False


async def waits(rate: int, arrivals: list[tuple[float, int, bool, float]]) -> list[Wait]:
    """Lets calls come, wait and give up as drawn."""
    loop = asyncio.get_running_loop()
    limiter = LocalLimiter({"op": rate})
    seen: list[Wait] = []

    async def call(after_s: float, order: int, *, low: bool, patience_s: float) -> None:
        await asyncio.sleep(after_s)
        wait = Wait((low, float(order), len(seen)), loop.time())
        seen.append(wait)
        try:
            async with asyncio.timeout(patience_s), limiter.permit("op", order=order, low=low):
                wait.is_served, wait.ended_at = True, loop.time()
                await asyncio.sleep(0.05)
        except TimeoutError:
            wait.ended_at = wait.ended_at or loop.time()

    async with asyncio.TaskGroup() as group:
        for after_s, order, low, patience_s in arrivals:
            group.create_task(call(after_s, order, low=low, patience_s=patience_s))
    assert limiter.snapshot()[0].in_flight == limiter.snapshot()[0].waiting == 0
    return seen


callers = st.tuples(st.floats(0, 3), st.integers(0, 3), st.booleans(), st.floats(0.001, 20))


@given(st.lists(callers, min_size=1, max_size=50), st.sampled_from([2, 5, 20]))
@settings(max_examples=50, deadline=None)
def test_nobody_is_overtaken(arrivals: list[tuple[float, int, bool, float]], rate: int) -> None:
    """Whenever a call goes, nobody waits who comes before it, however many give up meanwhile."""
    seen = run_virtual(waits(rate, arrivals))
    passes_s = 1e-4  # a grant reaches its task some passes of the loop later
    for served in (wait for wait in seen if wait.is_served):
        at = served.ended_at
        waiting = [one for one in seen if one.began_at < at - passes_s and one.ended_at > at + passes_s]
        assert all(served.key < one.key for one in waiting)
