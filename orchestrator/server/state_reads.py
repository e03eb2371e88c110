"""Runs as a store has them. With a store alone the live parts are missing: what is known is what was written down."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.domain import events as ev
from orchestrator.domain import secrets
from orchestrator.domain.ids import DefinitionHash, RunId, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, StepStatus
from orchestrator.engine.loading import load_pipeline, load_state
from orchestrator.server.reads import (
    TOP_LEVEL,
    EventView,
    RunDetail,
    RunQuery,
    RunSummary,
    StepView,
    TableResults,
)
from orchestrator.server.row_results import row_result
from orchestrator.server.waiting import Insight, NoInsight, Reasons, in_line, rows, stopped
from orchestrator.store.base import RunFilter, Store, Summary

_PAGE = 1000


class StateReads:
    """Implements `RunReader` on a store that may be open for reading only."""

    def __init__(self, store: Store, insight: Insight | None = None) -> None:
        self._store = store
        self._reasons = Reasons(insight or NoInsight())
        self._pipelines: dict[DefinitionHash, Pipeline] = {}

    async def runs(
        self, query: RunQuery, *, cursor: str | None = None, limit: int = 50
    ) -> tuple[Sequence[RunSummary], str | None]:
        """As `RunReader.runs`."""
        found = await self._matching(query, cursor or "", limit + 1)
        page = found[:limit]
        return [summary_view(summary) for summary in page], (page[-1].id if len(found) > limit else None)

    async def run(self, run_id: RunId) -> RunDetail | None:
        """As `RunReader.run`."""
        summary = await self._store.summary(run_id)
        state = await load_state(self._store, run_id, self._pipelines)
        if summary is None or state is None:
            return None
        _count_children(state, summary)
        polled_at = await self._polled_at(state)
        steps = [] if state.rows_total is not None else state.all_steps
        reason = await self._in_line(summary) or self._reasons.run(state, polled_at)
        return RunDetail(
            summary_view(summary, reason=reason, error=state.error),
            [self._step(state, step, polled_at) for step in steps],
            secrets.displayed(state.inputs),
            secrets.displayed(state.outputs),
        )

    async def rows(self, run_id: RunId, start: int, limit: int) -> TableResults | None:
        """As `RunReader.rows`."""
        summary = await self._store.summary(run_id)
        if summary is None or summary.rows_total is None:
            return None
        pipeline = await load_pipeline(self._store, summary.definition, self._pipelines)
        columns: Sequence[str] = ()
        for event in await self._store.journal(run_id):
            if isinstance(event.body, ev.RunCreated):
                columns = event.body.columns
                break
        rows = await self._store.rows(run_id, start, start + limit)
        results = [await row_result(self._store, row) for row in rows]
        return TableResults(columns, tuple(pipeline.outputs), results)

    async def events(self, run_id: RunId, after_seq: int) -> Sequence[EventView]:
        """As `RunReader.events`."""
        return [event_view(event) for event in await self._store.journal(run_id, after_seq)]

    def waiting_for(self, state: RunState, step: Step) -> str:
        """Why a step is not getting on, for people; empty when it is, or is over."""
        return self._reasons.step(state, step)

    async def _matching(self, query: RunQuery, cursor: str, limit: int) -> list[Summary]:
        """The first so many runs. A name and a pipeline are compared here: the store has no index of them."""
        which = RunFilter(
            status=query.status,
            parent=query.parent if query.parent != TOP_LEVEL else None,
            top_level=query.parent == TOP_LEVEL,
        )
        if not (query.name or query.pipeline):
            return await self._store.summaries(which, cursor=cursor, limit=limit)
        found: list[Summary] = []
        while len(found) < limit and (page := await self._store.summaries(which, cursor=cursor, limit=_PAGE)):
            found += [
                summary
                for summary in page
                if query.name in {"", summary.name} and query.pipeline in {"", summary.pipeline}
            ]
            cursor = page[-1].id
        return found[:limit]

    async def _in_line(self, summary: Summary) -> str:
        if summary.group is None or summary.queued_at is None:
            return ""
        queue = await self._store.queue(summary.group, limit=1)
        return in_line(summary.group, summary.group_limit, queue.taken)

    async def _polled_at(self, state: RunState) -> Mapping[StepId, datetime]:
        """When the poller looks for what the run's steps wait for."""
        found: dict[StepId, datetime] = {}
        for step in state.all_steps:
            waiting = state.steps[step.id]
            if waiting.status is StepStatus.WAITING and waiting.correlation is not None:
                waits = await self._store.waits_by_correlation(step.uses, [waiting.correlation])
                found.update({wait.step: wait.poll_at for wait in waits if wait.run_id == state.id})
        return found

    def _step(self, state: RunState, step: Step, polled_at: Mapping[StepId, datetime]) -> StepView:
        step_state = state.steps[step.id]
        return StepView(
            id=step.id,
            uses=step.uses,
            status=step_state.status,
            attempt=step_state.attempt,
            waiting_for=self._reasons.step(state, step, polled_at),
            error=step_state.error,
            outputs=secrets.displayed(step_state.outputs),
            started_at=step_state.started_at,
            finished_at=step_state.ended_at,
        )


def summary_view(
    summary: Summary, *, reason: str | None = None, error: ev.ErrorInfo | None = None
) -> RunSummary:
    """A run as a line of a list. `reason` and `error`: what its journal says, where that has been read."""
    if error is None and summary.error:
        error = ev.ErrorInfo(summary.error, summary.hint)
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
        children_succeeded=summary.children_succeeded,
        children_failed=summary.children_failed,
        children_paused=summary.children_paused,
        error=error,
        reason=_reason(summary) if reason is None else reason,
        definition=summary.definition,
        replays=summary.replays,
    )


def event_view(event: ev.Event) -> EventView:
    """A line of a run's journal."""
    return EventView(
        run_id=event.run_id,
        seq=event.seq,
        type=event.body.TYPE,
        at=event.at,
        step=event.step,
        attempt=event.attempt,
        payload=secrets.displayed(json.loads(ev.encode(event.body))),
    )


def _reason(summary: Summary) -> str:
    """What the summary alone tells of why the run is not getting on."""
    if (why := stopped(summary.id, summary.status, summary.reason)) or summary.status.over:
        return why
    if summary.rows_total is not None:
        done = summary.children_succeeded + summary.children_failed
        return rows(done, summary.rows_total, summary.children_failed, summary.children_paused)
    if summary.group is not None and summary.queued_at is not None:
        return in_line(summary.group, summary.group_limit)
    return ""


def _count_children(state: RunState, summary: Summary) -> None:
    state.children_succeeded = summary.children_succeeded
    state.children_failed = summary.children_failed
    state.children_paused = summary.children_paused
