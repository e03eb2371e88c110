"""How runs come in: a new one, or one that the same content already has and that goes on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, RunKey, canonical_json
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.resumption import resumption
from orchestrator.engine.run_keys import RunKeys
from orchestrator.store.base import Row, RunFilter, Store, Summary

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


@dataclass(frozen=True, slots=True)
class Submitted:
    run_id: RunId
    #: True: the run existed already, finished or under way.
    known: bool
    #: Rows whose runs existed already.
    rows_known: int = 0


class Carrier(Protocol):
    """What the reception needs of the engine."""

    def activate(self, run_id: RunId) -> None:
        """From now on the run is carried by this engine."""
        ...

    async def post(self, run_id: RunId, make: Make) -> None:
        """Give the run a turn; returns when what follows is durable."""
        ...

    async def begin(self, state: RunState, created: ev.RunCreated, rows: Sequence[Row]) -> None:
        """Write a new run down and give it its first turn."""
        ...


class Reception:
    """Takes one submission at a time, so that equal ones cannot pass each other."""

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
        self._one_at_a_time = asyncio.Lock()

    async def submit(self, submission: Submission) -> Submitted:
        """As `Engine.submit`."""
        async with self._one_at_a_time:
            return await self._submit(submission)

    async def _submit(self, submission: Submission) -> Submitted:
        keys = RunKeys(submission.pipeline)
        rows = [
            Row(number, row.name, _row_key(keys, row), row.inputs, row.row)
            for number, row in enumerate(submission.rows or ())
        ]
        if submission.rows is None:
            key = keys.key(submission.inputs, content=submission.content)
        else:
            key = keys.table_key(submission.inputs, [row.key for row in rows])
        known = await self._store.latest([key, *(row.key for row in rows)])
        if submission.again:
            known = {key: known[key]} if key in known and not known[key].status.over else {}
        out = submission.out or self._out
        if key in known:
            await self.take_up(known[key], out)
            return Submitted(known[key].id, known=True, rows_known=len(rows))
        joined = [row_key for row_key in dict.fromkeys(row.key for row in rows) if row_key in known]
        for row_key in joined:
            # Before they are joined: a failed one would count as the new run's failure.
            await self.take_up(known[row_key], out)
        run_id = await self._create(submission, key, [_joined(row, known) for row in rows], out)
        return Submitted(run_id, known=False, rows_known=len(joined))

    async def _create(self, submission: Submission, key: RunKey, rows: Sequence[Row], out: str) -> RunId:
        pipeline = submission.pipeline
        await self._store.put_definition(pipeline.hash, canonical_json(pipeline.to_json()))
        created = ev.RunCreated(
            name=submission.name,
            pipeline=pipeline.name,
            definition=pipeline.hash,
            key=key,
            inputs=submission.inputs,
            rows_total=None if submission.rows is None else len(rows),
            out=out,
            again=submission.again,
        )
        state = RunState(self._new_id(), pipeline)
        await self._carrier.begin(state, created, rows)
        return state.id

    async def take_up(self, run: Summary, out: str) -> bool:
        """Carry a run on, with its child runs; whether it is, or anything of it that was over goes on."""
        self._carrier.activate(run.id)
        resumed = False
        if run.rows_total is not None:
            cursor = ""
            while page := await self._store.summaries(RunFilter(parent=run.id), cursor=cursor):
                for child in page:
                    resumed |= await self.take_up(child, out)
                cursor = page[-1].id

        def resume(state: RunState) -> Sequence[ev.EventBody]:
            if resumed and state.status is RunStatus.SUCCEEDED:
                return (ev.RunResumed((), out),)
            return resumption(state, self._leaves, out, is_there=self._is_there)

        await self._carrier.post(run.id, resume)
        if resumed or not run.status.over:
            return True
        after = await self._store.summary(run.id)
        return after is not None and after.seq > run.seq


def _row_key(keys: RunKeys, row: RowInput) -> RunKey:
    return keys.key(row.inputs, row=row.row, name=row.name, content=row.content)


def _joined(row: Row, known: Mapping[RunKey, Summary]) -> Row:
    """The row with the run that its content already has, if any."""
    return replace(row, child=known[row.key].id) if row.key in known else row
