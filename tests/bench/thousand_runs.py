"""1,000 runs of the sample started at once, on the emulator with the real rate table: how well the quota is used.

The emulator is a process of its own and runs in real time; the sample's videos are short and small, because rendering
shares the cores with what is measured, and its limit of runs side by side is lifted. First one run alone, then all.
`python tests/bench/thousand_runs.py [--runs N]` prints, from the emulator's own journal: each bucket's use between its
first and its last call, the calls that were throttled, and how late runs ended: `finish(n) / (n / rate + alone)`, where
the runs are numbered in the order of their start and `rate` is that of the slowest bucket. It takes 200 seconds or more.
"""

import argparse
import asyncio
import csv
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from orchestrator.app import Application, application, kind_infos
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.ids import RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunStatus
from orchestrator.engine.submission import submission
from orchestrator.logs import configure
from orchestrator.metastudio.operations import RATES
from orchestrator.settings import Settings
from orchestrator.store.base import RunFilter, Summary
from tests.bench.kit.processes import cpu_s, used
from tests.bench.kit.report import machine, percentile, progress, say, table

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "pipelines" / "product-video.yaml"
PICTURE = ROOT / "pipelines" / "media" / "desk-lamp.jpg"
REGION = "cn-north-4"
RUNS = 1_000
#: Measured alone, one after the other; the median counts.
ALONE = 3
#: A picture that costs the renderer little.
VIDEO = {"codec": "H264", "bitrate": 1000, "width": 64, "height": 64, "clip_mode": "CROP", "dx": 0, "dy": 0}
#: The emulator remembers this many requests, so they are fetched before there are more.
JOURNAL = 5_000
LOOK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the emulator answered."""

    operation: str
    at: datetime
    throttled: bool


@dataclass(slots=True)
class Cloud:
    """The emulator in its own process, and what it has noted so far."""

    hello: Mapping[str, Any]
    pid: int
    session: aiohttp.ClientSession
    calls: list[Call] = field(default_factory=list)
    _since: int = 0

    async def look(self) -> None:
        """Fetch what is new in its journal."""
        said = await self._ask(f"journal?since={self._since}&limit={JOURNAL}")
        assert said["complete"], "the emulator's journal has lost requests"
        self.calls += [_call(entry) for entry in said["requests"]]
        if said["requests"]:
            self._since = said["requests"][-1]["number"]

    async def stats(self) -> Mapping[str, Any]:
        """Its counters."""
        return await self._ask("stats")

    async def _ask(self, what: str) -> Mapping[str, Any]:
        async with self.session.get(f"{self.hello['endpoint']}/_emulator/{what}") as answer:
            found: Mapping[str, Any] = await answer.json()
            return found


def _call(entry: Mapping[str, Any]) -> Call:
    throttled = entry.get("error_code") == "APIGW.0308"
    return Call(entry["operation"], datetime.fromisoformat(entry["at"]), throttled)


@asynccontextmanager
async def emulator() -> AsyncIterator[Cloud]:
    """`orchestrator emulator`, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator", "emulator", "--region", REGION),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        hello = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session:
            yield Cloud(hello, process.pid, session)
    finally:
        process.terminate()
        await process.wait()


def sample() -> Pipeline:
    """The sample pipeline, all runs at once, with videos that are cheap to render."""
    pipeline = load(SAMPLE, kinds=kind_infos())
    steps = tuple(
        replace(step, with_={**step.with_, "video_config": VIDEO}) if step.uses == "script.create" else step
        for step in pipeline.steps
    )
    return replace(pipeline, steps=steps, concurrency_limit=None)


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs that were started at once, in the order of their start."""

    began_at: datetime
    runs: Sequence[Summary]

    @property
    def finish_s(self) -> list[float]:
        """Seconds from the start of all to each one's end."""
        ends = [run.ended_at for run in self.runs]
        assert all(run.status is RunStatus.SUCCEEDED for run in self.runs), "a run failed"
        return [(end - self.began_at).total_seconds() for end in ends if end is not None]


