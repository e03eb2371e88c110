"""Check, backup and prune of a state file."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.run import RunStatus
from orchestrator.errors import UsageError
from orchestrator.store import sqlite_upkeep as upkeep
from orchestrator.store.base import Append, DefinitionLostError, RunFilter, Store, StoreError
from orchestrator.store.sqlite import SqliteStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
async def path(tmp_path: Path, fill: Callable[[Store], Any]) -> Path:
    """A state file with runs of every sort, that nobody works on."""
    store = await SqliteStore(tmp_path / "state.db").open()
    await fill(store)
    await store.close()
    return tmp_path / "state.db"


def test_a_whole_file_has_no_problems(path: Path) -> None:
    """Everything is looked at."""
    report = upkeep.check(path)
    assert (report.problems, report.runs, report.events) == ([], 4, 14)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM events WHERE run_id='done' AND seq=2", "done: its journal has gaps"),
        ("DELETE FROM events WHERE run_id='done' AND seq=4", "done: its journal has 3 events, should have 4"),
        (
            "UPDATE events SET payload='{' WHERE run_id='done' AND seq=1",
            "done: its journal cannot be followed",
        ),
        (
            "UPDATE events SET step='nobody' WHERE step='s' AND run_id='done'",
            "done: its journal cannot be fol",
        ),
        (
            "INSERT INTO events VALUES ('x',1,'run.started',NULL,NULL,'{}',1)",
            "x: its journal belongs to no run",
        ),
        ("UPDATE runs SET steps_done=0 WHERE id='done'", "done: steps_done is 0, by its journal 1"),
        (
            "UPDATE runs SET status='running' WHERE id='done'",
            "done: status is running, by its journal succeed",
        ),
        ("UPDATE runs SET children_failed=3 WHERE id='table'", "table: children_failed is 3, should be 1"),
        ("UPDATE runs SET wake_at=1 WHERE id='done'", "done: it is over and has a time to wake"),
        (
            "UPDATE counters SET runs=7 WHERE status='failed'",
            "state: 7 failed child runs are counted, there are",
        ),
        ("DELETE FROM waits", "waits: step s waits and is not listed"),
        ("UPDATE waits SET correlation='x'", "waits: step s waits for job, listed is x"),
        ("INSERT INTO waits VALUES ('done','s','k','c',1,1,0)", "done: step s is listed as waiting"),
        ("INSERT INTO waits VALUES ('x','s','k','c',1,1,0)", "x: the wait of step s belongs to no run"),
        ("UPDATE rows SET child='gone'", "table: the child run gone of row 0 is missing"),
        ("UPDATE rows SET child=NULL", "table0: its parent table does not have it among its rows"),
        ("DELETE FROM rows", "table: it says that it has 1 rows, there are 0"),
        ("UPDATE definitions SET body='[]'", "state: the definition"),
        ("DELETE FROM definitions", "done: its definition"),
    ],
)
def test_what_is_wrong_is_told_with_its_run(path: Path, damage: str, told: str) -> None:
    """Each promise between the tables is checked."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(damage)
    connection.close()
    found = [str(problem) for problem in upkeep.check(path).problems]
    assert any(problem.startswith(told) for problem in found), found


async def test_a_backup_is_made_while_others_write(
    tmp_path: Path, fill: Callable[[Store], Any], begin: Callable[..., Append]
) -> None:
    """It is whole, of one moment, in one file, and a state of its own; the writers do not notice."""
    path, target = tmp_path / "state.db", tmp_path / "copy.db"
    store = await SqliteStore(path).open()
    await fill(store)
    stop = asyncio.Event()

    async def write(number: int) -> int:
        written = 0
        while not stop.is_set():
            await store.append(begin(f"r{number}-{written:05}"))
            written += 1
        return written

    writers = [asyncio.create_task(write(number)) for number in range(3)]
    size = await asyncio.to_thread(upkeep.backup, path, target)
    assert (await asyncio.to_thread(upkeep.check, path)).problems == []
    stop.set()
    assert min(await asyncio.gather(*writers)) > 0
    await store.close()
    assert size == target.stat().st_size
    assert upkeep.check(target).problems == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "state.db", "state.db.lock"]
    copied = await SqliteStore(target).open()
    assert (await copied.counts())[RunStatus.SUCCEEDED] == 1
    await copied.close()


def test_a_backup_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    """Neither a file nor a folder; and a place that cannot be written to is named."""
    target = tmp_path / "copy.db"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"copy\.db is there already"):
        upkeep.backup(path, target)
    assert target.read_text("utf-8") == "mine"
    with pytest.raises(StoreError, match="is a folder"):
        upkeep.backup(path, tmp_path)
    with pytest.raises(StoreError, match="cannot be copied to"):
        upkeep.backup(path, tmp_path / "nowhere" / "copy.db")


async def test_pruning_forgets_what_is_old_and_a_dry_run_nothing(path: Path) -> None:
    """Definitions go with their last run."""
    assert upkeep.prune(path, NOW - timedelta(days=1), dry_run=False) == 0
    assert upkeep.prune(path, NOW, dry_run=True) == 1
    assert upkeep.prune(path, NOW, dry_run=False) == 1
    assert upkeep.check(path).problems == []
    store = await SqliteStore(path).open()
    assert {run.id for run in await store.summaries(RunFilter())} == {"waits", "table", "table0"}
    await store.close()


async def test_definitions_go_with_their_last_run(tmp_path: Path, begin: Callable[..., Append]) -> None:
    """One that this process has put stays: a run of it may be about to begin."""
    over = begin("r", status=RunStatus.SUCCEEDED, ended_at=NOW)
    path = tmp_path / "state.db"
    store = await SqliteStore(path).open()
    await store.put_definition(over.summary.definition, "{}")
    await store.append(over)
    assert (await store.prune(NOW)).runs == 1
    assert await store.definition(over.summary.definition) == "{}"
    await store.close()
    assert upkeep.prune(path, NOW, dry_run=False) == 0
    store = await SqliteStore(path).open()
    with pytest.raises(DefinitionLostError):
        await store.definition(over.summary.definition)
    await store.close()


def test_upkeep_of_what_is_no_state(tmp_path: Path) -> None:
    """Nothing is made where nothing was, and nothing foreign is touched."""
    with pytest.raises(StoreError, match="There is no state"):
        upkeep.upgrade(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    for work in (upkeep.upgrade, upkeep.check, lambda path: upkeep.prune(path, NOW, dry_run=True)):
        with pytest.raises(StoreError, match="something else"):
            work(other)
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]


async def test_upkeep_that_writes_waits_for_nobody(path: Path) -> None:
    """While a process works on the file, it is refused; reading is not."""
    store = await SqliteStore(path).open()
    with pytest.raises(StoreError, match="Another process"):
        upkeep.upgrade(path)
    with pytest.raises(StoreError, match="Another process"):
        upkeep.prune(path, NOW, dry_run=True)
    assert upkeep.check(path).problems == []
    await store.close()
