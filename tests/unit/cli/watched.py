"""A daemon as the commands see it: the admin listener over a book, and in the place of the engine what notes wishes."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain.events import Event, EventBody
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.engine.control import ControlError
from orchestrator.limits.base import BucketState
from orchestrator.server.admin import AdminServer
from orchestrator.server.controls import Controls
from orchestrator.server.reads import EventView, RunDetail
from orchestrator.server.replay_changes import Replays
from orchestrator.server.state_reads import StateReads, event_view
from orchestrator.steps.base import kinds
from tests.unit.cli.conftest import Book


@dataclass
class Watched(StateReads):
    """Implements `LiveRunReader` and `Control` on a book: what is asked for is written into it."""

    book: Book
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    listeners: set[asyncio.Queue[Event]] = field(default_factory=set)
    #: Set once somebody listens.
    listened: asyncio.Event = field(default_factory=asyncio.Event)
    #: How often a run was looked at while somebody listened.
    looks: int = 0
    #: Set once a journal was read.
    journal_read: asyncio.Event = field(default_factory=asyncio.Event)
    _look: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        super().__init__(self.book.store)

    async def run(self, run_id: RunId) -> RunDetail | None:
        found = await super().run(run_id)
        if self.listeners:
            self.looks += 1
            self._look.set()
        return found

    async def events(self, run_id: RunId, after_seq: int) -> Sequence[EventView]:
        found = await super().events(run_id, after_seq)
        self.journal_read.set()
        return found

    async def looked(self, times: int) -> None:
        """Returns once a run was looked at so often while somebody listened."""
        while self.looks < times:
            self._look.clear()
            await self._look.wait()

    async def happens(self, run_id: str, *bodies: EventBody) -> None:
        """What happens next to a run, told to those who listen."""
        before = len(self.book.published)
        await self.book.write(run_id, *bodies)
        self.tell(self.book.published[before:])

    def tell(self, events: Sequence[Event]) -> None:
        for queue in self.listeners:
            for event in events:
                queue.put_nowait(event)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[EventView]]:
        queue: asyncio.Queue[Event] = asyncio.Queue()

        async def views() -> AsyncIterator[EventView]:
            while True:
                yield event_view(await queue.get())

        self.listeners.add(queue)
        self.listened.set()
        try:
            yield views()
        finally:
            self.listeners.discard(queue)

    def limits(self) -> Sequence[BucketState]:
        return ()

    async def cancel(self, run_id: RunId, *, reason: str = "") -> None:
        summary = await self.book.store.summary(run_id)
        if summary is None or summary.status.over:
            raise ControlError(f"Run {run_id} is over and cannot be cancelled.", hint="Let it be.")
        await self._wish(run_id, "cancel", ev.RunCancelling(reason))

    async def pause(self, run_id: RunId, *, reason: str = "") -> None:
        await self._wish(run_id, "pause", ev.RunPaused(reason))

    async def resume(self, run_id: RunId) -> None:
        await self._wish(run_id, "resume", ev.RunResumed())

    async def retry(self, run_id: RunId) -> None:
        await self._wish(run_id, "retry", ev.RunResumed())

    async def approve(
        self,
        run_id: RunId,
        step: StepId | None = None,
        *,
        approved: bool = True,
        by: str = "",
        comment: str = "",
    ) -> None:
        self.asked.append(("approve", run_id, step, approved, by, comment))

    async def replay(
        self,
        run_id: RunId,
        *,
        pipeline: Pipeline | None = None,
        inputs: Mapping[str, Any] | None = None,
        first: StepId | None = None,
    ) -> RunId:
        self.asked.append(("replay", run_id, pipeline and pipeline.name, inputs, first))
        return RunId((await self.book.begin("09new")).id)

    async def _wish(self, run_id: RunId, verb: str, body: EventBody) -> None:
        self.asked.append((verb, run_id))
        await self.happens(run_id, body)


def listener(watched: Watched, *, token: str | None = None) -> AdminServer:
    """The admin listener that shows it."""
    replays = Replays(watched.book.store, kinds(), "cn-north-4")
    return AdminServer(watched, controls=Controls(watched, watched, replays), token=token)
