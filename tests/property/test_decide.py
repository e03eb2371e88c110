"""`decide` under any order of outcomes: it ends, never skips a need, never repeats what may have been done."""

import copy
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain import events as ev
from orchestrator.domain.decide import Action, Check, LookUp, Perform, Policy, decide
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, StepStatus, replay
from orchestrator.errors import RetryClass

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(quiet_time_s=75, lookup_every_s=5)


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Small graphs; a step needs some of those before it."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 5))):
        needs = draw(st.sets(st.sampled_from([step.id for step in steps]), max_size=3)) if steps else set()
        steps.append(
            Step(
                StepId(f"s{number}"),
                "any",
                needs=tuple(sorted(needs)),
                retry=RetryPolicy(attempts=draw(st.integers(1, 3))),
                timeout_s=draw(st.sampled_from([None, 30.0, 3600.0])),
                continue_on_error=draw(st.booleans()),
                if_=draw(
                    st.sampled_from([None, None, "${{ 1 == 1 }}", "${{ 1 == 2 }}", "${{ run.failed }}"])
                ),
            )
        )
    cut = draw(st.integers(1, len(steps)))
    tail = steps[cut:]
    half = draw(st.integers(0, len(tail)))
    return Pipeline("p", steps=tuple(steps[:cut]), on_failure=tuple(tail[:half]), finally_=tuple(tail[half:]))


class Driver:
    """Plays a run: applies what `decide` records, answers its actions by drawing outcomes."""

    def __init__(self, pipeline: Pipeline, data: st.DataObject) -> None:
        self.state = RunState(RunId("run"), pipeline)
        self.data = data
        self.now = START
        self.journal: list[ev.Event] = []
        #: Creating requests that left and were never accounted for, per step.
        self.open: dict[StepId, datetime] = {}
        self.add(ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {}))

    def add(self, body: ev.EventBody) -> None:
        event = ev.Event(self.state.id, self.state.seq + 1, self.now, body)
        self.state.apply(event)
        self.journal.append(event)
        self.check(body)

    def check(self, body: ev.EventBody) -> None:
        match body:
            case ev.StepIntended(step=step_id):
                groups = (
                    self.state.pipeline.steps,
                    self.state.pipeline.on_failure,
                    self.state.pipeline.finally_,
                )
                group = {s.id: s for steps in groups if step_id in {s.id for s in steps} for s in steps}
                for need in group[step_id].needs:
                    assert need not in group or self.state.steps[need].status.over
                assert step_id not in self.open, "an attempt began while an earlier request was open"
            case ev.StepUnknown(step=step_id):
                self.open[step_id] = self.now
            case ev.StepLookedUp(step=step_id, began_at=began_at, conclusive=True):
                if began_at >= self.open[step_id] + timedelta(seconds=POLICY.quiet_time_s):
                    del self.open[step_id]
            case ev.StepAdopted(step=step_id):
                del self.open[step_id]
            case _:
                pass

    def play(self) -> None:
        for _ in range(3000):
            before = copy.deepcopy(self.state)
            decision = decide(self.state, self.now, POLICY)
            assert self.state == before, "decide changed the state"
            assert decision.wake_at is None or decision.wake_at > self.now
            if decision.records:
                for body in decision.records:
                    self.add(body)
                continue
            if self.state.status.over:
                assert not decision.actions
                return
            self.noise()
            if decision.actions:
                self.answer(self.data.draw(st.sampled_from(decision.actions)))
            elif decision.wake_at is not None:
                self.now = max(self.now, decision.wake_at)
            else:
                self.hint()
        raise AssertionError("the run does not end")

    def noise(self) -> None:
        """Time passes, and callbacks for anything may come at any time."""
        self.now += timedelta(seconds=self.data.draw(st.sampled_from([0, 0.001, 1, 40])))
        if self.data.draw(st.integers(0, 4)) == 0:
            self.add(ev.CallbackReceived(self.data.draw(st.sampled_from(["job", "other"])), "SUCCEED"))

    def hint(self) -> None:
        waiting = [s for s in self.state.steps.values() if s.status is StepStatus.WAITING]
        assert waiting, "nothing to do, nothing to wait for, and not over"
        self.add(ev.PollFound(waiting[0].correlation or "", "SUCCEED"))

    def pick(self, *bodies: ev.EventBody) -> None:
        self.add(self.data.draw(st.sampled_from(bodies)))

    def answer(self, action: Action) -> None:
        assert isinstance(action, Perform | LookUp | Check)
        step, attempt = action.step.id, action.attempt
        error = ev.ErrorInfo("boom", retry=self.data.draw(st.sampled_from(RetryClass)))
        if isinstance(action, LookUp):
            self.pick(
                ev.StepLookedUp(step, attempt, self.now),
                ev.StepLookedUp(step, attempt, self.now),
                ev.StepLookedUp(step, attempt, self.now, conclusive=False),
                ev.StepAdopted(step, attempt, {"id": 1}),
                ev.StepAdopted(step, attempt, None, {"id": 1}),
            )
            return
        if isinstance(action, Check):
            again_at = self.data.draw(st.sampled_from([None, self.now + timedelta(seconds=10)]))
            self.pick(
                ev.StepChecked(step, attempt, action.hints, again_at),
                ev.StepSucceeded(step, attempt, {}),
                ev.StepFailed(step, attempt, error),
            )
            return
        if self.data.draw(st.booleans()):
            self.add(ev.StepSent(step, attempt))
            if self.data.draw(st.booleans()):  # no answer, or the process died
                self.add(ev.StepUnknown(step, attempt, error))
                return
        again = self.now + timedelta(seconds=1) if attempt < action.step.retry.attempts else None
        deadline = self.data.draw(st.sampled_from([None, self.now + timedelta(seconds=50)]))
        self.pick(
            ev.StepSucceeded(step, attempt, {"x": 1}),
            ev.StepFailed(step, attempt, error, again),
            ev.StepWaiting(step, attempt, "job", deadline),
            ev.StepNoted(step, attempt, {"file_id": "f"}),
        )


@settings(max_examples=300, deadline=None)
@given(pipelines(), st.data())
def test_every_run_ends_and_nothing_is_repeated_too_early(pipeline: Pipeline, data: st.DataObject) -> None:
    """Whatever happens in whatever order, a run ends, and no creating request is repeated within its quiet time."""
    driver = Driver(pipeline, data)
    driver.play()
    assert replay(RunId("run"), pipeline, driver.journal) == driver.state


@settings(max_examples=200, deadline=None)
@given(pipelines(), st.data())
def test_every_event_survives_the_codec(pipeline: Pipeline, data: st.DataObject) -> None:
    """What a journal holds reads back equal."""
    driver = Driver(pipeline, data)
    driver.play()
    for event in driver.journal:
        assert ev.decode(event.body.TYPE, event.step, event.attempt, ev.encode(event.body)) == event.body
