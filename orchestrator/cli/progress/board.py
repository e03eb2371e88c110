"""What is known of a run and its child runs, kept up to date with the events that the engine commits."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from orchestrator.cli.progress.words import about
from orchestrator.cli.results import error_text
from orchestrator.domain import events as ev
from orchestrator.domain.events import Event
from orchestrator.domain.ids import DefinitionHash, RunId, StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.engine.control import APPROVE, unknown
from orchestrator.engine.loading import load_pipeline, load_state
from orchestrator.server.waiting import NoInsight, Reasons
from orchestrator.store.base import RunFilter, Store, Summary

#: Runs that are over stay on the board up to so many: more would not be shown, and their states take memory.
_KEPT = 100
_PAGE = 1000


class Tone(StrEnum):
    GOOD = "good"
    BAD = "bad"
    #: Nothing is wrong, but somebody who waits should know.
    NOTABLE = "notable"
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

    def __init__(
        self, store: Store, root: RunState, *, looks_for_s: float | None = None, foreground: bool = False
    ) -> None:
        self.root = root
        #: Runs under way in the order of their start, and of those that are over the last ones.
        self.runs: dict[RunId, RunState] = {}
        self.succeeded = 0
        self.failed = 0
        self._store = store
        self._pipelines: MutableMapping[DefinitionHash, Pipeline] = {}
        self._over: dict[RunId, RunStatus] = {}
        #: What steps wait for: a part of a run that is counted itself.
        self._parts: set[RunId] = set()
        self._foreign: set[RunId] = set()
        self._looks_for_s, self._foreground = looks_for_s, foreground
        #: Steps of which it was told that they look for what a lost request made.
        self._looking: set[tuple[RunId, StepId]] = set()

    @classmethod
    async def load(
        cls, store: Store, run_id: RunId, *, looks_for_s: float | None = None, foreground: bool = False
    ) -> "Board":
        """The board of a run as the store has it now. Raises UnknownRunError.

        `looks_for_s` is how long a step at most looks for what a lost request made, None if that is not worth telling.
        `foreground`: the process that shows the board holds the state, so that no other command can approve anything.
        """
        root = await load_state(store, run_id, {})
        if root is None:
            raise unknown(run_id)
        board = cls(store, root, looks_for_s=looks_for_s, foreground=foreground)
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
        if isinstance(event.body, ev.RunResumed):
            self._reopen(event.run_id)
        state = self.runs.get(event.run_id) or await self._newborn(event)
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
        if isinstance(event.body, ev.StepLookedUp):
            return self._looks(state, event.body.step)
        if isinstance(event.body, ev.StepWaiting) and (asked := self._asks(state, event.body.step)):
            return asked
        return told(state.name, event)

    def _looks(self, state: RunState, step: StepId) -> Told | None:
        # A look-up comes every few seconds: once is news.
        if (state.id, step) in self._looking:
            return None
        self._looking.add((state.id, step))
        most = "" if self._looks_for_s is None else f" (up to {about(self._looks_for_s)})"
        what = f"an answer was lost; looking for what the request made{most}"
        return Told(state.name, step, what, Tone.NOTABLE)

    def _asks(self, state: RunState, step_id: StepId) -> Told | None:
        """Somebody has to approve the step: who waits for the run has to know."""
        step = next(step for step in state.all_steps if step.id == step_id)
        if step.uses != APPROVE:
            return None
        what = f"waits for {Reasons(NoInsight()).step(state, step)}"
        if self._foreground:
            what += " (stop this one with Ctrl-C before, and give its command again afterwards)"
        return Told(state.name, step_id, what, Tone.NOTABLE)

    async def _newborn(self, event: Event) -> RunState | None:
        body = event.body
        if not isinstance(body, ev.RunCreated) or body.parent != self.root.id:
            return None
        # A row has its table's pipeline, what a step waits for one of its own.
        return RunState(event.run_id, await load_pipeline(self._store, body.definition, self._pipelines))

    async def _from_journal(self, run_id: RunId) -> RunState | None:
        if run_id in self._foreign or run_id in self._over:
            return None
        state = await load_state(self._store, run_id, self._pipelines)
        if state is None or not await self._belongs(state):
            self._foreign.add(run_id)
            return None
        return state

    async def _belongs(self, state: RunState) -> bool:
        if state.id in self.runs or state.parent == self.root.id:
            return True
        return self.root.id in await self._store.parents(state.id)

    async def _place_children(self, parent: RunId) -> None:
        cursor = ""
        while page := await self._store.summaries(RunFilter(parent=parent), cursor=cursor, limit=_PAGE):
            for summary in page:
                await self._place_child(summary)
            cursor = page[-1].id
        for start in range(0, self.total, _PAGE):
            for row in await self._store.rows(parent, start, start + _PAGE):
                # What has the run of an earlier row, or of an earlier command, is no child of this one.
                if row.child is None or row.child in self.runs or row.child in self._over:
                    continue
                if (shared := await self._store.summary(row.child)) is not None:
                    await self._place_child(shared)
        # Newest first is the store's order, oldest first is the order of the rows.
        self.runs = dict(sorted(self.runs.items()))

    async def _place_child(self, summary: Summary) -> None:
        if summary.status.over and self.total > _KEPT:
            self._end(summary.id, summary.status)
        elif (state := await load_state(self._store, summary.id, self._pipelines)) is not None:
            self._place(state)

    def _place(self, state: RunState) -> None:
        self.runs[state.id] = state
        if state.is_of_step and state.id != self.root.id:
            self._parts.add(state.id)
        if state.status.over:
            self._end(state.id, state.status)
            if self.total > _KEPT:
                del self.runs[state.id]

    def _end(self, run_id: RunId, status: RunStatus) -> None:
        if run_id not in self._over:
            self._over[run_id] = status
            self._count(run_id, status, 1)

    def _reopen(self, run_id: RunId) -> None:
        if (status := self._over.pop(run_id, None)) is not None:
            self._count(run_id, status, -1)

    def _count(self, run_id: RunId, status: RunStatus, by: int) -> None:
        if run_id in self._parts:
            return
        if status is RunStatus.SUCCEEDED:
            self.succeeded += by
        else:
            self.failed += by


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
        case ev.RunPaused(reason=reason):
            return Told(run, "", f"paused: {reason}", Tone.NOTABLE)
        case ev.RunCancelling(reason=reason):
            return Told(run, "", f"is being cancelled{f': {reason}' if reason else ''}", Tone.NOTABLE)
        case ev.RunCancelled():
            return Told(run, "", "cancelled", Tone.NOTABLE)
        case ev.RunResumed():
            return Told(run, "", "goes on")
        case ev.StepIntended(attempt=attempt):
            return Told(run, step, f"attempt {attempt}") if attempt > 1 else None
        case ev.StepWaiting():
            return Told(run, step, "waiting")
        case ev.StepSucceeded():
            return Told(run, step, "succeeded", Tone.GOOD)
        case ev.StepFailed(error=error, held=True):
            return Told(run, step, f"held: {error_text(error)}", Tone.BAD)
        case ev.StepFailed(error=error, next_attempt_at=None):
            return Told(run, step, f"failed: {error_text(error)}", Tone.BAD)
        case ev.StepFailed(error=error, next_attempt_at=at):
            assert at is not None
            pause_s = max(0.0, (at - event.at).total_seconds())
            return Told(run, step, f"failed, again in {pause_s:.0f} s: {error.message}", Tone.BAD)
        case ev.StepUnknown(error=error):
            return Told(run, step, f"no answer: {error.message}", Tone.BAD)
        case ev.StepAdopted():
            return Told(run, step, "adopted what a lost attempt had made", Tone.GOOD)
        case ev.StepDoubleCancelled(what=what):
            return Told(run, step, f"a double was removed: {what}", Tone.NOTABLE)
        case ev.StepSkipped(reason=reason):
            return Told(run, step, f"skipped: {reason}")
        case ev.StepCancelled(reason=reason):
            return Told(run, step, f"cancelled: {reason}" if reason else "cancelled", Tone.NOTABLE)
        case ev.StepReused(run=kept):
            return Told(run, step, f"kept from run {kept}", Tone.GOOD)
        case ev.ApprovalGiven(approved=approved, by=by, comment=comment):
            word = "approved" if approved else "rejected"
            return Told(run, step, f"{word}{f' by {by}' if by else ''}{f': {comment}' if comment else ''}")
        case ev.ChildEnded(result=result):
            return Told(run, step, f"child run: {result}")
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
