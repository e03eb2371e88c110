"""Load, decide, append, dispatch: the loop that carries every run from its first event to its last.

A run that waits holds no task and no memory here; it is a row in the store, and a callback, a poll or a timer pokes
it.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from orchestrator.domain import events as ev
from orchestrator.domain.decide import Policy, SpawnChildren, StepAction, decide
from orchestrator.domain.events import EventBody
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine import control
from orchestrator.engine.admission import Admission
from orchestrator.engine.changes import AT_ONCE, Change
from orchestrator.engine.children import Telling
from orchestrator.engine.dispatch.base import Dispatcher, Job
from orchestrator.engine.dispatch.local import LocalDispatcher
from orchestrator.engine.executor import Executor
from orchestrator.engine.family import Family
from orchestrator.engine.fan_out import FanOuts
from orchestrator.engine.groups import Groups
from orchestrator.engine.live import Live
from orchestrator.engine.messages import if_awaited, if_current, nothing, unless_known
from orchestrator.engine.poller import Poller, PollPolicy
from orchestrator.engine.reception import Make, Submission, Submitted
from orchestrator.engine.run_ids import RunIds
from orchestrator.engine.spawning import Spawning
from orchestrator.engine.sub_runs import SubRuns
from orchestrator.engine.sweeper import Sweeper, SweepPolicy
from orchestrator.engine.timers import Timers
from orchestrator.engine.turns import Message, Turn, Turns
from orchestrator.engine.verbs import Verbs
from orchestrator.engine.waiters import Waiters
from orchestrator.errors import OrchestratorError
from orchestrator.steps.base import StepKind, Surroundings
from orchestrator.store.base import Row, RunFilter, Store, Summary

log = structlog.get_logger(__name__)


#: However often a stale callback is repeated, it brings at most one poll in so much time.
_STALE_POLL_AFTER = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How patient and how broad the engine works."""

    policy: Policy = field(default_factory=Policy)
    polls: PollPolicy = field(default_factory=PollPolicy)
    #: When to look for what lost requests made after all; None: never.
    sweeps: SweepPolicy | None = field(default_factory=SweepPolicy)
    #: Attempts under way beside which no further run begins.
    concurrency: int = 100
    #: Seconds that short steps get to end when the engine stops.
    grace_s: float = 5.0
    #: Folder for the files of runs that name none.
    out: str = "out"
    #: Whose voices and pictures the inputs of sub-pipelines name.
    region: str = ""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Engine(Verbs):
    """Carries runs; implements `control.Control`.

    `start` before use; `failed` completes should the store become unusable.
    """

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

        def leaves(uses: str) -> str | None:
            return kinds[uses].leaves if uses in kinds else None

        self.live = Live()
        self._settings = settings or EngineSettings()
        self._new_id = new_id or RunIds(clock)
        out = self._settings.out
        super().__init__(store, leaves=leaves, new_id=self._new_id, out=out, is_there=is_there)
        can_be_called_off = {name: kind.started for name, kind in kinds.items() if kind.can_be_called_off}
        self._policy = replace(self._settings.policy, callable_off=can_be_called_off)
        self._clock = clock
        self._turns = Turns(store, self, clock=clock, polls=self._settings.polls)
        self._timers = Timers(clock, self.poke)
        self._executor = Executor(
            kinds,
            around,
            clock=clock,
            record=self._record,
            progress=self.live.report,
            items=FanOuts(store, self.submit),
            sub_runs=SubRuns(
                store, self.submit, self.cancel, region=self._settings.region, roots=around.roots
            ),
            cancel=self.cancel,
        )
        self._dispatcher: Dispatcher = LocalDispatcher(
            self._perform, concurrency=self._settings.concurrency, has_room=self._has_room
        )
        self._admission = Admission(self._dispatcher, self.poke)
        self._groups = Groups(store, admit=self._admit, carries=self._is_active, failed=self.store_is_lost)
        self._spawning = Spawning(store, self._reception, self._turns, self._new_id)
        self._poller = Poller(
            store, kinds, around, policy=self._settings.polls, clock=clock, found=self._poll_found
        )
        self._sweeper = Sweeper(
            store, kinds, around, clock=clock, removed=self._double_removed, policy=self._settings.sweeps
        )
        #: The poller and the sweeper.
        self._lookouts: list[asyncio.Task[None]] = []
        self._under_way: dict[RunId, set[StepId]] = {}
        #: The runs that this engine carries; None: all of them.
        self._active: set[RunId] | None = None
        self._stopping = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters = Waiters(store, self.failed)
        self._telling = Telling(store, self.store_is_lost)
        self._family = Family(
            store,
            self._turns,
            self._waiters,
            self._telling,
            cancel=self.cancel,
            pause=self.pause,
            poke=self.poke,
        )

    # Life

    async def start(self, *, everything: bool = True) -> int:
        """Take up every run that is not over; how many those are.

        With `everything` False only runs that are submitted from now on are carried; what earlier ones wait for is
        left to a later process.
        """
        self._active = None if everything else set()
        counts = await self._store.counts() if everything else {}
        now = self._clock().timestamp()
        later = []
        for run_id, wake_at, status in await self._store.due() if everything else ():
            if wake_at > now:
                later.append((wake_at, run_id))
            else:
                self._admission.enqueue(run_id, new=status is RunStatus.CREATED)
        self._timers.load(later)
        self._admission.admit()
        if everything:
            await self._groups.recover()
        self._look_out(self._poller.run())
        if self._settings.sweeps is not None:
            self._look_out(self._sweeper.run())
            if everything:
                await self._sweeper.recover()
        return sum(number for status, number in counts.items() if not status.over)

    async def stop(self) -> None:
        """Take no more work, let short steps end, journal what ended."""
        self._stopping = True
        self._timers.stop()
        self._admission.stop()
        for task in self._lookouts:
            task.cancel()
            # What it died of, if it did, has been told through `failed`.
            await asyncio.wait({task})
        await self._telling.stop()
        await self._groups.stop()
        await self._dispatcher.stop(self._settings.grace_s)
        await self._turns.idle()
        self.failed.cancel()

    def _look_out(self, forever: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(forever)
        task.add_done_callback(self._lookout_ended)
        self._lookouts.append(task)

    def _lookout_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.store_is_lost(error)

    def store_is_lost(self, error: BaseException) -> None:
        """As `Course.store_is_lost`."""
        if not self.failed.done():
            log.error("the engine cannot go on", error=str(error))
            self.failed.set_exception(error)

    def run_is_gone(self, run_id: RunId) -> None:
        """As `Course.run_is_gone`."""
        self._groups.drop(run_id)
        self._admission.begun(run_id)
        self._admission.admit()

    def run_is_stuck(self, run_id: RunId, problem: OrchestratorError) -> None:
        """As `Course.run_is_stuck`."""
        self._groups.drop(run_id)
        self._admission.begun(run_id)
        self._waiters.stuck(run_id, problem)

    # Starting runs

    async def submit(self, submission: Submission) -> Submitted:
        """Start a run, or take up the one that the same content already has.

        One under way goes on, a failed one goes on from its failed steps, one that succeeded fetches what is missing
        from `out`. `again` makes everything anew, unless a run of the same content is still under way.
        """
        return await self._reception.submit(submission)

    async def begin(self, state: RunState, bodies: Sequence[EventBody], rows: Sequence[Row] = ()) -> None:
        """As `reception.Carrier.begin`."""
        change = Change(state, self._clock())
        for body in bodies:
            change.add(body)
        await self._store.append(change.append(wake_at=AT_ONCE, polls=self._settings.polls, rows=rows))
        self.activate(state.id)
        self._publish(change)
        if state.rows_total is not None:
            self.poke(state.id)
        elif state.group is not None:
            self._groups.settle(change)
        else:
            self._admit(state.id)

    def activate(self, run_id: RunId) -> bool:
        """As `reception.Carrier.activate`."""
        carried = self._is_active(run_id)
        if self._active is not None:
            self._active.add(run_id)
        return carried

    def _is_active(self, run_id: RunId) -> bool:
        return self._active is None or run_id in self._active

    def _admit(self, run_id: RunId) -> None:
        self._admission.enqueue(run_id, new=True)
        self._admission.admit()

    def _has_room(self) -> None:
        self._admission.admit()

    # Waiting for runs

    async def wait(self, run_id: RunId) -> Summary:
        """The run's summary once it is over.

        Raises UnknownRunError, what keeps the run from going on, and the store's error if the engine failed.
        """
        return await self._waiters.wait(run_id, self._is_over)

    async def rest(self, run_id: RunId) -> Summary:
        """The run's summary once it is over, or nothing of it goes on without a person. Raises as `wait`."""
        return await self._waiters.wait(run_id, self._rests)

    async def _is_over(self, summary: Summary) -> bool:
        if summary.rows_total is not None and not summary.status.over:
            await self._raise_damage(summary)
        return summary.status.over

    async def _rests(self, summary: Summary) -> bool:
        if summary.status.over:
            return True
        if summary.rows_total is None:
            return summary.status is RunStatus.PAUSED and not self._under_way.get(summary.id)
        if summary.status is RunStatus.PAUSED:
            at_work = RunFilter(frozenset({*control.CAN_PAUSE, RunStatus.CANCELLING}), parent=summary.id)
            return not await self._store.summaries(at_work, limit=1)
        await self._raise_damage(summary)
        return control.rows_rest(summary)

    async def _raise_damage(self, table: Summary) -> None:
        """What keeps the last of a table's rows from going on, if nothing else of it does."""
        if damaged := self._waiters.damaged:
            at_work = RunFilter(frozenset({*control.CAN_PAUSE, RunStatus.CANCELLING}), parent=table.id)
            left = await self._store.summaries(at_work, limit=len(damaged) + 1)
            if left and all(row.id in damaged for row in left):
                raise damaged[left[0].id]

    # What happens to runs

    async def callback(self, run_id: RunId, *, job_id: str, result: str, asset_id: str, stale: bool) -> bool:
        """Journal a verified callback; False for an unknown run. A repeated one changes nothing.

        A stale one (signed, but out of its time) is no evidence: it only makes the poller look sooner.
        """
        if stale:
            if await self._store.summary(run_id) is None:
                return False
            await self._store.hurry(run_id, self._clock() + _STALE_POLL_AFTER)
            self._poller.notice(hurried=True)
            return True
        body = ev.CallbackReceived(job_id, result, asset_id)
        try:
            await self.post(run_id, partial(unless_known, body=body))
        except control.UnknownRunError:
            return False
        return True

    async def _double_removed(self, run_id: RunId, step: StepId, attempt: int, double: str) -> None:
        """Told in the journal, also of a run that is over."""
        body = ev.StepDoubleCancelled(step, attempt, double)
        await self.post(run_id, lambda _: (body,))

    def poke(self, run_id: RunId) -> None:
        """Decide again: something outside the run's journal may have changed."""
        if not self._stopping:
            self._turns.put(run_id, Message(nothing))

    async def post(self, run_id: RunId, make: Make) -> bool:
        """As `reception.Carrier.post`."""
        return await self._turns.post(run_id, make)

    async def look(self, run_id: RunId) -> RunState:
        """As `Verbs.look`."""
        return await self._turns.look(run_id)

    async def _poll_found(self, run_id: RunId, body: ev.PollFound) -> None:
        await self.post(run_id, partial(if_awaited, body=body))

    async def _record(self, run_id: RunId, body: EventBody) -> bool:
        return await self.post(run_id, partial(if_current, body=body))

    async def _perform(self, job: Job) -> None:
        step_id = job.action.step.id
        try:
            body = await self._executor.perform(job)
        finally:
            self.live.clear(job.run_id, step_id)
        make = nothing if body is None else partial(if_current, body=body)
        self._turns.put(job.run_id, Message(make, ends=step_id))

    # Turns

    async def decide(self, change: Change) -> tuple[Sequence[StepAction], datetime | None]:
        """As `turns.Course.decide`: ask until nothing more is to be recorded."""
        if not self._is_active(change.state.id):
            return (), AT_ONCE  # for the next process that carries it
        if self._has_to_wait(change):
            return (), AT_ONCE
        while True:
            decision = decide(change.state, change.now, self._policy)
            spawn = next((action for action in decision.actions if isinstance(action, SpawnChildren)), None)
            if spawn is not None:
                await self._spawning.spawn(change, spawn)
            elif decision.records:
                for body in decision.records:
                    change.add(body)
            else:
                actions = [one for one in decision.actions if not isinstance(one, SpawnChildren)]
                return actions, decision.wake_at

    def _has_to_wait(self, change: Change) -> bool:
        """However many runs are to begin, or to go on after a rest: they do while there is room."""
        state = change.state
        if state.rows_total is not None:
            return False
        if state.status is RunStatus.CREATED:
            return self._groups.has_to_wait(state) or not self._admission.admitted(state.id)
        resumed = any(isinstance(event.body, ev.RunResumed) for event in change.events)
        return resumed and not self._admission.has_room

    async def after(self, turn: Turn) -> None:
        """As `turns.Course.after`: what follows from a committed change."""
        change, state = turn.change, turn.change.state
        self._admission.begun(state.id)
        under_way = self._under_way.setdefault(state.id, set())
        under_way.difference_update(turn.ended)
        self._publish(change)
        if self._settings.sweeps is not None:
            self._sweeper.notice(state, change.events)
        self._look_after_children(change)
        if any(isinstance(event.body, ev.StepWaiting) for event in change.events):
            self._poller.notice()
        self._withdraw(change, under_way)
        self._wake_later(state, turn.wake_at)
        self._groups.settle(change)
        if not state.status.over and not self._stopping:
            for job in self._new_jobs(state, turn.actions, under_way):
                under_way.add(job.action.step.id)
                self._dispatcher.dispatch(job)
        if not under_way:
            del self._under_way[state.id]
            if state.rows_total is None or state.status.over or not self._is_active(state.id):
                self._turns.forget(state.id)  # a row in the store is enough
        await self._family.after(change)
        self._admission.admit()

    def _wake_later(self, state: RunState, at: datetime | None) -> None:
        if self._groups.has_to_wait(state):
            self._timers.set(state.id, None)  # it is called when a place gets free
        elif at is AT_ONCE and self._is_active(state.id):
            self._admission.enqueue(state.id, new=state.status is RunStatus.CREATED)
        else:
            self._timers.set(state.id, None if state.status.over or at is AT_ONCE else at)

    def _new_jobs(
        self, state: RunState, actions: Sequence[StepAction], under_way: Collection[StepId]
    ) -> Iterator[Job]:
        assert state.created_at is not None
        for action in actions:
            if action.step.id not in under_way:
                yield Job(state.id, state.created_at.timestamp(), action, state)

    def _withdraw(self, change: Change, under_way: set[StepId]) -> None:
        for event in change.events:
            if isinstance(event.body, ev.StepCancelled) and event.body.step in under_way:
                self._dispatcher.withdraw(change.state.id, event.body.step)
                under_way.discard(event.body.step)

    def _look_after_children(self, change: Change) -> None:
        for child in change.children:
            for event in child.append.events:
                self.live.publish(event)
            self.activate(child.append.run_id)
            if child.append.summary.group is None:
                self._admission.enqueue(child.append.run_id, new=True)
        self._groups.look({child.append.summary.group for child in change.children})

    def _publish(self, change: Change) -> None:
        for event in change.events:
            self.live.publish(event)
