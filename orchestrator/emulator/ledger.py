"""Where the world is kept between processes: one SQLite file, written before an answer leaves."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from orchestrator.emulator.tables import Change
from orchestrator.errors import UsageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (kind TEXT, id TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""


class LedgerError(UsageError):
    """The emulator's data cannot be read or written."""


class Ledger:
    """The kept records, settings and requests; `path` None keeps them in memory."""

    def __init__(self, path: Path | None) -> None:
        """Opens the file, and makes it first if need be.

        Raises:
            LedgerError: the file is no such database, or another emulator has it open.
        """
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                ":memory:" if path is None else path, isolation_level=None, timeout=1.0
            )
            # A killed process loses nothing with NORMAL; a power cut may, which an emulator may afford.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            hint = "Is another emulator using the same data folder?"
            raise LedgerError(f"cannot open the emulator's data in {path}: {error}", hint=hint) from error

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Every kept record: its kind and its JSON."""
        yield from self._db.execute("SELECT kind, body FROM record ORDER BY kind, id")

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
    ) -> None:
        """Writes all of it in one transaction; of the requests only the `newest` stay."""
        db = self._db
        gone, put = [], []
        for kind, key, body in changes:
            if body is None:
                gone.append((kind, key))
            else:
                put.append((kind, key, body))
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("DELETE FROM record WHERE kind = ? AND id = ?", gone)
            db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", put)
            for entry in requests:
                cursor = db.execute("INSERT INTO request (body) VALUES (?)", (json.dumps(entry),))
                # Pruning in strides: a delete for each request would double the writes.
                if cursor.lastrowid is not None and cursor.lastrowid % 256 == 0:
                    db.execute("DELETE FROM request WHERE seq <= ?", (cursor.lastrowid - newest,))
            for name, value in (settings or {}).items():
                db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def forget_requests(self) -> None:
        """Empties the list of requests."""
        self._db.execute("DELETE FROM request")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
