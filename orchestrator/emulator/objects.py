"""The bytes in emulated object storage: a folder for each object, a file for each part."""

import asyncio
import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Container, Iterable
from concurrent.futures import Executor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from orchestrator.emulator.records import Segment

CHUNK_BYTES = 1024 * 1024


class Objects:
    """Objects on disk. What is being received lies apart, and takes its place only when it is whole."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        """Leftovers of a killed process are removed; `executor` runs the disk's work."""
        self._folder = folder / "objects"
        self._incoming = folder / "incoming"
        self._executor = executor
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(parents=True, exist_ok=True)

    def path(self, file_id: str, segment: Segment) -> Path:
        """Where a part lies, or would lie. The digest is in its name: a part that is sent again lies beside the
        older one until it is known to be the one that counts.
        """
        return self._folder / file_id / f"{segment.part}-{segment.md5_hex}"

    def holds(self, file_id: str, segments: Iterable[Segment]) -> bool:
        """Whether all these parts are there in their size."""
        for segment in segments:
            path = self.path(file_id, segment)
            if not path.is_file() or path.stat().st_size != segment.size:
                return False
        return True

    def receive(self) -> "Receipt":
        """A place to write a part to."""
        return Receipt(self._incoming, self._executor)

    def place(self, source: Path, file_id: str, segment: Segment) -> None:
        """Moves a whole part to where it belongs."""
        target = self.path(file_id, segment)
        target.parent.mkdir(exist_ok=True)
        source.replace(target)

    def keep_only(self, file_id: str, segments: Iterable[Segment]) -> None:
        """Removes parts that no longer count."""
        kept = {self.path(file_id, segment) for segment in segments}
        for path in (self._folder / file_id).glob("*-*"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def remove(self, file_id: str) -> None:
        """Removes an object."""
        shutil.rmtree(self._folder / file_id, ignore_errors=True)

    def new_folder(self) -> Path:
        """An empty folder for files that are being made."""
        return Path(tempfile.mkdtemp(dir=self._incoming))

    def sweep(self, known: Container[str]) -> None:
        """Removes objects that nobody knows: of deleted files, of uploads that a kill cut off."""
        for folder in self._folder.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Removes all objects."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)

    async def read(
        self, file_id: str, segments: Iterable[Segment], start: int, length: int
    ) -> AsyncIterator[bytes]:
        """`length` bytes of the object from `start` on, in chunks."""
        loop = asyncio.get_running_loop()
        for segment in segments:
            if length <= 0:
                return
            if start >= segment.size:
                start -= segment.size
                continue
            take = min(length, segment.size - start)
            with await loop.run_in_executor(
                self._executor, _open_at, self.path(file_id, segment), start
            ) as file:
                left = take
                while left:
                    chunk = await loop.run_in_executor(self._executor, file.read, min(CHUNK_BYTES, left))
                    if not chunk:
                        raise OSError("an object is shorter than it was when it was stored")
                    left -= len(chunk)
                    yield chunk
            length -= take
            start = 0


class Receipt:
    """A part being received: written and hashed off the event loop, gone on leaving unless it was placed."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        """Writes to a new file in `folder`."""
        self._folder = folder
        self._executor = executor
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._file: BinaryIO | None = None
        self.path = folder
        self.size = 0

    async def __aenter__(self) -> Self:
        # Opened here and not in a with: it lives as long as the receipt.
        file = tempfile.NamedTemporaryFile(dir=self._folder, delete=False)  # noqa: SIM115 - closed in __aexit__
        self._file = file  # type: ignore[assignment]  # the wrapper forwards every method that BinaryIO has
        self.path = Path(file.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def write(self, chunk: bytes) -> None:
        """Appends a chunk."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._take, chunk)

    def close(self) -> bytes:
        """Ends the writing; the MD5 digest of all of it."""
        assert self._file is not None
        self._file.close()
        return self._md5.digest()

    def _take(self, chunk: bytes) -> None:
        assert self._file is not None
        self._file.write(chunk)
        self._md5.update(chunk)
        self.size += len(chunk)


def _open_at(path: Path, offset: int) -> BinaryIO:
    file = path.open("rb")
    file.seek(offset)
    return file
