"""How fast the engine carries steps that do nothing, beside a bare journal, DBOS and Prefect in the same run.

500 runs of 10 steps, one after the other inside a run, 100 runs at once; every outcome is synced before it counts. The
bare journal is the limit to come close to: two events a step, writes grouped, `synchronous=FULL`, no decision and no
step. In each of three rounds the bare journal and the engine are measured three times in turn, so that a slow moment of the
machine meets both, and the ratio is the median of those nine; DBOS once; Prefect in the first round alone, with a fiftieth
of the runs: its speed a step depends little on their number. `python tests/bench/engine_steps.py [RUNS] [--repeat N] [--no-peers] [--profile]` prints a table;
ratios say more than the absolute figures of one machine.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunStatus
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.reception import Submission
from orchestrator.metastudio.client import MetaStudio
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind, Surroundings, Transfers
from orchestrator.store.sqlite import SqliteStore
from tests.bench.kit.peers import Missing, peer
from tests.bench.kit.processes import Usage, used
from tests.bench.kit.report import Spread, machine, progress, say, table

RUNS = 500
STEPS = 10
CONCURRENCY = 100
REPEAT = 3
#: Ours take a second: so often in each round.
TURNS = 3
#: Of the runs that the others carry.
PREFECT_SHARE = 50
PROFILED = 20

BARE, ENGINE, DBOS, PREFECT = "bare journal", "engine", "DBOS", "Prefect"


@dataclass(frozen=True, slots=True)
class Measured:
    steps: int
    usage: Usage

    @property
    def steps_per_s(self) -> float:
        """Steps carried per second of wall time."""
        return self.steps / self.usage.wall_s

    @property
    def cpu_ms_per_step(self) -> float:
        """Processor time of the whole process, or processes."""
        return 1000 * self.usage.cpu_s / self.steps


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
            store, {"no.op": NoOp()}, nothing_around(), settings=EngineSettings(concurrency=CONCURRENCY)
        )
        await carrier.start()

        async def one(number: int) -> None:
            submitted = await carrier.submit(
                Submission(pipeline, f"run-{number}", {"number": number}, content=str(number))
            )
            summary = await carrier.wait(submitted.run_id)
            assert summary.status is RunStatus.SUCCEEDED

        measured = await _measure(runs, one)
        await carrier.stop()
        await store.close()
    with closing(sqlite3.connect(folder / "engine.db")) as connection:
        (written,) = connection.execute(
            "SELECT count(*) FROM events WHERE type IN ('step.intended', 'step.succeeded')"
        ).fetchone()
    assert written == 2 * measured.steps, "an intent or an outcome is missing from the journal"
    return measured


def nothing_around() -> Surroundings:
    """Steps that do nothing need neither the API nor files."""

    async def post_json(url: str, message: object, headers: object) -> int:
        return 204

    return Surroundings(cast("MetaStudio", None), cast("Transfers", None), lambda _: None, post_json)


async def bare_journal(folder: Path, runs: int) -> Measured:
    """Two events a step into one table, and nothing else."""
    journal = BareJournal(folder / "bare.db")

    async def one(number: int) -> None:
        for step in range(STEPS):
            for half, type_ in enumerate(("step.intended", "step.succeeded")):
                await journal.append(f"run-{number}", 2 * step + half + 1, type_, f"s{step}")

    measured = await _measure(runs, one)
    await journal.close()
    return measured


class BareJournal:
    """The least that keeps what it acknowledged: one thread, whatever waits goes into one synced transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: SimpleQueue[tuple[tuple[Any, ...], Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="bare-write", daemon=True)
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


async def _measure(runs: int, one: Callable[[int], Awaitable[None]]) -> Measured:
    """Time for all runs, so many at once."""
    room = asyncio.Semaphore(CONCURRENCY)

    async def bounded(number: int) -> None:
        async with room:
            await one(number)

    with used() as usage:
        async with asyncio.TaskGroup() as group:
            for number in range(runs):
                group.create_task(bounded(number))
    return Measured(runs * STEPS, usage)


def ours(carry: Callable[[Path, int], Awaitable[Measured]], runs: int) -> Measured:
    """One measurement in a folder of its own."""

    async def measured() -> Measured:
        with tempfile.TemporaryDirectory() as folder:
            return await carry(Path(folder), runs)

    return asyncio.run(measured())


def theirs(script: str, runs: int) -> Measured | Missing:
    """One measurement of a peer, in a process of its own."""
    found = peer(script, runs, STEPS, CONCURRENCY)
    if isinstance(found, Missing):
        return found
    return Measured(found["steps"], Usage(found["wall_s"], found["cpu_s"]))


def compare(runs: int, repeat: int, *, peers: bool) -> Mapping[str, list[Measured] | Missing]:
    """The bare journal and the engine in turn, the peers after them, again and again."""
    found: dict[str, list[Measured] | Missing] = {BARE: [], ENGINE: []}
    if peers:
        found |= {DBOS: [], PREFECT: []}
    for round_ in range(repeat):
        for name in [*(BARE, ENGINE) * TURNS, *((DBOS, PREFECT) if peers else ())]:
            results = found[name]
            if isinstance(results, Missing) or (name == PREFECT and round_ > 0):
                continue
            measured = _one(name, runs)
            if isinstance(measured, Missing):
                found[name] = measured
            else:
                results.append(measured)
                progress(f"round {round_ + 1} of {repeat}: {name} {measured.steps_per_s:,.0f} steps/s")
    return found


def _one(name: str, runs: int) -> Measured | Missing:
    match name:
        case "bare journal":
            return ours(bare_journal, runs)
        case "engine":
            return ours(engine, runs)
        case "DBOS":
            return theirs("dbos_steps.py", runs)
        case _:
            return theirs("prefect_steps.py", max(1, runs // PREFECT_SHARE))


def show(found: Mapping[str, list[Measured] | Missing]) -> None:
    """The table, and what the parts of the engine were busy with."""
    bare, ours_ = found[BARE], found[ENGINE]
    assert not isinstance(bare, Missing)
    assert not isinstance(ours_, Missing)
    pairs = [mine.steps_per_s / limit.steps_per_s for mine, limit in zip(ours_, bare, strict=True)]
    speed = Spread.of([one.steps_per_s for one in ours_]).median
    rows = []
    for name, results in found.items():
        if isinstance(results, Missing):
            rows.append([name, results.why])
            continue
        steps_per_s = Spread.of([one.steps_per_s for one in results])
        cpu = Spread.of([one.cpu_ms_per_step for one in results])
        rows.append([name, steps_per_s.text(), cpu.text(3), f"{speed / steps_per_s.median:,.1f}"])
    table(["", "steps/s", "CPU ms/step", "the engine is so many times as fast"], rows)
    say(f"the engine reaches of the bare journal: {Spread.of(pairs).text(2)}")
    for name, last in ((BARE, bare[-1]), (ENGINE, ours_[-1])):
        say(f"{name}, share of a core by thread: {last.usage.shares()}")


def profile(runs: int) -> None:
    """The functions that the engine's time goes into, thread by thread; the figures themselves are slower for it."""
    profiles = {"loop": cProfile.Profile()}

    def begin(*_: object) -> None:
        """The first event of a new thread: from here on it has a profile of its own."""
        mine = profiles[threading.current_thread().name] = cProfile.Profile()
        mine.enable()

    # From 3.12 on there is one profiler for all threads.
    if sys.version_info < (3, 12):
        threading.setprofile(begin)
    measured = profiles["loop"].runcall(ours, engine, runs)
    threading.setprofile(cast("Any", None))
    say(f"profiled: {measured.steps_per_s:,.0f} steps/s, by thread: {measured.usage.shares()}")
    for name, one in profiles.items():
        one.create_stats()
        statistics = pstats.Stats(one, stream=sys.stdout)
        if measured.usage.threads.get(name, 0.0) > 0:  # not those that ended before or began after
            say(f"thread {name}")
            statistics.sort_stats("tottime").print_stats(PROFILED)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=RUNS)
    parser.add_argument("--repeat", type=int, default=REPEAT)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    if given.profile:
        profile(given.runs)
        return
    say(
        f"{given.runs} runs of {STEPS} no-op steps, {CONCURRENCY} runs at once; SQLite, synchronous=FULL;"
        f" medians of {given.repeat * TURNS}, DBOS of {given.repeat} (least to most)"
    )
    show(compare(given.runs, given.repeat, peers=not given.no_peers))
    if not given.no_peers:
        say(
            f"DBOS: its SQLite system database as it sets it up, asynchronous steps. Prefect: its ephemeral server on SQLite,"
            f" {max(1, given.runs // PREFECT_SHARE)} runs, measured once."
        )
    say(machine())


if __name__ == "__main__":
    main()
