"""How fast the engine carries steps that do nothing, beside a bare journal that only records them.

500 runs of 10 steps, one after the other inside a run, 100 runs at once. The bare journal is the limit to come close
to: two events a step, writes grouped, `synchronous=FULL`, no decision and no step. `python tests/bench/engine_steps.py
[RUNS]` prints a table; ratios say more than the absolute figures of one machine.
"""

import asyncio
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunStatus
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.reception import Submission
from orchestrator.metastudio.client import MetaStudio
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind, Surroundings, Transfers
from orchestrator.store.sqlite import SqliteStore

STEPS = 10
CONCURRENCY = 100


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    steps: int
    wall_s: float
    cpu_s: float

    @property
    def steps_per_s(self) -> float:
        """Steps carried per second of wall time."""
        return self.steps / self.wall_s


class NoOp(StepKind[Parameters]):
    """Does nothing, so that only the engine is measured."""

    name = "no.op"
    summary = "Do nothing"
    params = Parameters
    outputs = frozenset()

    async def act(self, params: Parameters, ctx: StepContext) -> Done:
        """Done at once."""
        return Done()


async def engine(folder: Path, runs: int) -> Measured:
    """The engine on its SQLite store."""
    steps = tuple(
        Step(StepId(f"s{number}"), "no.op", needs=(StepId(f"s{number - 1}"),) if number else ())
        for number in range(STEPS)
    )
    pipeline = Pipeline("bench", steps=steps)
    async with asyncio.timeout(600):
        store = await SqliteStore(folder / "engine.db").open()
        carrier = Engine(
            store, {"no.op": NoOp()}, _nothing(), settings=EngineSettings(concurrency=CONCURRENCY)
        )
        await carrier.start()

        async def one(number: int) -> None:
            submitted = await carrier.submit(
                Submission(pipeline, f"run-{number}", {"number": number}, content=str(number))
            )
            summary = await carrier.wait(submitted.run_id)
            assert summary.status is RunStatus.SUCCEEDED

        measured = await _measure("engine", runs, one)
        await carrier.stop()
        await store.close()
    return measured


def _nothing() -> Surroundings:
    """Steps that do nothing need neither the API nor files."""

    async def post_json(url: str, message: object) -> int:
        return 204

    return Surroundings(cast("MetaStudio", None), cast("Transfers", None), lambda _: None, post_json)


async def bare_journal(folder: Path, runs: int) -> Measured:
    """Two events a step into one table, and nothing else."""
    journal = BareJournal(folder / "bare.db")

    async def one(number: int) -> None:
        for step in range(STEPS):
            for half, type_ in enumerate(("step.intended", "step.succeeded")):
                await journal.append(f"run-{number}", 2 * step + half + 1, type_, f"s{step}")

    measured = await _measure("bare journal", runs, one)
    await journal.close()
    return measured


class BareJournal:
    """The least that keeps what it acknowledged: one thread, whatever waits goes into one synced transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: SimpleQueue[tuple[tuple[Any, ...], Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    async def append(self, run: str, seq: int, type_: str, step: str) -> None:
        """Returns when the event is durable."""
        done: Future[None] = Future()
        self._jobs.put(((run, seq, type_, step, 1, json.dumps({}), time.time()), done))
        await asyncio.wrap_future(done)

    async def close(self) -> None:
        """Ends the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _write(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(
            "CREATE TABLE events (run TEXT, seq INTEGER, type TEXT, step TEXT, attempt INTEGER, payload TEXT,"
            " at REAL, PRIMARY KEY (run, seq)) WITHOUT ROWID"
        )
        while (job := self._jobs.get()) is not None:
            batch = [job]
            while not self._jobs.empty() and (more := self._jobs.get()) is not None:
                batch.append(more)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?)", [row for row, _ in batch])
            connection.execute("COMMIT")
            for _, done in batch:
                done.set_result(None)
        connection.close()


async def _measure(name: str, runs: int, one: Callable[[int], Awaitable[None]]) -> Measured:
    """Time for all runs, so many at once."""
    room = asyncio.Semaphore(CONCURRENCY)

    async def bounded(number: int) -> None:
        async with room:
            await one(number)

    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for number in range(runs):
            group.create_task(bounded(number))
    return Measured(name, runs * STEPS, time.perf_counter() - wall, time.process_time() - cpu)


async def main(runs: int) -> str:
    """The table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = [await bare_journal(folder, runs), await engine(folder, runs)]
    lines = [
        f"{runs} runs of {STEPS} no-op steps, {CONCURRENCY} runs at once, SQLite with synchronous=FULL",
        f"{'':14}{'steps/s':>10}{'wall s':>10}{'CPU ms/step':>14}{'ratio':>8}",
    ]
    lines += [
        f"{result.name:14}{result.steps_per_s:>10,.0f}{result.wall_s:>10.2f}"
        f"{1000 * result.cpu_s / result.steps:>14.3f}{result.steps_per_s / results[0].steps_per_s:>8.2f}"
        for result in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)) + "\n")
