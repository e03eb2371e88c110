"""A process that carries waiting runs: engine, SQLite store and public listener, as a daemon has them.

`python waiting_node.py STATE PORT` says on stdout that it listens and then obeys a line of stdin after the other, each a
JSON list of a verb and its arguments, answering each with a JSON line. `kit.waiting` is the other end.

Its runs have two steps: one that waits for a job as `video.wait` does, with a deadline, known to callbacks and to the
poller, which asks a service that answers from memory; and one that notes when it began.
"""

import asyncio
import cProfile
import json
import pstats
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any, cast

sys.path.insert(
    0, str(Path(__file__).resolve().parents[3])
)  # run as a script, this folder alone is on the path

# What a daemon loads: the composition root with all step kinds.
from orchestrator import app
from orchestrator.cli.process import SWITCH_S
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.engine.engine import Engine
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.logs import configure
from orchestrator.metastudio.client import MetaStudio
from orchestrator.server.engine_reads import EngineSink
from orchestrator.server.public import PublicServer
from orchestrator.steps.base import (
    Done,
    Ended,
    Parameters,
    StepContext,
    StepKind,
    Surroundings,
    Transfers,
    Waiting,
    kinds,
)
from orchestrator.store.base import Wait
from orchestrator.store.sqlite import SqliteStore
from tests.bench.kit.processes import resident_bytes, used

KEY = "master key of the bench"
#: A video's deadline, as in the sample.
DEADLINE_S = 6 * 3600.0
#: Rows of one table.
TABLE = 10_000


class JobParams(Parameters):
    job: str


class Count:
    """Counts, and tells when it has got far enough."""

    def __init__(self) -> None:
        self.value = 0
        self._wanted = 0
        self._enough = asyncio.Event()

    def add(self) -> None:
        """One more."""
        self.value += 1
        if self.value >= self._wanted:
            self._enough.set()

    async def reach(self, value: int) -> None:
        """Return when it is that, or more."""
        self._wanted = value
        if self.value < value:
            self._enough.clear()
            await self._enough.wait()

    def reset(self) -> None:
        """Begin at 0 again."""
        self.value = 0


class Service:
    """What the API was asked; nothing ends of which no callback told."""

    def __init__(self) -> None:
        self.looks = 0
        self.looked_at = 0
        self.sweeps = 0


class JobWait(StepKind[JobParams]):
    """As `video.wait`: a hint wakes it, the service is asked, the step is over."""

    name = "bench.wait"
    summary = "Wait for a job"
    params = JobParams
    outputs = frozenset({"job"})
    sweeps = True

    def __init__(self, service: Service) -> None:
        self.service = service
        self.waiting = Count()

    async def act(self, params: JobParams, ctx: StepContext) -> Waiting:
        """No call, as for a video."""
        self.waiting.add()
        return Waiting(params.job)

    async def check(self, params: JobParams, ctx: StepContext, correlation: str) -> Done:
        """Whoever asks has been told that it is over."""
        return Done({"job": params.job})

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        """None of them is over."""
        self.service.looks += 1
        self.service.looked_at += len(waits)
        return {}

    async def sweep(self, around: Surroundings, since: datetime) -> AsyncIterator[Ended]:
        """Nothing has ended without a callback."""
        self.service.sweeps += 1
        nothing: tuple[Ended, ...] = ()
        for ended in nothing:
            yield ended


class Began(StepKind[JobParams]):
    """Notes when it began, by a clock that all processes of the machine share."""

    name = "bench.began"
    summary = "Note when this step began"
    params = JobParams
    outputs = frozenset()

    def __init__(self) -> None:
        self.at: dict[RunId, float] = {}
        self.count = Count()

    async def act(self, params: JobParams, ctx: StepContext) -> Done:
        """The first thing that the step does."""
        self.at[ctx.run_id] = monotonic()
        self.count.add()
        return Done()


PIPELINE = Pipeline(
    "waiting",
    steps=(
        Step(StepId("finished"), "bench.wait", {"job": "${{ row.job }}"}, timeout_s=DEADLINE_S),
        Step(
            StepId("next"),
            "bench.began",
            {"job": "${{ steps.finished.job }}"},
            needs=(StepId("finished"),),
        ),
    ),
)