async def carry(app: Application, cloud: Cloud, pipeline: Pipeline, names: Sequence[str]) -> Batch:
    """Start a run for each name at once and wait for the last."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="", encoding="utf-8") as rows:
        writer = csv.writer(rows)
        writer.writerows([("sku", "title", "speech", "image"), *((n, n, "Hi.", PICTURE) for n in names)])
        rows.flush()
        prepared = prepare(pipeline, {}, Path(rows.name), region=REGION, roots=[ROOT, Path(rows.name).parent])
    submitted = submission(pipeline, prepared)
    began_at = datetime.now(UTC)
    parent = (await app.engine.submit(submitted)).run_id
    over = asyncio.ensure_future(app.engine.wait(parent))
    while not (await asyncio.wait({over}, timeout=LOOK_EVERY_S))[0]:
        await cloud.look()
        ahead = await app.store.summary(parent)
        if ahead is not None and len(names) > 1:
            progress(f"{ahead.children_succeeded + ahead.children_failed:,} of {len(names):,} runs are over")
    await over
    await cloud.look()
    return Batch(began_at, await _children(app, parent))


async def _children(app: Application, parent: RunId) -> list[Summary]:
    found: list[Summary] = []
    cursor = ""
    while page := await app.store.summaries(RunFilter(parent=parent), cursor=cursor, limit=500):
        found += page
        cursor = page[-1].id
    return sorted(found, key=lambda run: run.id)


@dataclass(frozen=True, slots=True)
class Bucket:
    """How one operation's quota was used."""

    operation: str
    rate: float
    calls: int
    throttled: int
    span_s: float

    @property
    def use(self) -> float:
        """Share of what the rate grants from the first call to the last: so many spacings, one fewer than calls."""
        return (self.calls - 1) / (self.rate * self.span_s) if self.span_s else 0.0

    @property
    def work_s(self) -> float:
        """The least time that the calls take; the bucket with the most of it is the slowest."""
        return self.calls / self.rate


def buckets(calls: Sequence[Call]) -> list[Bucket]:
    """The slowest first."""
    rates = RATES[REGION]
    found = []
    for operation in sorted({call.operation for call in calls if call.operation in rates}):
        mine = [call for call in calls if call.operation == operation]
        span_s = (mine[-1].at - mine[0].at).total_seconds()
        throttled = sum(call.throttled for call in mine)
        found.append(Bucket(operation, rates[operation], len(mine), throttled, span_s))
    return sorted(found, key=lambda bucket: -bucket.work_s)


def show(batch: Batch, used_by: Sequence[Bucket], alone_s: float, throttles: int) -> None:
    """The tables and the verdicts."""
    table(
        ["bucket", "calls/s granted", "calls", "throttled", "first to last, s", "used"],
        [
            [b.operation, f"{b.rate:g}", f"{b.calls:,}", str(b.throttled), f"{b.span_s:.1f}", f"{b.use:.1%}"]
            for b in used_by
        ],
    )
    slowest = used_by[0]
    finish_s = batch.finish_s
    ratios = [at_s / (n / slowest.rate + alone_s) for n, at_s in enumerate(finish_s, start=1)]
    worst = max(range(len(ratios)), key=ratios.__getitem__)
    say()
    say(f"a run alone                      {alone_s:.2f} s")
    say(f"all {len(finish_s):,} runs                   {max(finish_s):.1f} s")
    say(
        f"slowest bucket                   {slowest.operation}, used {slowest.use:.1%} (target: at least 98 %)"
    )
    say(f"calls throttled                  {throttles} (target: 0)")
    say(
        f"finish(n) / (n / {slowest.rate:g} + alone)     at most {ratios[worst]:.3f}, for run {worst + 1};"
        f" median {percentile(ratios, 0.5):.3f} (target: at most 1.1)"
    )


async def measure(runs: int, folder: Path) -> None:
    """One run alone, then all of them."""
    async with emulator() as cloud:
        hello = cloud.hello
        settings = Settings.load(
            {
                "region": REGION,
                "endpoint": hello["endpoint"],
                "project_id": hello["project_id"],
                "auth.ak": hello["ak"],
                "auth.sk": hello["sk"],
                "state": f"sqlite:///{folder}/state.db",
                "out": str(folder / "out"),
                "public.listen": "127.0.0.1:0",
            },
            environ={},
        )
        pipeline = sample()
        async with application(settings) as app:
            alone_s = await _alone(app, cloud, pipeline)
            progress(f"a run alone takes {alone_s:.2f} s")
            cloud.calls.clear()
            before, theirs = await cloud.stats(), cpu_s(cloud.pid)
            with used() as usage:
                batch = await carry(
                    app, cloud, pipeline, [f"run-{number:05}" for number in range(1, runs + 1)]
                )
            after = await cloud.stats()
            show(batch, buckets(cloud.calls), alone_s, after["throttles"] - before["throttles"])
            say(f"made twice                       {after['duplicates_total']}")
            say(
                f"share of a core                  orchestrator {usage.share:.0%} ({usage.shares()}),"
                f" emulator {(cpu_s(cloud.pid) - theirs) / usage.wall_s:.0%}"
            )


async def _alone(app: Application, cloud: Cloud, pipeline: Pipeline) -> float:
    """The first run is not counted: what is made on first use is made then."""
    taken = [(await carry(app, cloud, pipeline, [f"alone-{one}"])).finish_s[0] for one in range(ALONE + 1)]
    return percentile(taken[1:], 0.5)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=RUNS)
    parser.add_argument("--runs", dest="wanted", type=int)
    given = parser.parse_args()
    runs = given.wanted or given.runs
    configure(level="error")
    say(f"{runs:,} runs of {SAMPLE.stem} at once; the emulator with the rate table of {REGION}, no faults")
    folder = Path(tempfile.mkdtemp())
    began = time.monotonic()
    try:
        asyncio.run(measure(runs, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say(f"{machine()}; {time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    main()
