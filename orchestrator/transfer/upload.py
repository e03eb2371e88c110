"""Uploads to presigned URLs: one PUT, or many side by side for the parts of a large file."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from orchestrator.errors import RetryClass
from orchestrator.transfer.connection import signed_url, translated
from orchestrator.transfer.errors import ERROR_BODY_BYTES, TransferError, file_changed, refusal
from orchestrator.transfer.parts import part_plan, split
from orchestrator.transfer.source import FileSlice, FileStamp, stamp

#: (bytes handed to the network so far, bytes in all)
OnProgress = Callable[[int, int], None]
OnPart = Callable[[int, "PutReceipt"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PutReceipt:
    """What the storage acknowledged: the object's or part's ETag (without quotes) and its bytes."""

    etag: str
    bytes: int


@dataclass(frozen=True, slots=True)
class _Put:
    """One PUT to be made."""

    path: Path
    url: str
    stamp: FileStamp
    offset: int
    length: int
    content_type: str | None
    md5_base64: str | None
    timeout_s: float | None
    on_sent: Callable[[int], None]


class Uploader:
    """Sends files with at most `concurrency` PUTs at once, all uploads together.

    `executor` runs the file reads. `stall_s`: seconds without a byte moving after which a PUT is given up. A part is tried
    `part_tries` times; between tries it waits about 0.5, 1, 2 … seconds through `sleep`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        executor: Executor,
        concurrency: int = 8,
        part_bytes: int = 64 * 1024**2,
        part_tries: int = 4,
        stall_s: float = 60.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._executor = executor
        self._budget = asyncio.Semaphore(concurrency)
        self._part_bytes = part_bytes
        self._part_tries = part_tries
        self._stall_s = stall_s
        self._sleep = sleep

    def part_plan(self, size: int) -> list[tuple[int, int]]:
        """(offset, length) of the parts for a file of `size` bytes; its length is the number of URLs to ask for."""
        return part_plan(size, self._part_bytes)

    async def put(
        self,
        path: Path,
        url: str,
        *,
        offset: int = 0,
        length: int | None = None,
        content_type: str | None,
        md5_base64: str | None = None,
        stamp: FileStamp | None = None,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> PutReceipt:
        """Sends the file (or `length` bytes from `offset`) in one PUT, once; repeating it is the caller's decision.

        `content_type` None sends no such header, for URLs that were signed without one. `stamp` (of the digest) refuses a
        file that is no longer the one that was hashed. `timeout_s` bounds the whole PUT, not the wait for its
        turn. Raises `TransferError`, which never shows the URL's query.
        """
        known = stamp or await self.stamp(path)
        if length is None:
            length = known.size - offset
        if offset < 0 or length < 0 or offset + length > known.size:
            raise file_changed(path.name)
        sent = _Sent([length], on_progress)
        put = _Put(path, url, known, offset, length, content_type, md5_base64, timeout_s, sent.counter(0))
        async with self._budget:
            return await self._put(put)

    async def put_parts(
        self,
        path: Path,
        urls: Sequence[str],
        *,
        content_type: str | None = None,
        stamp: FileStamp | None = None,
        done: Mapping[int, PutReceipt] | None = None,
        on_part: OnPart | None = None,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> list[PutReceipt]:
        """Sends the file in as many equal parts as there are `urls`, side by side; the receipts in their order.

        Each part is repeated alone while its error is transient. `done` holds the receipts of parts (by index) that an
        earlier try got through, `on_part` is awaited after each further one. `timeout_s` bounds each try of a part. The first
        part that fails for good cancels the others and its `TransferError` is raised.
        """
        if not urls:
            raise TransferError("A file in parts needs at least one URL.", retry=RetryClass.NEVER)
        known = stamp or await self.stamp(path)
        plan = split(known.size, len(urls))
        receipts = {index: receipt for index, receipt in (done or {}).items() if 0 <= index < len(plan)}
        sent = _Sent([length for _, length in plan], on_progress)
        for index in receipts:
            sent.start_with(index)

        async def send(index: int, put: _Put) -> None:
            receipts[index] = await self._put_patiently(put, lambda: sent.restart(index))
            if on_part is not None:
                await on_part(index, receipts[index])

        failed: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for index, ((offset, length), url) in enumerate(zip(plan, urls, strict=True)):
                    if index not in receipts:
                        counter = sent.counter(index)
                        put = _Put(path, url, known, offset, length, content_type, None, timeout_s, counter)
                        group.create_task(send(index, put))
        except ExceptionGroup as failures:
            failed = _gravest(failures.exceptions)
        if failed is not None:
            raise failed
        return [receipts[index] for index in range(len(plan))]

    async def stamp(self, path: Path) -> FileStamp:
        """The file's stamp, looked up off the event loop. Raises `LocalFileError`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, stamp, path)

    async def _put_patiently(self, put: _Put, restart: Callable[[], None]) -> PutReceipt:
        for tried in range(1, self._part_tries):
            try:
                async with self._budget:
                    return await self._put(put)
            except TransferError as error:
                if not error.repeatable:
                    raise
            restart()
            # Jitter, so that parts cut off together don't come back together.
            await self._sleep(0.5 * 2 ** (tried - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, guards nothing
        async with self._budget:
            return await self._put(put)

    async def _put(self, put: _Put) -> PutReceipt:
        action = f"upload of {put.path.name}"
        url = signed_url(put.url, action)
        body = await FileSlice.open(
            put.path, put.stamp, offset=put.offset, length=put.length, executor=self._executor
        )
        try:
            with translated(action):
                status, etag, answer = await self._exchange(put, url, body)
        except TransferError as error:
            raise (body.failure or error) from error.__cause__
        finally:
            body.close()
        if not 200 <= status < 300:
            raise refusal(action, status, answer)
        # After the answer: what was read may have been overwritten between two chunks.
        if body.remaining or await self.stamp(put.path) != put.stamp:
            raise file_changed(put.path.name)
        return PutReceipt(etag.strip('"'), put.length)

    async def _exchange(self, put: _Put, url: URL, body: FileSlice) -> tuple[int, str, bytes]:
        headers = {"Content-Length": str(put.length)}
        if put.content_type is not None:
            headers["Content-Type"] = put.content_type
        if put.md5_base64 is not None:
            headers["Content-MD5"] = put.md5_base64
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(put.timeout_s), asyncio.timeout(self._stall_s) as stall:

            def moved(count: int) -> None:
                if not stall.expired():
                    stall.reschedule(loop.time() + self._stall_s)
                put.on_sent(count)

            body.on_chunk = moved
            async with self._session.put(
                url,
                data=body,
                headers=headers,
                skip_auto_headers=() if put.content_type is not None else ("Content-Type",),
                allow_redirects=False,
                raise_for_status=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_read=self._stall_s),
            ) as response:
                answer = await response.content.read(ERROR_BODY_BYTES)
                if response.status >= 300:
                    # An early refusal leaves an unsent body behind: the connection can't be used again.
                    response.close()
                return response.status, response.headers.get("ETag", ""), answer


class _Sent:
    """Adds up what the parts of one upload have sent; a part that starts again gives its bytes back."""

    def __init__(self, lengths: Sequence[int], on_progress: OnProgress | None) -> None:
        self._lengths = lengths
        self._total = sum(lengths)
        self._sent = [0] * len(lengths)
        self._on_progress = on_progress

    def counter(self, index: int) -> Callable[[int], None]:
        def count(size: int) -> None:
            self._set(index, self._sent[index] + size)

        return count

    def start_with(self, index: int) -> None:
        self._set(index, self._lengths[index])

    def restart(self, index: int) -> None:
        self._set(index, 0)

    def _set(self, index: int, sent: int) -> None:
        self._sent[index] = sent
        if self._on_progress is not None:
            self._on_progress(sum(self._sent), self._total)


def _gravest(errors: Sequence[Exception]) -> Exception:
    """The one error that speaks for all parts: what is no transfer's fault first, then what lasts."""

    def gravity(error: Exception) -> int:
        if not isinstance(error, TransferError):
            return 0
        return 1 if error.retry is not RetryClass.LATER else 2

    return min(errors, key=gravity)
