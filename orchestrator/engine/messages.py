"""What a message from outside of a run's journal adds to it: only what still counts."""

from collections.abc import Sequence
from typing import Any

from orchestrator.domain import events as ev
from orchestrator.domain.events import EventBody
from orchestrator.domain.ids import StepId
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.metastudio.live_events import LIVE_EVENTS

#: The last attempt is over; the next, or the step's being done again, has not begun.
_BETWEEN_ATTEMPTS = frozenset({StepStatus.PENDING, StepStatus.RETRYING, StepStatus.HELD})

#: Callbacks that are kept of one job, and jobs of one run that any are kept of.
_MOST_TOLD = 20
_MOST_JOBS = 200
#: A livestream has much to tell: paragraphs and replies, each one once.
_MOST_EVENTS = 1000


def nothing(_state: RunState) -> Sequence[EventBody]:
    """Only decide again."""
    return ()


def if_current(state: RunState, body: Any) -> Sequence[EventBody]:
    """An outcome counts for the attempt that it is about, and only while that is open."""
    step = state.steps[body.step]
    if state.status.over or step.attempt != body.attempt:
        return ()
    if isinstance(body, ev.StepCancelled) and step.status is StepStatus.SUCCEEDED:
        return (body,)  # what the step had started was called off
    if isinstance(body, ev.StepSent) and _is_being_called_off(state, body.step):
        return ()  # it has not left yet
    return () if step.status.over or step.status in _BETWEEN_ATTEMPTS else (body,)


def _is_being_called_off(state: RunState, step: StepId) -> bool:
    last = state.pipeline.finally_
    return state.status is RunStatus.CANCELLING and all(other.id != step for other in last)


def unless_known(state: RunState, body: ev.CallbackReceived) -> Sequence[EventBody]:
    """A callback counts once, and only while its run is under way; its body is not signed, so not without limit."""
    told = state.hints.get(body.correlation, ())
    known = (body.result, body.asset_id) in told
    most = _MOST_EVENTS if body.correlation.startswith(LIVE_EVENTS) else _MOST_TOLD
    full = len(told) >= most or (not told and len(state.hints) >= _MOST_JOBS)
    return () if known or full or state.status.over else (body,)


def if_awaited(state: RunState, body: ev.PollFound | ev.ChildEnded) -> Sequence[EventBody]:
    """What was seen of a job counts while the step still waits for it and has not been told."""
    for step in state.steps.values():
        waits = step.status is StepStatus.WAITING and step.correlation == body.correlation
        if waits and state.hint_count(body.correlation) <= step.hints_checked:
            return (body,)
    return ()