class Node:
    """Obeys."""

    def __init__(self, engine: Engine, wait: JobWait, began: Began) -> None:
        self._engine, self._wait, self._began = engine, wait, began
        self._profiler: cProfile.Profile | None = None

    async def obey(self, verb: str, *arguments: Any) -> Mapping[str, Any]:
        """What came of it."""
        verbs: Mapping[str, Callable[..., Awaitable[Mapping[str, Any]]]] = {
            "create": self._create,
            "rest": self._rest,
            "began": self._began_at,
            "profile": self._profile,
        }
        return await verbs[verb](*arguments)

    async def _create(self, runs: int, first: int) -> Mapping[str, Any]:
        """Runs by tables of rows, until all of them wait and that is written down."""
        before, waiting = resident_bytes(), self._wait.waiting.value
        with used() as usage:
            for start in range(first, first + runs, TABLE):
                stop = min(start + TABLE, first + runs)
                numbers = range(start, stop)
                rows = [RowInput(f"run-{n}", {}, {"job": f"job-{n}"}) for n in numbers]
                await self._engine.submit(Submission(PIPELINE, f"table-{start}", {}, rows=rows))
                await self._wait.waiting.reach(waiting + stop - first)
            await self._settled()
        return {
            "wall_s": usage.wall_s,
            "cpu_s": usage.cpu_s,
            "threads": usage.threads,
            "before": before,
            "after": resident_bytes(),
        }

    async def _settled(self) -> None:
        """Nothing of what was begun is still being written: for a moment no event is committed."""
        with self._engine.live.watch(limit=1) as events, suppress(TimeoutError):
            while True:
                await asyncio.wait_for(events.get(), 1.0)

    async def _rest(self, seconds: float) -> Mapping[str, Any]:
        """What it costs that nothing happens."""
        service = self._wait.service
        looks, looked_at, sweeps = service.looks, service.looked_at, service.sweeps
        with used() as usage:
            await asyncio.sleep(seconds)
        return {
            "wall_s": usage.wall_s,
            "cpu_s": usage.cpu_s,
            "threads": usage.threads,
            "looks": service.looks - looks,
            "looked_at": service.looked_at - looked_at,
            "sweeps": service.sweeps - sweeps,
        }

    async def _began_at(self, count: int, within_s: float, path: str) -> Mapping[str, Any]:
        """When the next steps began since this was asked last, once there are `count`; by run, in a file."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._began.count.reach(count), within_s)
        taken, self._began.at = self._began.at, {}
        self._began.count.reset()
        await asyncio.to_thread(Path(path).write_text, json.dumps(taken), "ascii")
        return {"count": len(taken)}

    async def _profile(self, functions: int) -> Mapping[str, Any]:
        """Begin to profile the event loop's thread; when that is done already, end it and write the costliest."""
        if self._profiler is None:
            self._profiler = cProfile.Profile()
            self._profiler.enable()
            return {}
        self._profiler.disable()
        text = StringIO()
        pstats.Stats(self._profiler, stream=text).sort_stats("tottime").print_stats(functions)
        self._profiler = None
        return {"text": text.getvalue()}


async def _never(url: str, message: object, headers: object) -> int:
    return 204


async def main(state: Path, port: int) -> None:
    """Start, say so, obey until stdin ends."""
    imported_at = monotonic()
    wait, began = JobWait(Service()), Began()
    store = await SqliteStore(state).open()
    around = Surroundings(cast("MetaStudio", None), cast("Transfers", None), lambda _: None, _never)
    all_kinds = {**kinds(), JobWait.name: wait, Began.name: began}
    engine = Engine(store, all_kinds, around)
    before = resident_bytes()
    async with PublicServer(EngineSink(engine), keys=[KEY], port=port) as server:
        taken_up = await engine.start()
        _say(
            {
                "url": server.url,
                "app": app.__name__,
                "taken_up": taken_up,
                "before": before,
                "after": resident_bytes(),
                "imported_at": imported_at,
                "ready_at": monotonic(),
            }
        )
        node = Node(engine, wait, began)
        async for line in _lines():
            _say(await node.obey(*json.loads(line)))
    await engine.stop()
    await store.close()


async def _lines() -> AsyncIterator[bytes]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield line


def _say(what: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure(level="error")
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
