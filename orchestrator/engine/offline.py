"""Run control straight on a store, without a process that carries runs: what is asked for is written down.

The next process that carries the store's runs does it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState
from orchestrator.engine import control
from orchestrator.engine.changes import AT_ONCE, Change
from orchestrator.engine.loading import load_state
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.reception import Make
from orchestrator.engine.verbs import Verbs
from orchestrator.store.base import ConflictError, Row, Store


class Offline(Verbs):
    """Implements `Control`."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], RunId],
        leaves: Callable[[str], str | None],
        polls: PollPolicy | None = None,
        is_there: Callable[[Path], bool] = Path.is_file,
    ) -> None:
        """`leaves` names the output of a step kind that holds a file's path, if it leaves one."""
        super().__init__(store, leaves=leaves, new_id=new_id, out="", is_there=is_there)
        self._clock = clock
        self._polls = polls or PollPolicy()
        self._pipelines: dict[DefinitionHash, Pipeline] = {}

    def activate(self, run_id: RunId) -> bool:
        """Nothing is carried here, so nothing has to be taken up again either."""
        return True

    def poke(self, run_id: RunId) -> None:
        """Nobody decides here."""

    async def post(self, run_id: RunId, make: Make) -> bool:
        """Write down what follows for the run; whether anything does."""
        while True:
            state = await self.look(run_id)
            change = Change(state, self._clock())
            for body in make(state):
                change.add(body)
            if not change.events:
                return False
            try:
                await self._store.append(change.append(wake_at=AT_ONCE, polls=self._polls))
            except ConflictError:
                continue
            return True

    async def begin(self, state: RunState, bodies: Sequence[ev.EventBody], rows: Sequence[Row] = ()) -> None:
        """Write a new run down."""
        change = Change(state, self._clock())
        for body in bodies:
            change.add(body)
        await self._store.append(change.append(wake_at=AT_ONCE, polls=self._polls, rows=rows))

    async def look(self, run_id: RunId) -> RunState:
        """As `Verbs.look`."""
        state = await load_state(self._store, run_id, self._pipelines)
        if state is None:
            raise control.unknown(run_id)
        if state.rows_total is not None and (summary := await self._store.summary(run_id)) is not None:
            state.children_failed, state.children_paused = summary.children_failed, summary.children_paused
        return state
