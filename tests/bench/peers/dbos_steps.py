"""DBOS on its SQLite system database: workflows of steps that do nothing, so many at once.

`python dbos_steps.py RUNS STEPS CONCURRENCY` prints a JSON object. It needs dbos, and nothing of the orchestrator.
"""

import asyncio
import json
import sys
import time
from importlib.metadata import version

from dbos import DBOS  # type: ignore[import-not-found]  # lives in the peers' own environment


async def nothing(number: int) -> int:
    """A step that does nothing; an asynchronous one, which is the cheapest kind."""
    return number


async def ten(run: int, steps: int) -> int:
    """A workflow: one step after the other."""
    for number in range(steps):
        await STEP(number)
    return run


STEP = DBOS.step()(nothing)
WORKFLOW = DBOS.workflow()(ten)


async def carry(runs: int, steps: int, concurrency: int) -> tuple[float, float]:
    """Wall and processor seconds."""
    room = asyncio.Semaphore(concurrency)

    async def one(run: int) -> None:
        async with room:
            await WORKFLOW(run, steps)

    await WORKFLOW(-1, steps)  # what is made on first use is not counted
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(run) for run in range(runs)))
    return time.perf_counter() - wall, time.process_time() - cpu


async def main(runs: int, steps: int, concurrency: int) -> None:
    """Launch, carry, print."""
    DBOS(
        config={
            "name": "bench",
            "system_database_url": "sqlite:///dbos.sqlite",
            "console_log_level": "ERROR",
            "enable_otlp": False,
        }
    )
    DBOS.launch()
    wall_s, cpu_s = await carry(runs, steps, concurrency)
    found = {"wall_s": wall_s, "cpu_s": cpu_s, "steps": runs * steps, "version": version("dbos")}
    sys.stdout.write(json.dumps(found) + "\n")
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
