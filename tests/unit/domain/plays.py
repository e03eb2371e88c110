"""Runs whose journals a test writes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.domain import events as ev
from orchestrator.domain.decide import Decision, Policy, decide
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(quiet_time_s=75, callable_off={"make": "job_id", "wait": None})
A, B, C = StepId("a"), StepId("b"), StepId("c")


class Play:
    """A run whose journal the test writes."""

    def __init__(self, plan: Pipeline) -> None:
        self.state = RunState(RunId("run"), plan)
        self.now = START
        self.happens(ev.RunCreated("n", "p", DefinitionHash("d"), RunKey("k"), {}), ev.RunStarted())

    def happens(self, *bodies: ev.EventBody, after_s: float = 0) -> "Play":
        self.now += timedelta(seconds=after_s)
        for body in bodies:
            self.state.apply(ev.Event(self.state.id, self.state.seq + 1, self.now, body))
        return self

    def decides(self, after_s: float = 0) -> Decision:
        """What follows once there is nothing more to record."""
        self.now += timedelta(seconds=after_s)
        recorded: list[ev.EventBody] = []
        while (decision := decide(self.state, self.now, POLICY)).records:
            recorded += decision.records
            self.happens(*decision.records)
        return Decision(recorded, decision.actions, decision.wake_at)


def step(step_id: StepId, uses: str = "make", *needs: StepId, **more: object) -> Step:
    return Step(step_id, uses, needs=needs, **more)  # type: ignore[arg-type]  # a test's own keywords


def made(step_id: StepId, job: str = "job") -> Sequence[ev.EventBody]:
    return (
        ev.StepIntended(step_id, 1),
        ev.StepSent(step_id, 1),
        ev.StepSucceeded(step_id, 1, {"job_id": job}),
    )
