"""Runs as a store sees them, without an engine."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, RunKey, StepId, canonical_json
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import Append, Row, Store, Summary, Wait

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PIPELINE = Pipeline("p", steps=(Step(StepId("s"), "video.wait"),))


@pytest.fixture
def begin() -> Callable[..., Append]:
    """The first change of a run, as the engine would make it; `rows` make it a table."""

    def made(run_id: str, *, parent: str | None = None, rows: tuple[Row, ...] = (), **more: Any) -> Append:
        total, whose = len(rows) or None, RunId(parent) if parent else None
        body = ev.RunCreated(
            "n", "p", PIPELINE.hash, RunKey("k"), {"title": "Tasse ☕"}, parent=whose, rows_total=total
        )
        values: dict[str, Any] = {
            "id": RunId(run_id),
            "key": RunKey("k"),
            "name": "n",
            "pipeline": "p",
            "definition": PIPELINE.hash,
            "status": RunStatus.CREATED,
            "created_at": NOW,
            "ended_at": None,
            "seq": 1,
            "steps_total": 0 if rows else 1,
            "steps_done": 0,
            "parent": whose,
            "rows_total": total,
            **more,
        }
        return Append(RunId(run_id), 0, [ev.Event(RunId(run_id), 1, NOW, body)], Summary(**values), rows=rows)

    return made


@pytest.fixture
def fill(begin: Callable[..., Append]) -> Callable[[Store], Any]:
    """Puts a run that waits, one that succeeded, and a table with a child that failed into a store."""

    async def filled(store: Store) -> None:
        await store.put_definition(PIPELINE.hash, canonical_json(PIPELINE.to_json()))
        for name in ("waits", "done"):
            await store.append(begin(name))
        bodies = [
            ev.RunStarted(),
            ev.StepIntended(StepId("s"), 1),
            ev.StepWaiting(StepId("s"), 1, "job", NOW),
        ]
        wait = Wait(RunId("waits"), StepId("s"), "video.wait", "job", NOW, NOW)
        await store.append(_then(begin("waits"), bodies, RunStatus.RUNNING, waits_added=[wait]))
        bodies = [ev.RunStarted(), ev.StepSkipped(StepId("s"), "why not"), ev.RunSucceeded()]
        await store.append(_then(begin("done"), bodies, RunStatus.SUCCEEDED, done=1))
        row = Row(0, "r", RunKey("k"), {}, {})
        await store.append(begin("table", rows=(row,)))
        await store.append(begin("table0", parent="table"))
        bodies = [ev.RunStarted(), ev.ChildrenCreated(1, created=1)]
        joined = [(0, RunId("table0"))]
        await store.append(
            _then(begin("table", rows=(row,)), bodies, RunStatus.RUNNING, joined=joined, rows=())
        )
        bodies = [ev.RunStarted(), ev.RunFailed(ev.ErrorInfo("no"))]
        await store.append(_then(begin("table0", parent="table"), bodies, RunStatus.FAILED, error="no"))

    return filled


def _then(
    first: Append, bodies: list[Any], status: RunStatus, *, done: int = 0, error: str = "", **parts: Any
) -> Append:
    """What happens to a run after its first event."""
    events = [ev.Event(first.run_id, seq, NOW, body) for seq, body in enumerate(bodies, start=2)]
    values = {slot: getattr(first.summary, slot) for slot in Summary.__slots__}
    values |= {"seq": len(bodies) + 1, "status": status, "steps_done": done, "error": error}
    values["ended_at"] = NOW if status.over else None
    return Append(first.run_id, 1, events, Summary(**values), **parts)
