"""Prefect with its ephemeral server on SQLite: flows of tasks that do nothing, so many at once.

`python prefect_steps.py RUNS STEPS CONCURRENCY` prints a JSON object. It needs prefect, and nothing of the orchestrator.
The server is a process of its own, so its time counts as well.
"""

import asyncio
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

# Read when prefect is imported; a log line for each task would be measured as well.
os.environ.update(PREFECT_LOGGING_LEVEL="CRITICAL", PREFECT_SERVER_LOGGING_LEVEL="CRITICAL")

from prefect import flow, task  # type: ignore[import-not-found]  # lives in the peers' own environment


async def nothing(number: int) -> int:
    """A task that does nothing."""
    return number


async def ten(run: int, steps: int) -> int:
    """A flow: one task after the other."""
    for number in range(steps):
        await TASK(number)
    return run


TASK = task(nothing)
FLOW = flow(ten)


async def carry(runs: int, steps: int, concurrency: int) -> dict[str, float]:
    """Wall seconds, and processor seconds of this process and its server."""
    room = asyncio.Semaphore(concurrency)

    async def one(run: int) -> None:
        async with room:
            await FLOW(run, steps)

    await FLOW(-1, 1)  # starts the server, which is not counted
    wall, cpu = time.perf_counter(), processor_s()
    await asyncio.gather(*(one(run) for run in range(runs)))
    return {"wall_s": time.perf_counter() - wall, "cpu_s": processor_s() - cpu}


def processor_s() -> float:
    """Of this process and its children so far."""
    own, ticks = os.getpid(), os.sysconf("SC_CLK_TCK")
    spent = time.process_time()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:  # it ended in this moment
            continue
        if int(fields[1]) == own:
            spent += (int(fields[11]) + int(fields[12])) / ticks
    return spent


def main(runs: int, steps: int, concurrency: int) -> None:
    """Carry, print."""
    measured = asyncio.run(carry(runs, steps, concurrency))
    found = {**measured, "steps": runs * steps, "version": version("prefect")}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
