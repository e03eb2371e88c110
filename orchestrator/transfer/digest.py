"""The digest that creating a file and uploading it both need: size and MD5, read off the event loop."""

import asyncio
import base64
import hashlib
import os
import threading
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.transfer.errors import TransferError, file_changed
from orchestrator.transfer.source import CHUNK_BYTES, FileStamp, open_unchanged, stamp, unusable


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file held when it was hashed. `md5_base64` is 24 characters (RFC 1864, reference 4.1.3)."""

    size: int
    md5_base64: str
    mtime_ns: int
    inode: int

    @property
    def stamp(self) -> FileStamp:
        """To be handed to an upload, so that only the bytes that were hashed are sent."""
        return FileStamp(self.size, self.mtime_ns, self.inode)


async def digest(path: Path, *, executor: Executor) -> Digest:
    """The digest of a regular file, hashed in a thread of `executor` without holding it in memory.

    Raises `LocalFileError` when it can't be read, `FileChangedError` when it changes meanwhile. A cancelled call stops
    its thread at the next chunk.
    """
    stop = threading.Event()
    hashing = asyncio.get_running_loop().run_in_executor(executor, _digest, path, stop)
    try:
        return await hashing
    finally:
        stop.set()


def _digest(path: Path, stop: threading.Event) -> Digest:
    before = stamp(path)
    fd = open_unchanged(path, before)
    # Required by the API as a checksum, not relied on for secrecy.
    md5 = hashlib.md5(usedforsecurity=False)
    read = 0
    try:
        while not stop.is_set():
            chunk = os.read(fd, CHUNK_BYTES)
            if not chunk:
                break
            md5.update(chunk)
            read += len(chunk)
    except OSError as error:
        raise unusable(path, error) from error
    finally:
        os.close(fd)
    if stop.is_set():
        raise TransferError(f"Hashing {path.name} was stopped.")
    # By name, not by descriptor: a file moved over the old one is a change too.
    if read != before.size or stamp(path) != before:
        raise file_changed(path.name)
    return Digest(before.size, base64.b64encode(md5.digest()).decode("ascii"), before.mtime_ns, before.inode)
