"""What is true of a run and of everything around it, whoever knows, and what must never be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.domain import events as ev
from orchestrator.domain.decide import (
    CallOff,
    Check,
    Decision,
    FanOut,
    LookUp,
    Perform,
    Policy,
    SpawnChildren,
    StepAction,
)
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, RunStatus, StepState, StepStatus

T = TypeVar("T")
#: Takes one of some things; hypothesis, or chance, knows which.
Pick = Callable[[Sequence[T]], T]
Make = Callable[[RunState], Sequence[ev.EventBody]]

START = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunId("run")
#: A run whose work a replay keeps.
EARLIER = RunId("earlier")
#: `make` starts a job that can be called off, `put` makes a thing in two parts, `wait` waits for a job, `fetch` leaves
#: a file. All of them are kinds of this world only.
POLICY = Policy(callable_off={"make": "job_id", "wait": None}, patience_s=300)
#: What a step runs that is done by a run of its own.
SUB = Pipeline("sub")
#: A person has to look; what a look-up says that cannot tell.
CANNOT_TELL = "CANNOT_TELL"
OPEN = frozenset({StepStatus.RUNNING, StepStatus.SENT, StepStatus.UNKNOWN, StepStatus.WAITING})
#: The run's own end takes far fewer moves.
MOST_MOVES = 2000


def pipeline(pick: Pick[Any]) -> Pipeline:
    """Up to seven steps of every kind in the three groups; a step needs some of those before it."""
    steps: list[Step] = []
    for number in range(pick([1, 2, 3, 4, 5, 6, 7])):
        steps.append(_step(StepId(f"s{number}"), steps, pick))
    cut = pick(range(1, len(steps) + 1))
    half = pick(range(cut, len(steps) + 1))
    groups = (tuple(steps[:cut]), tuple(steps[cut:half]), tuple(steps[half:]))
    return Pipeline("p", steps=groups[0], on_failure=groups[1], finally_=groups[2])


def _step(step_id: StepId, before: Sequence[Step], pick: Pick[Any]) -> Step:
    needs = {step.id for step in before if pick([False, False, True])}
    jobs = [step.id for step in before if step.uses == "make" and step.foreach is None]
    files = [step.id for step in before if step.uses == "fetch" and step.foreach is None]
    uses = pick(["make", "put", "fetch", "approve", "run", *(["wait"] * 3 if jobs else [])])
    with_: dict[str, Any] = {}
    if uses == "wait":
        maker = pick(jobs)
        needs.add(maker)
        with_ = {"job_id": f"${{{{ steps.{maker}.job_id }}}}"}
    elif files and pick([False, True]):
        needs.add(files[-1])
        with_ = {"path": f"${{{{ steps.{files[-1]}.path }}}}"}
    elif jobs and pick([False, False, True]):
        needs.add(jobs[-1])
        with_ = {"after": f"${{{{ steps.{jobs[-1]}.job_id }}}}"}
    return Step(
        step_id,
        uses,
        with_,
        needs=tuple(sorted(needs)),
        if_=pick(
            [None] * 6
            + ["${{ 1 == 1 }}", "${{ 1 == 2 }}", "${{ run.failed }}", "${{ run.cancelled }}", "${{ nobody }}"]
        ),
        retry=RetryPolicy(attempts=pick([1, 2, 3])),
        timeout_s=pick([None, 30.0, 3600.0]),
        continue_on_error=pick([False, False, True]),
        foreach=pick([None, None, None, None, [1, 2]]) if uses in {"put", "fetch", "run"} else None,
        pipeline=SUB if uses == "run" else None,
    )


@dataclass(eq=False)
class Request:
    """A creating request that left: what is true of it, whoever knows."""

    step: StepId
    sent_at: datetime
    #: When its connection ended; None: an answer may still come.
    broken_at: datetime | None = None
    made: str | None = None
    #: Answered, or a person has looked: nothing follows from it any more.
    settled: bool = False
    settled_by_person: bool = False
    #: The step that knows of it was told to begin anew.
    forgotten: bool = False

    def may_act(self, now: datetime) -> bool:
        if self.settled or self.made is not None:
            return False
        return self.broken_at is None or now < self.broken_at + timedelta(seconds=POLICY.quiet_time_s)

    def broke(self, now: datetime) -> None:
        longest = self.sent_at + timedelta(seconds=POLICY.answer_within_s)
        self.broken_at = self.broken_at or min(now, longest)


@dataclass(eq=False)
class Work:
    """An action that this process has under way."""

    action: StepAction
    #: Attempts of before the run was resumed, when it began.
    made_before: int
    #: Hints about what it is about, when it began.
    hints: int
    request: Request | None = None
    #: Look-ups and checks: when the question was asked, and what the answer is.
    began_at: datetime | None = None
    answer: Any = None
    facts: dict[str, Any] = field(default_factory=dict)


class Facts:
    """One run, its engine and its provider. Every public method is something that may happen at any time."""

    def __init__(self, plan: Pipeline, pick: Pick[Any], *, watches: bool = False) -> None:
        """With `watches` every decision is compared for changes that it made to the state, which is slow."""
        self.pick, self.watches = pick, watches
        self.now = START
        self.state = RunState(RUN, plan)
        self.journal: list[ev.Event] = []
        #: As much of it as a later process has read back.
        self.read: list[ev.Event] = []
        self.work: dict[StepId, Work] = {}
        #: The engine's timer, and what the store would tell a later process.
        self.timer: datetime | None = None
        self.wake_at: datetime | None = START
        self.requests: list[Request] = []
        #: Jobs at the provider and what is true of each: waiting, SUCCEED, FAILED or CANCELED.
        self.jobs: dict[str, str] = {}
        #: Jobs that the provider refused to call off.
        self.refused: set[str] = set()
        #: Child runs of steps with items: under way, or how they ended.
        self.children: dict[str, str] = {}
        #: Those that were told to end because their step had no more time.
        self.given_up: set[str] = set()
        #: Outcomes of attempts that the engine has dropped; they may still come.
        self.strays: list[ev.EventBody] = []
        #: Every change of a status: from, to, and the event that brought it.
        self.step_moves: set[tuple[StepStatus, StepStatus, str]] = set()
        self.run_moves: set[tuple[RunStatus, RunStatus, str]] = set()
        #: Parameters that an attempt has been given once.
        self.given: dict[tuple[StepId, int], dict[str, Any]] = {}
        self.gone_files: set[Path] = set()
        self.main = frozenset(step.id for step in plan.steps)
        self.last = frozenset(step.id for step in plan.finally_)

    # What there is

    def waiting_jobs(self) -> list[str]:
        return [job for job, status in self.jobs.items() if status == "waiting"]

    def late_requests(self) -> list[Request]:
        return [one for one in self.requests if one.broken_at is not None and one.may_act(self.now)]

    def open_children(self) -> list[str]:
        return [child for child, status in self.children.items() if status in {"under way", "ending"}]

    def _uses(self, step_id: StepId) -> str:
        return next(step.uses for step in self.state.all_steps if step.id == step_id)

    def _outputs_of(self, step: Step, made: str) -> dict[str, Any]:
        match step.uses:
            case "make":
                self.jobs.setdefault(made, "SUCCEED")
                return {"job_id": made}
            case "fetch":
                path = Path(self.state.out or "/a") / made
                self.gone_files.discard(path)
                return {"path": str(path)}
            case _:
                return {"job_id": made}

    def _files(self) -> Iterator[Path]:
        for step in self.state.steps.values():
            if "path" in step.outputs:
                yield Path(step.outputs["path"])

    def _is_there(self, path: Path) -> bool:
        return path not in self.gone_files

    # What must hold

    def _object(self, body: ev.EventBody, before: StepState | None) -> None:  # noqa: C901, PLR0912 - one case an event
        state, status = self.state, self.state.status
        assert not status.over or isinstance(body, ev.RunResumed), f"{body.TYPE} after the end"
        match body:
            case ev.RunSucceeded() | ev.RunFailed() | ev.RunCancelled():
                self._object_to_end(body)
            case ev.RunCancelling():
                assert status is not RunStatus.CANCELLING
            case ev.RunPaused():
                assert status in {RunStatus.CREATED, RunStatus.RUNNING}
            case ev.RunResumed(steps=steps):
                for step_id in steps:
                    again = state.steps[step_id]
                    idle = again.status.over or again.status in {StepStatus.PENDING, StepStatus.HELD}
                    assert idle, f"{step_id} is {again.status}"
                    self._object_to_paying_twice(step_id, steps)
            case ev.StepIntended(step=step_id, attempt=attempt):
                assert before is not None
                assert attempt == before.attempt + 1
                assert before.status in {StepStatus.PENDING, StepStatus.RETRYING}
                self._object_to_beginning(step_id)
            case ev.StepSent(step=step_id):
                assert status is not RunStatus.CANCELLING or step_id in self.last, (
                    "sent for a run being cancelled"
                )
                for request in self.requests:
                    if request.step == step_id:
                        assert not request.may_act(self.now), (
                            f"{step_id} is sent while an earlier one may act"
                        )
                        assert not self._unknown(request), (
                            f"{step_id} is sent although it made {request.made}"
                        )
            case ev.StepSkipped(step=step_id):
                self._object_to_beginning(step_id)
            case ev.StepCancelled(step=step_id):
                assert before is not None
                assert status is RunStatus.CANCELLING
                made = before.status is StepStatus.SUCCEEDED and self._uses(step_id) == "make"
                assert made or not before.status.over
            case ev.StepFailed(step=step_id, attempt=attempt, error=error) if error.code == "EXPRESSION":
                assert (step_id, attempt) not in self.given or not attempt, f"{step_id} lost its parameters"
        if before is not None and not isinstance(body, ev.StepCancelled):
            assert not before.status.over, f"{body.TYPE} for a step that is {before.status}"

    def _object_to_paying_twice(self, step_id: StepId, again: Sequence[StepId]) -> None:
        """A job is made anew when it failed, or when it was made from something that is."""
        maker = self.state.steps[step_id]
        if (
            step_id not in self.main
            or self._uses(step_id) != "make"
            or maker.status is not StepStatus.SUCCEEDED
        ):
            return
        ahead, left = set[StepId](), [step_id]
        needs = {step.id: step.needs for step in self.state.pipeline.steps}
        while left:
            ahead |= (new := {need for need in needs[left.pop()] if need not in ahead})
            left += new
        remade = any(need in again and self._uses(need) == "make" for need in ahead)
        assert remade or self.jobs[maker.outputs["job_id"]] in {"FAILED", "CANCELED"}, (
            f"{step_id} is paid twice"
        )

    def _object_to_beginning(self, step_id: StepId) -> None:
        status = self.state.status
        assert status is RunStatus.RUNNING or (status is RunStatus.CANCELLING and step_id in self.last), (
            f"{step_id} begins in a run that is {status}"
        )
        groups = (self.state.pipeline.steps, self.state.pipeline.on_failure, self.state.pipeline.finally_)
        group = {step.id: step for steps in groups if step_id in {one.id for one in steps} for step in steps}
        for need in group[step_id].needs:
            assert need not in group or self.state.steps[need].status.over, f"{step_id} begins before {need}"

    def _object_to_end(self, body: ev.EventBody) -> None:
        state, cancelled = self.state, self.state.status is RunStatus.CANCELLING
        assert isinstance(body, ev.RunCancelled) == cancelled
        for step in state.pipeline.finally_:
            assert state.steps[step.id].status.over, f"finally: {step.id} is left out"
        if state.failed_step is not None and not cancelled:
            for step in state.pipeline.on_failure:
                assert state.steps[step.id].status.over, f"on_failure: {step.id} is left out"
        if isinstance(body, ev.RunSucceeded):
            assert all(state.steps[step.id].status.over for step in state.pipeline.steps)
        for step_id, step_state in state.steps.items():
            assert step_state.status not in OPEN, f"{step_id} is {step_state.status} at the end"
        for request in self.requests:
            told = state.steps[request.step].unresolved_at is not None
            assert told or not self._unknown(request), f"{request.made} was made and nobody knows"
            assert told or not request.may_act(self.now), f"{request.step} may still be made"
        if cancelled:
            self._object_to_leftovers()

    def _object_to_leftovers(self) -> None:
        # One whose step has run out of time has been told to end.
        ending = {child for child, status in self.children.items() if status == "ending"}
        left = set(self.open_children()) - (ending & self.given_up)
        assert not left, "child runs go on after their parent was cancelled"
        for request in self.requests:
            ours = request.step not in self.last and not (request.settled_by_person or request.forgotten)
            if ours and request.made is not None and self.state.steps[request.step].unresolved_at is None:
                called_off = self.jobs.get(request.made, "") != "waiting" or request.made in self.refused
                assert called_off, f"job {request.made} goes on after its run was cancelled"

    def _check_decision(self, decision: Decision) -> None:
        state = self.state
        assert decision.wake_at is None or decision.wake_at > self.now, "it wants to be woken in the past"
        assert not (state.status.over and (decision.actions or decision.wake_at))
        for action in decision.actions:
            assert not isinstance(action, SpawnChildren)
            step_id = action.step.id
            # What is called off may have been given what is being fetched anew.
            if not isinstance(action, FanOut | CallOff) and action.step.foreach is None:
                given = self.given.setdefault((step_id, action.attempt), action.params)
                assert given == action.params, f"{step_id} is given other parameters than before"
            if state.status is RunStatus.PAUSED:
                assert isinstance(action, LookUp | Check), f"{action} in a paused run"
            elif state.status is RunStatus.CANCELLING and step_id not in self.last:
                # Whether a child run has begun is found out by beginning it.
                found_out = action.step.has_child_run and isinstance(action, FanOut | Perform)
                assert found_out or isinstance(action, LookUp | CallOff), f"{action} in a run being cancelled"
            else:
                assert not isinstance(action, CallOff), f"{action} without a wish"
        if state.status is RunStatus.RUNNING:
            self._check_timer(decision)
            if not decision.actions:
                self._check_rest(decision)

    def _check_timer(self, decision: Decision) -> None:
        """What has a time is woken no later, what was told is asked; a run's last steps only while its end is not put off."""
        asked = {action.step.id for action in decision.actions if not isinstance(action, SpawnChildren)}
        for step_id in self.main:
            step = self.state.steps[step_id]
            told = (
                step.status is StepStatus.WAITING
                and self.state.hint_count(step.correlation) > step.hints_checked
            )
            assert not told or step_id in asked, f"{step_id} was told, and does not ask"
            times = {
                StepStatus.WAITING: (step.deadline_at, step.next_check_at),
                StepStatus.RETRYING: (step.next_attempt_at,),
            }.get(step.status, ())
            for at in times:
                woken = decision.wake_at is not None and at is not None and decision.wake_at <= at
                assert at is None or at <= self.now or woken, f"nobody is woken at {at}"

    def _check_rest(self, decision: Decision) -> None:
        """Nobody acts and nobody is to be woken: then something outside is waited for."""
        if decision.wake_at is None:
            waits = [one for one in self.state.steps.values() if one.status is StepStatus.WAITING]
            assert waits, "nothing to do, nothing to wait for, and not over"

    def _settle(self, body: Any) -> None:
        if isinstance(body, ev.RunResumed):
            for request in self.requests:
                request.forgotten |= request.step in body.steps and not self._unknown(request)
        if isinstance(body, ev.StepCancelled) and body.reason.startswith("It could not be called off"):
            self.refused.update(
                one.made for one in self.requests if one.step == body.step and one.made is not None
            )
        if isinstance(body, ev.StepFailed) and body.error.code == CANNOT_TELL:
            for request in self.requests:
                if request.step == body.step:
                    request.settled = request.settled_by_person = True

    def _unknown(self, request: Request) -> bool:
        """Whether it made something of which the journal says nothing."""
        if request.made is None or request.settled:
            return False
        return not any(
            (isinstance(body := event.body, ev.StepAdopted) and request.made in _names(body))
            for event in self.journal
        )


def _names(body: ev.StepAdopted) -> set[Any]:
    return {*(body.outputs or {}).values(), *body.facts.values()}
