"""The listeners' Protocols, fulfilled by the engine and its store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from orchestrator.domain.ids import RunId, StepId
from orchestrator.engine.engine import Engine
from orchestrator.engine.live import Progress
from orchestrator.limits.base import BucketState, Limiter
from orchestrator.metastudio.callbacks import VideoCallback
from orchestrator.metastudio.live_events import LiveEventCallback, correlation_of, told_of
from orchestrator.server.reads import EventView
from orchestrator.server.state_reads import StateReads, event_view
from orchestrator.server.waiting import QueuedCall
from orchestrator.steps.base import call_label
from orchestrator.store.base import Store


class EngineSink:
    """Callbacks go to the engine, which journals them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def callback(self, run_id: str, callback: VideoCallback, *, stale: bool) -> bool:
        """As `CallbackSink.callback`."""
        return await self._engine.callback(
            RunId(run_id),
            job_id=callback.job_id,
            result=callback.result,
            asset_id=callback.asset_id or "",
            stale=stale,
        )

    async def live_event(self, run_id: str, event: LiveEventCallback, *, stale: bool) -> bool:
        """As `CallbackSink.live_event`."""
        return await self._engine.callback(
            RunId(run_id),
            job_id=correlation_of(event.job_id or "", event.event_type),
            result=told_of(event),
            asset_id="",
            stale=stale,
        )


class EngineReads(StateReads):
    """Implements `LiveRunReader`."""

    def __init__(self, engine: Engine, store: Store, limiter: Limiter) -> None:
        super().__init__(store, _EngineInsight(engine, limiter))
        self._engine, self._limiter = engine, limiter

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[EventView]]:
        """As `LiveRunReader.subscribe`."""
        with self._engine.live.watch() as queue:

            async def views() -> AsyncIterator[EventView]:
                while True:
                    yield event_view(await queue.get())

            yield views()

    def limits(self) -> Sequence[BucketState]:
        """As `LiveRunReader.limits`."""
        return self._limiter.snapshot()


class _EngineInsight:
    """Implements `waiting.Insight`."""

    def __init__(self, engine: Engine, limiter: Limiter) -> None:
        self._engine, self._limiter = engine, limiter

    def queued(self, run_id: RunId, step: StepId) -> QueuedCall | None:
        for call in self._limiter.waiting(label=call_label(run_id, step)):
            rates = {bucket.operation: bucket.rate for bucket in self._limiter.snapshot()}
            return QueuedCall(call, rates[call.operation])
        return None

    def progress(self, run_id: RunId, step: StepId) -> Progress | None:
        return self._engine.live.progress.get((run_id, step))
