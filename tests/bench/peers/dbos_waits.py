"""DBOS on its SQLite system database: workflows that wait for a message.

`python dbos_waits.py rest RUNS SECONDS` prints, as a JSON object, what it costs that they wait;
`python dbos_waits.py wake RUNS PER_S SECONDS` how soon messages wake them: first so many a second, then all the others at
once. It needs dbos, and nothing of the orchestrator.
"""

import asyncio
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dbos import DBOS  # type: ignore[import-not-found]  # lives in the peers' own environment

TOPIC = "callback"
AT_ONCE = 100
#: Longer than any measurement.
PATIENCE_S = 3600.0


class Noted:
    """When each workflow got somewhere, and a way to wait until so many have."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._changed = asyncio.Condition()

    async def note(self, name: str) -> None:
        """It is there now."""
        self.at[name] = time.monotonic()
        async with self._changed:
            self._changed.notify_all()

    async def reach(self, count: int) -> None:
        """Return when so many are there."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.at) >= count)


WAITING, WOKEN = Noted(), Noted()


async def wait(name: str) -> str:
    """A workflow: waits for its message, then notes the time."""
    await WAITING.note(name)
    await DBOS.recv_async(TOPIC, timeout_seconds=PATIENCE_S)
    await WOKEN.note(name)
    return name


WORKFLOW = DBOS.workflow()(wait)


async def start(runs: int) -> list[str]:
    """Their ids, once all of them wait."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str:
        async with room:
            handle = await DBOS.start_workflow_async(WORKFLOW, f"run-{number}")
            return str(handle.get_workflow_id())

    ids = await asyncio.gather(*(one(number) for number in range(runs)))
    await WAITING.reach(runs)
    await asyncio.sleep(5)  # what each does before it waits is over by then
    return ids


async def rest(runs: int, seconds: float) -> dict[str, Any]:
    """Nothing happens."""
    before, began = resident(), time.perf_counter()
    await start(runs)
    started_s = time.perf_counter() - began
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return {
        "started_s": started_s,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "memory": resident() - before,
    }


async def wake(runs: int, per_s: float, seconds: float) -> dict[str, Any]:
    """Messages at a rate, then the rest at once."""
    ids = await start(runs)
    paced = min(int(per_s * seconds), runs // 2)
    sent: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(paced):
            await asyncio.sleep(max(0.0, begin + number / per_s - loop.time()))
            group.create_task(_send(ids[number], f"run-{number}", sent))
    await WOKEN.reach(paced)
    waited_ms = [1000 * (WOKEN.at[name] - at) for name, at in sent.items()]
    sent.clear()
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            await _send(ids[number], f"run-{number}", sent)

    await asyncio.gather(*(one(number) for number in range(paced, runs)))
    await WOKEN.reach(runs)
    through_s = max(WOKEN.at[name] for name in sent) - min(sent.values())
    return {"waited_ms": waited_ms, "through_s": through_s, "burst": runs - paced}


async def _send(workflow_id: str, name: str, sent: dict[str, float]) -> None:
    sent[name] = time.monotonic()
    await DBOS.send_async(workflow_id, "SUCCEED", TOPIC)


def resident() -> int:
    """Bytes of this process in RAM."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def main(what: str, *numbers: float) -> None:
    """Launch, measure, print, and leave at once: the workflows wait on."""
    DBOS(
        config={
            "name": "bench",
            "system_database_url": "sqlite:///dbos.sqlite",
            "console_log_level": "ERROR",
            "enable_otlp": False,
        }
    )
    DBOS.launch()
    runs, *further = numbers
    found = await (rest(int(runs), *further) if what == "rest" else wake(int(runs), *further))
    sys.stdout.write(json.dumps({**found, "version": version("dbos")}) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(float, sys.argv[2:])))
