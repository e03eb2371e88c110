import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.limits.base import Limiter, Why
from orchestrator.limits.local import LocalLimiter

Virtually = Callable[[Coroutine[Any, Any, Any]], Any]


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer, so that hours of waiting take milliseconds and are exact."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        selector = self._selector  # type: ignore[attr-defined]  # asyncio offers no other way to see the next timer
        ready = selector.select

        def jump(timeout: float | None) -> Any:
            assert timeout is not None, "nothing will ever happen: deadlock"
            self._now += timeout
            return ready(0)

        selector.select = jump

    def time(self) -> float:
        return self._now


@pytest.fixture
def virtually() -> Virtually:
    """Runs a coroutine in virtual time."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(coroutine)

    return run


class StrictServer:
    """Counts calls at their arrival and refuses those over the quota, by a window of one second."""

    def __init__(self, rate: int, *, burst: int | None = None) -> None:
        self.rate = rate
        self.window_s = 1.0 if burst is None else burst / rate * 0.999
        self.allowed = rate if burst is None else burst
        self.seen: deque[float] = deque()
        self.refused = 0

    def accepts(self, now: float) -> bool:
        while self.seen and self.seen[0] <= now - self.window_s:
            self.seen.popleft()
        if len(self.seen) >= self.allowed:
            self.refused += 1
            return False
        self.seen.append(now)
        return True


async def _drive(
    limiter: LocalLimiter, server: StrictServer, calls: int, delay: Callable[[], float]
) -> float:
    """Makes `calls` calls at once, each sent again until accepted; returns the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def one() -> None:
        accepted = False
        while not accepted:
            async with limiter.permit("op"):
                await asyncio.sleep(delay())
                accepted = server.accepts(loop.time())
                await asyncio.sleep(delay())
            if not accepted:
                limiter.throttled("op")

    async with asyncio.TaskGroup() as group:
        for _ in range(calls):
            group.create_task(one())
    return loop.time() - began


@pytest.mark.parametrize("rate", [1, 5, 20])
def test_a_sliding_window_never_refuses(virtually: Virtually, rate: int) -> None:
    """With jitter of a WAN on both ways, a strict server refuses nothing and most of the quota is used."""
    rng = random.Random(rate)
    server = StrictServer(rate)
    took = virtually(_drive(LocalLimiter({"op": rate}), server, 40 * rate, lambda: rng.uniform(0.001, 0.03)))
    assert server.refused == 0
    assert 40 <= took + 1 < 40 * 1.08 + 1


def test_a_server_without_bursts_is_learnt(virtually: Virtually) -> None:
    """A server that wants even spacing refuses a few calls of many, and all end well."""
    rng = random.Random(1)
    server = StrictServer(10, burst=1)
    took = virtually(_drive(LocalLimiter({"op": 10}), server, 600, lambda: rng.uniform(0.001, 0.03)))
    assert server.refused < 30
    assert took < 60 * 1.6


def test_the_oldest_run_goes_first_and_background_last(virtually: Virtually) -> None:
    """Order counts before arrival, and polling takes only what nobody else wants."""
    served: list[str] = []

    async def main() -> None:
        limiter: Limiter = LocalLimiter({"op": 5})

        async def call(name: str, order: float, *, low: bool = False) -> None:
            async with limiter.permit("op", order=order, low=low):
                served.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(call("first", 9))
            await asyncio.sleep(0)
            for name, order, low in (
                ("poll", 0, True),
                ("new", 3, False),
                ("old", 1, False),
                ("new too", 3, False),
            ):
                group.create_task(call(name, order, low=low))

    virtually(main())
    assert served == ["first", "old", "new", "new too", "poll"]


def test_a_cancelled_waiter_frees_its_place(virtually: Virtually) -> None:
    """Thousands who give up leave neither a gap nor a count behind."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        limiter = LocalLimiter({"op": 10})
        reached = asyncio.Event()

        async def call() -> None:
            async with limiter.permit("op"):
                pass

        async def last() -> float:
            async with limiter.permit("op", order=1):
                reached.set()
                return loop.time()

        async with limiter.permit("op"):
            waiters = [loop.create_task(call()) for _ in range(3000)]
            end = loop.create_task(last())
            await asyncio.sleep(0)
            assert limiter.snapshot()[0].waiting == 3001
            began = loop.time()
            for waiter in waiters:
                waiter.cancel()
            await asyncio.sleep(0)
            assert limiter.snapshot()[0].waiting == 1
        at = await end
        assert limiter.snapshot()[0].waiting == 0
        return at - began

    assert virtually(main()) == pytest.approx(0.1)


def test_a_call_cancelled_in_flight_returns_its_permit_a_second_later(virtually: Virtually) -> None:
    """The server may have counted it, so it cools like any other."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        limiter = LocalLimiter({"op": 1})
        sent = asyncio.Event()

        async def hang() -> None:
            async with limiter.permit("op"):
                sent.set()
                await asyncio.Event().wait()

        task = loop.create_task(hang())
        await sent.wait()
        began = loop.time()
        loop.call_later(3, task.cancel)
        async with limiter.permit("op"):
            return loop.time() - began

    assert virtually(main()) == pytest.approx(4.0)


async def _seconds_until_next(*, is_answered: bool) -> float:
    """How long a second call waits when the first ended in an exception, with an answer or without."""
    loop = asyncio.get_running_loop()
    limiter = LocalLimiter({"op": 1})
    began = loop.time()
    with contextlib.suppress(asyncio.QueueEmpty):
        async with limiter.permit("op") as permit:
            if is_answered:
                permit.answered()
            asyncio.Queue[None]().get_nowait()  # raises
    async with limiter.permit("op"):
        return loop.time() - began


