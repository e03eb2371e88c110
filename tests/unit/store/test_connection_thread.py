"""The thread that owns a connection."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.store.connection_thread import ConnectionThread


def connection() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


async def test_what_is_asked_for_at_once_is_one_batch() -> None:
    """In order, and each gets its own outcome."""
    batches: list[list[int]] = []

    def double(_: sqlite3.Connection, jobs: Sequence[int]) -> list[Any]:
        batches.append(list(jobs))
        return [ValueError(str(job)) if job == 2 else 2 * job for job in jobs]

    thread = ConnectionThread("test", connection(), double)
    results = await asyncio.gather(*(thread.do(job) for job in range(4)), return_exceptions=True)
    assert [str(result) for result in results] == ["0", "2", "2", "6"]
    assert isinstance(results[2], ValueError)
    assert batches == [[0, 1, 2, 3]]
    await thread.close()


async def test_a_caller_that_gives_up_does_not_take_its_job_back() -> None:
    """Nor does it disturb those beside it."""
    may_go_on, done = threading.Event(), list[int]()

    def slow(_: sqlite3.Connection, jobs: Sequence[int]) -> Sequence[int]:
        may_go_on.wait()
        done.extend(jobs)
        return jobs

    thread = ConnectionThread("test", connection(), slow)

    async def ask(job: int) -> int:
        return int(await thread.do(job))

    given_up, other = asyncio.create_task(ask(1)), asyncio.create_task(ask(2))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    may_go_on.set()
    assert await other == 2
    await thread.close()
    assert done == [1, 2]


async def test_closing_carries_out_what_was_asked_for() -> None:
    """Also what was asked for in the same breath."""
    done: list[int] = []

    def note(_: sqlite3.Connection, jobs: Sequence[int]) -> Sequence[int]:
        done.extend(jobs)
        return jobs

    thread = ConnectionThread("test", connection(), note)
    future = thread.do(1)
    await thread.close()
    assert (await future, done) == (1, [1])
