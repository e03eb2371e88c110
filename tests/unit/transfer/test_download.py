"""Downloads from a real storage server."""

import asyncio
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from orchestrator.errors import RetryClass
from orchestrator.transfer.download import Download, Downloader
from orchestrator.transfer.errors import LocalFileError, TransferError
from tests.unit.transfer.conftest import EarlyCloser, Storage


@pytest.fixture
def downloader(session: aiohttp.ClientSession, executor: ThreadPoolExecutor) -> Downloader:
    return Downloader(session, executor=executor, stall_s=5)


async def test_download(storage: Storage, downloader: Downloader, tmp_path: Path) -> None:
    """The file appears whole under its name, folders are made, progress ends at its size."""
    storage.objects["/v"] = os.urandom(3_000_000)
    to = tmp_path / "out" / "deep" / "v.mp4"
    seen: list[tuple[int, int]] = []
    got = await downloader.download(
        storage.url("v"), to, expected_size=3_000_000, on_progress=lambda *now: seen.append(now)
    )
    assert got == Download(to, 3_000_000)
    assert to.read_bytes() == storage.objects["/v"]
    assert seen[-1] == (3_000_000, 3_000_000)
    assert list(to.parent.iterdir()) == [to]
    assert storage.requests[0].headers["Accept-Encoding"] == "identity"


async def test_replaces(storage: Storage, downloader: Downloader, tmp_path: Path) -> None:
    """An older file of that name is replaced."""
    storage.objects["/v"] = b"new"
    to = tmp_path / "v.mp4"
    to.write_bytes(b"old")
    await downloader.download(storage.url("v"), to)
    assert to.read_bytes() == b"new"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nshort",
        b"",
    ],
)
async def test_cut_short(
    early_closer: EarlyCloser, downloader: Downloader, tmp_path: Path, answer: bytes
) -> None:
    """A connection that ends early leaves neither the file nor a part of it, and what was there stays."""
    to = tmp_path / "v.mp4"
    to.write_bytes(b"old")
    with pytest.raises(TransferError) as caught:
        await downloader.download(await early_closer(answer), to, expected_size=1000)
    assert caught.value.repeatable
    assert "Signature" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("v.mp4", b"old")]


async def test_expired(storage: Storage, downloader: Downloader, tmp_path: Path) -> None:
    """An expired URL is told apart, so that a new one can be asked for."""

    async def expired(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")

    storage.answer("v", expired)
    with pytest.raises(TransferError) as caught:
        await downloader.download(storage.url("v"), tmp_path / "v.mp4")
    assert (caught.value.expired, caught.value.code) == (True, "AccessDenied")
    assert list(tmp_path.iterdir()) == []


async def test_redirects(storage: Storage, downloader: Downloader, tmp_path: Path) -> None:
    """A download follows a redirect, but not in circles, and does not show where it leads."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(request.query["to"])

    for _ in range(9):
        storage.answer("r", redirect)
    storage.objects["/v"] = b"video"
    to = tmp_path / "v.mp4"
    await downloader.download(f"{storage.base}/r?to=/v", to)
    assert to.read_bytes() == b"video"
    with pytest.raises(TransferError) as caught:
        await downloader.download(f"{storage.base}/r?to=/r%3Fto%3D/r%253Fto%253D/r%25253Fto%25253D/r", to)
    assert caught.value.__cause__ is None


async def test_unwritable(storage: Storage, downloader: Downloader, tmp_path: Path) -> None:
    """A target that can't be written is a lasting error that names it."""
    storage.objects["/v"] = b"video"
    (tmp_path / "file").touch()
    with pytest.raises(LocalFileError, match="file") as caught:
        await downloader.download(storage.url("v"), tmp_path / "file" / "v.mp4")
    assert caught.value.retry is RetryClass.LATER or caught.value.retry is RetryClass.NEVER
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    with pytest.raises(LocalFileError):
        await downloader.download(storage.url("v"), tmp_path / "folder")
    assert list((tmp_path).glob(".*")) == []


async def test_sweeps(storage: Storage, downloader: Downloader, tmp_path: Path) -> None:
    """What a killed process left of the same download is removed, a download under way is not."""
    storage.objects["/v"] = b"video"
    to = tmp_path / "v.mp4"
    parts: list[Path] = []
    await downloader.download(
        storage.url("v"), to, on_progress=lambda *_: parts.extend(tmp_path.glob(".*.part"))
    )
    prefix = parts[0].name.split(".")[1]
    dead, alive = tmp_path / f".{prefix}.dead.part", tmp_path / f".{prefix}.alive.part"
    dead.touch()
    alive.touch()
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        await downloader.download(storage.url("v"), to)
    assert (dead.exists(), alive.exists()) == (False, True)


async def test_cancelled(storage: Storage, downloader: Downloader, tmp_path: Path) -> None:
    """A cancelled download leaves nothing behind."""
    begun = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * 100)
        await asyncio.Event().wait()
        return response

    storage.answer("v", endless)
    task = asyncio.create_task(
        downloader.download(storage.url("v"), tmp_path / "v.mp4", on_progress=lambda *_: begun.set())
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


async def test_stalled(
    storage: Storage, session: aiohttp.ClientSession, executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """A download that stands still is given up."""

    async def endless(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    storage.answer("v", endless)
    with pytest.raises(TransferError, match="stood still"):
        await Downloader(session, executor=executor, stall_s=0.05).download(
            storage.url("v"), tmp_path / "v.mp4"
        )
