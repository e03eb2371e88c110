"""The turns of runs: what happened to a run is applied to its state, decided upon and written down, in one go.

Turns of one run happen one after the other; turns of different runs side by side, their writes grouped by the store.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from orchestrator.domain.decide import StepAction
from orchestrator.domain.ids import DefinitionHash, RunId, StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState
from orchestrator.engine.changes import AT_ONCE, Change
from orchestrator.engine.control import UnknownRunError, unknown
from orchestrator.engine.loading import load_state
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.reception import Make
from orchestrator.errors import OrchestratorError
from orchestrator.store.base import ConflictError, Store, StoreError

log = structlog.get_logger(__name__)


class StuckRunError(OrchestratorError):
    """A run cannot go on."""

    def __init__(self, run_id: RunId, cause: Exception) -> None:
        super().__init__(
            f"The run {run_id} cannot go on: {type(cause).__name__}.",
            hint="Its journal may come from another version of the orchestrator; see the log.",
        )
        self.__cause__ = cause


@dataclass(frozen=True, slots=True)
class Message:
    """Something that happened to a run."""

    make: Make
    #: Done when what follows is durable: whether anything did.
    committed: asyncio.Future[bool] | None = None
    #: The step whose action ends with this message.
    ends: StepId | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn came to, once it is durable."""

    change: Change
    actions: Sequence[StepAction]
    wake_at: datetime | None
    #: Steps whose action is over.
    ended: Sequence[StepId]


class Course(Protocol):
    """What the turns need of the engine."""

    async def decide(self, change: Change) -> tuple[Sequence[StepAction], datetime | None]:
        """Add what follows; what to do then, and when to decide again."""
        ...

    async def after(self, turn: Turn) -> None:
        """Go on from a turn that is durable."""
        ...

    def run_is_gone(self, run_id: RunId) -> None:
        """There is no run of that id, or no more."""
        ...

    def run_is_stuck(self, run_id: RunId, problem: OrchestratorError) -> None:
        """One run's damage: nobody else is stopped by it."""
        ...

    def store_is_lost(self, error: StoreError) -> None:
        """Nothing can be written any more."""
        ...


class Turns:
    """Inboxes and the states of the runs that are at work; a run that waits is a row in the store, nothing here."""

    def __init__(
        self, store: Store, course: Course, *, clock: Callable[[], datetime], polls: PollPolicy
    ) -> None:
        self._store, self._course, self._clock, self._polls = store, course, clock, polls
        self._inbox: dict[RunId, list[Message]] = {}
        self._turning: dict[RunId, asyncio.Task[None]] = {}
        self._states: dict[RunId, RunState] = {}
        self._pipelines: dict[DefinitionHash, Pipeline] = {}
        #: Held from looking for the runs of rows until their own are written: two tables of one pipeline may share rows.
        #: Each pipeline has its own: rows that are taken up meanwhile may have to spawn, too.
        self._spawning: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def put(self, run_id: RunId, message: Message) -> None:
        """Give the run a turn."""
        inbox = self._inbox.get(run_id)
        if inbox is not None:
            inbox.append(message)
            return
        self._inbox[run_id] = [message]
        if run_id not in self._turning:
            self._turning[run_id] = asyncio.get_running_loop().create_task(self._take(run_id))

    async def post(self, run_id: RunId, make: Make) -> bool:
        """Give the run a turn and wait until what follows is durable; whether anything followed.

        Raises what `make` raises, UnknownRunError, and what keeps the run from going on.
        """
        committed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.put(run_id, Message(make, committed))
        return await committed

    def forget(self, run_id: RunId) -> None:
        """The run has nothing under way: its journal is enough."""
        self._states.pop(run_id, None)

    async def look(self, run_id: RunId) -> RunState:
        """The run as its journal has it now. Raises UnknownRunError."""
        state = await load_state(self._store, run_id, self._pipelines)
        if state is None:
            raise unknown(run_id)
        if state.rows_total is not None:
            await self.count_children(state)
        return state

    async def count_children(self, state: RunState) -> None:
        """What has become of its child runs is kept by the store, beside the journal."""
        if (summary := await self._store.summary(state.id)) is not None:
            state.children_succeeded = summary.children_succeeded
            state.children_failed = summary.children_failed
            state.children_own_over = summary.children_own_over
            state.children_paused = summary.children_paused

    async def idle(self) -> None:
        """Return when no run has a turn."""
        while self._turning:
            await asyncio.wait(self._turning.values())

    async def _take(self, run_id: RunId) -> None:
        try:
            while messages := self._inbox.pop(run_id, None):
                try:
                    await self._turn(run_id, messages)
                except UnknownRunError as error:
                    for message in messages:
                        _tell(message, error)
                    self._course.run_is_gone(run_id)
                except Exception as error:  # noqa: BLE001 - one run's damage stops nobody else
                    self._abandon(run_id, messages, error)
        finally:
            del self._turning[run_id]

    async def _turn(self, run_id: RunId, messages: Sequence[Message]) -> None:
        while True:
            state = self._states.get(run_id) or await self._load(run_id)
            change = Change(state, self._clock())
            if state.rows_total is not None:
                await self.count_children(state)
            taken = [_apply(message, change) for message in messages]
            if state.rows_total is not None:
                done = await self._turn_of_table(change)
            else:
                done = await self._decide_and_append(change)
            if done is not None:
                break
            self._states.pop(run_id, None)  # someone else was first: load and decide again
        actions, wake_at = done
        ended = [message.ends for message in messages if message.ends is not None]
        for message, outcome in zip(messages, taken, strict=True):
            _tell(message, outcome)
        await self._course.after(Turn(change, actions, wake_at, ended))

    async def _turn_of_table(self, change: Change) -> tuple[Sequence[StepAction], datetime | None] | None:
        state = change.state
        assert state.rows_total is not None
        spawns = state.children_created < state.rows_total
        async with self._spawning[state.pipeline.name] if spawns else contextlib.nullcontext():
            return await self._decide_and_append(change)

    async def _decide_and_append(self, change: Change) -> tuple[Sequence[StepAction], datetime | None] | None:
        actions, wake_at = await self._course.decide(change)
        if change.events:
            # A later process has to look at once where there is something to do, and at what its rows came to.
            at_once = actions or change.state.rows_total is not None
            try:
                await self._store.append(
                    change.append(wake_at=AT_ONCE if at_once else wake_at, polls=self._polls)
                )
            except ConflictError:
                return None
        return actions, wake_at

    async def _load(self, run_id: RunId) -> RunState:
        state = self._states[run_id] = await self.look(run_id)
        return state

    def _abandon(self, run_id: RunId, messages: Sequence[Message], error: Exception) -> None:
        self._states.pop(run_id, None)
        problem = error if isinstance(error, OrchestratorError) else StuckRunError(run_id, error)
        for message in messages:
            _tell(message, problem)
        if isinstance(error, StoreError):
            self._course.store_is_lost(error)
            return
        log.error("a run cannot go on", run=run_id, exc_info=error)
        self._course.run_is_stuck(run_id, problem)


def _apply(message: Message, change: Change) -> bool | OrchestratorError:
    try:
        bodies = message.make(change.state)
    except OrchestratorError as error:
        return error  # it does not fit the run; that is for whoever sent it
    for body in bodies:
        change.add(body)
    return bool(bodies)


def _tell(message: Message, outcome: bool | OrchestratorError) -> None:
    committed = message.committed
    if committed is None or committed.done():  # nobody asked, or whoever did gave up
        return
    if isinstance(outcome, OrchestratorError):
        committed.set_exception(outcome)
    else:
        committed.set_result(outcome)
