"""A thread that owns one SQLite connection, for a store whose callers live on an event loop.

What callers ask for in one turn of the loop is handed over with one put, whatever waits when the thread looks is one
batch, and a batch is answered with one call into the loop: the cost of crossing threads is shared by all that cross.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")


class ConnectionThread(Generic[Job]):
    """Carries out jobs in the order in which they came."""

    def __init__(
        self,
        name: str,
        connection: sqlite3.Connection,
        carry_out: Callable[[sqlite3.Connection, Sequence[Job]], Sequence[Any]],
    ) -> None:
        """`carry_out` says for each job of a batch what it brought, or the exception it ended with; it raises none.

        The connection is closed by the thread. To be made on the event loop that its callers live on.
        """
        self._loop = asyncio.get_running_loop()
        self._connection, self._carry_out = connection, carry_out
        self._asked: list[tuple[Job, asyncio.Future[Any]]] = []
        self._queue: SimpleQueue[list[tuple[Job, asyncio.Future[Any]]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Job) -> asyncio.Future[Any]:
        """What the job brings. A caller that gives up does not take the job back: it may be under way."""
        future = self._loop.create_future()
        if not self._asked:
            self._loop.call_soon(self._hand_over)
        self._asked.append((job, future))
        return future

    async def close(self) -> None:
        """Everything asked for so far is carried out first."""
        self._hand_over()
        self._queue.put([])
        await self._loop.run_in_executor(None, self._thread.join)

    def _hand_over(self) -> None:
        if self._asked:
            self._queue.put(self._asked)
            self._asked = []

    def _run(self) -> None:
        last = False
        while not last:
            batch: list[tuple[Job, asyncio.Future[Any]]] = []
            while not batch or not self._queue.empty():
                more = self._queue.get()
                if not more:
                    last = True
                    break
                batch += more
            if batch:
                outcomes = self._carry_out(self._connection, [job for job, _ in batch])
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                    self._loop.call_soon_threadsafe(_settle, batch, outcomes)
        self._connection.close()


def _settle(batch: Sequence[tuple[object, asyncio.Future[Any]]], outcomes: Sequence[Any]) -> None:
    for (_, future), outcome in zip(batch, outcomes, strict=True):
        if future.done():  # its caller gave up
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
