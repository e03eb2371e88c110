"""From a run's new events to the one change that the store makes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from orchestrator.domain import events as ev
from orchestrator.domain.events import Event, EventBody
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunState, StepStatus
from orchestrator.engine.poller import PollPolicy
from orchestrator.store.base import Append, NewChild, Row, Summary, Wait

#: A wake-up time that is past: a later process looks at the run at once.
AT_ONCE = datetime.fromtimestamp(0, UTC)


class Change:
    """Collects what one turn of a run adds; applying each event to the state as it comes."""

    def __init__(self, state: RunState, now: datetime) -> None:
        self.state = state
        self.now = now
        self.events: list[Event] = []
        self.children: list[NewChild] = []
        #: Rows (by number) that get a run which exists already.
        self.joined: list[tuple[int, RunId]] = []
        #: Rows that give up a run which was cancelled for its replay, and how many of those runs were this run's own.
        self.dropped = 0
        self.dropped_own = 0
        self._after_seq = state.seq
        self._was = state.status if state.seq else None
        self._waited = [id_ for id_, step in state.steps.items() if step.status is StepStatus.WAITING]

    def add(self, body: EventBody) -> None:
        """The next event of the run."""
        event = Event(self.state.id, self.state.seq + 1, self.now, body)
        self.state.apply(event)
        self.events.append(event)

    def append(self, *, wake_at: datetime | None, polls: PollPolicy, rows: Sequence[Row] = ()) -> Append:
        """Everything so far, as one transaction."""
        return Append(
            run_id=self.state.id,
            after_seq=self._after_seq,
            events=self.events,
            summary=summarize(self.state, wake_at),
            was=self._was,
            waits_added=self._waits_added(polls),
            waits_ended=[
                id_ for id_ in self._waited if self.state.steps[id_].status is not StepStatus.WAITING
            ],
            rows=rows,
            children=self.children,
            joined=self.joined,
        )

    def _waits_added(self, polls: PollPolicy) -> list[Wait]:
        if not any(isinstance(event.body, ev.StepWaiting) for event in self.events):
            return []
        kinds = {step.id: step.uses for step in self.state.all_steps}
        return [
            Wait(
                self.state.id,
                body.step,
                kinds[body.step],
                body.correlation,
                since_at=self.now,
                poll_at=polls.next_at(0, self.now),
            )
            for event in self.events
            if isinstance(body := event.body, ev.StepWaiting)
            and body.polled
            and self.state.steps[body.step].status is StepStatus.WAITING
        ]


def summarize(state: RunState, wake_at: datetime | None) -> Summary:
    """The run's summary row."""
    assert state.created_at is not None
    assert state.key is not None
    assert state.definition is not None
    return Summary(
        id=state.id,
        key=state.key,
        name=state.name,
        pipeline=state.pipeline.name,
        definition=state.definition,
        status=state.status,
        created_at=state.created_at,
        ended_at=state.ended_at,
        seq=state.seq,
        steps_total=0 if state.rows_total is not None else len(state.pipeline.steps),
        steps_done=_done(state),
        error=state.error.message if state.error else "",
        hint=state.error.hint if state.error else "",
        parent=state.parent,
        rows_total=state.rows_total,
        children_succeeded=state.children_succeeded,
        children_failed=state.children_failed,
        children_own_over=state.children_own_over,
        children_paused=state.children_paused,
        # One that stands in line is found when a place gets free.
        wake_at=None if state.status.over or state.queued_at is not None else wake_at,
        reason=state.reason,
        replays=state.replays,
        group=state.group,
        group_limit=state.group_limit,
        queued_at=state.queued_at,
        has_place=state.has_place,
    )


def _done(state: RunState) -> int:
    done = 0
    for step in state.pipeline.steps:
        status = state.steps[step.id].status
        done += status is StepStatus.SUCCEEDED or status is StepStatus.SKIPPED
    return done


def newborn(
    parent: RunState, row: Row, new_id: Callable[[], RunId], now: datetime, group: str | None = None
) -> NewChild:
    """The child run of a row: just created, nothing decided yet. `group`: the concurrency group that it queues in."""
    assert parent.definition is not None
    state = RunState(new_id(), parent.pipeline)
    change = Change(state, now)
    change.add(
        ev.RunCreated(
            name=row.name,
            pipeline=parent.pipeline.name,
            definition=parent.definition,
            key=row.key,
            inputs=row.inputs,
            row=row.row,
            parent=parent.id,
            out=parent.out,
            again=parent.again,
            group=group,
            group_limit=parent.pipeline.group.limit if parent.pipeline.group else 1,
        )
    )
    return NewChild(row.number, change.append(wake_at=AT_ONCE, polls=PollPolicy()))
