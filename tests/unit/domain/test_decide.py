"""`decide` at points that are easy to get wrong, each from a journal of a few events."""

from datetime import timedelta

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.decide import CallOff, Check, LookUp, Perform
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.errors import RetryClass
from tests.unit.domain.plays import START, Play, made, step

A, B, C = StepId("a"), StepId("b"), StepId("c")


def test_a_job_that_nobody_waits_for_yet_is_called_off() -> None:
    """What a step has started is stopped although the step itself has succeeded; then the run is cancelled."""
    play = Play(Pipeline("p", steps=(step(A), step(B, "wait", A)))).happens(*made(A), ev.RunCancelling())
    assert play.decides().actions == [CallOff(step(A), 1, {}, "job")]
    play.happens(ev.StepCancelled(A, 1, "called off"))
    assert play.decides().records == [ev.RunCancelled()]


def test_a_job_made_because_of_a_failure_is_called_off() -> None:
    """Steps of `on_failure` are no less paid than the others."""
    play = Play(Pipeline("p", steps=(step(A),), on_failure=(step(B), step(C, "wait", B))))
    play.happens(
        ev.StepIntended(A, 1), ev.StepFailed(A, 1, ev.ErrorInfo("boom")), *made(B), ev.RunCancelling()
    )
    assert play.decides().actions == [CallOff(step(B), 1, {}, "job")]


def test_a_job_of_an_earlier_run_is_left_alone() -> None:
    """A replay that is cancelled stops nothing that it only kept."""
    play = Play(Pipeline("p", steps=(step(A), step(B, "approve", A))))
    play.happens(ev.StepReused(A, RunId("old"), {"job_id": "job"}), ev.RunCancelling())
    assert play.decides().records == [ev.RunCancelled()]


def test_a_step_that_was_called_off_can_still_be_named() -> None:
    """`finally` may say which job was stopped."""
    told = Step(B, "tell", {"job": "${{ steps.a.job_id }}"})
    play = Play(Pipeline("p", steps=(step(A),), finally_=(told,)))
    play.happens(*made(A), ev.RunCancelling(), ev.StepCancelled(A, 1, "called off"))
    assert play.decides().actions == [Perform(told, 1, {"job": "job"})]


def test_what_cannot_be_called_off_for_want_of_its_parameters_ends_cancelled() -> None:
    """The job's step had a file that is being fetched anew: the run says so and ends, and no step fails after its end."""
    maker = Step(B, "make", {"path": "${{ steps.a.path }}"}, needs=(A,))
    play = Play(Pipeline("p", steps=(step(A, "fetch"), maker)))
    play.happens(ev.StepIntended(A, 1), ev.StepSucceeded(A, 1, {"path": "x"}), *made(B), ev.RunSucceeded())
    play.happens(ev.RunResumed((A,), "/elsewhere"), ev.RunCancelling())
    play.decides()
    assert play.state.status is RunStatus.CANCELLED
    assert play.state.steps[B].status is StepStatus.CANCELLED


def test_a_held_step_says_why_when_its_run_is_cancelled() -> None:
    """Nobody is told that nothing was under way when nobody knows."""
    error = ev.ErrorInfo("Nobody knows.", retry=RetryClass.SUPPORT)
    play = Play(Pipeline("p", steps=(step(A),)))
    play.happens(
        ev.StepIntended(A, 1), ev.StepSent(A, 1), ev.StepFailed(A, 1, error, held=True), ev.RunCancelling()
    )
    assert play.decides().records[0] == ev.StepCancelled(A, 1, "It was held: Nobody knows.")


NO_ANSWER = ev.ErrorInfo("The answer was lost.", "Look at room 1.", "NO_ANSWER", RetryClass.SUPPORT)


def test_a_cancelled_run_names_what_nobody_looks_after() -> None:
    """What was held because its answer was lost may go on at the provider, and costs money; a quota does not."""
    quota = ev.ErrorInfo("no credit", retry=RetryClass.SUPPORT)
    play = Play(Pipeline("p", steps=(step(A), step(B))))
    play.happens(ev.StepIntended(A, 1), ev.StepSent(A, 1), ev.StepFailed(A, 1, NO_ANSWER, held=True))
    play.happens(ev.StepIntended(B, 1), ev.StepFailed(B, 1, quota, held=True), ev.RunCancelling("Enough."))
    assert play.decides().records[-1] == ev.RunCancelled("Step a: The answer was lost. Look at room 1.")
    assert play.state.reason == "Enough. Step a: The answer was lost. Look at room 1."


def test_a_failed_run_names_what_nobody_looks_after() -> None:
    """A failure beside a held step ends the run; its message tells of both."""
    play = Play(Pipeline("p", steps=(step(A), step(B))))
    play.happens(ev.StepIntended(A, 1), ev.StepSent(A, 1), ev.StepFailed(A, 1, NO_ANSWER, held=True))
    play.happens(ev.StepIntended(B, 1), ev.StepFailed(B, 1, ev.ErrorInfo("boom", "mend it")))
    play.decides()
    assert play.state.error == ev.ErrorInfo(
        "Step b: boom Step a: The answer was lost. Look at room 1.", "mend it"
    )


