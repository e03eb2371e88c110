"""Downloads: under a temporary name beside the target until every byte is on disk, then renamed."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from orchestrator.transfer.connection import signed_url, translated
from orchestrator.transfer.errors import ERROR_BODY_BYTES, TransferError, refusal
from orchestrator.transfer.source import CHUNK_BYTES, unusable
from orchestrator.transfer.upload import OnProgress


@dataclass(frozen=True, slots=True)
class Download:
    """A finished download: where it is and how many bytes it has."""

    path: Path
    size: int


class Downloader:
    """Fetches files with at most `concurrency` transfers at once.

    `executor` runs the file writes. `stall_s`: seconds without a byte arriving after which a download is given up.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        executor: Executor,
        concurrency: int = 8,
        stall_s: float = 60.0,
    ) -> None:
        self._session = session
        self._executor = executor
        self._budget = asyncio.Semaphore(concurrency)
        self._stall_s = stall_s

    async def download(
        self,
        url: str,
        to: Path,
        *,
        expected_size: int | None = None,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> Download:
        """Fetches `url` into the file `to`, replacing what is there; missing folders are made.

        `to` appears only when it is whole: size as announced (and as `expected_size`, in bytes), synced, renamed. Raises
        `TransferError`, which never shows the URL's query; the half file is then gone.
        """
        action = f"download of {to.name}"
        source = signed_url(url, action)
        async with self._budget:
            part = _PartFile(to)
            try:
                await self._in_thread(part.create)
                with translated(action):
                    async with asyncio.timeout(timeout_s):
                        size = await self._fetch(source, part, action, on_progress)
                if expected_size is not None and size != expected_size:
                    raise TransferError(
                        f"The {action} brought {size} bytes instead of {expected_size}.",
                        hint="It is tried again.",
                    )
                await self._in_thread(part.put_in_place)
            except OSError as error:
                raise unusable(to, error) from error
            finally:
                await self._in_thread(part.discard)
        return Download(to, size)

    async def _fetch(self, url: URL, part: "_PartFile", action: str, on_progress: OnProgress | None) -> int:
        async with self._session.get(
            url,
            # What is stored is wanted, not a compressed rendering of it whose length says nothing.
            headers={"Accept-Encoding": "identity"},
            max_redirects=3,
            raise_for_status=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._stall_s, sock_read=self._stall_s),
        ) as response:
            if response.status != 200:
                raise refusal(action, response.status, await response.content.read(ERROR_BODY_BYTES))
            total = response.content_length or 0
            size = 0
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                await self._in_thread(part.write, chunk)
                size += len(chunk)
                if on_progress is not None:
                    on_progress(size, max(total, size))
            return size

    async def _in_thread(self, work: Callable[..., None], *args: object) -> None:
        """Runs short file work in a thread; a cancelled caller waits for its end, so that nothing overtakes it."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, work, *args)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


class _PartFile:
    """The temporary file beside the target. All methods block."""

    def __init__(self, target: Path) -> None:
        self._target = target
        # A file name may have 255 bytes; the target's own name is only there to be recognised.
        self._prefix = f".{hashlib.sha256(target.name.encode()).hexdigest()[:12]}."
        self._path = target.with_name(f"{self._prefix}{secrets.token_hex(4)}.part")
        self._fd: int | None = None

    def create(self) -> None:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, chunk: bytes) -> None:
        assert self._fd is not None
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._fd, view) :]

    def put_in_place(self) -> None:
        """Makes the file appear under its final name, and last: synced before and after the rename."""
        assert self._fd is not None
        os.fsync(self._fd)
        self._path.replace(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Closes the file and, unless it was put in place, removes it."""
        if self._fd is None:
            return
        os.close(self._fd)
        self._fd = None
        self._path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Removes what killed processes left of earlier downloads to the same target: a living one holds its lock."""
        for old in self._target.parent.glob(f"{self._prefix}*.part"):
            with contextlib.suppress(OSError), old.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                old.unlink()
