"""Looks for what a lost request made after all, when another was made already, and removes it while nobody works on it.

Waiting for the quiet time before a request is repeated keeps doubles away; a service that acts later still makes one.
So a step whose request had an unknown end is looked after once more, some times over the quiet time after it was
settled and when its run ends. What is removed bears the step's own key, stands nowhere in the run's journal and has not
been touched: a video job that still waits, an asset without a file, a script. Its calls use only quota that nobody else
wants. What is to be looked after stands in the journals; only the times are kept in memory.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from orchestrator.domain import events as ev
from orchestrator.domain import expressions
from orchestrator.domain.ids import DefinitionHash, RunId, StepId, adoption_key
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.engine.loading import load_state
from orchestrator.errors import OrchestratorError
from orchestrator.metastudio.errors import AnswerLost, ApiError
from orchestrator.steps.adoption import Adopting, Adoption
from orchestrator.steps.base import StepKind, Surroundings, call_label
from orchestrator.steps.traces import Search, Sent, Trace, run_mark
from orchestrator.store.base import RunFilter, Store

#: Journals that a double of a step was removed: run, step, attempt, and the double's id.
Removed = Callable[[RunId, StepId, int, str], Awaitable[None]]

_DOUBT = (ev.StepUnknown, ev.StepLookedUp, ev.StepAdopted)
_END = (ev.RunSucceeded, ev.RunFailed, ev.RunCancelled)
#: What these say that a run has, nobody takes away from it.
_MADE = (ev.StepNoted, ev.StepSucceeded, ev.StepAdopted, ev.StepReused)
#: A request is on its way, or what it made is being looked for: nothing is a double yet.
_UNSETTLED = frozenset({StepStatus.RUNNING, StepStatus.SENT, StepStatus.UNKNOWN, StepStatus.RETRYING})
#: Ended runs that a new process looks through for those that ended right before it began.
_RECENT_RUNS = 200
#: A run from before the process began, of which nothing doubtful is known, is looked through so long after its end: to read
#: its journal again must not stand in the way of others that end in the same burst.
_AFTER_END = timedelta(seconds=10)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """When to look."""

    #: Seconds after the last sign of doubt; the longest is the quiet time.
    looks_s: tuple[float, ...] = (15.0, 45.0, 75.0)
    #: Pause after a look that failed, and how long to go on trying.
    again_s: float = 30.0
    patience_s: float = 3600.0
    #: Runs that ended so shortly before the process began are looked at once more.
    recent_s: float = 600.0


@dataclass(slots=True)
class _Watch:
    """One run that is looked after."""

    #: The last sign of doubt.
    since: datetime
    looks: int = 0
    #: When the one look is due that does not follow from `since`: at the run's end, or after a failure.
    extra_at: datetime | None = None


class Sweeper:
    """One task for all runs. `notice` what happens to them, `run` it beside the engine."""

    def __init__(
        self,
        store: Store,
        kinds: Mapping[str, StepKind[Any]],
        around: Surroundings,
        *,
        clock: Callable[[], datetime],
        removed: Removed,
        policy: SweepPolicy | None = None,
    ) -> None:
        """`removed` returns when the event is durable."""
        self._store, self._kinds, self._around = store, kinds, around
        self._clock, self._removed = clock, removed
        self._policy = policy or SweepPolicy()
        self._began_at = clock()
        self._watches: dict[RunId, _Watch] = {}
        self._heap: list[tuple[datetime, RunId]] = []
        self._pipelines: dict[DefinitionHash, Pipeline] = {}
        self._changed = asyncio.Event()
        #: Doubles removed since the process began.
        self.count = 0

    def notice(self, state: RunState, events: Iterable[ev.Event]) -> None:
        """Take note of what was committed. A run that is older than the process is looked at when it ends.

        What may have happened to such a run before the process began stands in its journal, and only there.
        """
        now = self._clock()
        for event in events:
            if isinstance(event.body, _DOUBT):
                watch = self._watches.setdefault(state.id, _Watch(now))
                watch.since, watch.looks = now, 0
                self._set(state.id, now + timedelta(seconds=self._policy.looks_s[0]))
            elif isinstance(event.body, _END):
                if state.id in self._watches:
                    self._look_soon(state.id, now)
                elif state.created_at is not None and state.created_at < self._began_at:
                    self._look_soon(state.id, now + _AFTER_END)

    async def recover(self) -> None:
        """Look at the runs that ended right before the process began: their last look may not have been made."""
        over = frozenset(status for status in RunStatus if status.over)
        now = self._clock()
        for summary in await self._store.summaries(RunFilter(status=over), limit=_RECENT_RUNS):
            recent = now - timedelta(seconds=self._policy.recent_s)
            if summary.ended_at is not None and summary.ended_at >= recent:
                self._look_soon(summary.id, now)

    async def run(self) -> None:
        """Look until cancelled. A look that fails is made later; it never fails a run."""
        while True:
            self._changed.clear()
            delay_s = (self._heap[0][0] - self._clock()).total_seconds() if self._heap else None
            if delay_s is not None and delay_s <= 0:
                _, run_id = heapq.heappop(self._heap)
                await self._turn(run_id)
                continue
            try:
                async with asyncio.timeout(delay_s):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _look_soon(self, run_id: RunId, at: datetime) -> None:
        watch = self._watches.setdefault(run_id, _Watch(at, looks=len(self._policy.looks_s)))
        watch.extra_at = at
        self._set(run_id, at)

    def _set(self, run_id: RunId, at: datetime) -> None:
        heapq.heappush(self._heap, (at, run_id))
        self._changed.set()

    async def _turn(self, run_id: RunId) -> None:
        """A time has come; the doubt may be younger than when it was set."""
        watch, now = self._watches.get(run_id), self._clock()
        if watch is None:
            return
        due_at = self._due_at(watch)
        if due_at is None or due_at > now:
            return  # a younger entry of the heap stands for it
        if watch.extra_at is not None and watch.extra_at <= now:
            watch.extra_at = None
        else:
            watch.looks += 1
        over = await self._look(run_id, watch)
        following = self._due_at(watch)
        if following is not None:
            self._set(run_id, following)
        elif over:
            del self._watches[run_id]

    def _due_at(self, watch: _Watch) -> datetime | None:
        times = [] if watch.extra_at is None else [watch.extra_at]
        if watch.looks < len(self._policy.looks_s):
            times.append(watch.since + timedelta(seconds=self._policy.looks_s[watch.looks]))
        return min(times, default=None)

    async def _look(self, run_id: RunId, watch: _Watch) -> bool:
        """Whether the run is over, so that no end is to come."""
        seen: _Seen | None = None
        try:
            seen = await self._load(run_id)
            if seen is None:
                return True
            failed = [step.id for step in seen.state.all_steps if not await self._looked_at(seen, step)]
        except OrchestratorError as error:
            log.warning("a sweep failed", run=run_id, error=error.message)
        except Exception:  # a damaged run must not end the sweeping of all others
            log.exception("a sweep failed unexpectedly", run=run_id)
            return True
        else:
            if not failed:
                return seen.state.status.over
        again_at = self._clock() + timedelta(seconds=self._policy.again_s)
        if again_at - watch.since > timedelta(seconds=self._policy.patience_s):
            return seen is not None and seen.state.status.over
        watch.extra_at = again_at
        return False

    async def _looked_at(self, seen: "_Seen", step: Step) -> bool:
        """False: the look failed and is to be made again. The other steps' are made all the same."""
        if not seen.is_swept(step):
            return True
        try:
            await self._sweep(seen.state, step)
        except OrchestratorError as error:
            log.warning("a sweep failed", run=seen.state.id, step=step.id, error=error.message)
            return False
        return True

    async def _load(self, run_id: RunId) -> "_Seen | None":
        state = await load_state(self._store, run_id, self._pipelines)
        return None if state is None else _Seen(state, await self._store.journal(run_id))

    async def _sweep(self, state: RunState, step: Step) -> None:
        creating = self._creating(state, step)
        if creating is None:
            return
        row, sent = creating
        if row.look is None or row.drop is None:
            return
        assert state.created_at is not None
        options = {"low": True, "label": call_label(state.id, step.id)}
        key, mark = adoption_key(state.id, step.id), run_mark(state.id)
        search = Search(self._around.api, key, mark, state.created_at, sent_at=None, options=options)
        idle = [trace for trace in (await row.look(sent, search)).ours if trace.idle]
        if not idle:
            return
        # Only now: whatever was there to be found, its request stands in the journal by now, and so does its answer, or
        # its step is unsettled. The run may have been taken up again meanwhile.
        seen = await self._load(state.id)
        if seen is not None and seen.is_swept(step):
            for trace in idle:
                if trace.id not in seen.kept:
                    await self._remove(seen.state, step, row, trace, options)

    def _creating(self, state: RunState, step: Step) -> tuple[Adoption, Sent] | None:
        """What the step's request was; None for one that makes no double, or whose values cannot be had any more."""
        kind = self._kinds.get(step.uses)
        if not isinstance(kind, Adopting):
            return None
        try:
            params = kind.params.model_validate(expressions.render(step.with_, state.scope()))
        except (OrchestratorError, ValidationError):
            return None
        found: tuple[Adoption, Sent] | None = kind.creating(params)
        return found

    async def _remove(
        self, state: RunState, step: Step, row: Adoption, double: Trace, options: Mapping[str, Any]
    ) -> None:
        assert row.drop is not None
        facts = {"run": state.id, "step": step.id, "made_by": row.operation.id, "double": double.id}
        try:
            await self._around.api.call(row.drop, path={row.drop.path_names[0]: double.id}, **options)
        except AnswerLost:
            raise  # perhaps it is gone: the next look tells
        except ApiError as error:
            log.warning("a double could not be removed", error=error.message, code=error.code, **facts)
            return
        self.count += 1
        log.warning("a double was removed", by=row.drop.id, **facts)
        await self._removed(state.id, step.id, state.steps[step.id].attempt, double.id)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A run as its journal has it."""

    state: RunState
    journal: Sequence[ev.Event]

    @property
    def kept(self) -> set[str]:
        """The ids of what the run has, or had, and more texts."""
        return {
            text for event in self.journal if isinstance(event.body, _MADE) for text in _texts(event.body)
        }

    def is_swept(self, step: Step) -> bool:
        """Whether what the step's request may have made is known by now, so that all else is a double."""
        state = self.state
        if not any(isinstance(event.body, _DOUBT) and event.body.step == step.id for event in self.journal):
            return False
        # Steps of one kind may make things that look alike, so none of them may be at it.
        alike = [other.id for other in state.all_steps if other.uses == step.uses]
        if not state.status.over and any(state.steps[id_].status in _UNSETTLED for id_ in alike):
            return False
        # What a failed step may have made is its next attempt's, or a person's; a cancelled run wants nothing of it.
        return bool(state.steps[step.id].outputs) or state.status is RunStatus.CANCELLED


def _texts(body: Any) -> Iterable[str]:
    """Every text of an event's outputs and facts, however deep: among them are the ids of what the run has."""
    queue: list[Any] = [getattr(body, "outputs", None), getattr(body, "facts", None)]
    while queue:
        match queue.pop():
            case str(text):
                yield text
            case Mapping() as mapping:
                queue.extend(mapping.values())
            case list() | tuple() as items:
                queue.extend(items)
