"""Real processes: an emulator that breaks things, an orchestrator that is killed every few seconds, and a person.

The emulator survives; the orchestrator is a daemon on SQLite, sent SIGKILL at random and started again until all that
was asked for is done. Its processes are forked from one that has made the imports, so that they live, not start. Now and then somebody resumes what waits for a person, and takes up what failed.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from tests.e2e.forks import Forks

_ROOT = Path(__file__).parents[2]
#: The statuses of runs that nobody has to wait for.
_OVER = frozenset({"succeeded", "failed", "cancelled"})
#: Lives between two looks of the person.
_VISIT_EVERY = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What a soak is to be like."""

    folder: Path
    rows: int = 1000
    seed: int = 1
    #: How often each kind of fault happens.
    share: float = 0.05
    #: Seconds between a start and the next kill, at least and at most.
    kill_after_s: tuple[float, float] = (1.0, 6.0)
    quiet_time_s: float = 75.0
    #: How late the server acts at most on a request whose connection broke.
    late_s: float = 60.0
    speed: float = 1.0
    #: The provider's real rates; False: none, so that it goes faster than any account would.
    limits: bool = True
    #: Given up after so long.
    at_most_s: float = 3600.0


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    runs: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    #: How many rows a person has resumed, and had done again.
    visits: Counter[str] = field(default_factory=Counter)
    adopted: int = 0
    callbacks: int = 0
    calls: int = 0
    faults: int = 0
    throttled: int = 0
    duplicates: dict[str, int] = field(default_factory=dict)
    #: Rows whose film is not there.
    lost: int = 0
    seconds: float = 0.0
    #: What `orchestrator db check` says, when it has something to say.
    damage: str = ""

    @property
    def stuck(self) -> int:
        """Runs that are not over."""
        return sum(number for status, number in self.runs.items() if status not in _OVER)

    @property
    def well(self) -> bool:
        """Nothing lost, nothing doubled, nothing stuck."""
        succeeded = set(self.runs) == {"succeeded"}
        return succeeded and not (self.lost or any(self.duplicates.values()) or self.damage)


