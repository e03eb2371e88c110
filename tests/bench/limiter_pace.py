"""How close the limiter comes to the quota without being refused, beside aiolimiter's two usual settings.

200 callers, each with its next call ready, over even and uneven lines, to servers that count in different ways; in
virtual time, and once in real time. `python tests/bench/limiter_pace.py [SECONDS]` prints a table.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from aiolimiter import AsyncLimiter

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from orchestrator.limits.local import LocalLimiter
from tests.bench.limiter_designs import LINES, RATES, SERVERS, Delay, Score, Server
from tests.simulation.loop import run_virtual

CALLERS = 200
REAL_S = 10.0

Enter = Callable[[], AbstractAsyncContextManager[object]]


@dataclass(slots=True)
class Contender:
    """Who paces the calls, and what it does when one is refused."""

    enter: Enter
    refused: Callable[[], None] = lambda: None


def ours(rate: int) -> Contender:
    limiter = LocalLimiter({"call": float(rate)})
    return Contender(lambda: limiter.permit("call"), lambda: limiter.throttled("call"))


def leaky(rate: int) -> Contender:
    limiter = AsyncLimiter(rate, 1)
    return Contender(lambda: limiter)


def paced(rate: int) -> Contender:
    limiter = AsyncLimiter(1, 1 / rate)
    return Contender(lambda: limiter)


CONTENDERS: Mapping[str, Callable[[int], Contender]] = {
    "limits.local": ours,
    "AsyncLimiter(R, 1)": leaky,
    "AsyncLimiter(1, 1/R)": paced,
}


async def score(
    make: Callable[[int], Contender], rate: int, server: Server, delay: Delay, seconds: float
) -> Score:
    """Calls without end, until the time is over."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    line = random.Random(1)
    contender = make(rate)
    result = Score(seconds, rate)

    async def caller() -> None:
        while True:
            async with contender.enter():
                await asyncio.sleep(delay(line))
                at = loop.time() - began
                accepted = server.accepts(at)
                result.arrived(at, accepted=accepted)
                await asyncio.sleep(delay(line))
            if not accepted:
                contender.refused()

    callers = [loop.create_task(caller()) for _ in range(CALLERS)]
    await asyncio.sleep(seconds)
    for task in callers:
        task.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    return result


def main(seconds: float) -> None:
    """Prints the tables."""
    sys.stdout.write(f"{CALLERS} callers, {seconds:g} s of virtual time\n")
    sys.stdout.write(f"{'':36}" + "".join(f"{f'{rate} calls/s':^26}" for rate in RATES) + "\n")
    sys.stdout.write(f"{'':36}" + "   used  ref.  1st   late  " * len(RATES) + "\n")
    for name, contender in CONTENDERS.items():
        sys.stdout.write(f"{name}\n")
        for line, delay in LINES.items():
            for server_name, server in SERVERS.items():
                scores = [run_virtual(score(contender, rate, server(rate), delay, seconds)) for rate in RATES]
                cells = "".join(f"{result!s:26}" for result in scores)
                sys.stdout.write(f"  {line:16}{server_name:18}{cells}\n")
    sys.stdout.write(
        "used: accepted, of the quota; ref.: refused; 1st: in the first second; late: of all after ten\n\n"
    )
    sys.stdout.write(f"The same in {REAL_S:g} s of real time: WAN, sliding window, 20 calls/s\n")
    for name, contender in CONTENDERS.items():
        result = asyncio.run(score(contender, 20, SERVERS["sliding window"](20), LINES["WAN"], REAL_S))
        sys.stdout.write(f"{name:28}{result}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 300)
