"""The main job, killed again and again: the same command, started anew each time, ends with one of each."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import IO

import av
import pytest

KILLS = 20
ROOT = Path(__file__).parents[2]


def command(folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "orchestrator", "run", str(ROOT / "pipelines/product-video.yaml")),
        *("--emulator", "--rows", str(ROOT / "pipelines/products.csv")),
        *("--state", f"sqlite:///{folder}/state.db", "--out", str(folder / "out"), "--json"),
    ]


def start(folder: Path, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
    return subprocess.Popen(
        command(folder), stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=folder
    )


def journaled(folder: Path) -> int:
    """Events in the journal so far; 0 while there is none to read."""
    path = folder / "state.db"
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    except sqlite3.Error:
        return 0


def outlives(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether the process is still alive so much later."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def kill_somewhere(folder: Path, chance: random.Random, errors: IO[bytes]) -> bool:
    """Start the command, and kill it some events and some milliseconds later; whether it was still alive."""
    process = start(folder, errors)
    goal = journaled(folder) + chance.randint(0, 4)
    give_up_at = time.monotonic() + 20
    while journaled(folder) < goal and time.monotonic() < give_up_at and outlives(process, 0.001):
        pass
    alive = outlives(process, chance.random() * 0.03)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return alive


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(10**6)])
def test_twenty_kills_leave_one_of_each(tmp_path: Path, seed: int) -> None:
    """SIGKILL at 20 random instants: exactly three videos, scripts, assets and files, and three playable films."""
    chance = random.Random(seed)
    log = tmp_path / "stderr.txt"
    with log.open("wb") as errors:
        kills = sum(kill_somewhere(tmp_path, chance, errors) for _ in range(KILLS))
        last = start(tmp_path, errors)
        out, _ = last.communicate(timeout=120)
    told = f"seed {seed}, {kills} kills\n{log.read_text('utf-8', 'replace')[-4000:]}"
    assert last.returncode == 0, told
    stats = json.loads(out)["emulator"]["stats"]
    assert stats["totals"] == {"assets": 3, "files": 3, "scripts": 3, "videos": 3}, told
    assert stats["duplicates_total"] == 0, told
    assert kills >= KILLS // 2, told
    films = sorted((tmp_path / "out").iterdir())
    assert [film.name for film in films] == ["BOTTLE-02.mp4", "LAMP-01.mp4", "PHONES-03.mp4"], told
    for film in films:
        with av.open(str(film)) as container:
            assert next(container.decode(video=0)).width == 1920
