"""An older state file goes on with this version of the program."""

import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import RunId, canonical_json
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunStatus
from orchestrator.store import sqlite_upkeep as upkeep
from orchestrator.store.base import RunFilter, Store, StoreError
from orchestrator.store.sqlite import SqliteStore
from orchestrator.store.sqlite_file import latest_version

_RUN = (
    "INSERT INTO runs (id, key, name, pipeline, definition, status, created_at, ended_at, seq, steps_total,"
    " steps_done, error, hint, rows_total, wake_at, parent) VALUES (?,'k','n','p',?,?,1,?,?,?,0,'','',?,?,?)"
)


def tables(path: Path) -> list[str]:
    """Everything in the file, as SQL."""
    connection = sqlite3.connect(path)
    found = [*connection.iterdump(), str(connection.execute("PRAGMA user_version").fetchone())]
    connection.close()
    return found


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file as version 1 wrote it: a run that waits, one to wake later, one that is over, a table with a child."""
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(
        resources.files("orchestrator.store.migrations").joinpath("0001_journal.sql").read_text("utf-8")
    )
    connection.execute("PRAGMA user_version=1")
    pipeline = Pipeline("p")
    hash_ = pipeline.hash
    connection.execute("INSERT INTO definitions VALUES (?,?)", (hash_, canonical_json(pipeline.to_json())))
    connection.execute("INSERT INTO owner VALUES ('mine')")
    runs: list[tuple[Any, ...]] = [
        ("a", hash_, "running", None, 2, 0, None, None, None),
        ("b", hash_, "running", None, 2, 0, None, 5.5, None),
        ("c", hash_, "succeeded", 3, 3, 0, None, None, None),
        ("t", hash_, "running", None, 3, 0, 1, None, None),
        ("t0", hash_, "running", None, 2, 0, None, None, "t"),
    ]
    connection.executemany(_RUN, runs)
    connection.execute("INSERT INTO rows VALUES ('t',0,'r','k','{}','{}','t0')")
    for run_id, _, status, _, _, _, rows_total, _, parent in runs:
        created = {
            "name": "n",
            "pipeline": "p",
            "definition": hash_,
            "key": "k",
            "inputs": {},
            "row": None,
            "parent": parent,
            "rows_total": rows_total,
            "out": "",
            "again": False,
        }
        bodies = [("run.created", canonical_json(created)), ("run.started", "{}")]
        if status == "succeeded":
            bodies.append(("run.succeeded", '{"outputs":{}}'))
        if rows_total:
            bodies.append(("children.created", '{"created":1,"upto":1}'))
        connection.executemany(
            "INSERT INTO events VALUES (?,?,?,NULL,NULL,?,?)",
            [
                (run_id, seq, type_, payload, 1 if seq == 1 else 3)
                for seq, (type_, payload) in enumerate(bodies, 1)
            ],
        )
    connection.close()
    return path


async def test_an_old_file_is_upgraded_with_its_runs(old: Path) -> None:
    """Journals are as they were; unfinished runs without a time to wake are looked at once; all is counted."""
    store = await SqliteStore(old).open()
    assert store.opened_version == 1
    assert [event.seq for event in await store.journal(RunId("c"))] == [1, 2, 3]
    assert [run_id for run_id, at, _ in await store.due() if at == 0] == ["a", "t", "t0"]
    assert (await store.due())[-1] == ("b", 5.5, RunStatus.RUNNING)
    assert await store.counts() == {RunStatus.RUNNING: 4, RunStatus.SUCCEEDED: 1}
    assert await store.counts(top_level=True) == {RunStatus.RUNNING: 3, RunStatus.SUCCEEDED: 1}
    assert await store.claim("yours") == "mine"
    await store.close()
    assert upkeep.check(old).problems == []


def test_the_old_file_is_kept_beside_the_new_one(old: Path) -> None:
    """The copy is what was there, under the number of its version; a second upgrade has nothing to do."""
    before = tables(old)
    done = upkeep.upgrade(old)
    assert (done.before, done.after, done.backup) == (
        1,
        latest_version(),
        old.with_name("state.db.v1-backup"),
    )
    assert done.backup is not None
    assert tables(done.backup) == before
    again = upkeep.upgrade(old)
    assert (again.before, again.after, again.backup) == (latest_version(), latest_version(), None)


async def test_a_migration_that_fails_changes_nothing(old: Path) -> None:
    """Half of it is taken back, and the file is still one of the old version."""
    connection = sqlite3.connect(old)
    connection.execute("CREATE TABLE counters (x)")
    connection.close()
    before = tables(old)
    with pytest.raises(StoreError, match="counters already exists"):
        await SqliteStore(old).open()
    assert tables(old) == before
    with pytest.raises(StoreError, match="counters already exists"):
        upkeep.upgrade(old)
    assert tables(old) == before


async def test_who_only_reads_does_not_upgrade(old: Path) -> None:
    """The message says what does."""
    with pytest.raises(StoreError, match="schema version 1") as caught:
        await SqliteStore(old, read_only=True).open()
    assert "db upgrade" in caught.value.hint
    with pytest.raises(StoreError, match="schema version 1"):
        upkeep.check(old)


async def test_a_new_file_is_of_the_latest_version(tmp_path: Path, fill: Callable[[Store], Any]) -> None:
    """And there is nothing to keep a copy of."""
    path = tmp_path / "state.db"
    store = await SqliteStore(path).open()
    await fill(store)
    assert len(await store.summaries(RunFilter())) == 4
    await store.close()
    assert upkeep.upgrade(path) == upkeep.Upgraded(latest_version(), latest_version(), None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.db", "state.db.lock"]