class Soak:
    """One soak, in a folder of its own."""

    def __init__(self, wish: Wish, tell: Callable[[str], None]) -> None:
        """`tell` hears of the progress."""
        self._wish, self._tell = wish, tell
        self._chance = Random(wish.seed)
        self._outcome = Outcome()
        self._environment: dict[str, str] = {}

    def play(self) -> Outcome:
        """To the end, or until the time is up."""
        wish, outcome = self._wish, self._outcome
        began_at = time.monotonic()
        self._prepare()
        with self._cloud() as hello, Forks(wish.folder) as self._forks:
            self._environment = self._settings(hello)
            lives = 0
            while not self._done() and time.monotonic() - began_at < wish.at_most_s:
                self._live(self._chance.uniform(*wish.kill_after_s))
                lives += 1
                if lives % _VISIT_EVERY == 0 or self._rests():
                    self._visit()
                outcome.seconds = time.monotonic() - began_at
                if lives % 10 == 0:
                    runs = ", ".join(f"{number:,} {status}" for status, number in self._runs().items())
                    self._tell(f"{outcome.seconds:6.0f} s, {outcome.kills:,} kills: {runs}")
            self._count(hello["endpoint"])
        return outcome

    # The orchestrator

    def _live(self, seconds: float) -> None:
        """One life of the daemon (or, before there is anything to carry, of the command that asks for it)."""
        pid = self._start(["daemon"] if self._runs() else self._first_command())
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at and not self._forks.has_ended(pid):
            time.sleep(0.01)
        if not self._forks.has_ended(pid):
            os.kill(pid, signal.SIGKILL)
            self._outcome.kills += 1
        self._forks.wait(pid)

    def _visit(self) -> None:
        """A person resumes what is paused, and has what failed done again."""
        table = self._read("SELECT id FROM runs WHERE rows_total IS NOT NULL")
        rows = dict(self._read("SELECT status, count(*) FROM runs WHERE rows_total IS NULL GROUP BY status"))
        for status, verb in (("paused", "resume"), ("failed", "retry")):
            if table and rows.get(status):
                which = ["--status", status, "--parent", str(table[0][0]), "--yes"]
                if complaint := self._do(["runs", verb, *which]):
                    self._tell(f"runs {verb}: {complaint}")
                self._outcome.visits[verb] += rows[status]

    def _do(self, command: list[str]) -> str:
        """What a command says that fails, in one life without a kill."""
        said = self._wish.folder / "said.txt"
        said.unlink(missing_ok=True)
        code = self._forks.wait(self._start(command, said))
        return "" if code == 0 else f"exit code {code}: {said.read_text('utf-8', 'replace')}"

    def _start(self, command: list[str], out: Path = Path(os.devnull)) -> int:
        log = self._wish.folder / "orchestrator.log"
        return self._forks.start(command, out, log, self._environment)

    def _first_command(self) -> list[str]:
        return ["run", "pipeline.yaml", "--rows", "rows.csv"]

    # What is there

    def _prepare(self) -> None:
        folder = self._wish.folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("pipeline.yaml"), folder)
        Image.new("RGB", (64, 36), "navy").save(folder / "picture.png")
        lines = [f"row-{n:05},Product {n:05},picture.png" for n in range(self._wish.rows)]
        (folder / "rows.csv").write_text("\n".join(["sku,title,image", *lines, ""]), "utf-8")

    @contextmanager
    def _cloud(self) -> Iterator[dict[str, str]]:
        wish = self._wish
        command = [sys.executable, "-m", "tests.soak.cloud", str(wish.folder / "cloud")]
        command += [f"--seed={wish.seed}", f"--share={wish.share}", f"--speed={wish.speed}"]
        command += [f"--late={wish.late_s}", *([] if wish.limits else ["--no-limits"])]
        with (wish.folder / "cloud.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=log)
            try:
                assert process.stdout is not None
                yield json.loads(process.stdout.readline())
            finally:
                process.terminate()
                process.communicate()

    def _settings(self, hello: Mapping[str, str]) -> dict[str, str]:
        wish = self._wish
        settings = {
            "ENDPOINT": hello["endpoint"],
            "REGION": "cn-north-4",
            "PROJECT_ID": hello["project_id"],
            "AUTH__AK": hello["ak"],
            "AUTH__SK": hello["sk"],
            "STATE": f"sqlite:///{wish.folder}/state.db",
            "OUT": str(wish.folder / "out"),
            "PUBLIC__LISTEN": f"127.0.0.1:{_free_port()}",
            "ADMIN__LISTEN": "127.0.0.1:0",
            "ENGINE__QUIET_TIME_S": str(wish.quiet_time_s),
            "LOG__LEVEL": "error",
        }
        return {f"ORCHESTRATOR_{name}": text for name, text in settings.items()}

    def _read(self, statement: str) -> list[tuple[Any, ...]]:
        path = self._wish.folder / "state.db"
        if not path.exists():
            return []
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
                return connection.execute(statement).fetchall()
        except sqlite3.Error:
            return []  # the first life was killed before it was all there

    def _runs(self) -> dict[str, int]:
        return dict(self._read("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status"))

    def _done(self) -> bool:
        runs = self._runs()
        return runs.get("succeeded") == self._wish.rows + 1 == sum(runs.values())

    def _rests(self) -> bool:
        """Nothing goes on without a person."""
        active = {status for status, number in self._runs().items() if number} - _OVER - {"paused"}
        carried = self._read("SELECT count(*) FROM runs WHERE status = 'running' AND rows_total IS NULL")
        return not active or carried == [(0,)]

    def _count(self, endpoint: str) -> None:
        outcome, folder = self._outcome, self._wish.folder
        with urllib.request.urlopen(f"{endpoint}/_emulator/stats", timeout=60) as answer:
            stats = json.load(answer)
        outcome.runs = self._runs()
        outcome.duplicates = {
            kind: sum(number - 1 for number in names.values()) for kind, names in stats["duplicates"].items()
        }
        events = Counter(dict(self._read("SELECT type, count(*) FROM events GROUP BY type")))
        outcome.adopted, outcome.callbacks = events["step.adopted"], events["callback.received"]
        outcome.calls, outcome.throttled = stats["calls"], stats["throttles"]
        outcome.faults = sum(row["faults"] for row in stats["operations"].values())
        films = sum(film.stat().st_size > 0 for film in (folder / "out").glob("row-*.mp4"))
        outcome.lost = self._wish.rows - films
        outcome.damage = self._do(["db", "check"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
