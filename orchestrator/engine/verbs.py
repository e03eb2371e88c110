"""`Control` for whoever can write to runs: a running engine, or a store alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.domain.events import EventBody
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine import control
from orchestrator.engine.children import items_of, tell_children, tell_items
from orchestrator.engine.reception import Make, Reception
from orchestrator.engine.replaying import Replaying
from orchestrator.store.base import Row, Store


class Verbs(ABC):
    """The six verbs. A verb that is repeated after a crash in its middle does what it had not come to."""

    def __init__(
        self,
        store: Store,
        *,
        leaves: Callable[[str], str | None],
        new_id: Callable[[], RunId],
        out: str,
        is_there: Callable[[Path], bool],
    ) -> None:
        """`leaves` names the output of a step kind that holds a file's path, if it leaves one."""
        self._store = store
        self._reception = Reception(store, self, leaves=leaves, new_id=new_id, out=out, is_there=is_there)
        self._replaying = Replaying(self._reception, leaves)
        self._retrying = partial(control.retrying, leaves=leaves, is_there=is_there)

    async def cancel(self, run_id: RunId, *, reason: str = "") -> None:
        """As `Control.cancel`; child runs are told by whoever carries the run."""
        await self.post(run_id, lambda state: control.cancelling(state, reason))

    async def pause(self, run_id: RunId, *, reason: str = "") -> None:
        """As `Control.pause`."""
        await self.post(run_id, lambda state: control.pausing(state, reason))
        below = partial(self.pause, reason=reason)
        await tell_children(self._store, await self.look(run_id), control.CAN_PAUSE, below)

    async def resume(self, run_id: RunId) -> None:
        """As `Control.resume`."""
        state = await self.look(run_id)
        control.resuming(state)
        # Those below go first: a run whose items all rest is paused.
        await tell_children(self._store, state, {RunStatus.PAUSED}, self.resume)
        await self.post(run_id, control.going_on)
        for items in items_of(state):
            self.poke(items)  # should they rest again already

    async def retry(self, run_id: RunId) -> None:
        """As `Control.retry`."""
        await self._refuse_beside_replay(run_id)
        self.activate(run_id)
        await self.post(run_id, self._retrying)
        await tell_items(self._store, await self.look(run_id), self.retry)

    async def _refuse_beside_replay(self, run_id: RunId) -> None:
        key = (await self.look(run_id)).key
        other = (await self._store.latest([key])).get(key) if key is not None else None
        if other is not None and other.replays == run_id and other.status is not RunStatus.FAILED:
            raise control.ControlError(
                f"Run {run_id} has been replayed by run {other.id}, which is {other.status.value}.",
                hint=f"Go on with that one (`orchestrator runs show {other.id}`): both would make the same.",
            )

    async def approve(
        self,
        run_id: RunId,
        step: StepId | None = None,
        *,
        approved: bool = True,
        by: str = "",
        comment: str = "",
    ) -> None:
        """As `Control.approve`."""
        given = partial(control.approving, step=step, approved=approved, by=by, comment=comment)
        await self.post(run_id, given)

    async def replay(
        self,
        run_id: RunId,
        *,
        pipeline: Pipeline | None = None,
        inputs: Mapping[str, Any] | None = None,
        first: StepId | None = None,
    ) -> RunId:
        """As `Control.replay`."""
        return await self._replaying.replay(await self.look(run_id), pipeline, inputs or {}, first)

    # What the verbs need

    @abstractmethod
    async def look(self, run_id: RunId) -> RunState:
        """The run as its journal has it now. Raises UnknownRunError."""

    @abstractmethod
    async def post(self, run_id: RunId, make: Make) -> bool:
        """As `reception.Carrier.post`."""

    @abstractmethod
    async def begin(self, state: RunState, bodies: Sequence[EventBody], rows: Sequence[Row] = ()) -> None:
        """As `reception.Carrier.begin`."""

    @abstractmethod
    def activate(self, run_id: RunId) -> bool:
        """As `reception.Carrier.activate`."""

    @abstractmethod
    def poke(self, run_id: RunId) -> None:
        """Have the run decided upon again, where runs are carried."""