def test_an_answer_that_is_an_error_is_an_answer(virtually: Virtually) -> None:
    """A call that raises after its answer cools as usual; without one it may be counted later."""
    assert virtually(_seconds_until_next(is_answered=True)) == pytest.approx(1.0, abs=0.01)
    assert virtually(_seconds_until_next(is_answered=False)) == pytest.approx(2.0, abs=0.01)


def test_a_call_that_is_sent_again_keeps_its_place(virtually: Virtually) -> None:
    """Refused, it goes before those of the same run that came later, and says how long it has waited in all."""
    served: list[str] = []
    waited: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        limiter = LocalLimiter({"op": 2})

        async def call(name: str, refusals: int) -> None:
            turn = limiter.permit("op", order=7, label=name)
            for refused in (True,) * refusals + (False,):
                async with turn:
                    served.append(name)
                if refused:
                    limiter.throttled("op")
                    loop.call_soon(lambda: waited.extend(w.waited_s for w in limiter.waiting(label=name)))

        async with asyncio.TaskGroup() as group:
            group.create_task(call("refused", 3))
            for n in range(3):
                group.create_task(call(f"new {n}", 0))

    virtually(main())
    assert served == ["refused", "refused", "refused", "refused", "new 0", "new 1", "new 2"]
    assert waited == sorted(waited)
    assert waited[-1] == pytest.approx(3.0)


def test_reasons_for_waiting(virtually: Virtually) -> None:
    """The quota, a refusal or missing replies; nothing when nobody waits."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        limiter = LocalLimiter({"op": 2})

        async def call() -> None:
            async with limiter.permit("op", label="me"):
                pass

        async def reason() -> tuple[Why, Why | None]:
            waiter = loop.create_task(call())
            await asyncio.sleep(0)
            seen = limiter.waiting(label="me")[0].why, limiter.snapshot()[0].why
            await waiter
            return seen

        async with limiter.permit("op"):
            assert limiter.snapshot()[0].why is None
            assert await reason() == (Why.QUOTA, Why.QUOTA)
            await asyncio.sleep(2)
            async with limiter.permit("op") as second:
                waiter = loop.create_task(call())
                await asyncio.sleep(1)
                assert [one.why for one in limiter.waiting()] == [Why.IN_FLIGHT]
                second.answered()
            await waiter
        limiter.throttled("op", 9.0)
        assert await reason() == (Why.PAUSED, Why.PAUSED)

    virtually(main())


def test_a_turn_that_comes_with_the_cancellation_is_not_lost(virtually: Virtually) -> None:
    """Cancelled between the grant and the wake-up, the permit goes to the next."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        limiter = LocalLimiter({"op": 1})

        async def call() -> None:
            async with limiter.permit("op"):
                pass

        async with limiter.permit("op") as permit:
            await asyncio.sleep(2)
            second = loop.create_task(call())
            await asyncio.sleep(0)
            permit.unused()
        # Leaving has granted the turn, but the second task has not run on yet.
        assert limiter.snapshot()[0].in_flight == 1
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await call()
        assert limiter.snapshot()[0].in_flight == 0

    virtually(main())


def test_an_unused_permit_is_free_at_once(virtually: Virtually) -> None:
    """What never left doesn't cool down."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        limiter = LocalLimiter({"op": 1})
        began = loop.time()
        async with limiter.permit("op") as permit:
            permit.unused()
        async with limiter.permit("op"):
            # Only the spacing of the sends is left.
            return loop.time() - began

    assert virtually(main()) == pytest.approx(1.0)


def test_a_waiter_is_told_why(virtually: Virtually) -> None:
    """The label leads to the quota, the number ahead and the seconds left, which come true."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        limiter = LocalLimiter({"op": 2, "other": 2}, categories={"op": "Files"})
        turns: dict[str, float] = {}

        async def call(name: str) -> None:
            async with limiter.permit("op", label=name):
                turns[name] = loop.time()

        tasks = [loop.create_task(call(f"run{n}/upload")) for n in range(9)]
        await asyncio.sleep(0)
        now = loop.time()
        (why,) = limiter.waiting(label="run8/upload")
        assert (why.operation, why.ahead, why.waited_s) == ("op", 7, 0.0)
        assert len(limiter.waiting()) == 8
        assert limiter.waiting("other") == []
        (state,) = limiter.snapshot()
        assert (state.category, state.waiting, state.rate) == ("Files", 8, 2)
        await asyncio.gather(*tasks)
        assert turns["run8/upload"] - now == pytest.approx(why.wait_s, abs=0.6)

    virtually(main())


async def test_an_unknown_operation_is_a_usage_error() -> None:
    """Nothing passes without a rate."""
    with pytest.raises(UsageError, match="nothing_known"):
        async with LocalLimiter({}).permit("nothing_known"):
            pass


def test_many_waiters_are_served_in_a_moment(virtually: Virtually) -> None:
    """Ten thousand calls wait without a task or a timer each."""

    async def main() -> int:
        limiter = LocalLimiter({"op": 1000})
        done = 0

        async def call() -> None:
            nonlocal done
            async with limiter.permit("op"):
                done += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(10_000):
                group.create_task(call())
        return done

    assert virtually(main()) == 10_000
