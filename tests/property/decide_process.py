"""The engine without asyncio, and its steps: what they do, and how that may end."""

from datetime import timedelta
from functools import partial
from typing import assert_never

from orchestrator.domain import events as ev
from orchestrator.domain.decide import (
    CallOff,
    Check,
    Decision,
    FanOut,
    LookUp,
    Perform,
    SpawnChildren,
    decide,
)
from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Step
from orchestrator.domain.retry import next_attempt_at
from orchestrator.engine.messages import if_current, nothing
from orchestrator.errors import RetryClass
from tests.property.decide_facts import (
    CANNOT_TELL,
    MOST_MOVES,
    POLICY,
    RUN,
    START,
    Facts,
    Make,
    Request,
    Work,
)


class Process(Facts):
    """A process that carries the run, until it dies."""

    # The engine

    def turn(self, make: Make = nothing) -> None:
        """As `engine.turns`: apply what happened, decide until nothing more follows, write down, then begin."""
        after = len(self.journal)
        for body in make(self.state):
            self.add(body)
        decision = self._decide()
        self._check_decision(decision)
        new = self.journal[after:]
        if new:
            self.wake_at = START if decision.actions else decision.wake_at
        self.timer = None if self.state.status.over else decision.wake_at
        for event in new:
            if isinstance(event.body, ev.StepCancelled):
                self._withdraw(event.body.step)
        for work in self.work.values():
            # An approval ends a wait that is being asked about, and two steps may have the same job called off: what
            # those bring does not count any more.
            late = isinstance(work.action, Check | CallOff)
            assert late or not self.state.status.over, "under way at the end"
        for action in decision.actions:
            assert not isinstance(action, SpawnChildren)
            if action.step.id not in self.work:
                step = self.state.steps[action.step.id]
                self.work[action.step.id] = Work(
                    action, step.attempts_before, self.state.hint_count(step.correlation)
                )

    def _decide(self) -> Decision:
        """What there is to do once there is nothing more to record."""
        for _ in range(MOST_MOVES):
            before = repr(self.state) if self.watches else ""
            decision = decide(self.state, self.now, POLICY)
            assert not before or repr(self.state) == before, "decide changes the state"
            if not decision.records:
                return decision
            for body in decision.records:
                self.add(body)
        raise AssertionError("decide never comes to rest")

    def add(self, body: ev.EventBody) -> None:
        """One event; objects to what must not happen now."""
        step_id: StepId | None = getattr(body, "step", None)
        before = None if step_id is None else self.state.steps[step_id]
        self._object(body, before)
        event = ev.Event(RUN, self.state.seq + 1, self.now, body)
        about = body.steps if isinstance(body, ev.RunResumed) else () if step_id is None else (step_id,)
        was, run_was = [self.state.steps[one].status for one in about], self.state.status
        self.state.apply(event)
        self.journal.append(event)
        for one, status in zip(about, was, strict=True):
            if one == step_id or self.state.steps[one].status is not status:
                self.step_moves.add((status, self.state.steps[one].status, body.TYPE))
        if self.state.status is not run_was:
            self.run_moves.add((run_was, self.state.status, body.TYPE))
        self._settle(body)

    def _withdraw(self, step_id: StepId) -> None:
        work = self.work.pop(step_id, None)
        if work is not None:
            assert work.request is None or work.request.settled, (
                "a request is given up while it is unanswered"
            )
            self.strays.append(ev.StepSucceeded(step_id, work.action.attempt, {}))
            self.strays.append(ev.StepFailed(step_id, work.action.attempt, ev.ErrorInfo("late")))

    def _ends(self, work: Work, body: ev.EventBody) -> None:
        """The action's last word."""
        del self.work[work.action.step.id]
        self.strays.append(body)
        self.turn(partial(if_current, body=body))

    # What steps do

    def goes_on(self) -> None:
        """Something that is under way gets a bit further."""
        work = self.pick(list(self.work.values()))
        action = work.action
        match action:
            case Perform():
                self._perform(work, action)
            case FanOut():
                self._begin_child(action)
            case LookUp():
                self._look_up(work, action)
            case Check():
                self._check(work, action)
            case CallOff():
                self._call_off(action)
            case _:
                assert_never(action)

    def _perform(self, work: Work, action: Perform) -> None:
        step, attempt = action.step, action.attempt
        if step.pipeline is not None:
            self._begin_child(action)
        elif step.uses == "wait":
            self._ends(work, self._waiting(step, attempt, action.params["job_id"]))
        elif step.uses == "approve":
            self._ends(work, self._waiting(step, attempt, "approval"))
        elif work.request is None and self.pick([False, False, False, True]):
            self._ends(work, self._failed(work))
        elif step.uses == "fetch":
            self._ends(work, ev.StepSucceeded(step.id, attempt, self._outputs_of(step, str(step.id))))
        elif work.request is None and not self._has_part(work):
            self._send(work)
        elif work.request is None:
            self._ends(work, ev.StepSucceeded(step.id, attempt, {"id": "whole"}))
        else:
            self._answer(work, work.request)

    def _has_part(self, work: Work) -> bool:
        facts = {**self.state.steps[work.action.step.id].facts, **work.facts}
        return work.action.step.uses == "put" and "id" in facts

    def _send(self, work: Work) -> None:
        step_id, attempt = work.action.step.id, work.action.attempt
        events = len(self.journal)
        self.turn(partial(if_current, body=ev.StepSent(step_id, attempt)))
        if any(isinstance(event.body, ev.StepSent) for event in self.journal[events:]):
            work.request = Request(step_id, self.now)
            self.requests.append(work.request)
        else:  # superseded: it does not leave
            self.work.pop(step_id, None)
            self.turn()

    def _answer(self, work: Work, request: Request) -> None:
        step, attempt = work.action.step, work.action.attempt
        late = self.now > request.sent_at + timedelta(seconds=POLICY.answer_within_s)
        match "lost" if late else self.pick(["made", "made", "refused", "lost", "lost and made"]):
            case "made":
                made = self._act(request)
                request.settled = True
                if step.uses == "make":
                    self._ends(work, ev.StepSucceeded(step.id, attempt, self._outputs_of(step, made)))
                else:
                    work.request, work.facts = None, {"id": made}
                    self.turn(partial(if_current, body=ev.StepNoted(step.id, attempt, {"id": made})))
            case "refused":
                request.settled = request.made is None
                if request.settled:
                    self._ends(work, self._failed(work))
            case ends:
                request.broke(self.now)
                if ends == "lost and made" and request.may_act(self.now):
                    self._act(request)
                self._ends(work, ev.StepUnknown(step.id, attempt, ev.ErrorInfo("no answer")))

    def _act(self, request: Request) -> str:
        """The provider carries a request out."""
        if request.made is None:
            request.made = (
                f"{request.step}-{len(self.requests)}-{sum(one.made is not None for one in self.requests)}"
            )
            if self._uses(request.step) == "make":
                self.jobs[request.made] = "waiting"
        return request.made

    def _failed(self, work: Work) -> ev.StepFailed:
        """As `Executor._failed`."""
        step, attempt = work.action.step, work.action.attempt
        info = ev.ErrorInfo("boom", retry=self.pick(list(RetryClass)))
        again_at = next_attempt_at(
            step.retry, attempt=attempt - work.made_before, retry=info.retry, now=self.now, salt=""
        )
        if again_at is not None:
            return ev.StepFailed(step.id, attempt, info, again_at)
        return self._for_good(step, attempt, info)

    def _for_good(self, step: Step, attempt: int, info: ev.ErrorInfo) -> ev.StepFailed:
        held = info.retry in {RetryClass.QUOTA, RetryClass.SUPPORT} and not step.continue_on_error
        return ev.StepFailed(step.id, attempt, info, held=held)

    def _waiting(
        self, step: Step, attempt: int, correlation: str, every_s: float | None = None
    ) -> ev.StepWaiting:
        timeout_s = None if step.foreach is not None else step.timeout_s
        return ev.StepWaiting(
            step.id,
            attempt,
            correlation,
            deadline_at=None if timeout_s is None else self.now + timedelta(seconds=timeout_s),
            next_check_at=None if every_s is None else self.now + timedelta(seconds=every_s),
            polled=every_s is None,
            check_every_s=every_s,
        )

    def _begin_child(self, action: FanOut | Perform) -> None:
        """Its child run is known by the step: an interrupted attempt's is taken up, and a failed one goes on."""
        work, child = self.work[action.step.id], f"run of {action.step.id}"
        if child not in self.children:
            self.children[child] = "under way"
            if self.pick([True, False]):
                return  # it is there, and this process does not know yet
        elif self.children[child] in {"failed", "cancelled"}:
            self.children[child] = "under way"
            self.given_up.discard(child)
        self._ends(work, self._waiting(action.step, action.attempt, child, every_s=30.0))

    def _look_up(self, work: Work, action: LookUp) -> None:
        step, attempt = action.step, action.attempt
        if work.began_at is None:
            work.began_at = self.now
            work.answer = [one for one in self.requests if self._unknown(one) and one.step == step.id]
            return
        match self.pick(["true", "true", "true", "no answer", "refused", "cannot tell"]):
            case "no answer":
                error = ev.ErrorInfo("down", retry=RetryClass.LATER)
                self._ends(
                    work, ev.StepLookedUp(step.id, attempt, work.began_at, conclusive=False, error=error)
                )
            case "refused":
                error = ev.ErrorInfo("wrong keys")
                self._ends(
                    work, ev.StepLookedUp(step.id, attempt, work.began_at, conclusive=False, error=error)
                )
            case "cannot tell":
                info = ev.ErrorInfo("cannot tell", code=CANNOT_TELL, retry=RetryClass.SUPPORT)
                self._ends(work, self._for_good(step, attempt, info))
            case _ if work.answer:
                made = work.answer[0].made
                outputs = self._outputs_of(step, made) if step.uses == "make" else None
                facts = {} if step.uses == "make" else {"id": made}
                self._ends(work, ev.StepAdopted(step.id, attempt, outputs, facts))
            case _:
                self._ends(work, ev.StepLookedUp(step.id, attempt, work.began_at))

    def _check(self, work: Work, action: Check) -> None:
        step, attempt, correlation = action.step, action.attempt, action.correlation
        if work.began_at is None:
            work.began_at = self.now
            work.answer = self.jobs.get(correlation) or self.children.get(correlation) or "waiting"
            return
        # Of a child run the store tells, and without that nothing goes on.
        if step.pipeline is None and self.pick([False, False, False, True]):
            again_at = self.now + timedelta(seconds=10)
            self._ends(work, ev.StepChecked(step.id, attempt, action.hints, again_at, conclusive=False))
        elif work.answer in {"waiting", "under way", "ending"}:
            every_s, until = self.state.steps[step.id].check_every_s, self.state.steps[step.id].deadline_at
            if step.pipeline is not None and until is not None and until <= self.now:
                self.children[correlation] = "ending"
                self.given_up.add(correlation)
            again_at = None if every_s is None else self.now + timedelta(seconds=every_s)  # type: ignore[assignment] # no check is asked for
            self._ends(work, ev.StepChecked(step.id, attempt, action.hints, again_at))
        elif work.answer in {"SUCCEED", "succeeded"}:
            outputs = {"job_id": correlation} if step.foreach is None else {"results": [], "total": 2}
            self._ends(work, ev.StepSucceeded(step.id, attempt, outputs))
        else:
            self._ends(work, ev.StepFailed(step.id, attempt, ev.ErrorInfo(f"it ended as {work.answer}")))

    def _call_off(self, action: CallOff) -> None:
        step, called = action.step, action.correlation
        if called in self.children:
            self._call_off_child(action)
            return
        if self.jobs.get(called) == "waiting":
            if self.pick([True, True, False]):
                self.jobs[called] = "CANCELED"
            else:
                self.refused.add(called)
        if self.pick([True, True, True, False]):  # else: done, and the answer is still on its way
            self._ends(self.work[step.id], ev.StepCancelled(step.id, action.attempt, "called off"))

    def _call_off_child(self, action: CallOff) -> None:
        """It ends by itself; until then it is asked for now and then."""
        step, child = action.step, action.correlation
        work = self.work[step.id]
        if child not in self.open_children():
            self._ends(work, ev.StepCancelled(step.id, action.attempt, "the run is over"))
            return
        self.children[child] = "ending"
        again_at = self.now + timedelta(seconds=30)
        self._ends(work, ev.StepChecked(step.id, action.attempt, work.hints, again_at))
