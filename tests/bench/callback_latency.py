"""How soon a callback starts the next step while 100,000 runs wait, and how soon 5,000 of them at once do.

Signed callbacks go over real HTTP, each on a connection of its own, from this process to the public listener of another;
the listener verifies and journals them, the engine asks the service (which answers from memory) and begins the next
step. Measured from the moment of sending to the first line of that step, by a clock that both processes share. Beside it,
in the same run, DBOS: a message sent to a workflow that waits in `recv`, until the workflow goes on, without HTTP.
`python tests/bench/callback_latency.py [RUNS] [--rate PER_S] [--seconds S] [--burst N]` prints a table.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from tests.bench.kit.peers import Missing, peer
from tests.bench.kit.processes import cpu_s, used
from tests.bench.kit.report import machine, percentile, progress, say, table
from tests.bench.kit.waiting import Callback, Node, node, send_at_once, send_paced, waiting_runs

RUNS = 100_000
PER_S = 200.0
SECONDS = 20.0
BURST = 5_000
#: Callbacks before those that count: what is made on first use is made then.
WARM_UP = 50
#: What is still missing after so long is lost.
PATIENCE_S = 60.0
PROFILED = 40
#: Of the peer: workflows that wait, messages a second for so many seconds, and how many at once.
PEER_RUNS, PEER_PER_S, PEER_SECONDS = 2_000, 10.0, 10.0


async def measure(
    runs: int, per_s: float, seconds: float, burst: int, state: Path, *, profiled: bool
) -> list[list[str]]:
    """The rows of the table that are ours."""
    async with node(state) as maker:
        made = await maker.ask("create", runs, 0)
        progress(f"{runs:,} runs wait, made in {made['wall_s']:.0f} s")
    async with node(state) as one:
        paced = int(per_s * seconds)
        callbacks = waiting_runs(state, WARM_UP + paced + burst)
        assert len(callbacks) == WARM_UP + paced + burst, "too few runs wait"
        warm, steady, at_once = (
            callbacks[:WARM_UP],
            callbacks[WARM_UP:-burst],
            callbacks[-burst:],
        )
        await send_paced(warm, one.port, per_s)
        await one.began_at(len(warm), PATIENCE_S)
        await send_paced(steady, one.port, per_s)
        waited_ms = latencies_ms(steady, await one.began_at(len(steady), PATIENCE_S))
        progress(f"{len(steady):,} callbacks at {per_s:g}/s are through")
        if profiled:
            await one.ask("profile", PROFILED)
        through_s = await _burst(one, at_once)
        if profiled:
            say((await one.ask("profile", PROFILED))["text"])
    return [
        [f"engine, {per_s:g}/s", *(f"{value:.1f}" for value in _figures(waited_ms)), "5 and 20"],
        [f"engine, {burst:,} at once", f"all through after {through_s:.2f} s (target 5)"],
    ]


async def _burst(one: Node, callbacks: Sequence[Callback]) -> float:
    """Seconds from the first sending to the last start."""
    theirs_s = cpu_s(one.process.pid)
    with used() as client:
        await send_at_once(callbacks, one.port)
        began = await one.began_at(len(callbacks), PATIENCE_S)
    theirs_s = cpu_s(one.process.pid) - theirs_s
    refused = [callback.status for callback in callbacks if callback.status != 204]
    assert not refused, f"{len(refused)} callbacks were refused, the first with {refused[0]}"
    assert len(began) == len(callbacks), f"{len(callbacks) - len(began)} runs did not go on"
    answered_s = max(c.answered_at for c in callbacks) - min(c.sent_at for c in callbacks)
    progress(
        f"{len(callbacks):,} callbacks were sent and answered in {answered_s:.2f} s; a core was used by the orchestrator"
        f" for {theirs_s:.1f} s, by the client for {client.cpu_s:.1f} s"
    )
    return max(began.values()) - min(callback.sent_at for callback in callbacks)


def latencies_ms(callbacks: Sequence[Callback], began: Mapping[str, float]) -> list[float]:
    """From sending to the start of the next step. Raises AssertionError when one did not go on."""
    missing = [callback.run_id for callback in callbacks if callback.run_id not in began]
    assert not missing, f"{len(missing)} runs did not go on"
    return [1000 * (began[callback.run_id] - callback.sent_at) for callback in callbacks]


def _figures(waited_ms: Sequence[float]) -> tuple[float, float, float]:
    return percentile(waited_ms, 0.5), percentile(waited_ms, 0.99), max(waited_ms)


def theirs(runs: int) -> list[list[str]]:
    """The rows of the peer."""
    found = peer("dbos_waits.py", "wake", runs, PEER_PER_S, PEER_SECONDS)
    if isinstance(found, Missing):
        return [["DBOS", found.why]]
    name = f"DBOS {found['version']}, {runs:,} waiting"
    return [
        [f"{name}, {PEER_PER_S:g}/s", *(f"{value:,.1f}" for value in _figures(found["waited_ms"])), ""],
        [f"{name}, {found['burst']:,} at once", f"all through after {found['through_s']:.1f} s"],
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=RUNS)
    parser.add_argument("--rate", type=float, default=PER_S)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--burst", type=int, default=BURST)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument(
        "--profile", action="store_true", help="what the burst costs the event loop; slows it"
    )
    given = parser.parse_args()
    say(f"callbacks while {given.runs:,} runs wait: milliseconds from sending to the start of the next step")
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state.db"
        rows = asyncio.run(
            measure(given.runs, given.rate, given.seconds, given.burst, state, profiled=given.profile)
        )
    if not given.no_peers:
        rows += theirs(min(PEER_RUNS, given.runs))
    table(["", "median", "99th percentile", "longest", "target"], rows)
    say(machine())


if __name__ == "__main__":
    main()
