"""Load, decide, append, dispatch: the loop that carries every run from its first event to its last.

A run that waits holds no task and no memory here; it is a row in the store, and a callback, a poll or a timer pokes
it. Turns of one run happen one after the other; turns of different runs side by side, their writes grouped.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from orchestrator.domain import events as ev
from orchestrator.domain.decide import Action, Check, LookUp, Perform, Policy, SpawnChildren, decide
from orchestrator.domain.events import EventBody
from orchestrator.domain.ids import DefinitionHash, RunId, StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, StepStatus
from orchestrator.engine.changes import Change, newborn
from orchestrator.engine.dispatch.base import Dispatcher, Job
from orchestrator.engine.dispatch.local import LocalDispatcher
from orchestrator.engine.executor import Executor
from orchestrator.engine.live import Live
from orchestrator.engine.loading import load_state
from orchestrator.engine.poller import Poller, PollPolicy
from orchestrator.engine.reception import Make, Reception, Submission, Submitted
from orchestrator.engine.run_ids import RunIds
from orchestrator.engine.timers import Timers
from orchestrator.errors import OrchestratorError
from orchestrator.steps.base import StepKind, Surroundings
from orchestrator.store.base import ConflictError, Row, Store, StoreError, Summary

log = structlog.get_logger(__name__)


#: However often a stale callback is repeated, it brings at most one poll in so much time.
_STALE_POLL_AFTER = timedelta(seconds=2)


class UnknownRunError(OrchestratorError):
    """There is no such run."""

    exit_code = 2


class StuckRunError(OrchestratorError):
    """A run cannot go on."""

    def __init__(self, run_id: RunId, cause: Exception) -> None:
        super().__init__(
            f"The run {run_id} cannot go on: {type(cause).__name__}.",
            hint="Its journal may come from another version of the orchestrator; see the log.",
        )
        self.__cause__ = cause


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How patient and how broad the engine works."""

    policy: Policy = field(default_factory=Policy)
    polls: PollPolicy = field(default_factory=PollPolicy)
    #: Attempts under way at once.
    concurrency: int = 100
    #: Seconds that short steps get to end when the engine stops.
    grace_s: float = 5.0
    #: Folder for the files of runs that name none.
    out: str = "out"


