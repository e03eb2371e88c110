"""How runs come in: a new one, or one that the same content already has and that goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from orchestrator.definition.table import TableForm
from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, canonical_json, content_hash
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.children import items_of
from orchestrator.engine.groups import group_of
from orchestrator.engine.loading import load_pipeline, load_state
from orchestrator.engine.resumption import held, resumption
from orchestrator.engine.run_keys import RunKeys
from orchestrator.store.base import Row, RunFilter, Store, StoreError, Summary

log = structlog.get_logger(__name__)

#: Definitions whose keys are kept.
_KEPT = 64

#: Says which events follow for a run, given its state.
Make = Callable[[RunState], Sequence[ev.EventBody]]


@dataclass(frozen=True, slots=True)
class RowInput:
    """One row to be run: `content` tells equal rows apart from changed ones (file contents, for example)."""

    name: str
    inputs: Mapping[str, Any]
    row: Mapping[str, Any]
    content: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """What to run. With `rows`, one child run each."""

    pipeline: Pipeline
    name: str
    inputs: Mapping[str, Any]
    content: str = ""
    rows: Sequence[RowInput] | None = None
    #: Run even if the same content has been run to its end already.
    again: bool = False
    #: Folder for the run's files; the engine's own when not given.
    out: str | None = None
    #: The run that this one is a part of.
    parent: RunId | None = None
    #: The table that the rows stand in.
    table: TableForm | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    run_id: RunId
    #: True: the run existed already, finished or under way.
    known: bool
    #: Rows whose runs existed already.
    rows_known: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """What is worked out once for all runs of a definition."""

    pipeline: Pipeline
    keys: RunKeys
    hash: DefinitionHash
    body: str


class Carrier(Protocol):
    """What the reception needs of the engine."""

    def activate(self, run_id: RunId) -> bool:
        """From now on the run is carried by this engine; whether it was already."""
        ...

    async def post(self, run_id: RunId, make: Make) -> bool:
        """Give the run a turn; returns when what follows is durable: whether anything did."""
        ...

    async def begin(self, state: RunState, bodies: Sequence[ev.EventBody], rows: Sequence[Row] = ()) -> None:
        """Write a new run down and give it its first turn."""
        ...


class Reception:
    """Takes equal submissions one at a time, so that they cannot pass each other."""

    def __init__(
        self,
        store: Store,
        carrier: Carrier,
        *,
        leaves: Callable[[str], str | None],
        new_id: Callable[[], RunId],
        out: str,
        is_there: Callable[[Path], bool],
    ) -> None:
        """`leaves` names the output of a step kind that holds a file's path; `out` is the folder for runs without one."""
        self._store, self._carrier = store, carrier
        self._leaves, self._new_id, self._out = leaves, new_id, out
        self._is_there = is_there
        self._known: dict[int, _Known] = {}
        self._definitions: dict[DefinitionHash, Pipeline] = {}
        #: Submissions that are being looked up and written down.
        self._coming: dict[RunKey, asyncio.Event] = {}

    async def submit(self, submission: Submission) -> Submitted:
        """As `Engine.submit`."""
        known = self._worked_out(submission.pipeline)
        rows = [
            Row(number, row.name, _row_key(known.keys, row), row.inputs, row.row)
            for number, row in enumerate(submission.rows or ())
        ]
        if submission.rows is None:
            key = known.keys.key(submission.inputs, content=submission.content)
        else:
            key = known.keys.table_key(submission.inputs, [row.key for row in rows])
        async with self._turnstile(key):
            return await self._submit(submission, known, key, rows)

    @asynccontextmanager
    async def _turnstile(self, key: RunKey) -> AsyncIterator[None]:
        while (coming := self._coming.get(key)) is not None:
            await coming.wait()
        through = self._coming[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._coming[key]
            through.set()

    async def _submit(
        self, submission: Submission, known: _Known, key: RunKey, rows: Sequence[Row]
    ) -> Submitted:
        found = await self._store.latest([key, *(row.key for row in rows)])
        if submission.again:
            found = {key: found[key]} if key in found and not found[key].status.over else {}
        out = submission.out or self._out
        if key in found:
            await self.take_up(found[key], out)
            return Submitted(found[key].id, known=True, rows_known=len(rows))
        shared = sum(row.key in found for row in rows)
        run_id = await self._create(submission, known, key, rows, out)
        return Submitted(run_id, known=False, rows_known=shared)

    async def _create(
        self, submission: Submission, known: _Known, key: RunKey, rows: Sequence[Row], out: str
    ) -> RunId:
        await self._store.put_definition(known.hash, known.body)
        created = ev.RunCreated(
            name=submission.name,
            pipeline=submission.pipeline.name,
            definition=known.hash,
            key=key,
            inputs=submission.inputs,
            parent=submission.parent,
            rows_total=None if submission.rows is None else len(rows),
            out=out,
            again=submission.again,
            group=None if submission.rows is not None else group_of(submission.pipeline, submission.inputs),
            group_limit=submission.pipeline.group.limit if submission.pipeline.group else 1,
            columns=submission.table.columns if submission.table else (),
        )
        state = RunState(self._new_id(), submission.pipeline)
        await self._carrier.begin(state, [created], rows)
        return state.id

    async def replay(
        self,
        state: RunState,
        pipeline: Pipeline,
        inputs: Mapping[str, Any],
        content: str,
        kept: Sequence[ev.StepReused],
    ) -> RunId:
        """A new run of the same row, with what is kept of the old one."""
        known = self._worked_out(pipeline)
        name = state.name if state.row is not None else ""
        key = known.keys.key(inputs, row=state.row, name=name, content=content)
        async with self._turnstile(key):
            replay = (await self._store.latest([key])).get(key)
            if replay is not None and replay.replays == state.id and not replay.status.over:
                # Asked for twice, or once more because the answer was lost.
                self._carrier.activate(replay.id)
                return replay.id
            return await self._begin_replay(state, known, key, inputs, kept)

    async def _begin_replay(
        self,
        state: RunState,
        known: _Known,
        key: RunKey,
        inputs: Mapping[str, Any],
        kept: Sequence[ev.StepReused],
    ) -> RunId:
        await self._store.put_definition(known.hash, known.body)
        created = ev.RunCreated(
            name=state.name,
            pipeline=known.pipeline.name,
            definition=known.hash,
            key=key,
            inputs=inputs,
            row=state.row,
            out=state.out,
            replays=state.id,
            group=group_of(known.pipeline, inputs, state.row),
            group_limit=known.pipeline.group.limit if known.pipeline.group else 1,
        )
        new = RunState(self._new_id(), known.pipeline)
        begun = (ev.RunStarted(),) if created.group is None else ()
        await self._carrier.begin(new, [created, *begun, *kept])
        return new.id

    async def take_up(self, run: Summary, out: str, *, wanted_by: RunId | None = None) -> bool:
        """Carry a run on; whether it does, or anything of it that was over goes on.

        `wanted_by`: another run that shares it; what a person has paused then stays so.
        """
        carried = self._carrier.activate(run.id)
        if run.status is RunStatus.SUCCEEDED and run.rows_total and await self._rows_miss_files(run, out):
            # Its rows are gone through again, and those fetch what is missing.
            return await self._carrier.post(run.id, lambda _: (ev.RunResumed((), out),))

        items: list[RunId] = []

        def resume(state: RunState) -> Sequence[ev.EventBody]:
            shared = wanted_by is not None and wanted_by != state.parent
            if shared and state.status is RunStatus.PAUSED and not held(state):
                return ()
            items[:] = items_of(state)
            return resumption(state, self._leaves, out, is_there=self._is_there)

        goes_on = await self._carrier.post(run.id, resume) or not run.status.over
        await self.take_up_rows(run.id, items, out)
        if run.rows_total is not None and not carried:
            await self._take_up_rows_under_way(run.id, out)
        return goes_on

    async def _take_up_rows_under_way(self, table: RunId, out: str) -> None:
        # Those that failed or are held follow when the table goes through its rows, as far as its limit allows.
        under_way = frozenset(status for status in RunStatus if not status.over) - {RunStatus.PAUSED}
        cursor = ""
        while page := await self._store.summaries(RunFilter(under_way, parent=table), cursor=cursor):
            await self.take_up_rows(table, [row.id for row in page], out)
            cursor = page[-1].id

    async def take_up_rows(self, table: RunId, runs: Sequence[RunId], out: str) -> None:
        """Take up runs that exist already for a table; one that cannot be read keeps no other from going on."""
        for outcome in await asyncio.gather(
            *(self._take_up_row(table, run, out) for run in runs), return_exceptions=True
        ):
            _told_of_damage(outcome)

    async def _take_up_row(self, table: RunId, run: RunId, out: str) -> None:
        summary = await self._store.summary(run)
        done = summary is not None and summary.status is RunStatus.SUCCEEDED and summary.rows_total is None
        if summary is not None and not (done and not await self._leaves_files(summary)):
            await self.take_up(summary, out, wanted_by=table)

    async def _leaves_files(self, run: Summary) -> bool:
        pipeline = await load_pipeline(self._store, run.definition, self._definitions)
        return any(self._leaves(step.uses) is not None for step in pipeline.steps)

    async def _rows_miss_files(self, run: Summary, out: str) -> bool:
        if not await self._leaves_files(run):
            return False
        cursor = ""
        while page := await self._store.summaries(RunFilter(parent=run.id), cursor=cursor):
            states = await asyncio.gather(
                *(load_state(self._store, child.id, self._definitions) for child in page),
                return_exceptions=True,
            )
            if any(not _told_of_damage(state) and self._misses_files(state, out) for state in states):
                return True
            cursor = page[-1].id
        return False

    def _misses_files(self, state: object, out: str) -> bool:
        return isinstance(state, RunState) and bool(
            resumption(state, self._leaves, out, is_there=self._is_there)
        )

    def _worked_out(self, pipeline: Pipeline) -> _Known:
        known = self._known.get(id(pipeline))
        if known is None or known.pipeline is not pipeline:
            if len(self._known) >= _KEPT:
                self._known.clear()
            data = pipeline.to_json()
            known = _Known(
                pipeline, RunKeys(pipeline), DefinitionHash(content_hash(data)), canonical_json(data)
            )
            self._known[id(pipeline)] = known
        return known


def _told_of_damage(outcome: object) -> bool:
    """Whether a row cannot be read or go on, which keeps no other from it. Raises what is wrong with the store."""
    if not isinstance(outcome, BaseException):
        return False
    if isinstance(outcome, StoreError) or not isinstance(outcome, Exception):
        raise outcome
    log.error("a row cannot be taken up", exc_info=outcome)
    return True


def _row_key(keys: RunKeys, row: RowInput) -> RunKey:
    return keys.key(row.inputs, row=row.row, name=row.name, content=row.content)