def unresolved(plan: Pipeline) -> Play:
    play = Play(plan).happens(ev.StepIntended(A, 1), ev.StepSent(A, 1))
    refused = ev.StepLookedUp(A, 1, START, conclusive=False, error=ev.ErrorInfo("wrong keys"))
    play.decides(after_s=200)
    play.happens(refused)
    play.decides()
    assert play.state.status is RunStatus.PAUSED
    return play


def test_what_is_unresolved_is_looked_for_when_its_turn_comes() -> None:
    """A resumed step begins by looking, not by sending, and no sooner than the steps that it needs are done."""
    play = unresolved(Pipeline("p", steps=(step(A),)))
    decision = play.happens(ev.RunResumed((A,))).decides()
    assert decision.records == [ev.StepIntended(A, 2)]
    assert decision.actions == [LookUp(step(A), 2, {})]
    assert play.state.steps[A].status is StepStatus.UNKNOWN


def test_what_is_unresolved_waits_for_what_it_needs() -> None:
    """Its parameters are not there before; that is no failure of the step."""
    maker = Step(A, "make", {"path": "${{ steps.b.path }}"}, needs=(B,))
    play = Play(Pipeline("p", steps=(step(B, "fetch"), maker)))
    play.happens(ev.StepIntended(B, 1), ev.StepSucceeded(B, 1, {"path": "x"}))
    play.happens(ev.StepIntended(A, 1), ev.StepSent(A, 1))
    play.happens(
        ev.StepLookedUp(A, 1, START, conclusive=False, error=ev.ErrorInfo("wrong keys")), after_s=200
    )
    play.decides()
    decision = play.happens(ev.RunResumed((A, B), "/elsewhere")).decides()
    assert [action.step.id for action in decision.actions if isinstance(action, Perform)] == [B]
    assert play.state.steps[A].status is StepStatus.PENDING


def test_what_was_adopted_is_no_longer_unresolved() -> None:
    """A step that fails for another reason later may be repeated."""
    play = unresolved(Pipeline("p", steps=(step(A),))).happens(ev.RunResumed((A,)))
    play.decides()
    play.happens(ev.StepAdopted(A, 2, None, {"id": "x"}), ev.StepFailed(A, 2, ev.ErrorInfo("boom")))
    assert play.state.steps[A].unresolved_at is None


def test_items_are_told_to_end_at_once() -> None:
    """A look at them shortly before the wish does not put it off."""
    items = step(A, "make", foreach=[1])
    play = Play(Pipeline("p", steps=(items,))).happens(ev.StepIntended(A, 1))
    play.happens(ev.StepWaiting(A, 1, "child", None, START + timedelta(seconds=30), check_every_s=30))
    play.happens(ev.StepChecked(A, 1, 0, START + timedelta(seconds=60)), after_s=30)
    assert play.happens(ev.RunCancelling()).decides().actions == [CallOff(items, 1, {}, "child")]


@pytest.mark.parametrize("conclusive", [True, False])
def test_a_hint_breaks_the_pause_between_two_checks(conclusive: bool) -> None:
    """Whoever is told that it is over asks at once."""
    play = Play(Pipeline("p", steps=(step(A, "wait"),))).happens(ev.StepIntended(A, 1))
    play.happens(ev.StepWaiting(A, 1, "job", None))
    play.happens(ev.StepChecked(A, 1, 0, START + timedelta(seconds=300), conclusive=conclusive))
    assert play.decides().actions == []
    play.happens(ev.CallbackReceived("job", "SUCCEED"))
    assert play.decides().actions == [Check(step(A, "wait"), 1, {}, "job", 1)]


def test_a_callback_that_came_before_the_wait_counts() -> None:
    """A job may be over before its create call has returned: the wait begins with asking."""
    play = Play(Pipeline("p", steps=(step(A, "wait"),)))
    play.happens(
        ev.CallbackReceived("job", "SUCCEED"), ev.StepIntended(A, 1), ev.StepWaiting(A, 1, "job", None)
    )
    assert play.decides().actions == [Check(step(A, "wait"), 1, {}, "job", 1)]


def test_a_look_up_without_its_parameters_proves_nothing() -> None:
    """A step that cannot be looked for is held as unresolved, so that it is never simply sent again."""
    maker = Step(B, "make", {"path": "${{ steps.a.path }}"}, needs=(A,))
    play = Play(Pipeline("p", steps=(step(A, "fetch"), maker)))
    play.happens(ev.StepIntended(A, 1), ev.StepSucceeded(A, 1, {}), ev.StepIntended(B, 1), ev.StepSent(B, 1))
    play.decides(after_s=200)
    unknown = play.state.steps[B]
    assert (unknown.status, unknown.unresolved_at) == (StepStatus.HELD, START)
