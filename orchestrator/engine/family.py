"""What runs learn of their child runs, and child runs of the run that made them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine import control
from orchestrator.engine.changes import Change
from orchestrator.engine.children import Telling
from orchestrator.engine.messages import if_awaited
from orchestrator.engine.turns import Message, Turns
from orchestrator.engine.waiters import Waiters
from orchestrator.store.base import RunFilter, Store

#: What has not come to an end, and is not about to.
_AT_WORK = frozenset({RunStatus.CREATED, RunStatus.RUNNING, RunStatus.PAUSED})


class Verb(Protocol):
    """`Control.cancel`, `Control.pause`."""

    def __call__(self, run_id: RunId, *, reason: str = "") -> Awaitable[None]: ...


class Family:
    """Passes things on once they are durable."""

    def __init__(
        self,
        store: Store,
        turns: Turns,
        waiters: Waiters,
        telling: Telling,
        *,
        cancel: Verb,
        pause: Verb,
        poke: Callable[[RunId], None],
    ) -> None:
        self._store, self._turns, self._waiters, self._telling = store, turns, waiters, telling
        self._cancel, self._pause, self._poke = cancel, pause, poke

    async def after(self, change: Change) -> None:
        """Tell those above and those below what the run's change means to them."""
        state = change.state
        self._tell_below(change)
        if state.is_of_step and state.parent is not None:
            await self._tell_whose_step(state, state.parent)
        if state.status.over or state.status is RunStatus.PAUSED:
            for parent in await self._store.parents(state.id):
                self._poke(parent)
                self._waiters.wake(parent)
            self._waiters.wake(state.id)
        if change.joined:
            self._poke(state.id)  # some may be over already: they are counted now

    def _tell_below(self, change: Change) -> None:
        state = change.state
        if state.status is RunStatus.CANCELLING and state.rows_total is not None:
            self._telling.begin(state, "cancel", _AT_WORK, partial(self._cancel, reason=state.reason))
        elif state.status is RunStatus.PAUSED and _waits_for_items(change):
            # They began while the run was being paused.
            self._telling.forget(state.id, "pause")
            self._telling.begin(state, "pause", control.CAN_PAUSE, partial(self._pause, reason=state.reason))
        elif state.status.over:
            self._telling.forget(state.id, "cancel")
            self._telling.forget(state.id, "pause")

    async def _tell_whose_step(self, items: RunState, parent: RunId) -> None:
        """The run whose step waits for it learns that it is done, or that it does not get on any more."""
        if items.status.over:
            ended = ev.ChildEnded(items.id, items.status.value)
            self._turns.put(parent, Message(partial(if_awaited, body=ended)))
        elif items.status is RunStatus.PAUSED and items.rows_total is None:
            self._turns.put(parent, Message(partial(control.sub_run_resting, child=items)))
        elif items.status is RunStatus.RUNNING and control.rows_rest(items):
            paused = RunFilter(frozenset({RunStatus.PAUSED}), parent=items.id)
            why = [one.reason for one in await self._store.summaries(paused, limit=1)]
            resting = partial(control.items_resting, items=items, why=why[0] if why else "")
            self._turns.put(parent, Message(resting))


def _waits_for_items(change: Change) -> bool:
    items = {step.id for step in change.state.all_steps if step.has_child_run}
    return any(isinstance(event.body, ev.StepWaiting) and event.body.step in items for event in change.events)
