"""The state file itself: found, locked, opened and brought up to date."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import IO

from orchestrator.store import sqlite_errors as errors
from orchestrator.store.base import StoreError
from orchestrator.store.sqlite_log import refuse_damaged

#: How long to wait for a lock of another program on the file.
_LOCKED_S = 10.0
#: Pages (of 4 KiB) copied at a time; between them the copy can be interrupted.
_PAGES_AT_ONCE = 4096


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turns what the system and SQLite raise into a StoreError about `path`."""
    if path.is_dir():
        raise errors.is_a_folder(path)
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise errors.opening_error(path, error) from error


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection without implicit transactions. Raises sqlite3.Error."""
    mode = "ro" if read_only else "rwc"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    if read_only and not os.access(path.parent, os.W_OK):
        uri += "&immutable=1"  # without room for its companions, the file is read as it stands
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_LOCKED_S
    )
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def lock(path: Path) -> IO[str]:
    """Held as long as the file is open, so that no second process drives the same runs. Raises StoreError."""
    file = path.with_name(path.name + ".lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise errors.in_use(path) from error
    return file


def latest_version() -> int:
    """The schema version that this program writes."""
    return len(_migrations())


def version_of(connection: sqlite3.Connection) -> int:
    """The file's schema version; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_ours(path: Path, connection: sqlite3.Connection) -> int:
    """The file's schema version. Raises StoreError for a foreign database, and for a newer one."""
    version = version_of(connection)
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
        raise errors.foreign(path)
    if version > latest_version():
        raise StoreError(
            f"The state file has schema version {version}, this program knows {latest_version()}.",
            hint="Use the newer version of the orchestrator that wrote it.",
        )
    return version


def check_up_to_date(path: Path, connection: sqlite3.Connection) -> None:
    """For those who only read. Raises StoreError for an older file, and for a newer one."""
    version = version_of(connection)
    if version and check_ours(path, connection) < latest_version():
        raise StoreError(
            f"The state file has schema version {version}, this program reads {latest_version()}.",
            hint="`orchestrator db upgrade` brings it up to date.",
        )


def refuse_foreign(path: Path) -> None:
    """Before anything is written beside it. An unreadable file raises sqlite3.DatabaseError."""
    if path.is_file() and path.stat().st_size:
        with contextlib.closing(connect(path, read_only=True)) as connection:
            check_ours(path, connection)


def refuse_damaged_log(path: Path) -> None:
    """For whoever holds the lock, before the file is opened for writing. Raises StoreError, sqlite3.Error."""
    if path.is_file() and path.stat().st_size:
        with contextlib.closing(connect(path, read_only=True)) as connection:
            refuse_damaged(path, connection)


def migrate(path: Path, connection: sqlite3.Connection) -> int:
    """Bring the file up to date; the version that it had.

    A file that holds something is copied first, to `NAME.v1-backup` beside it. Each migration is one transaction: one
    that fails leaves the file as it was before.
    """
    version = check_ours(path, connection)
    pending = _migrations()[version:]
    if version and pending:
        copy(connection, backup_path(path, version))
    for number, script in enumerate(pending, start=version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return version


def backup_path(path: Path, version: int) -> Path:
    """Where a file of an older version is kept when it is upgraded."""
    return path.with_name(f"{path.name}.v{version}-backup")


def copy(source: sqlite3.Connection, target: Path) -> None:
    """A consistent copy of the whole state as one file, while others go on writing. Raises sqlite3.Error, OSError.

    It appears under its name only when it is complete and synced.
    """
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as connection:
            # One snapshot for the whole copy: writers are not held, and what they write does not start it anew.
            source.execute("BEGIN")
            try:
                version_of(source)
                source.backup(connection, pages=_PAGES_AT_ONCE, sleep=0)
            finally:
                source.execute("ROLLBACK")
            # One file that needs no companions to be read.
            connection.execute("PRAGMA journal_mode=DELETE")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _migrations() -> list[str]:
    """The scripts of all versions, the first first."""
    files = (
        file
        for file in resources.files("orchestrator.store.migrations").iterdir()
        if file.name.endswith(".sql")
    )
    return [file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name)]
