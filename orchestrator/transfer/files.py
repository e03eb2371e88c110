"""What steps need of the transfer package, in one place: describe, upload, download."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.transfer.content_type import content_type_of
from orchestrator.transfer.digest import Digest, digest
from orchestrator.transfer.download import Downloader
from orchestrator.transfer.upload import OnProgress, Uploader


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A local file and what it held when it was hashed."""

    path: Path
    digest: Digest


class Files:
    """Files above `single_put_max_bytes` go in parts."""

    def __init__(
        self, uploader: Uploader, downloader: Downloader, *, executor: Executor, single_put_max_bytes: int
    ) -> None:
        self._uploader = uploader
        self._downloader = downloader
        self._executor = executor
        self._single_put_max_bytes = single_put_max_bytes

    def part_count(self, size: int) -> int | None:
        """How many parts a file of `size` bytes is sent in; None: one PUT."""
        return None if size <= self._single_put_max_bytes else len(self._uploader.part_plan(size))

    async def describe(self, path: Path) -> HashedFile:
        """The file's size and MD5, read off the event loop. Raises TransferError."""
        return HashedFile(path, await digest(path, executor=self._executor))

    async def modified_at(self, path: Path) -> datetime | None:
        """When a file was changed last; None: there is none that can be seen."""

        def look() -> datetime | None:
            try:
                return datetime.fromtimestamp(path.stat().st_mtime, UTC)
            except OSError:
                return None

        return await asyncio.get_running_loop().run_in_executor(self._executor, look)

    async def upload(self, file: HashedFile, urls: Sequence[str], on_progress: OnProgress) -> None:
        """Send the file to one URL, or its parts to several. Raises TransferError."""
        kind = content_type_of(file.path)
        stamp = file.digest.stamp
        if self.part_count(file.digest.size) is None:
            await self._uploader.put(
                file.path,
                urls[0],
                content_type=kind,
                md5_base64=file.digest.md5_base64,
                stamp=stamp,
                on_progress=on_progress,
            )
        else:
            await self._uploader.put_parts(file.path, urls, stamp=stamp, on_progress=on_progress)

    async def size(self, path: Path) -> int:
        """Bytes of a file, looked up off the event loop. Raises TransferError."""
        return (await self._uploader.stamp(path)).size

    async def send(
        self, path: Path, urls: Sequence[str], on_progress: OnProgress, *, content_type: str | None = None
    ) -> None:
        """Send the file, in as many equal parts as there are URLs, to URLs that were signed without its MD5.

        `content_type` is the one that they were signed with; None: without any. Raises TransferError.
        """
        await self._uploader.put_parts(path, urls, content_type=content_type, on_progress=on_progress)

    async def download(self, url: str, to: Path, *, size: int | None, on_progress: OnProgress) -> int:
        """Fetch to a temporary name, rename at the end; bytes written. Raises TransferError."""
        done = await self._downloader.download(url, to, expected_size=size, on_progress=on_progress)
        return done.size
