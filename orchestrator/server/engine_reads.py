"""The listeners' Protocols, fulfilled by the engine and its store."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import assert_never

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, RunStatus, StepState, StepStatus
from orchestrator.engine.engine import Engine
from orchestrator.engine.loading import load_state
from orchestrator.limits.base import BucketState, Limiter, Why
from orchestrator.metastudio.callbacks import VideoCallback
from orchestrator.server.reads import TOP_LEVEL, EventView, RunDetail, RunSummary, StepView
from orchestrator.steps.base import call_label
from orchestrator.store.base import RunFilter, Store, Summary


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


class EngineReads:
    """Implements `RunReader`."""

    def __init__(self, engine: Engine, store: Store, limiter: Limiter) -> None:
        self._engine, self._store, self._limiter = engine, store, limiter
        self._pipelines: dict[DefinitionHash, Pipeline] = {}

    async def runs(
        self, *, status: RunStatus | None, parent: RunId | None, cursor: str | None, limit: int
    ) -> tuple[Sequence[RunSummary], str | None]:
        """As `RunReader.runs`. Any text serves as a cursor: runs come before it or not."""
        which = RunFilter(
            status=frozenset({status} if status else ()),
            parent=parent if parent != TOP_LEVEL else None,
            top_level=parent == TOP_LEVEL,
        )
        found = await self._store.summaries(which, cursor=cursor or "", limit=limit + 1)
        page = found[:limit]
        return [_summary(summary) for summary in page], (page[-1].id if len(found) > limit else None)

    async def run(self, run_id: RunId) -> RunDetail | None:
        """As `RunReader.run`."""
        summary = await self._store.summary(run_id)
        state = await load_state(self._store, run_id, self._pipelines)
        if summary is None or state is None:
            return None
        steps = [] if state.rows_total is not None else [self._step(state, step) for step in state.all_steps]
        reason = next((step.waiting_for for step in steps if step.waiting_for and not step.status.over), "")
        return RunDetail(_summary(summary, reason=reason), steps, state.inputs, state.outputs)

    async def events(self, run_id: RunId, after_seq: int) -> Sequence[EventView]:
        """As `RunReader.events`."""
        return [_event(event) for event in await self._store.journal(run_id, after_seq)]

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[EventView]]:
        """As `RunReader.subscribe`."""
        with self._engine.live.watch() as queue:

            async def views() -> AsyncIterator[EventView]:
                while True:
                    yield _event(await queue.get())

            yield views()

    def limits(self) -> Sequence[BucketState]:
        """As `RunReader.limits`."""
        return self._limiter.snapshot()

    def _step(self, state: RunState, step: Step) -> StepView:
        step_state = state.steps[step.id]
        return StepView(
            id=step.id,
            uses=step.uses,
            status=step_state.status,
            attempt=step_state.attempt,
            waiting_for=self.waiting_for(state, step),
            error=step_state.error,
            outputs=step_state.outputs,
            started_at=step_state.started_at,
            finished_at=step_state.ended_at,
        )

    def waiting_for(self, state: RunState, step: Step) -> str:
        """Why a step is not getting on, for people; empty when it is, or is over."""
        step_state = state.steps[step.id]
        match step_state.status:
            case StepStatus.PENDING:
                missing = [need for need in step.needs if not state.steps[need].status.over]
                return f"for {', '.join(missing)}" if missing else ""
            case StepStatus.RUNNING | StepStatus.SENT:
                return self._quota(state, step) or self._progress(state, step)
            case StepStatus.UNKNOWN:
                return "an answer was lost: looking for what the request may have made"
            case StepStatus.WAITING:
                return _outside(step_state)
            case StepStatus.RETRYING:
                return f"attempt {step_state.attempt + 1} at {_clock_time(step_state.next_attempt_at)}"
            case StepStatus.SUCCEEDED | StepStatus.FAILED | StepStatus.SKIPPED:
                return ""
            case _:
                assert_never(step_state.status)

    def _quota(self, state: RunState, step: Step) -> str:
        for call in self._limiter.waiting(label=call_label(state.id, step.id)):
            why = "" if call.why is Why.QUOTA else f", {call.why}"
            return f"quota of {call.operation}{why}: {call.ahead} ahead, about {call.wait_s:.0f} s"
        return ""

    def _progress(self, state: RunState, step: Step) -> str:
        progress = self._engine.live.progress.get((state.id, step.id))
        if progress is None:
            return ""
        share = f" {100 * progress.done // progress.total} %" if progress.total else ""
        return f"{progress.phase}{share}"


def _outside(step_state: StepState) -> str:
    until = f", at most until {_clock_time(step_state.deadline_at)}" if step_state.deadline_at else ""
    return f"{step_state.correlation}{until}"


def _clock_time(at: datetime | None) -> str:
    return at.strftime("%H:%M:%S UTC") if at else ""


def _summary(summary: Summary, *, reason: str = "") -> RunSummary:
    return RunSummary(
        id=summary.id,
        name=summary.name,
        pipeline=summary.pipeline,
        status=summary.status,
        created_at=summary.created_at,
        parent=summary.parent,
        finished_at=summary.ended_at,
        steps_total=summary.steps_total,
        steps_done=summary.steps_done,
        children_total=summary.rows_total or 0,
        children_done=summary.children_succeeded + summary.children_failed,
        error=ev.ErrorInfo(summary.error, summary.hint) if summary.error else None,
        reason=reason,
    )


def _event(event: ev.Event) -> EventView:
    return EventView(
        event.run_id, event.seq, event.body.TYPE, event.at, event.step, json.loads(ev.encode(event.body))
    )