@dataclass(frozen=True, slots=True)
class _Message:
    make: Make
    committed: asyncio.Future[None]
    #: The action that ends with this message.
    ends: StepId | None = None


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Engine:
    """Carries runs. `start` before use; `failed` completes should the store become unusable."""

    def __init__(
        self,
        store: Store,
        kinds: Mapping[str, StepKind[Any]],
        around: Surroundings,
        *,
        settings: EngineSettings | None = None,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[], RunId] | None = None,
        is_there: Callable[[Path], bool] = Path.is_file,
    ) -> None:
        """`is_there` tells whether a file that a finished run left still exists."""
        self.live = Live()
        self._store = store
        self._settings = settings or EngineSettings()
        self._clock = clock
        self._new_id = new_id or RunIds(clock)
        self._timers = Timers(clock, self.poke)
        self._executor = Executor(kinds, around, clock=clock, record=self._record, progress=self.live.report)
        self._dispatcher: Dispatcher = LocalDispatcher(self._perform, concurrency=self._settings.concurrency)
        self._poller = Poller(
            store, kinds, around, policy=self._settings.polls, clock=clock, found=self._poll_found
        )
        self._poller_task: asyncio.Task[None] | None = None
        self._inbox: dict[RunId, list[_Message]] = {}
        self._turning: dict[RunId, asyncio.Task[None]] = {}
        self._states: dict[RunId, RunState] = {}
        self._pipelines: dict[DefinitionHash, Pipeline] = {}
        self._under_way: set[tuple[RunId, StepId]] = set()
        self._waiters: dict[RunId, asyncio.Event] = {}
        #: The runs that this engine carries; None: all of them.
        self._active: set[RunId] | None = None
        #: Runs that cannot go on, and why.
        self._stuck: dict[RunId, OrchestratorError] = {}
        self._reception = Reception(
            store,
            self,
            leaves=lambda uses: kinds[uses].leaves if uses in kinds else None,
            new_id=self._new_id,
            out=self._settings.out,
            is_there=is_there,
        )
        #: Held from looking for the runs of rows until their own are written: two tables may share rows.
        self._spawning = asyncio.Lock()
        self._stopping = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # Life

    async def start(self, *, everything: bool = True) -> int:
        """Take up every run that is not over; how many those are.

        With `everything` False only runs that are submitted from now on are carried; what earlier ones wait for is
        left to a later process.
        """
        unfinished = await self._store.unfinished() if everything else []
        self._active = None if everything else set()
        now = self._clock()
        for run_id, wake_at in unfinished:
            if wake_at is not None and wake_at > now:
                self._timers.set(run_id, wake_at)
            else:
                self.poke(run_id)
        self._poller_task = asyncio.get_running_loop().create_task(self._poller.run())
        self._poller_task.add_done_callback(self._poller_ended)
        return len(unfinished)

    async def stop(self) -> None:
        """Take no more work, let short steps end, journal what ended."""
        self._stopping = True
        self._timers.stop()
        if self._poller_task is not None:
            self._poller_task.cancel()
            # What it died of, if it did, has been told through `failed`.
            await asyncio.wait({self._poller_task})
        await self._dispatcher.stop(self._settings.grace_s)
        while self._turning:
            await asyncio.wait(self._turning.values())
        self.failed.cancel()

    def _poller_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            log.error("the engine cannot go on", error=str(error))
            self.failed.set_exception(error)

    # Starting runs

    async def submit(self, submission: Submission) -> Submitted:
        """Start a run, or take up the one that the same content already has.

        One under way goes on, a failed one goes on from its failed steps, one that succeeded fetches what is missing
        from `out`. `again` makes everything anew, unless a run of the same content is still under way.
        """
        return await self._reception.submit(submission)

    async def begin(self, state: RunState, created: ev.RunCreated, rows: Sequence[Row]) -> None:
        """As `Carrier.begin`."""
        change = Change(state, self._clock())
        change.add(created)
        await self._store.append(change.append(wake_at=None, polls=self._settings.polls, rows=rows))
        self.activate(state.id)
        self._publish(change)
        self.poke(state.id)

    def activate(self, run_id: RunId) -> None:
        """As `Carrier.activate`."""
        if self._active is not None:
            self._active.add(run_id)

    def _is_active(self, run_id: RunId) -> bool:
        return self._active is None or run_id in self._active

    async def wait(self, run_id: RunId) -> Summary:
        """The run's summary once it is over.

        Raises UnknownRunError, what keeps the run from going on, and the store's error if the engine failed.
        """
        while True:
            over = self._waiters.setdefault(run_id, asyncio.Event())
            summary = await self._store.summary(run_id)
            if summary is None:
                raise UnknownRunError(
                    f"There is no run {run_id}.", hint="`orchestrator runs list` shows them."
                )
            if summary.status.over:
                self._waiters.pop(run_id, None)
                return summary
            if run_id in self._stuck:
                raise self._stuck[run_id]
            waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(over.wait()), self.failed}
            _, unmet = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in unmet - {self.failed}:
                future.cancel()
            if self.failed.done():
                self.failed.result()

    # What happens to runs

    async def callback(self, run_id: RunId, *, job_id: str, result: str, asset_id: str, stale: bool) -> bool:
        """Journal a verified callback; False for an unknown run. A repeated one changes nothing.

        A stale one (signed, but out of its time) is no evidence: it only makes the poller look sooner.
        """
        if await self._store.summary(run_id) is None:
            return False
        if stale:
            await self._store.hurry(run_id, self._clock() + _STALE_POLL_AFTER)
            self._poller.notice()
            return True
        body = ev.CallbackReceived(job_id, result, asset_id)
        await self.post(run_id, partial(_unless_known, body=body))
        return True

    def poke(self, run_id: RunId) -> None:
        """Decide again: something outside the run's journal may have changed."""
        if not self._stopping:
            self._put(run_id, _Message(lambda _: (), asyncio.get_running_loop().create_future()))

    async def _poll_found(self, run_id: RunId, body: ev.PollFound) -> None:
        await self.post(run_id, partial(_if_awaited, body=body))

    async def _record(self, run_id: RunId, body: EventBody) -> None:
        await self.post(run_id, partial(_if_current, body=body))

    async def _perform(self, job: Job) -> None:
        step_id = job.action.step.id
        body = await self._executor.perform(job)
        self.live.clear(job.run_id, step_id)
        with contextlib.suppress(StoreError):  # the turn has reported it through `failed`
            await self.post(job.run_id, partial(_if_current, body=body), ends=step_id)

    async def post(self, run_id: RunId, make: Make, *, ends: StepId | None = None) -> None:
        """As `Carrier.post`. `ends`: the step whose action is over with it."""
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(run_id, _Message(make, committed, ends))
        # Shielded: a caller that gives up must not take the turn's own promise with it.
        await asyncio.shield(committed)

    def _put(self, run_id: RunId, message: _Message) -> None:
        self._inbox.setdefault(run_id, []).append(message)
        if run_id not in self._turning:
            self._turning[run_id] = asyncio.get_running_loop().create_task(self._turns(run_id))

    # Turns

    async def _turns(self, run_id: RunId) -> None:
        try:
            while messages := self._inbox.pop(run_id, None):
                try:
                    await self._turn(run_id, messages)
                except Exception as error:  # noqa: BLE001 - one run's damage stops nobody else
                    self._abandon(run_id, messages, error)
        finally:
            del self._turning[run_id]

    def _abandon(self, run_id: RunId, messages: Sequence[_Message], error: Exception) -> None:
        self._states.pop(run_id, None)
        problem = error if isinstance(error, OrchestratorError) else StuckRunError(run_id, error)
        for message in messages:
            if not message.committed.done():
                message.committed.set_exception(problem)
                message.committed.exception()  # a poke's future has no reader
        if isinstance(error, StoreError):
            self._fail(error)
            return
        log.error("a run cannot go on", run=run_id, exc_info=error)
        self._stuck[run_id] = problem
        if (waiting := self._waiters.get(run_id)) is not None:
            waiting.set()

    async def _turn(self, run_id: RunId, messages: Sequence[_Message]) -> None:
        while True:
            state = await self._state(run_id)
            if state is None:
                raise UnknownRunError(f"There is no run {run_id}.")
            change = Change(state, self._clock())
            for message in messages:
                for body in message.make(state):
                    change.add(body)
            spawns = state.rows_total is not None and state.children_created < state.rows_total
            async with self._spawning if spawns else contextlib.nullcontext():
                actions, wake_at = await self._decide(change) if self._is_active(run_id) else ((), None)
                # With something to do now, a later process has to look at the run at once.
                if await self._append(change, None if actions else wake_at):
                    break
            self._states.pop(run_id, None)
        for message in messages:
            if message.ends is not None:
                self._under_way.discard((run_id, message.ends))
            if not message.committed.done():
                message.committed.set_result(None)
        await self._after(change, actions, wake_at)

    async def _append(self, change: Change, wake_at: datetime | None) -> bool:
        """False: someone else was first, load and decide again."""
        if not change.events:
            return True
        try:
            await self._store.append(change.append(wake_at=wake_at, polls=self._settings.polls))
        except ConflictError:
            return False
        return True

    async def _decide(self, change: Change) -> tuple[Sequence[Action], datetime | None]:
        """Ask until nothing more is to be recorded."""
        while True:
            decision = decide(change.state, change.now, self._settings.policy)
            spawn = next((action for action in decision.actions if isinstance(action, SpawnChildren)), None)
            if spawn is not None:
                await self._spawn(change, spawn)
            elif decision.records:
                for body in decision.records:
                    change.add(body)
            else:
                return decision.actions, decision.wake_at

    async def _spawn(self, change: Change, spawn: SpawnChildren) -> None:
        """Rows whose content has a run by now get that one; the others get a new one."""
        rows = await self._store.rows(change.state.id, spawn.start, spawn.stop)
        missing = [row for row in rows if row.child is None]
        known = {} if change.state.again else await self._store.latest([row.key for row in missing])
        for run in known.values():
            # Before it is joined: a failed one would count as this run's failure.
            await self._reception.take_up(run, change.state.out)
        change.joined += [(row.number, known[row.key].id) for row in missing if row.key in known]
        new = [row for row in missing if row.key not in known]
        change.children += [newborn(change.state, row, self._new_id, change.now) for row in new]
        change.add(ev.ChildrenCreated(spawn.stop, created=len(new)))

    async def _after(self, change: Change, actions: Sequence[Action], wake_at: datetime | None) -> None:
        """What follows from a committed change."""
        state = change.state
        self._publish(change)
        self._look_after_children(change)
        if any(isinstance(event.body, ev.StepWaiting) for event in change.events):
            self._poller.notice()
        if state.status.over:
            self._states.pop(state.id, None)
            self._timers.set(state.id, None)
            for parent in await self._store.parents(state.id):
                self.poke(parent)
            return
        self._timers.set(state.id, wake_at)
        for job in self._new_jobs(state, actions):
            self._under_way.add((state.id, job.action.step.id))
            self._dispatcher.dispatch(job)
        waits = not any((state.id, step_id) in self._under_way for step_id in state.steps)
        if waits and (state.rows_total is None or not self._is_active(state.id)):
            self._states.pop(state.id, None)  # a row in the store is enough

    def _look_after_children(self, change: Change) -> None:
        for child in change.children:
            for event in child.append.events:
                self.live.publish(event)
            self.activate(child.append.run_id)
            self.poke(child.append.run_id)

    def _new_jobs(self, state: RunState, actions: Sequence[Action]) -> Iterator[Job]:
        assert state.created_at is not None
        for action in actions:
            if (
                isinstance(action, Perform | LookUp | Check)
                and (state.id, action.step.id) not in self._under_way
            ):
                yield Job(state.id, state.created_at.timestamp(), action, state)

    def _publish(self, change: Change) -> None:
        for event in change.events:
            self.live.publish(event)
        if change.state.status.over and (over := self._waiters.pop(change.state.id, None)) is not None:
            over.set()

    async def _state(self, run_id: RunId) -> RunState | None:
        state = self._states.get(run_id)
        if state is None:
            state = await load_state(self._store, run_id, self._pipelines)
            if state is None:
                return None
            self._states[run_id] = state
        if state.rows_total is not None and (summary := await self._store.summary(run_id)) is not None:
            state.children_succeeded = summary.children_succeeded
            state.children_failed = summary.children_failed
            state.children_own_over = summary.children_own_over
        return state


def _if_current(state: RunState, body: Any) -> Sequence[EventBody]:
    """An outcome counts for the attempt that it is about, and only while that is open."""
    step = state.steps[body.step]
    current = step.attempt == body.attempt and not step.status.over and step.status is not StepStatus.RETRYING
    return (body,) if current and not state.status.over else ()


def _unless_known(state: RunState, body: ev.CallbackReceived) -> Sequence[EventBody]:
    """A callback counts once, and only while its run is under way."""
    known = (body.result, body.asset_id) in state.hints.get(body.correlation, ())
    return () if known or state.status.over else (body,)


def _if_awaited(state: RunState, body: ev.PollFound) -> Sequence[EventBody]:
    """What the poller saw counts while the step still waits for it and has not been told."""
    for step in state.steps.values():
        waits = step.status is StepStatus.WAITING and step.correlation == body.correlation
        if waits and state.hint_count(body.correlation) <= step.hints_checked:
            return (body,)
    return ()
