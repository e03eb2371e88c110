"""What SQLite and the system say of a state file, in words that name the place, the cause and the remedy."""

from pathlib import Path

from orchestrator.store.base import StoreError

_KEPT = "Nothing that was recorded is lost."
_RESTORE = (
    "Keep the file as it is. Restore the newest backup (`orchestrator db backup` makes them), or save what can be"
    " read with `sqlite3 FILE .recover`."
)


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, or is none of SQLite's."""
    return _name(error).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def is_io(error: Exception) -> bool:
    """Whether the system failed to write, read or sync: what the file holds now is not known to this process."""
    return _name(error).startswith("SQLITE_IOERR")


def store_error(path: Path, error: Exception) -> StoreError:
    """The error for a file at `path` with which working ended in `error`."""
    cause, hint = _explained(error)
    problem = StoreError(f"The state file {path} cannot be used: {cause}.", hint=hint)
    problem.__cause__ = error
    return problem


def opening_error(path: Path, error: Exception) -> StoreError:
    """The error for a file at `path` that could not be opened."""
    cause, hint = _explained(error)
    problem = StoreError(f"The state file {path} cannot be opened: {cause}.", hint=hint)
    problem.__cause__ = error
    return problem


def missing(path: Path) -> StoreError:
    """The error for a path without a file."""
    return StoreError(f"There is no state at {path}.", hint="Start a run first, or pass --state.")


def foreign(path: Path) -> StoreError:
    """The error for a database that is not ours."""
    return StoreError(f"{path} is the database of something else.", hint="Pass another --state.")


def damaged_log(path: Path, log: Path) -> StoreError:
    """The error for a write-ahead log of which a part would be lost."""
    return StoreError(
        f"The state file {path} cannot be used: its log {log.name} is damaged, and the newest entries are behind the"
        " damage.",
        hint=f"Copy both files away, then restore the newest backup; or remove {log.name} to go on without its entries.",
    )


def is_a_folder(path: Path) -> StoreError:
    """The error for a path that names a folder."""
    return StoreError(
        f"The state {path} is a folder.", hint=f"Name a file in it: sqlite:///{path / 'state.db'}."
    )


def in_use(path: Path) -> StoreError:
    """The error for a file that another process of ours works on."""
    return StoreError(
        f"Another process is working on {path}.",
        hint="Use its daemon, wait until it ends, or pass another --state.",
    )


def _name(error: Exception) -> str:
    return str(getattr(error, "sqlite_errorname", "") or "")


def _explained(error: Exception) -> tuple[str, str]:
    """Cause and remedy."""
    if isinstance(error, OSError):
        return error.strerror or str(
            error
        ), "Check the folder's rights, the disk's room and what the path names."
    name, text = _name(error), str(error)
    for prefixes, cause, hint in _KNOWN:
        if name.startswith(prefixes):
            return f"{cause} ({text})", hint
    if text.startswith(("no such table", "no such column")):
        return f"it is no state file of the orchestrator ({text})", "Pass another --state."
    return text, f"{_KEPT} Check the disk's room and the file's rights, then start again."


_KNOWN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("SQLITE_FULL",), "the disk is full", f"{_KEPT} Make room, then start again."),
    (
        ("SQLITE_READONLY",),
        "it, or the folder that it is in, is read-only",
        f"{_KEPT} Give this user the right to write both, then start again.",
    ),
    (
        ("SQLITE_PERM", "SQLITE_AUTH"),
        "this user may not",
        f"{_KEPT} Give this user the right to read and write it, then start again.",
    ),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"),
        "another program holds it locked",
        f"{_KEPT} End that program (`sqlite3`, a backup, an editor of databases), then start again.",
    ),
    (("SQLITE_NOTADB",), "it is no database, or its beginning is damaged", _RESTORE),
    (("SQLITE_CORRUPT",), "it is damaged", _RESTORE),
    (
        ("SQLITE_CANTOPEN",),
        "the system did not open it",
        f"{_KEPT} Check that the folder is there and writable, and how many files a process may open (`ulimit -n`).",
    ),
    (
        ("SQLITE_IOERR",),
        "the system could not read or write it",
        f"{_KEPT} Check the disk, its room and the limits on file sizes (`ulimit -f`), then start again.",
    ),
    (("SQLITE_NOMEM",), "there is no memory left", f"{_KEPT} Free memory, then start again."),
)
