"""Why a step, and with it its run, is not getting on: in words, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, assert_never

from orchestrator.domain import expressions
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState, RunStatus, StepState, StepStatus
from orchestrator.engine.control import APPROVE
from orchestrator.engine.live import Progress
from orchestrator.errors import OrchestratorError
from orchestrator.limits.base import Waiting, Why
from orchestrator.metastudio.operations import OPERATIONS

#: An error or a message may fill a page; a line has room for so much of it.
_LENGTH = 120


@dataclass(frozen=True, slots=True)
class QueuedCall:
    """A call of a step that waits for the quota, and how many of its kind the account may send in a second."""

    call: Waiting
    rate: float


class Insight(Protocol):
    """What only the process that carries a run knows."""

    def queued(self, run_id: RunId, step: StepId) -> QueuedCall | None:
        """The step's call that waits for the quota, if one does."""
        ...

    def progress(self, run_id: RunId, step: StepId) -> Progress | None:
        """How far what the step is doing is, if it says so."""
        ...


class NoInsight:
    """Where no process carries the run: the journal is all there is."""

    def queued(self, run_id: RunId, step: StepId) -> QueuedCall | None:
        return None

    def progress(self, run_id: RunId, step: StepId) -> Progress | None:
        return None


@dataclass(frozen=True, slots=True)
class Reasons:
    """Says why steps and runs wait."""

    insight: Insight

    def step(  # noqa: PLR0911 - one case a status
        self, state: RunState, step: Step, polled_at: Mapping[StepId, datetime] | None = None
    ) -> str:
        """What the step waits for; empty when it is getting on, or is over. `polled_at`: when the poller asks next."""
        step_state = state.steps[step.id]
        match step_state.status:
            case StepStatus.PENDING:
                return _before_it_begins(state, step)
            case StepStatus.RUNNING | StepStatus.SENT:
                return self._quota(state.id, step.id) or self._progress(state.id, step.id)
            case StepStatus.UNKNOWN:
                return "an answer was lost: looking for what the request may have made"
            case StepStatus.WAITING:
                return _outside(state, step, (polled_at or {}).get(step.id))
            case StepStatus.RETRYING:
                return _next_attempt(state, step_state)
            case StepStatus.HELD:
                return f"held: {_cause(step_state)}; `orchestrator runs resume {state.id}`"
            case StepStatus.SUCCEEDED | StepStatus.FAILED | StepStatus.SKIPPED | StepStatus.CANCELLED:
                return ""
            case _:
                assert_never(step_state.status)

    def run(self, state: RunState, polled_at: Mapping[StepId, datetime] | None = None) -> str:
        """Why the run is not getting on: the first of its steps that waits for anything but another step. Or why it ends."""
        if state.status.over or state.status in {RunStatus.PAUSED, RunStatus.CANCELLING}:
            return stopped(state.id, state.status, state.reason)
        if state.rows_total is not None:
            done = state.children_succeeded + state.children_failed
            return rows(done, state.rows_total, state.children_failed, state.children_paused)
        first = ""
        for step in state.all_steps:
            status = state.steps[step.id].status
            if status.over or not (reason := self.step(state, step, polled_at)):
                continue
            if status is not StepStatus.PENDING:
                return reason
            first = first or reason
        return first

    def _quota(self, run_id: RunId, step: StepId) -> str:
        found = self.insight.queued(run_id, step)
        if found is None:
            return ""
        call = found.call
        operation = OPERATIONS.get(call.operation)
        name = call.operation if operation is None else operation.summary[:1].lower() + operation.summary[1:]
        why = "" if call.why is Why.QUOTA else f", {call.why}"
        return f"{name}: {found.rate:g}/s, {call.ahead:,} ahead, about {call.wait_s:.0f} s{why}"

    def _progress(self, run_id: RunId, step: StepId) -> str:
        progress = self.insight.progress(run_id, step)
        if progress is None:
            return ""
        share = f" {100 * progress.done // progress.total} %" if progress.total else ""
        return f"{progress.phase}{share}"


def stopped(run_id: RunId, status: RunStatus, reason: str) -> str:
    """Why somebody paused or cancelled the run; empty when nobody did."""
    match status:
        case RunStatus.PAUSED:
            because = f": {reason.rstrip('.')}" if reason else ""
            return f"paused{because}; `orchestrator runs resume {run_id}`"
        case RunStatus.CANCELLING | RunStatus.CANCELLED:
            return reason
        case _:
            return ""


def in_line(group: str, limit: int, taken: int | None = None) -> str:
    """What a run of a concurrency group waits for that has not begun; `taken`: places of the group, where they have been counted."""
    full = "" if taken is None else f": {taken:,} of {limit:,} running"
    return f"its turn in group {group}{full}"


def rows(done: int, total: int, failed: int, paused_: int) -> str:
    """How far a run with a table is: `41 of 1,000 rows done; 3 paused`."""
    parts = [f"{done:,} of {total:,} rows done"]
    if failed:
        parts.append(f"{failed:,} failed")
    if paused_:
        parts.append(f"{paused_:,} paused")
    return "; ".join(parts)


def _before_it_begins(state: RunState, step: Step) -> str:
    missing = [need for need in step.needs if not state.steps[need].status.over]
    if missing:
        return f"{'step' if len(missing) == 1 else 'steps'} {', '.join(missing)}"
    return "the pause" if state.status is RunStatus.PAUSED else ""


def _outside(state: RunState, step: Step, polled_at: datetime | None) -> str:
    step_state = state.steps[step.id]
    until = f", at most until {_clock_time(step_state.deadline_at)}" if step_state.deadline_at else ""
    if step.uses == APPROVE:
        return (
            f"approval{_asked(state, step)}: `orchestrator runs approve {state.id} --step {step.id}`{until}"
        )
    if step.foreach is not None:
        return f"the runs of its items: `orchestrator runs list --parent {step_state.correlation}`{until}"
    if step.pipeline is not None:
        return f"its run: `orchestrator runs show {step_state.correlation}`{until}"
    times = [at for at in (step_state.next_check_at, polled_at) if at is not None]
    verb = "asked" if polled_at is None else "polled"
    asked = f", {verb} next at {_clock_time(min(times))}" if times else ""
    what = step_state.correlation if polled_at is None else f"callback of {step_state.correlation}"
    return f"{what}{asked}{until}"


def _asked(state: RunState, step: Step) -> str:
    """What the approver has to know, if the definition says so."""
    try:
        message = expressions.render(step.with_.get("message", ""), state.scope())
    except OrchestratorError:
        return ""
    return f" ({_short(str(message))})" if message else ""


def _next_attempt(state: RunState, step_state: StepState) -> str:
    if state.status is RunStatus.PAUSED:
        return "the pause"
    when = f"next attempt at {_clock_time(step_state.next_attempt_at)}"
    return f"{when} after {_cause(step_state)}" if step_state.error else when


def _cause(step_state: StepState) -> str:
    error = step_state.error
    if error is None:
        return "it failed"
    cause = error.message if error.code in error.message else f"{error.code}: {error.message}"
    return _short(cause).rstrip(".")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LENGTH else f"{line[: _LENGTH - 1]}…"


def _clock_time(at: datetime | None) -> str:
    return at.strftime("%H:%M:%S UTC") if at else ""
