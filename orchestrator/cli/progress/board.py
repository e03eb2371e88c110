"""What is known of a run and its child runs, kept up to date with the events that the engine commits."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from orchestrator.domain import events as ev
from orchestrator.domain.events import Event
from orchestrator.domain.ids import DefinitionHash, RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.engine import UnknownRunError
from orchestrator.engine.loading import load_state
from orchestrator.store.base import RunFilter, Store

#: Runs that are over stay on the board up to so many: more would not be shown, and their states take memory.
_KEPT = 100
_PAGE = 1000


class Tone(StrEnum):
    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Told:
    """One line of what happened. `step` is empty when it is about the run."""

    run: str
    step: str
    what: str
    tone: Tone = Tone.PLAIN


class Board:
    """The runs that are to be seen: those of a table's rows, or the one run itself. Made by `load`."""

    def __init__(self, store: Store, root: RunState) -> None:
        self.root = root
        #: Runs under way in the order of their start, and of those that are over the last ones.
        self.runs: dict[RunId, RunState] = {}
        self.succeeded = 0
        self.failed = 0
        self._store = store
        self._pipelines: MutableMapping[DefinitionHash, Pipeline] = {}
        self._over: set[RunId] = set()
        self._foreign: set[RunId] = set()

    @classmethod
    async def load(cls, store: Store, run_id: RunId) -> "Board":
        """The board of a run as the store has it now. Raises UnknownRunError."""
        root = await load_state(store, run_id, {})
        if root is None:
            raise UnknownRunError(f"There is no run {run_id}.")
        board = cls(store, root)
        if root.definition is not None:
            board._pipelines[root.definition] = root.pipeline
        if root.rows_total is None:
            board._place(root)
        else:
            await board._place_children(run_id)
        return board

    @property
    def total(self) -> int:
        """How many runs there are going to be."""
        return 1 if self.root.rows_total is None else self.root.rows_total

    @property
    def begun_at(self) -> datetime | None:
        """When the whole began."""
        return self.root.created_at

    @property
    def under_way(self) -> list[RunState]:
        """The runs that are not over."""
        return [state for state in self.runs.values() if not state.status.over]

    async def take(self, event: Event) -> Told | None:
        """Take an event into account; the line that tells of it, None if it is not worth one or not about these runs."""
        if event.run_id == self.root.id and self.root.rows_total is not None:
            if event.seq == self.root.seq + 1:
                self.root.apply(event)
            return None
        state = self.runs.get(event.run_id) or self._newborn(event)
        if state is None or event.seq > state.seq + 1:
            # Begun before this board, or events were dropped because somebody was slow: the journal has it all.
            state = await self._from_journal(event.run_id)
            if state is None:
                return None
        elif event.seq == state.seq + 1:
            state.apply(event)
        else:
            return None
        self._place(state)
        return told(state.name, event)

    def _newborn(self, event: Event) -> RunState | None:
        body = event.body
        if not isinstance(body, ev.RunCreated) or body.parent != self.root.id:
            return None
        return RunState(event.run_id, self.root.pipeline)

    async def _from_journal(self, run_id: RunId) -> RunState | None:
        if run_id in self._foreign or run_id in self._over:
            return None
        state = await load_state(self._store, run_id, self._pipelines)
        if state is None or (run_id not in self.runs and state.parent != self.root.id):
            self._foreign.add(run_id)
            return None
        return state

    async def _place_children(self, parent: RunId) -> None:
        cursor = ""
        while page := await self._store.summaries(RunFilter(parent=parent), cursor=cursor, limit=_PAGE):
            for summary in page:
                if summary.status.over and self.total > _KEPT:
                    self._count(summary.status)
                elif (state := await load_state(self._store, summary.id, self._pipelines)) is not None:
                    self._place(state)
            cursor = page[-1].id
        # Newest first is the store's order, oldest first is the order of the rows.
        self.runs = dict(sorted(self.runs.items()))

    def _place(self, state: RunState) -> None:
        self.runs[state.id] = state
        if state.status.over:
            self._count(state.status)
            self._over.add(state.id)
            if self.total > _KEPT:
                del self.runs[state.id]

    def _count(self, status: RunStatus) -> None:
        if status is RunStatus.SUCCEEDED:
            self.succeeded += 1
        else:
            self.failed += 1


def told(run: str, event: Event) -> Told | None:  # noqa: C901, PLR0911, PLR0912 - one case an event
    """The line that tells of an event; None for those that only matter to the engine."""
    step = event.step or ""
    match event.body:
        case ev.RunStarted():
            return Told(run, "", "started")
        case ev.RunSucceeded():
            return Told(run, "", "succeeded", Tone.GOOD)
        case ev.RunFailed(error=error):
            return Told(run, "", f"failed: {error.message}", Tone.BAD)
        case ev.StepIntended(attempt=attempt):
            return Told(run, step, f"attempt {attempt}") if attempt > 1 else None
        case ev.StepWaiting():
            return Told(run, step, "waiting")
        case ev.StepSucceeded():
            return Told(run, step, "succeeded", Tone.GOOD)
        case ev.StepFailed(error=error, next_attempt_at=None):
            return Told(run, step, f"failed: {error.message}", Tone.BAD)
        case ev.StepFailed(error=error, next_attempt_at=at):
            assert at is not None
            pause_s = max(0.0, (at - event.at).total_seconds())
            return Told(run, step, f"failed, again in {pause_s:.0f} s: {error.message}", Tone.BAD)
        case ev.StepUnknown(error=error):
            return Told(run, step, f"no answer, looking for what it made: {error.message}", Tone.BAD)
        case ev.StepAdopted():
            return Told(run, step, "adopted what a lost attempt had made", Tone.GOOD)
        case ev.StepSkipped(reason=reason):
            return Told(run, step, f"skipped: {reason}")
        case ev.CallbackReceived(result=result):
            return Told(run, step, f"callback: {result}")
        case ev.PollFound(result=result):
            return Told(run, step, f"poll: {result}")
        case ev.RunCreated() | ev.ChildrenCreated() | ev.StepSent() | ev.StepNoted():
            return None
        case ev.StepChecked() | ev.StepLookedUp():
            return None
        case _:
            assert_never(event.body)
