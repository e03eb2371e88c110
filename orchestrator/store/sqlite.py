"""The journal in one SQLite file.

One thread owns the writing connection. Whatever is waiting when it looks goes into one transaction, and nobody is told
that an append is done before that transaction is synced (`synchronous=FULL`). Reads go through a second connection of
their own thread; WAL lets them run beside the writer.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from importlib import resources
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TypeVar

from orchestrator.domain.events import Event
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.run import RunStatus
from orchestrator.store import sqlite_tables as sql
from orchestrator.store.base import Append, ConflictError, Row, RunFilter, StoreError, Summary, Wait

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], None]

_OVER = tuple(status.value for status in RunStatus if status.over)


class SqliteStore:
    """A `Store` in one file. At most one process may open it for writing."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Nothing is opened before `open`."""
        self._path = path
        self._read_only = read_only
        self._lock: IO[str] | None = None
        self._jobs: SimpleQueue[tuple[Write, Future[None]] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-read")
        self._read_connection: sqlite3.Connection | None = None
        self._closed = False

    async def open(self) -> "SqliteStore":
        """Create or upgrade the file and start the threads. Raises StoreError."""
        await asyncio.get_running_loop().run_in_executor(self._reader, self._open)
        return self

    def _open(self) -> None:
        if self._read_only:
            if self._path.is_dir():
                raise _is_a_folder(self._path)
            if not self._path.is_file():
                raise StoreError(
                    f"There is no state at {self._path}.", hint="Start a run first, or pass --state."
                )
            with _opening(self._path):
                self._read_connection = _connect(self._path, read_only=True)
            return
        if self._path.is_dir():
            raise _is_a_folder(self._path)
        with _opening(self._path), contextlib.ExitStack() as undo:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(self._path)
            lock = undo.enter_context(_lock(self._path))
            connection = undo.enter_context(contextlib.closing(_connect(self._path)))
            _migrate(connection)
            self._read_connection = _connect(self._path)
            self._lock = lock
            undo.pop_all()
        self._writer = threading.Thread(
            target=self._write_loop, args=(connection,), name="store-write", daemon=True
        )
        self._writer.start()

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._jobs.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._writer.join)
        if self._read_connection is not None:
            connection = self._read_connection
            await asyncio.get_running_loop().run_in_executor(self._reader, connection.close)
        self._reader.shutdown()
        if self._lock is not None:
            self._lock.close()

    # Writing

    async def claim(self, owner: str) -> str:
        await self._write(lambda c: sql.claim(c, owner))
        return str((await self._read(lambda c: c.execute("SELECT name FROM owner").fetchone()))[0])

    async def put_definition(self, hash_: DefinitionHash, body: str) -> None:
        await self._write(lambda c: sql.put_definition(c, hash_, body))

    async def append(self, append: Append) -> None:
        await self._write(lambda c: sql.append(c, append))

    async def postpone(self, waits: Sequence[Wait]) -> None:
        await self._write(lambda c: sql.postpone(c, waits))

    async def hurry(self, run_id: RunId, at: datetime) -> None:
        await self._write(lambda c: sql.hurry(c, run_id, at))

    async def _write(self, write: Write) -> None:
        if self._writer is None or self._closed:
            raise StoreError("The state file is not open for writing.")
        done: Future[None] = Future()
        self._jobs.put((write, done))
        # A cancelled caller must not abandon a write that is under way: it may already be in the transaction.
        await asyncio.shield(asyncio.wrap_future(done))

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            last = False
            while not self._jobs.empty():
                more = self._jobs.get()
                if more is None:
                    last = True
                    break
                batch.append(more)
            _commit(connection, batch)
            if last:
                break
        connection.close()

    # Reading

    async def definition(self, hash_: DefinitionHash) -> str:
        found = await self._read(
            lambda c: c.execute("SELECT body FROM definitions WHERE hash=?", (hash_,)).fetchone()
        )
        if found is None:
            raise StoreError(f"The state holds no definition {hash_[:12]}.", hint="Restore it from a backup.")
        return str(found[0])

    async def journal(self, run_id: RunId, after_seq: int = 0) -> list[Event]:
        return await self._read(lambda c: sql.journal(c, run_id, after_seq))

    async def summary(self, run_id: RunId) -> Summary | None:
        found = await self._read(lambda c: sql.summaries(c, "id=?", (run_id,), 1))
        return found[0] if found else None

    async def summaries(self, which: RunFilter, *, cursor: str = "", limit: int = 100) -> list[Summary]:
        return await self._read(lambda c: sql.filtered(c, which, cursor, limit))

    async def latest(self, keys: Sequence[RunKey]) -> dict[RunKey, Summary]:
        return await self._read(lambda c: sql.latest(c, keys))

    async def rows(self, run_id: RunId, start: int, stop: int) -> list[Row]:
        return await self._read(lambda c: sql.rows(c, run_id, start, stop))

    async def unfinished(self) -> list[tuple[RunId, datetime | None]]:
        query = f"SELECT id, wake_at FROM runs WHERE status NOT IN ({','.join('?' * len(_OVER))}) ORDER BY id"  # noqa: S608 - only question marks are put in
        found = await self._read(lambda c: c.execute(query, _OVER).fetchall())
        return [(RunId(run_id), sql.when(wake_at)) for run_id, wake_at in found]

    async def parents(self, run_id: RunId) -> list[RunId]:
        query = "SELECT run_id FROM rows WHERE child=?"
        return [RunId(row[0]) for row in await self._read(lambda c: c.execute(query, (run_id,)).fetchall())]

    async def due_waits(self, until: datetime, limit: int = 100) -> list[Wait]:
        return await self._read(lambda c: sql.due_waits(c, until, limit))

    async def next_poll_at(self) -> datetime | None:
        found = await self._read(lambda c: c.execute("SELECT min(poll_at) FROM waits").fetchone())
        return sql.when(found[0])

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._read_connection
        if connection is None or self._closed:
            raise StoreError("The state file is not open.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, read, connection)
        except sqlite3.Error as error:
            raise _store_error(error) from error


def _commit(connection: sqlite3.Connection, batch: list[tuple[Write, Future[None]]]) -> None:
    """One transaction for the whole batch; a conflict leaves out only its own append."""
    refused: dict[int, Exception] = {}
    try:
        connection.execute("BEGIN IMMEDIATE")
        for number, (write, _) in enumerate(batch):
            try:
                write(connection)
            except ConflictError as error:
                refused[number] = error
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - everyone who waits has to learn of it, and the thread has to live
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if len(batch) > 1 and not isinstance(error, sqlite3.OperationalError):
            # One of them cannot be written: the others must not fail with it.
            for job in batch:
                _commit(connection, [job])
            return
        problem = _store_error(error)
        problem.__cause__ = error
        refused = dict.fromkeys(range(len(batch)), problem)
    for number, (_, done) in enumerate(batch):
        if number in refused:
            done.set_exception(refused[number])
        else:
            done.set_result(None)


def _store_error(error: Exception) -> StoreError:
    if any(words in str(error) for words in ("not a database", "no such table", "no such column")):
        return StoreError("This is no state file of the orchestrator.", hint="Pass another --state.")
    return StoreError(
        f"The state file cannot be used: {error}.",
        hint="Nothing that was recorded is lost. Check the disk's room and the file's rights, then start again.",
    )


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StoreError(
            f"The state file {path} cannot be opened: {cause}.",
            hint="Check that the folder is writable, the disk has room and the file is a state file.",
        ) from error


def _is_a_folder(path: Path) -> StoreError:
    return StoreError(
        f"The state {path} is a folder.", hint=f"Name a file in it: sqlite:///{path / 'state.db'}."
    )


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    if read_only and not os.access(path.parent, os.W_OK):
        uri += "&immutable=1"  # without room for its companions, the file is read as it stands
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _lock(path: Path) -> IO[str]:
    """Held as long as the file is open, so that no second process drives the same runs."""
    lock = path.with_name(path.name + ".lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StoreError(
            f"Another process is working on {path}.",
            hint="Use its daemon, wait until it ends, or pass another --state.",
        ) from error
    return lock


def _refuse_foreign(path: Path) -> None:
    """A database of something else is not touched. An unreadable file raises sqlite3.DatabaseError."""
    if not path.is_file():
        return
    with contextlib.closing(_connect(path, read_only=True)) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
            raise StoreError(f"{path} is the database of something else.", hint="Pass another --state.")


def _migrate(connection: sqlite3.Connection) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    scripts = sorted(
        (
            file
            for file in resources.files("orchestrator.store.migrations").iterdir()
            if file.name.endswith(".sql")
        ),
        key=lambda file: file.name,
    )
    if version > len(scripts):
        raise StoreError(
            f"The state file has schema version {version}, this program knows {len(scripts)}.",
            hint="Use the newer version of the orchestrator that wrote it.",
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
        connection.executescript(
            f"BEGIN;\n{script.read_text('utf-8')}\nPRAGMA user_version={number};\nCOMMIT;"
        )
