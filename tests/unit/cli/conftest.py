"""A journal written by hand, for what reads runs."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from orchestrator.domain import events as ev
from orchestrator.domain.events import Event, EventBody
from orchestrator.domain.ids import RunId, RunKey, StepId, canonical_json
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState
from orchestrator.engine.changes import Change, newborn
from orchestrator.engine.poller import PollPolicy
from orchestrator.store.base import Row, Store
from orchestrator.store.memory import MemoryStore

BEGAN_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PIPELINE = Pipeline(
    name="cups", steps=(Step(StepId("make"), "asset.create"), Step(StepId("wait"), "video.wait"))
)


class Book:
    """Writes runs into a store, a second an entry; what it writes is also what the engine would publish."""

    def __init__(self, store: Store, pipeline: Pipeline = PIPELINE) -> None:
        self.store, self.pipeline = store, pipeline
        self.published: list[Event] = []
        self._now = BEGAN_AT
        self._states: dict[str, RunState] = {}

    async def begin(
        self,
        run_id: str,
        rows: Iterable[str] | None = None,
        *,
        shared: Mapping[str, RunId] | None = None,
        parent: str | None = None,
    ) -> RunState:
        """A run, with `rows` one that has a table; with `shared` one whose rows all have runs already.

        `parent`: the run of whose step it is a part.
        """
        state = self._states[run_id] = RunState(RunId(run_id), self.pipeline)
        known = dict(shared or {})
        names = list(known) if known else None if rows is None else list(rows)
        await self.store.put_definition(self.pipeline.hash, canonical_json(self.pipeline.to_json()))
        created = ev.RunCreated(
            name=self.pipeline.name,
            pipeline=self.pipeline.name,
            definition=self.pipeline.hash,
            key=RunKey(run_id),
            inputs={},
            rows_total=None if names is None else len(names),
            parent=None if parent is None else RunId(parent),
        )
        table = [
            Row(n, name, RunKey(f"{run_id}-{name}"), {}, {}, known.get(name))
            for n, name in enumerate(names or ())
        ]
        await self._write(state, [created, ev.RunStarted()], rows=table)
        return state

    async def bear(self, parent: str, run_id: str, number: int) -> RunState:
        """The child run of a row."""
        above = self._states[parent]
        row = (await self.store.rows(above.id, number, number + 1))[0]
        child = newborn(above, row, lambda: RunId(run_id), self._now)
        change = Change(above, self._now)
        change.children.append(child)
        change.add(ev.ChildrenCreated(number + 1, created=1))
        await self.store.append(change.append(wake_at=None, polls=PollPolicy()))
        self.published += [*change.events, *child.append.events]
        state = self._states[run_id] = RunState(RunId(run_id), self.pipeline)
        for event in child.append.events:
            state.apply(event)
        return state

    async def write(self, run_id: str, *bodies: EventBody) -> list[Event]:
        """What happens next to a run."""
        return await self._write(self._states[run_id], bodies)

    async def _write(self, state: RunState, bodies: Iterable[EventBody], **more: Any) -> list[Event]:
        self._now += timedelta(seconds=1)
        change = Change(state, self._now)
        for body in bodies:
            change.add(body)
        await self.store.append(change.append(wake_at=None, polls=PollPolicy(), **more))
        self.published += change.events
        return change.events


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Commands set logging up for their process; here that is the tests' own."""
    root, usual = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.configure(**usual)


@pytest.fixture
def book() -> Book:
    """A book over a store in memory."""
    return Book(MemoryStore())
