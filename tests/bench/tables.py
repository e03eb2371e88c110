"""How long a large table takes, and how much memory: checked row by row, and started on a SQLite store.

50,000 rows of the sample product-video.yaml, each with a speech and one of 1,000 pictures, as CSV and as a workbook; and as CSV with
50,000 pictures that are not there, which makes a problem of every row. Each is measured in a process of its own: the time to
check everything that `orchestrator run` checks, to fingerprint the pictures, to write the rows down and begin the first 50
of them, and the memory that this takes at its peak, beside that of the process with everything imported.
`python tests/bench/tables.py [ROWS]` prints a table.
"""

import argparse
import asyncio
import csv
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from openpyxl import Workbook

from orchestrator.cli.foreground import prepared
from orchestrator.cli.samples import sample_pipeline
from orchestrator.definition.problems import DefinitionError
from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Step
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.reception import Submission
from orchestrator.settings import Settings
from orchestrator.steps.base import kinds
from orchestrator.store.base import RunFilter
from orchestrator.store.sqlite import SqliteStore
from tests.bench.engine_steps import nothing_around
from tests.bench.kit.processes import used
from tests.bench.kit.report import machine, progress, say, table

ROWS = 50_000
PICTURES = 1_000
TARGET_S = 30
HEADER = ("sku", "title", "speech", "image")
MIB = 1024 * 1024


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=ROWS)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        say(json.dumps(asyncio.run(measure(arguments.one))))
        return
    say(f"machine: {machine()}")
    say(f"{arguments.rows:,} rows; the target is {TARGET_S} s for checking 50,000")
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), arguments.rows)
        lines = [line(name, file) for name, file in files.items()]
    heads = (
        "",
        "file, MiB",
        "check, s",
        "CPU, s",
        "start, s",
        "peak of check, MiB",
        "peak of all, MiB",
        "at first, MiB",
    )
    table(heads, lines)


def write(folder: Path, rows: int) -> dict[str, Path]:
    """The tables, with the definition and its pictures beside them."""
    (folder / "p.yaml").write_bytes(sample_pipeline().read_bytes())
    picture = (sample_pipeline().parent / "media" / "headphones.png").read_bytes()
    for number in range(PICTURES):
        # Different content, so that none is known by another.
        (folder / f"{number}.png").write_bytes(picture + bytes(str(number), "ascii"))
    files = {name: folder / name for name in ("t.csv", "t.xlsx", "missing.csv")}
    for name in ("t.csv", "missing.csv"):
        with files[name].open("w", newline="") as file:
            csv.writer(file).writerows(lines_of(rows, "x{}.png" if name == "missing.csv" else "{}.png"))
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Products")
    for cells in lines_of(rows, "{}.png"):
        sheet.append(cells)
    book.save(files["t.xlsx"])
    return {"CSV": files["t.csv"], "XLSX": files["t.xlsx"], "CSV, every row wrong": files["missing.csv"]}


def lines_of(rows: int, picture: str) -> Iterator[tuple[str, ...]]:
    """The lines of the table."""
    yield HEADER
    for number in range(rows):
        speech = f"This is number {number} of our range. <break time='300ms'/> It lasts for ten years, in three colours."
        yield (
            f"SKU-{number:06}",
            f"Product {number}",
            f"<speak>{speech}</speak>",
            picture.format(number % PICTURES),
        )


def line(name: str, file: Path) -> list[str]:
    """One measurement, in a process of its own."""
    progress(name)
    command = [sys.executable, __file__, "--one", str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    found = json.loads(done.stdout)
    start = "" if found["start_s"] is None else f"{found['start_s']:,.1f}"
    size = f"{file.stat().st_size / MIB:,.1f}"
    memory = [f"{found[key]:,.0f}" for key in ("checked_mib", "peak_mib", "first_mib")]
    return [name, size, f"{found['check_s']:,.1f}", f"{found['check_cpu_s']:,.1f}", start, *memory]


async def measure(file: Path) -> dict[str, Any]:
    """Seconds of checking and of starting (None: nothing can be started), and MiB at first and at the peaks."""
    settings = Settings.load({}, environ={})
    kinds()
    first = peak_mib()
    found: dict[str, Any] = {"first_mib": first, "start_s": None}
    wanted = None
    with used() as checking, suppress(DefinitionError):
        wanted = prepared(file.parent / "p.yaml", {}, file, settings)
    found |= {"check_s": checking.wall_s, "check_cpu_s": checking.cpu_s, "checked_mib": peak_mib()}
    if wanted is not None:
        with used() as starting:
            await start(wanted, file.parent)
        found["start_s"] = starting.wall_s
    return {**found, "peak_mib": peak_mib()}


async def start(wanted: Submission, folder: Path) -> None:
    """Submits the rows; returns when as many of them as may be under way have begun. Their only step is to wait."""
    waiting = dataclasses.replace(wanted.pipeline, steps=(Step(StepId("wait"), "approve"),), outputs={})
    store = await SqliteStore(folder / f"state-{os.getpid()}.db").open()
    engine = Engine(store, kinds(), nothing_around(), settings=EngineSettings(concurrency=100))
    await engine.start()
    with engine.live.watch() as events:
        submitted = await engine.submit(dataclasses.replace(wanted, pipeline=waiting))
        limit = wanted.pipeline.concurrency_limit or 50
        while len(await store.summaries(RunFilter(parent=submitted.run_id), limit=limit)) < limit:
            await asyncio.wait_for(events.get(), 60)
    await engine.stop()
    await store.close()


def peak_mib() -> float:
    """The most memory that this process has held in RAM so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
