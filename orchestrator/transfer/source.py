"""A local file as the source of a transfer: what it is, and its bytes read one chunk ahead in a thread."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from orchestrator.errors import RetryClass
from orchestrator.transfer.errors import LocalFileError, TransferError, file_changed

#: Bytes read at a time; reading 1 MiB ahead in a thread was the fastest way to feed a socket.
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Which bytes a path stood for at one moment: equal stamps mean an untouched file."""

    size: int
    mtime_ns: int
    inode: int


def stamp(path: Path) -> FileStamp:
    """The stamp of a regular file; blocking. Raises `LocalFileError`."""
    try:
        info = path.stat()
    except OSError as error:
        raise unusable(path, error) from error
    if not stat.S_ISREG(info.st_mode):
        raise LocalFileError(f"{path.name} is not a regular file.", retry=RetryClass.NEVER)
    return _stamp_of(info)


def open_unchanged(path: Path, expected: FileStamp) -> int:
    """A descriptor to read the file that `expected` describes; blocking.

    Raises `LocalFileError` when it can't be opened, `FileChangedError` when it is another file by now.
    """
    try:
        # Non-blocking, so that a pipe that took the file's name can't hang the thread.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unusable(path, error) from error
    if _stamp_of(os.fstat(fd)) != expected:
        os.close(fd)
        raise file_changed(path.name)
    return fd


def unusable(path: Path, error: OSError) -> LocalFileError:
    """Our error for the system's: a missing, forbidden or misplaced file stays so, a full disk or a lost mount may pass."""
    lasting = isinstance(
        error,
        FileNotFoundError | FileExistsError | PermissionError | IsADirectoryError | NotADirectoryError,
    )
    return LocalFileError(
        f"{path}: {error.strerror or 'input/output error'}.",
        hint="Check the path and its permissions." if lasting else "Check the disk.",
        retry=RetryClass.NEVER if lasting else RetryClass.LATER,
    )


def _stamp_of(info: os.stat_result) -> FileStamp:
    return FileStamp(info.st_size, info.st_mtime_ns, info.st_ino)


class FileSlice(AsyncIterator[bytes]):
    """`length` bytes of a file from `offset`, in chunks, the next one being read while the last one is sent.

    Can be iterated once only: when the HTTP library wants to send the body a second time by itself, the request fails
    instead of sending the rest of a half-read file.
    """

    def __init__(self, path: Path, fd: int, offset: int, length: int, executor: Executor) -> None:
        self._path = path
        self._fd = fd
        self._offset = offset
        self._executor = executor
        self._started = False
        self._closed = False
        self._ahead: Future[bytes] | None = None
        #: Bytes not yet handed out.
        self.remaining = length
        #: Why the file could not be read to the end; the HTTP library only says that sending failed.
        self.failure: TransferError | None = None
        #: Called with the size of each chunk that is handed out.
        self.on_chunk: Callable[[int], None] = _ignore

    @classmethod
    async def open(
        cls, path: Path, expected: FileStamp, *, offset: int, length: int, executor: Executor
    ) -> Self:
        """An open slice; close it. Raises `LocalFileError`, `FileChangedError`."""
        opening = executor.submit(open_unchanged, path, expected)
        try:
            fd = await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise
        return cls(path, fd, offset, length, executor)

    def __aiter__(self) -> Self:
        if self._started:
            raise TransferError(
                "The connection was lost while the file was being sent.", hint="It is tried again."
            )
        self._started = True
        return self

    async def __anext__(self) -> bytes:
        if self._closed or not self.remaining:
            raise StopAsyncIteration
        try:
            chunk = await asyncio.wrap_future(self._ahead or self._read())
        except OSError as error:
            self.failure = unusable(self._path, error)
            raise self.failure from error
        if not chunk:
            self.failure = file_changed(self._path.name)
            raise self.failure
        self._offset += len(chunk)
        self.remaining -= len(chunk)
        self._ahead = self._read() if self.remaining and not self._closed else None
        self.on_chunk(len(chunk))
        return chunk

    def _read(self) -> Future[bytes]:
        self._ahead = self._executor.submit(
            os.pread, self._fd, min(CHUNK_BYTES, self.remaining), self._offset
        )
        return self._ahead

    def close(self) -> None:
        """Closes the file once the read that may still be under way in the thread is over."""
        if self._closed:
            return
        self._closed = True
        fd = self._fd
        if self._ahead is None:
            os.close(fd)
        else:
            # A descriptor closed under a running read could be another file's by the time it reads.
            self._ahead.add_done_callback(lambda _: os.close(fd))


def _close_opened(opening: Future[int]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def _ignore(_count: int) -> None:
    """The default of `on_chunk`."""
