"""Lets time pass in an emulator that listens: what is due happens, videos are ordered, callbacks are sent."""

import asyncio
import contextlib
import logging
from functools import partial

from aiohttp import ClientError, ClientSession

from orchestrator.emulator.core import Emulator
from orchestrator.emulator.ledger import LedgerError
from orchestrator.emulator.records import Post
from orchestrator.emulator.studio import Studio

_log = logging.getLogger(__name__)
#: Callbacks on their way at the same time.
_CALLBACKS = 50
#: So many things happen before requests get their turn.
_SLICE = 50
#: After a fault of ours.
_REST_S = 1.0
#: Faults that are remembered, so that each is told once.
_TOLD = 100


class Pump:
    """Does what nobody asks for, until it is cancelled; a fault of ours doesn't end it."""

    def __init__(
        self, emulator: Emulator, studio: Studio, session: ClientSession, wake: asyncio.Event
    ) -> None:
        """`wake` is set when something has changed that the pump may have to act upon."""
        self._emulator = emulator
        self._studio = studio
        self._session = session
        self._wake = wake
        self._arrived = asyncio.Event()
        self._posting: set[str] = set()
        self._told: set[str] = set()

    async def catch_up(self) -> None:
        """Lets happen what fell due while nothing ran.

        Raises:
            LedgerError: it cannot be kept.
        """
        more = True
        while more:
            try:
                more = self._emulator.go_on(_SLICE)
            except LedgerError:
                raise
            except Exception as error:  # noqa: BLE001 - what fails is over, and must not keep the rest from happening
                self._tell(error)
            await asyncio.sleep(0)

    async def arrival(self) -> None:
        """Returns when the world has come to the time that it was advanced to."""
        self._arrived.clear()
        self._wake.set()
        await self._arrived.wait()

    async def run(self) -> None:
        """Goes round and round."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    more = self._round(group)
                except Exception as error:  # noqa: BLE001 - a boundary: whatever it was, the world goes on
                    self._tell(error)
                    await asyncio.sleep(_REST_S)
                    continue
                if more:
                    await asyncio.sleep(0)
                else:
                    self._arrived.set()
                    await self._rest()

    def _round(self, group: asyncio.TaskGroup) -> bool:
        """Whether more is due already."""
        if self._emulator.go_on(_SLICE):
            return True
        for job in self._emulator.take_render_orders():
            self._studio.start(job)
        for file in self._emulator.world.take_files_to_make():
            self._studio.start_file(file)
        for post in self._emulator.postman.due(self._emulator.now):
            if post.id not in self._posting and len(self._posting) < _CALLBACKS:
                self._posting.add(post.id)
                task = group.create_task(self._post(post))
                task.add_done_callback(partial(self._posted, post.id))
        return False

    def _posted(self, post_id: str, _: asyncio.Task[None]) -> None:
        self._posting.discard(post_id)
        self._wake.set()

    async def _rest(self) -> None:
        """Waits for the next thing due, a request, a rendering or a callback's end."""
        due = self._emulator.next_due(except_posts=self._posting)
        if len(self._posting) >= _CALLBACKS or due is None:
            wait_s = None
        else:
            wait_s = max(0.0, (due - self._emulator.real_now).total_seconds())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    async def _post(self, post: Post) -> None:
        try:
            taken = await self._send(post)
            self._emulator.postman.tried(post.id, self._emulator.now, taken=taken)
            self._emulator.keep()
        except Exception as error:  # noqa: BLE001 - a boundary: one callback must not take the others with it
            self._tell(error)
            # Until then it counts as on its way, so it isn't tried again at once.
            await asyncio.sleep(_REST_S)

    async def _send(self, post: Post) -> bool:
        letter = self._emulator.postman.letter(post, self._emulator.real_now)
        headers = {"Content-Type": "application/json", **letter.headers}
        try:
            async with self._session.post(
                letter.url, data=letter.body, headers=headers, allow_redirects=False
            ) as answer:
                return 200 <= answer.status < 300
        except (ClientError, TimeoutError, OSError, ValueError):
            # Whatever the receiver does, it counts as not taken and is tried again.
            return False

    def _tell(self, error: Exception) -> None:
        """Logs a fault, the same one once."""
        fault = f"{type(error).__name__}: {error}"
        if fault not in self._told:
            if len(self._told) >= _TOLD:
                self._told.clear()
            self._told.add(fault)
            _log.error("the emulator goes on after a fault of its own: %s", fault, exc_info=error)
