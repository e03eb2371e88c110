"""Where the world is kept between processes: one SQLite file, written before an answer leaves."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.emulator.tables import Change
from orchestrator.errors import UsageError

#: Told apart from other versions by this: another one with every change that older data don't fit.
_FORMAT = 1
_SCHEMA = """
CREATE TABLE record (seq INTEGER PRIMARY KEY, kind TEXT, id TEXT, body BLOB NOT NULL, UNIQUE (kind, id));
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE request (seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""
# A record that is put again keeps its place in the order.
_PUT_RECORD = """
INSERT INTO record (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body
"""
_PUT_SETTING = "INSERT OR REPLACE INTO setting VALUES (?, ?)"


class LedgerError(UsageError):
    """The emulator's data cannot be read or written."""


class Ledger:
    """The kept records, settings and requests; `path` None keeps them in memory."""

    def __init__(self, path: Path | None) -> None:
        """Opens the file, and makes it first if need be.

        Raises:
            LedgerError: the file is no such database, of another version, or another emulator has it open.
        """
        self._path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                ":memory:" if path is None else path, isolation_level=None, timeout=1.0
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unopened(error) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise self._unopened(error) from error
        except LedgerError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        # A killed process loses nothing with NORMAL; a power cut may, which an emulator may afford.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("BEGIN IMMEDIATE")
        with self._transaction():
            tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
            if not tables:
                for statement in _SCHEMA.strip().split(";\n"):
                    self._db.execute(statement)
                self._db.execute(_PUT_SETTING, ("format", json.dumps(_FORMAT)))
            elif not {"record", "setting", "request"} <= tables or self.setting("format") != _FORMAT:
                raise self._unfit("is of another version")

    def _unopened(self, error: Exception) -> LedgerError:
        hint = "Is another emulator using the same data folder?"
        return LedgerError(f"cannot open the emulator's data in {self._path}: {error}", hint=hint)

    def _unfit(self, what: str) -> LedgerError:
        hint = "Use another folder (--data), or delete this one to start over."
        return LedgerError(f"the emulator's data in {self._folder} {what}", hint=hint)

    @property
    def _folder(self) -> str:
        return "memory" if self._path is None else str(self._path.parent)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """What is read inside and doesn't fit is told as data that are damaged.

        Raises:
            LedgerError: what is kept cannot be read, or is not what was written.
        """
        try:
            yield
        except (sqlite3.Error, LookupError, TypeError, ValueError) as error:
            kind = type(error).__name__
            raise self._unfit(f"is damaged ({kind}: {str(error).partition(chr(10))[0][:200]})") from error

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Every kept record in the order of their making: its kind and its JSON."""
        return iter(self._db.execute("SELECT kind, body FROM record ORDER BY seq"))

    def setting(self, name: str) -> Any:
        """A kept setting, or None."""
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def requests(self, limit: int) -> list[dict[str, Any]]:
        """The last requests kept, oldest first."""
        rows = self._db.execute("SELECT body FROM request ORDER BY seq DESC LIMIT ?", (limit,)).fetchall()
        return [json.loads(row[0]) for row in reversed(rows)]

    def keep(
        self,
        changes: Iterable[Change],
        *,
        requests: Iterable[dict[str, Any]] = (),
        settings: dict[str, Any] | None = None,
        newest: int = 5000,
        afresh: bool = False,
    ) -> None:
        """Writes all of it in one transaction, or nothing; of the requests only the `newest` stay.

        `afresh` forgets the requests that were kept before.

        Raises:
            LedgerError: it could not be written; it may be tried again.
        """
        gone, put = [], []
        for kind, key, body in changes:
            if body is None:
                gone.append((kind, key))
            else:
                put.append((kind, key, body))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            with self._transaction():
                if afresh:
                    self._db.execute("DELETE FROM request")
                self._db.executemany("DELETE FROM record WHERE kind = ? AND id = ?", gone)
                self._db.executemany(_PUT_RECORD, put)
                self._keep_requests(requests, newest)
                self._db.executemany(
                    _PUT_SETTING, [(name, json.dumps(value)) for name, value in (settings or {}).items()]
                )
        except sqlite3.Error as error:
            hint = "Is the disk full?"
            raise LedgerError(
                f"cannot write the emulator's data in {self._folder}: {error}", hint=hint
            ) from error

    def _keep_requests(self, requests: Iterable[dict[str, Any]], newest: int) -> None:
        for entry in requests:
            cursor = self._db.execute("INSERT INTO request (body) VALUES (?)", (json.dumps(entry),))
            # Pruning in strides: a delete for each request would double the writes.
            if cursor.lastrowid is not None and cursor.lastrowid % 256 == 0:
                self._db.execute("DELETE FROM request WHERE seq <= ?", (cursor.lastrowid - newest,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Ends the transaction that has begun: with what happens inside, or without all of it."""
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            # After a COMMIT there is none; some errors end it by themselves.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
