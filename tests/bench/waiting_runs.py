"""What 100,000 waiting runs cost: processor time, memory, and how soon a restarted process takes a callback.

The runs are made by the engine itself on its SQLite store, by tables of 10,000 rows; each waits as `video.wait` does, with
a deadline, for callbacks and for the poller. Then the process is killed and started again on that file, three times: each
time a signed callback for a run chosen by chance is sent from the very start of the process until the public listener
has journaled it. `python tests/bench/waiting_runs.py [RUNS] [--rest SECONDS]` prints a table. Beside it, in the same run,
what DBOS needs while fewer of its workflows wait.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from tests.bench.kit.peers import Missing, peer
from tests.bench.kit.processes import Usage
from tests.bench.kit.report import Spread, machine, progress, say, table
from tests.bench.kit.waiting import node, waiting_runs

RUNS = 100_000
REST_S = 60.0
RESTARTS = 3
#: Workflows of the peer; each is a task of its process, and starting them takes it long.
PEER_RUNS = 2_000
PEER_REST_S = 20.0
MIB = 1024 * 1024


async def measure(runs: int, rest_s: float, state: Path) -> None:
    """Make them, let them wait, start again."""
    async with node(state) as maker:
        made = await maker.ask("create", runs, 0)
        progress(f"{runs:,} runs wait, made in {made['wall_s']:.0f} s")
        resting = await maker.ask("rest", rest_s)
    restarts = [await restart(state, number) for number in range(RESTARTS)]
    async with node(state) as again:
        rested = await again.ask("rest", rest_s)
    held = [r["after"] - r["before"] for r in restarts]
    say(f"made in {made['wall_s']:.0f} s ({runs / made['wall_s']:,.0f}/s), {_usage(made).shares()}")
    say(f"state file {state.stat().st_size / MIB:,.0f} MiB, {state.stat().st_size / runs:,.0f} bytes a run")
    say()
    table(
        ["", "in the process that made them", "in one started on their file", "target"],
        [
            [
                "memory of a waiting run, bytes",
                f"{(made['after'] - made['before']) / runs:,.0f}",
                Spread.of([size / runs for size in held]).text(),
                "under 2,048",
            ],
            [
                f"share of a core over {rest_s:g} s",
                f"{_usage(resting).share:.2%}",
                f"{_usage(rested).share:.2%}",
                "under 1 %",
            ],
            ["asked the service meanwhile", _asked(resting), _asked(rested), ""],
        ],
    )
    say()
    show_restarts(restarts)


async def restart(state: Path, seed: int) -> Mapping[str, Any]:
    """Start on the file, with a callback on its way from the beginning; times in seconds from the start."""
    (first,) = waiting_runs(state, 1, seed=seed)
    async with node(state, first=first) as one:
        since = {name: at - one.started_at for name, at in one.hello.items() if name.endswith("_at")}
        taken = first.answered_at - one.started_at
        progress(f"started again: a callback was journaled after {taken:.2f} s")
        return {**one.hello, **since, "taken_at": taken}


def show_restarts(restarts: Sequence[Mapping[str, Any]]) -> None:
    """Where the time of a restart goes."""
    rows = [
        ("everything is imported", "imported_at", ""),
        ("all waiting runs are taken up", "ready_at", ""),
        ("a callback is accepted and journaled", "taken_at", "under 2"),
    ]
    table(
        [f"seconds from the start, median of {len(restarts)}", "", "target"],
        [[name, Spread.of([r[key] for r in restarts]).text(2), target] for name, key, target in rows],
    )


def show_peer(runs: int, rest_s: float) -> None:
    """The same of DBOS, with fewer."""
    found = peer("dbos_waits.py", "rest", runs, rest_s)
    say()
    if isinstance(found, Missing):
        say(f"DBOS: {found.why}")
        return
    say(
        f"DBOS {found['version']} on SQLite, {runs:,} workflows in `recv`:"
        f" {found['cpu_s'] / found['wall_s']:.0%} of a core over {rest_s:g} s,"
        f" {found['memory'] / runs / 1024:,.1f} KiB of memory each; started in {found['started_s']:.0f} s"
    )


def _usage(said: Mapping[str, Any]) -> Usage:
    return Usage(said["wall_s"], said["cpu_s"], said["threads"])


def _asked(said: Mapping[str, Any]) -> str:
    return f"{said['sweeps']} lists, {said['looked_at']:,} runs looked at in {said['looks']} calls"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=RUNS)
    parser.add_argument("--rest", type=float, default=REST_S, help="seconds to wait with them")
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    say(f"{given.runs:,} waiting runs")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(given.runs, given.rest, Path(folder) / "state.db"))
    if not given.no_peers:
        show_peer(min(PEER_RUNS, given.runs), min(PEER_REST_S, given.rest))
    say(machine())


if __name__ == "__main__":
    main()
