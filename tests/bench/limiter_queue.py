"""What waiting costs: 10,000 calls in line and 200 newcomers, beside aiolimiter.

`python tests/bench/limiter_queue.py` prints, for each: memory of a waiter, processor time of a grant, and how many went
before somebody whose turn it was.
"""

import asyncio
import gc
import sys
import time
import tracemalloc
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from aiolimiter import AsyncLimiter

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from orchestrator.limits.local import LocalLimiter
from tests.simulation.loop import run_virtual

RATE = 20
WAITING, NEWCOMERS = 10_000, 200

Enter = Callable[[], AbstractAsyncContextManager[object]]


def ours() -> Enter:
    limiter = LocalLimiter({"call": float(RATE)})
    return lambda: limiter.permit("call")


def leaky() -> Enter:
    limiter = AsyncLimiter(RATE, 1)
    return lambda: limiter


def paced() -> Enter:
    limiter = AsyncLimiter(1, 1 / RATE)
    return lambda: limiter


CONTENDERS: Mapping[str, Callable[[], Enter]] = {
    "limits.local": ours,
    f"AsyncLimiter({RATE}, 1)": leaky,
    f"AsyncLimiter(1, 1/{RATE})": paced,
}


@dataclass(slots=True)
class Line:
    """Who waits, by number of arrival."""

    waiting: list[int] = field(default_factory=list)
    overtakings: int = 0

    def went(self, number: int) -> None:
        """Everybody with a lower number should have gone before."""
        place = bisect_left(self.waiting, number)
        self.overtakings += place > 0
        del self.waiting[place]


async def bytes_each(enter: Enter | None) -> float:
    """Memory of one who waits, with its task; for None, of a task that waits for nothing in particular."""
    loop = asyncio.get_running_loop()
    never = loop.create_future()

    async def call() -> None:
        if enter is None:
            await never
            return
        async with enter():
            await never

    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tasks = [loop.create_task(call()) for _ in range(WAITING)]
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / WAITING
    finally:
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def order(enter: Enter) -> tuple[int, float]:
    """How often somebody was overtaken, and processor seconds of each grant."""
    loop = asyncio.get_running_loop()
    line = Line()

    async def call(number: int) -> None:
        insort(line.waiting, number)
        async with enter():
            line.went(number)
            await asyncio.sleep(0.1)

    tasks = [loop.create_task(call(number)) for number in range(WAITING)]
    await asyncio.sleep(0)
    began = time.process_time()
    for number in range(WAITING, WAITING + NEWCOMERS):
        await asyncio.sleep(2.03)
        tasks.append(loop.create_task(call(number)))
    await asyncio.gather(*tasks)
    return line.overtakings, (time.process_time() - began) / len(tasks)


def main() -> None:
    """Prints the table."""
    sys.stdout.write(f"{WAITING:,} waiting at {RATE} calls/s, {NEWCOMERS} newcomers\n")
    sys.stdout.write(f"{'':22}{'bytes each':>12}{'without task':>14}{'µs a grant':>12}{'overtakings':>13}\n")
    task = run_virtual(bytes_each(None))
    for name, contender in CONTENDERS.items():
        each = run_virtual(bytes_each(contender()))
        overtakings, grant_s = run_virtual(order(contender()))
        sys.stdout.write(
            f"{name:22}{each:>12,.0f}{each - task:>14,.0f}{grant_s * 1e6:>12.0f}{overtakings:>13}\n"
        )


if __name__ == "__main__":
    main()
