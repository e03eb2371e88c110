"""How the rows of a table run get their child runs."""

import asyncio
from collections.abc import Callable

from orchestrator.domain import events as ev
from orchestrator.domain.decide import SpawnChildren
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus
from orchestrator.engine.changes import Change, newborn
from orchestrator.engine.groups import group_of
from orchestrator.engine.reception import Reception
from orchestrator.engine.turns import Turns
from orchestrator.store.base import Store


class Spawning:
    """Carries out `SpawnChildren`."""

    def __init__(self, store: Store, reception: Reception, turns: Turns, new_id: Callable[[], RunId]) -> None:
        self._store, self._reception, self._turns, self._new_id = store, reception, turns, new_id

    async def spawn(self, change: Change, spawn: SpawnChildren) -> None:
        """Rows whose content has a run by now get that one; the others get a new one."""
        state = change.state
        rows = await self._store.rows(state.id, spawn.start, spawn.stop)
        found = await asyncio.gather(*(self._store.summary(row.child) for row in rows if row.child))
        ended_badly = {RunStatus.FAILED, RunStatus.CANCELLED}
        dropped = {run.id: run.parent for run in found if run is not None and run.status in ended_badly}
        open_ = [row for row in rows if row.child is None or row.child in dropped]
        known = {} if state.again else await self._store.latest([row.key for row in open_])
        # What has a run of its own keeps it, however that ended, unless a person has had it replayed.
        for row in open_:
            if row.child and row.key in known and known[row.key].status is RunStatus.FAILED:
                del known[row.key]
        existing = [
            row.child for row in rows if row.child and not (row.child in dropped and row.key in known)
        ]
        # Before they are counted: a failed one would count as this run's failure.
        taken_up = [*existing, *(run.id for run in known.values())]
        await self._reception.take_up_rows(state.id, taken_up, state.out)
        joined = [row for row in open_ if row.key in known]
        change.joined += [(row.number, known[row.key].id) for row in joined]
        new = [row for row in open_ if row.child is None and row.key not in known]
        change.children += [
            newborn(state, row, self._new_id, change.now, group_of(state.pipeline, row.inputs, row.row))
            for row in new
        ]
        # In place of one of its own, a run is none more.
        instead = sum(row.child is not None and dropped[row.child] == state.id for row in joined)
        change.add(ev.ChildrenCreated(spawn.stop, created=len(new) - instead))
        change.dropped += sum(row.child is not None for row in joined)
        change.dropped_own += instead
        if existing or change.dropped:
            await self._turns.count_children(state)
            # The store counts those until this change is written.
            state.children_failed -= change.dropped
            state.children_own_over -= change.dropped_own
