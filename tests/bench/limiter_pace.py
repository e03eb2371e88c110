"""How close the limiter comes to the quota without being refused, beside aiolimiter's two usual settings.

Each contender sends calls for some seconds over a long line with jitter to a server that grants RATE calls in any one
second. The three run side by side, each with a line and a server of its own. `python tests/bench/limiter_pace.py
[SECONDS]` prints a table.
"""

import asyncio
import random
import sys
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from aiolimiter import AsyncLimiter

from orchestrator.limits.local import LocalLimiter

RATE = 20
#: One way, in seconds: the least, and the most that jitter adds.
DELAY_S, JITTER_S = 0.02, 0.08

Enter = Callable[[], AbstractAsyncContextManager[object]]


@dataclass(slots=True)
class StrictServer:
    """Grants RATE calls in any one second, and refuses the rest."""

    accepted: int = 0
    refused: int = 0
    _granted_at: deque[float] = field(default_factory=deque)

    def arrive(self, now: float) -> None:
        """A call is here."""
        while self._granted_at and self._granted_at[0] <= now - 1:
            self._granted_at.popleft()
        if len(self._granted_at) < RATE:
            self._granted_at.append(now)
            self.accepted += 1
        else:
            self.refused += 1


@dataclass(slots=True)
class Contender:
    name: str
    enter: Enter
    server: StrictServer = field(default_factory=StrictServer)
    #: Calls that left in the first second.
    at_first: int = 0


async def send_all(contender: Contender, seconds: float) -> None:
    """Calls without end, until the time is over; more are ready to go than the quota lets through."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    line = random.Random(contender.name)

    async def caller() -> None:
        while True:
            async with contender.enter():
                contender.at_first += loop.time() < began + 1
                await asyncio.sleep(DELAY_S + JITTER_S * line.random())
                contender.server.arrive(loop.time())
                await asyncio.sleep(DELAY_S + JITTER_S * line.random())

    callers = [loop.create_task(caller()) for _ in range(4 * RATE)]
    await asyncio.sleep(seconds)
    for task in callers:
        task.cancel()
    await asyncio.gather(*callers, return_exceptions=True)


async def main(seconds: float) -> str:
    """The table."""
    ours = LocalLimiter({"call": float(RATE)})
    burst, paced = AsyncLimiter(RATE, 1), AsyncLimiter(1, 1 / RATE)
    contenders = [
        Contender("limits.local", lambda: ours.permit("call")),
        Contender(f"AsyncLimiter({RATE}, 1)", lambda: burst),
        Contender(f"AsyncLimiter(1, 1/{RATE})", lambda: paced),
    ]
    await asyncio.gather(*(send_all(contender, seconds) for contender in contenders))
    lines = [
        f"{RATE} calls/s granted in any second, {seconds:g} s, jitter {1000 * JITTER_S:g} ms each way",
        f"{'':24}{'accepted/s':>12}{'of quota':>10}{'refused':>9}{'first second':>14}",
    ]
    lines += [
        f"{contender.name:24}{contender.server.accepted / seconds:>12.1f}"
        f"{contender.server.accepted / seconds / RATE:>10.0%}{contender.server.refused:>9}{contender.at_first:>14}"
        for contender in contenders
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20)) + "\n")
