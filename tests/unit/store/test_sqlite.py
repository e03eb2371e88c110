"""What only a store in a file can promise."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import Append, RunFilter, StoreError, Summary
from orchestrator.store.sqlite import SqliteStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def begin(run_id: str) -> Append:
    body = ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {})
    row = Summary(
        RunId(run_id), RunKey("k"), "n", "p", DefinitionHash("d"), RunStatus.CREATED, NOW, None, 1, 1, 0
    )
    return Append(RunId(run_id), 0, [ev.Event(RunId(run_id), 1, NOW, body)], row)


async def test_what_was_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    """An append that returned is in the file."""
    store = await SqliteStore(tmp_path / "deep" / "state.db").open()
    await asyncio.gather(*(store.append(begin(f"r{n:03}")) for n in range(100)))
    await store.close()
    store = await SqliteStore(tmp_path / "deep" / "state.db").open()
    assert len(await store.summaries(RunFilter(), limit=1000)) == 100
    await store.close()


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Only one writer may drive the runs of a file; readers are welcome."""
    store = await SqliteStore(tmp_path / "state.db").open()
    await store.append(begin("a"))
    with pytest.raises(StoreError, match="Another process"):
        await SqliteStore(tmp_path / "state.db").open()
    reader = await SqliteStore(tmp_path / "state.db", read_only=True).open()
    assert [s.id for s in await reader.summaries(RunFilter())] == ["a"]
    with pytest.raises(StoreError, match="not open for writing"):
        await reader.append(begin("b"))
    await reader.close()
    await store.close()


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A damaged file ends in a clear message and is left as it is."""
    path = tmp_path / "state.db"
    path.write_bytes(b"this is not a database, but it is long enough to look like a file" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"state\.db cannot be opened"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An old program does not touch a file that a newer one wrote."""
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="schema version 99"):
        await SqliteStore(tmp_path / "state.db").open()


async def test_a_failing_disk_is_reported_and_nothing_is_half_written(tmp_path: Path) -> None:
    """When the file cannot grow, the append fails clearly and leaves no trace."""
    store = await SqliteStore(tmp_path / "state.db").open()
    await store.append(begin("a"))

    def allow_no_growth(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count=1")

    async def fill() -> None:
        for number in range(2000):
            await store.append(begin(f"b{number}"))

    await store._write(allow_no_growth)
    with pytest.raises(StoreError, match="full"):
        await fill()
    listed = {s.id for s in await store.summaries(RunFilter(), limit=5000)}
    for run_id in listed:
        assert len(await store.journal(RunId(run_id))) == 1
    await store.close()


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """Using a closed store is an error, not a hang."""
    store = await SqliteStore(tmp_path / "state.db").open()
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="not open"):
        await store.append(begin("a"))
    with pytest.raises(StoreError, match="not open"):
        await store.summary(RunId("a"))


async def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A foreign database is refused before anything is written beside it."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (id TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="something else"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]
    reader = await SqliteStore(path, read_only=True).open()
    with pytest.raises(StoreError, match="no state file"):
        await reader.summaries(RunFilter())
    await reader.close()


async def test_a_folder_is_no_state(tmp_path: Path) -> None:
    """The message names a file to use instead."""
    for read_only in (True, False):
        with pytest.raises(StoreError, match="is a folder") as caught:
            await SqliteStore(tmp_path, read_only=read_only).open()
        assert "state.db" in caught.value.hint


async def test_what_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    """A broken append in a batch takes no other with it."""
    store = await SqliteStore(tmp_path / "state.db").open()

    def defective(connection: sqlite3.Connection) -> None:
        raise OverflowError

    results = await asyncio.gather(
        store.append(begin("a")), store._write(defective), store.append(begin("b")), return_exceptions=True
    )
    assert [result is None for result in results] == [True, False, True]
    assert {s.id for s in await store.summaries(RunFilter())} == {"a", "b"}
    await store.close()
