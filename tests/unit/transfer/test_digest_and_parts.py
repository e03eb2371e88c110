"""Digests, part plans and content types."""

import asyncio
import base64
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import RetryClass
from orchestrator.transfer.content_type import content_type_of
from orchestrator.transfer.digest import _digest, digest
from orchestrator.transfer.errors import FileChangedError, LocalFileError, TransferError
from orchestrator.transfer.parts import MAX_PARTS, MAX_PUT_BYTES, part_plan, split

MOST = MAX_PARTS * MAX_PUT_BYTES


async def test_digest(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    """Size and Base64 MD5 are those of the file."""
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(2_500_000))
    found = await digest(path, executor=executor)
    assert found.size == 2_500_000
    assert found.md5_base64 == base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode()
    assert len(found.md5_base64) == 24


async def test_digest_of_nothing(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    """Missing files and folders are lasting errors."""
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(LocalFileError) as caught:
            await digest(path, executor=executor)
        assert caught.value.retry is RetryClass.NEVER


@pytest.mark.parametrize("change", ["append", "cut", "replace"])
async def test_digest_of_a_moving_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """A file that is appended to, cut or replaced while it is hashed is refused, to be hashed again later."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(3 * 1024**2))
    read = os.read

    def meddle(fd: int, count: int) -> bytes:
        monkeypatch.setattr(os, "read", read)
        if change == "append":
            with path.open("ab") as file:
                file.write(b"x")
        elif change == "cut":
            os.truncate(path, 10)
        else:
            other = Path(tmp_path / "b.bin")
            other.write_bytes(bytes(3 * 1024**2))
            other.replace(path)
        return read(fd, count)

    monkeypatch.setattr(os, "read", meddle)
    with pytest.raises(FileChangedError) as caught:
        _digest(path, threading.Event())
    assert caught.value.retry is RetryClass.LATER


async def test_cancelled_digest_stops(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    """A cancelled digest frees its thread at the next chunk."""
    path = tmp_path / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(200 * 1024**3)
    task = asyncio.create_task(digest(path, executor=executor))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    executor.shutdown(wait=True)


@given(st.integers(0, MOST), st.integers(1, 2 * MAX_PUT_BYTES))
def test_part_plan(size: int, part_bytes: int) -> None:
    """Parts lie end to end, cover the file, number at most 100 and hold at most 5 GiB each."""
    plan = part_plan(size, part_bytes)
    assert 1 <= len(plan) <= MAX_PARTS
    ends = [offset + length for offset, length in plan]
    assert [0, *ends[:-1]] == [offset for offset, _ in plan]
    assert ends[-1] == size
    assert max(length for _, length in plan) <= MAX_PUT_BYTES
    if size <= MAX_PARTS * part_bytes:
        assert max(length for _, length in plan) <= part_bytes
    assert size == 0 or min(length for _, length in plan) > 0
    assert split(size, len(plan)) == plan


def test_too_large() -> None:
    """More than 500 GiB can't be sent."""
    with pytest.raises(TransferError, match="100 parts of 5 GiB") as caught:
        part_plan(MOST + 1, MAX_PUT_BYTES)
    assert caught.value.retry is RetryClass.NEVER


def test_content_types() -> None:
    """The service's own names for the media it knows, octets for the rest."""
    names = ["a.mp3", "a.WAV", "a.jpg", "a.jpeg", "a.png", "a.gif", "a.mp4", "a.zip", "a"]
    assert [content_type_of(Path(name)) for name in names] == [
        "audio/mp3",
        "audio/wav",
        "image/jpeg",
        "image/jpeg",
        "image/png",
        "image/gif",
        "video/mp4",
        "application/octet-stream",
        "application/octet-stream",
    ]
