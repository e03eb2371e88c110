"""Upkeep of a state file for those who are not the engine: upgrade, check, backup, prune. None of it needs a loop."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.store import sqlite_errors as errors
from orchestrator.store import sqlite_file as file
from orchestrator.store.base import StoreError
from orchestrator.store.sqlite_check import Report
from orchestrator.store.sqlite_check import check as check_connection
from orchestrator.store.sqlite_prune import prune_all


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Schema versions before and after; `backup`: the copy of the file as it was, if there was anything to do."""

    before: int
    after: int
    backup: Path | None


def upgrade(path: Path) -> Upgraded:
    """Bring the file at `path` up to date. Raises StoreError, also while a process works on it."""
    with _to_itself(path) as connection, _working(path):
        before = file.migrate(path, connection)
        after = file.version_of(connection)
    kept = file.backup_path(path, before) if before and before < after else None
    return Upgraded(before, after, kept)


def check(path: Path) -> Report:
    """What is wrong with the file at `path`; it may be worked on meanwhile. Raises StoreError if it is no state file."""
    with _beside_others(path) as connection, _working(path):
        return check_connection(connection)


def backup(path: Path, target: Path) -> int:
    """Copy the state at `path` to the new file `target`, which is complete when this returns; its size in bytes.

    It may be worked on meanwhile, and nobody who writes waits for the copy. Raises StoreError; UsageError when there is
    a file at `target` already.
    """
    if target.is_dir():
        raise errors.is_a_folder(target)
    if target.exists():
        raise UsageError(
            f"{target} is there already.", hint="Name a new file: a backup is never overwritten."
        )
    with _beside_others(path) as connection:
        try:
            file.copy(connection, target)
            _refuse_damaged(path, target)
        except (sqlite3.Error, OSError) as error:
            cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise StoreError(
                f"{path} cannot be copied to {target}: {cause}.",
                hint="Check the room on the disk and the rights of the folder that the copy goes to.",
            ) from error
    return target.stat().st_size


def _refuse_damaged(path: Path, copy: Path) -> None:
    """A rotation of backups must not replace good copies by bad ones."""
    with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok":
        copy.unlink()
        raise StoreError(
            f"{path} is damaged, and so was its copy: {found.splitlines()[0]}.",
            hint="`orchestrator db check` says more; go on from an earlier backup.",
        )


def prune(path: Path, before: datetime, *, dry_run: bool) -> int:
    """Forget the runs that were over by `before` and that nobody needs any more; how many those were, or would be.

    Raises StoreError, also while a process works on the file.
    """
    with _to_itself(path) as connection, _working(path):
        file.migrate(path, connection)
        return prune_all(connection, before, dry_run=dry_run)


@contextlib.contextmanager
def _to_itself(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, with no other process working on it."""
    with contextlib.ExitStack() as stack:
        with file.opening(path):
            _must_be_there(path)
            file.refuse_foreign(path)
            stack.enter_context(file.lock(path))
            file.refuse_damaged_log(path)
            connection = stack.enter_context(contextlib.closing(file.connect(path)))
        yield connection


@contextlib.contextmanager
def _beside_others(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, to be read while others may work on it."""
    with contextlib.ExitStack() as stack:
        with file.opening(path):
            _must_be_there(path)
            connection = stack.enter_context(contextlib.closing(file.connect(path, read_only=True)))
            if not file.version_of(connection):
                raise errors.foreign(path)
            file.check_up_to_date(path, connection)
        yield connection


@contextlib.contextmanager
def _working(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise errors.store_error(path, error) from error


def _must_be_there(path: Path) -> None:
    if not path.is_file():
        raise errors.missing(path)
