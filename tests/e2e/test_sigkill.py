"""A table of videos, killed again and again: the same command, started anew each time, ends with one of each."""

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.e2e.forks import Forks

KILLS = 30
ROWS = 4
PIPELINE = Path(__file__).parents[1] / "soak/pipeline.yaml"


def prepare(folder: Path) -> None:
    shutil.copy(PIPELINE, folder)
    Image.new("RGB", (64, 36), "navy").save(folder / "picture.png")
    rows = [f"row-{number},Product {number},picture.png" for number in range(ROWS)]
    (folder / "rows.csv").write_text("\n".join(["sku,title,image", *rows, ""]), "utf-8")


def command(folder: Path) -> list[str]:
    return [
        *("run", str(folder / "pipeline.yaml"), "--emulator", "--rows", str(folder / "rows.csv")),
        *("--state", f"sqlite:///{folder}/state.db", "--out", str(folder / "out"), "--json"),
    ]


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


def kill_somewhere(forks: Forks, folder: Path, chance: random.Random) -> bool:
    """Start the command, and kill it some events and some milliseconds later; whether it was still alive."""
    goal = journaled(folder) + chance.randint(0, 4)
    pid = forks.start(command(folder), folder / "stdout.txt", folder / "stderr.txt")
    give_up_at = time.monotonic() + 20
    while journaled(folder) < goal and time.monotonic() < give_up_at and not forks.has_ended(pid):
        time.sleep(0.001)
    time.sleep(chance.random() * 0.03)
    if not forks.has_ended(pid):
        os.kill(pid, signal.SIGKILL)
    return forks.wait(pid) == -signal.SIGKILL


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(10**6)])
def test_thirty_kills_leave_one_of_each(tmp_path: Path, seed: int) -> None:
    """SIGKILL at 30 random instants: exactly one video, script, asset and file a row, and a playable film of each."""
    chance = random.Random(seed)
    prepare(tmp_path)
    with Forks(tmp_path) as forks:
        kills = sum(kill_somewhere(forks, tmp_path, chance) for _ in range(KILLS))
        last = forks.start(command(tmp_path), tmp_path / "last.json", tmp_path / "stderr.txt")
        code = forks.wait(last)
    errors = (tmp_path / "stderr.txt").read_text("utf-8", "replace")
    told = f"seed {seed}, {kills} kills\n{errors[-4000:]}"
    assert code == 0, told
    stats = json.loads((tmp_path / "last.json").read_text("utf-8"))["emulator"]["stats"]
    assert stats["totals"] == dict.fromkeys(("assets", "files", "scripts", "videos"), ROWS), told
    assert stats["duplicates_total"] == 0, told
    assert kills >= KILLS // 2, told
    films = sorted((tmp_path / "out").iterdir())
    assert [film.name for film in films] == [f"row-{number}.mp4" for number in range(ROWS)], told
    for film in films:
        with av.open(str(film)) as container:
            assert next(container.decode(video=0)).width == 1280
