"""The write-ahead log beside the state file: whether SQLite takes up all of it.

SQLite reads the log up to the first frame that does not add up, and takes what follows for the remains of a transaction
that was cut off. That is right after a crash: at most one transaction was under way, and nobody was told that it was
done. With a log that was damaged in the middle, everything behind the damage would vanish without a word.
See https://www.sqlite.org/walformat.html for the layout of the log and of its index.
"""

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from orchestrator.store import sqlite_errors as errors

_HEADER = struct.Struct(">8I")
#: Page, size of the database after a commit (0: the transaction goes on), two salts; two checksums follow.
_FRAME = struct.Struct(">4I8x")
#: Where the index tells, in this machine's own order, how many frames count.
_FRAMES_AT = 16
_MAGIC = 0x377F0682


def refuse_damaged(path: Path, connection: sqlite3.Connection) -> None:
    """Raises StoreError when the log holds transactions that SQLite would leave out.

    For the only process that works on the file, before it writes. `connection` is open on the file at `path` and may
    only read: the last writer that closes it would remove the log.
    """
    log, index = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    if not log.is_file() or log.stat().st_size <= _HEADER.size:
        return
    connection.execute(
        "SELECT count(*) FROM sqlite_master"
    ).fetchone()  # reads the log, if that has not been done
    if not index.is_file():
        return  # read as it stands, without the log: nothing can be written here anyway
    with index.open("rb") as file:
        file.seek(_FRAMES_AT)
        (taken,) = struct.unpack("=I", file.read(4))
    with log.open("rb") as file:
        left_out = sum(number > taken for number in _commits(file))
    # One may have been cut off by the end of the process that wrote it.
    if left_out > 1:
        raise errors.damaged_log(path, log)


def _commits(file: IO[bytes]) -> Iterator[int]:
    """Numbers of the frames that end a transaction, from 1, whether SQLite takes them or not."""
    header = file.read(_HEADER.size)
    magic, _, page_size, _, *salts, _, _ = _HEADER.unpack(header)
    if magic not in {_MAGIC, _MAGIC + 1} or not _adds_up(header):
        yield from (2**32, 2**32 + 1)  # nothing of such a log is taken
        return
    number = 0
    while len(frame := file.read(_FRAME.size)) == _FRAME.size:
        number += 1
        _, size_after, *marks = _FRAME.unpack(frame)
        # Frames with other salts are of an earlier round, and have long been taken into the file.
        if size_after and marks == salts:
            yield number
        file.seek(page_size, 1)


def _adds_up(header: bytes) -> bool:
    """The header's own checksum, which ends it."""
    order = ">" if header[3] & 1 else "<"
    first = second = 0
    for even, odd in struct.iter_unpack(f"{order}2I", header[:24]):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return (first, second) == struct.unpack(">2I", header[24:])
