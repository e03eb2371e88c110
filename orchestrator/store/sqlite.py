"""The journal in one SQLite file.

One thread owns the writing connection. Whatever is waiting when it looks goes into one transaction, and nobody is told
that an append is done before that transaction is synced (`synchronous=FULL`). Reads go through a second connection of
their own thread; WAL lets them run beside the writer.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from orchestrator.domain.events import Event
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey
from orchestrator.domain.run import RunStatus
from orchestrator.store import sqlite_errors as errors
from orchestrator.store import sqlite_file as file
from orchestrator.store import sqlite_groups as groups
from orchestrator.store import sqlite_tables as reads
from orchestrator.store import sqlite_waits as waits
from orchestrator.store import sqlite_writes as writes
from orchestrator.store.base import (
    Append,
    DefinitionLostError,
    Pruned,
    PruneMark,
    Queue,
    Queued,
    Row,
    RunFilter,
    StoreError,
    Summary,
    Wait,
    WaitLine,
)
from orchestrator.store.connection_thread import ConnectionThread
from orchestrator.store.sqlite_prune import prune
from orchestrator.store.sqlite_writes import Write

T = TypeVar("T")
Read = Callable[[sqlite3.Connection], Any]


class SqliteStore:
    """A `Store` in one file. At most one process may open it for writing."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Nothing is opened before `open`."""
        self._path = path
        self._read_only = read_only
        self._lock: IO[str] | None = None
        self._writer: ConnectionThread[Append | Write] | None = None
        self._reader: ConnectionThread[Read] | None = None
        #: Definitions that are in the file for sure.
        self._definitions: set[DefinitionHash] = set()
        #: The version of the schema that the file had.
        self.opened_version = 0

    async def open(self) -> "SqliteStore":
        """Create or upgrade the file and start the threads. Raises StoreError."""
        loop = asyncio.get_running_loop()
        reading, writing = await loop.run_in_executor(None, self._open)
        self._reader = ConnectionThread("store-read", reading, self._carry_out_reads)
        if writing is not None:
            self._writer = ConnectionThread("store-write", writing, _Writer(self._path).carry_out)
        return self

    def _open(self) -> tuple[sqlite3.Connection, sqlite3.Connection | None]:
        """A connection to read, and one to write."""
        path = self._path
        with file.opening(path), contextlib.ExitStack() as undo:
            if self._read_only:
                if not path.is_file():
                    raise errors.missing(path)
                connection = undo.enter_context(contextlib.closing(file.connect(path, read_only=True)))
                file.check_up_to_date(path, connection)
                undo.pop_all()
                return connection, None
            path.parent.mkdir(parents=True, exist_ok=True)
            file.refuse_foreign(path)
            lock = undo.enter_context(file.lock(path))
            file.refuse_damaged_log(path)
            writing = undo.enter_context(contextlib.closing(file.connect(path)))
            self.opened_version = file.migrate(path, writing)
            reading = file.connect(path)
            self._lock = lock
            undo.pop_all()
            return reading, writing

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        writer, self._writer = self._writer, None
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()
        if writer is not None:
            await writer.close()  # the last to go takes the write-ahead log into the file
        if self._lock is not None:
            self._lock.close()

    # Writing

    async def claim(self, owner: str) -> str:
        return str(await self._write(lambda c: writes.claim(c, owner)))

    async def put_definition(self, hash_: DefinitionHash, body: str) -> None:
        if hash_ not in self._definitions:
            await self._write(lambda c: writes.put_definition(c, hash_, body))
            self._definitions.add(hash_)

    async def append(self, append: Append) -> None:
        await self._write(append)

    async def postpone(self, waits: Sequence[Wait]) -> None:
        await self._write(lambda c: writes.postpone(c, waits))

    async def hurry(self, run_id: RunId, at: datetime) -> None:
        await self._write(lambda c: writes.hurry(c, run_id, at))

    async def prune(self, before: datetime, *, after: PruneMark | None = None, limit: int = 100) -> Pruned:
        # A definition that this process has put may be about to be used by a new run.
        put = frozenset(self._definitions)
        found = await self._write(lambda c: prune(c, before, after=after, limit=limit, keep=put))
        return cast("Pruned", found)

    def _write(self, job: Append | Write) -> asyncio.Future[Any]:
        if self._writer is None:
            raise StoreError("The state file is not open for writing.")
        return self._writer.do(job)

    # Reading

    async def definition(self, hash_: DefinitionHash) -> str:
        found = await self._read(lambda c: reads.definition(c, hash_))
        if found is None:
            raise DefinitionLostError(hash_)
        return found

    async def journal(self, run_id: RunId, after_seq: int = 0) -> list[Event]:
        return await self._read(lambda c: reads.journal(c, run_id, after_seq))

    async def summary(self, run_id: RunId) -> Summary | None:
        found = await self._read(lambda c: reads.summaries(c, "id=?", (run_id,), 1))
        return found[0] if found else None

    async def summaries(self, which: RunFilter, *, cursor: str = "", limit: int = 100) -> list[Summary]:
        return await self._read(lambda c: reads.filtered(c, which, cursor, limit))

    async def latest(self, keys: Sequence[RunKey]) -> dict[RunKey, Summary]:
        return await self._read(lambda c: reads.latest(c, keys))

    async def rows(self, run_id: RunId, start: int, stop: int) -> list[Row]:
        return await self._read(lambda c: reads.rows(c, run_id, start, stop))

    async def due(self) -> list[tuple[RunId, float, RunStatus]]:
        return await self._read(reads.due)

    async def counts(self, *, top_level: bool = False) -> dict[RunStatus, int]:
        return await self._read(lambda c: reads.counts(c, top_level=top_level))

    async def queue(self, group: str, *, after: Queued | None = None, limit: int = 100) -> Queue:
        return await self._read(lambda c: groups.queue(c, group, after, limit))

    async def queues(self) -> list[str]:
        return await self._read(groups.queues)

    async def parents(self, run_id: RunId) -> list[RunId]:
        return await self._read(lambda c: reads.parents(c, run_id))

    async def wait_lines(self) -> list[WaitLine]:
        return await self._read(waits.wait_lines)

    async def due_waits(self, kind: str, until: datetime, *, within_s: float, limit: int) -> list[Wait]:
        return await self._read(lambda c: waits.due_waits(c, kind, until, within_s, limit))

    async def waits_by_correlation(self, kind: str, correlations: Collection[str]) -> list[Wait]:
        return await self._read(lambda c: waits.waits_by_correlation(c, kind, correlations))

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        if self._reader is None:
            raise StoreError("The state file is not open.")
        return cast("asyncio.Future[T]", self._reader.do(read))

    def _carry_out_reads(self, connection: sqlite3.Connection, jobs: Sequence[Read]) -> Sequence[Any]:
        outcomes: list[Any] = []
        for read in jobs:
            try:
                outcomes.append(read(connection))
            except sqlite3.Error as error:
                outcomes.append(errors.store_error(self._path, error))
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked, and the thread has to live
                outcomes.append(error)
        return outcomes


class _Writer:
    """One transaction for each batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: Why nothing can be written any more.
        self._broken: Exception | None = None

    def carry_out(self, connection: sqlite3.Connection, jobs: Sequence[Append | Write]) -> Sequence[Any]:
        """What each brought; a conflict leaves out only its own append."""
        if self._broken is not None:
            return self._refused(jobs, self._broken)
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = writes.write(connection, jobs)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - everyone who waits has to learn of it, and the thread has to live
            # What SQLite could not write, it may not be able to take back in so many words either.
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if errors.is_io(error):
                # After a failed sync the system may forget what it could not write, and say that all is well.
                self._broken = error
            elif len(jobs) > 1 and not isinstance(error, sqlite3.OperationalError):
                # One of them cannot be written: the others must not fail with it.
                return [outcome for job in jobs for outcome in self.carry_out(connection, [job])]
            return self._refused(jobs, error)
        return outcomes

    def _refused(self, jobs: Sequence[Append | Write], error: Exception) -> Sequence[StoreError]:
        return [errors.store_error(self._path, error) for _ in jobs]
