"""What still counts, and what is done again: journals that hypothesis found, made small."""

from functools import partial
from pathlib import Path

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.engine.control import ControlError, approving, resuming
from orchestrator.engine.messages import if_current
from orchestrator.engine.resumption import resumption
from tests.unit.domain.plays import Play, made, step

A, B, C, D = (StepId(name) for name in "abcd")

going_on = partial(
    resumption, leaves=lambda uses: "path" if uses == "fetch" else None, is_there=Path.is_absolute
)


def fetched(step_id: StepId) -> tuple[ev.EventBody, ...]:
    return ev.StepIntended(step_id, 1), ev.StepSucceeded(step_id, 1, {"path": f"/a/{step_id}"})


def failed(step_id: StepId) -> tuple[ev.EventBody, ...]:
    return ev.StepIntended(step_id, 1), ev.StepFailed(step_id, 1, ev.ErrorInfo("boom"))


def again(state: RunState, out: str = "/a") -> tuple[StepId, ...]:
    (resumed,) = going_on(state, out=out)
    assert isinstance(resumed, ev.RunResumed)
    return tuple(resumed.steps)


def test_an_old_outcome_does_not_count_for_a_step_that_waits_its_turn() -> None:
    """A step that is to be done again keeps its attempt's number until it begins: nobody else's word counts till then."""
    play = Play(Pipeline("p", steps=(step(A), step(B, "make", A))))
    play.happens(*failed(A), *failed(B), ev.RunFailed(ev.ErrorInfo("boom")), ev.RunResumed((A, B)))
    assert play.state.steps[B].status is StepStatus.PENDING
    assert if_current(play.state, ev.StepSucceeded(B, 1, {})) == ()


def test_nothing_leaves_for_a_run_that_is_being_cancelled() -> None:
    """A request that is about to leave when the wish comes stays; what `finally` sends leaves."""
    play = Play(Pipeline("p", steps=(step(A),), finally_=(step(B),)))
    play.happens(ev.StepIntended(A, 1), ev.StepIntended(B, 1), ev.RunCancelling())
    assert if_current(play.state, ev.StepSent(A, 1)) == ()
    assert if_current(play.state, ev.StepSent(B, 1)) == (ev.StepSent(B, 1),)


def test_a_file_that_is_being_used_is_not_fetched_anew() -> None:
    """Another folder for a run under way takes nothing away from the steps in the middle of their work."""
    play = Play(Pipeline("p", steps=(step(A, "fetch"), step(B, "fetch"), step(C, "make", A))))
    play.happens(*fetched(A), *fetched(B), ev.StepIntended(C, 1), ev.StepSent(C, 1))
    assert again(play.state, "/b") == (B,)


def test_a_file_that_is_being_used_is_not_fetched_anew_after_a_pause() -> None:
    """Nor does the end of a pause; a held step waits for its files like one that has not begun."""
    play = Play(
        Pipeline("p", steps=(step(A, "fetch"), step(B, "fetch"), step(C, "make", A), step(D, "make", B)))
    )
    play.happens(*fetched(A), *fetched(B), ev.StepIntended(C, 1), ev.StepWaiting(C, 1, "job", None))
    play.happens(
        ev.StepIntended(D, 1), ev.StepFailed(D, 1, ev.ErrorInfo("quota"), held=True), ev.RunPaused("quota")
    )
    assert again(play.state, "/b") == (B, D)


def test_a_video_is_not_paid_twice_for_what_its_run_could_do_without() -> None:
    """A retry does a failed wait again, not the job, although something ahead of the job had failed or was skipped."""
    note, skipped = step(A, "note", continue_on_error=True), step(B, "note")
    play = Play(Pipeline("p", steps=(note, skipped, step(C, "make", A, B), step(D, "wait", C))))
    play.happens(*failed(A), ev.StepSkipped(B, "not today"), *made(C), ev.StepIntended(D, 1))
    timeout = ev.ErrorInfo("late", code="TIMEOUT")
    play.happens(ev.StepWaiting(D, 1, "job", None), ev.StepFailed(D, 1, timeout), ev.RunFailed(timeout))
    assert again(play.state) == (D,)


def test_a_video_is_not_paid_twice_for_a_file_that_could_not_be_fetched_again() -> None:
    """What was made from an earlier copy of the file stays."""
    play = Play(Pipeline("p", steps=(step(A, "fetch"), step(B, "make", A))))
    play.happens(*fetched(A), *made(B), ev.RunSucceeded(), ev.RunResumed((A,), "/b"))
    play.happens(
        ev.StepIntended(A, 2), ev.StepFailed(A, 2, ev.ErrorInfo("boom")), ev.RunFailed(ev.ErrorInfo("boom"))
    )
    assert again(play.state, "/b") == (A,)


def test_a_step_that_failed_for_want_of_a_skipped_one_gets_it() -> None:
    """What was passed over right before a failure is gone through again."""
    play = Play(Pipeline("p", steps=(step(A, "note"), step(B, "make", A))))
    play.happens(ev.StepSkipped(A, "not today"), *failed(B), ev.RunFailed(ev.ErrorInfo("boom")))
    assert play.state.status is RunStatus.FAILED
    assert again(play.state) == (A, B)


def test_a_job_that_failed_is_made_anew_with_what_was_made_from_it() -> None:
    """Waiting for it again would not make it better."""
    play = Play(Pipeline("p", steps=(step(A), step(B, "wait", A), step(C, "note", A), step(D, "note"))))
    play.happens(*made(A), *fetched(C), *fetched(D), ev.StepIntended(B, 1), ev.StepWaiting(B, 1, "job", None))
    play.happens(ev.StepFailed(B, 1, ev.ErrorInfo("it failed")), ev.RunFailed(ev.ErrorInfo("it failed")))
    assert again(play.state) == (A, B, C)


def test_a_step_that_asks_once_for_each_item_is_not_approved_itself() -> None:
    """Its word would pass over those that wait for one."""
    play = Play(Pipeline("p", steps=(step(A, "approve", foreach=[1, 2]),)))
    play.happens(ev.StepIntended(A, 1), ev.StepWaiting(A, 1, "child", None))
    with pytest.raises(ControlError):
        approving(play.state, A, approved=True, by="me", comment="")


def test_a_run_that_fails_keeps_the_files_that_it_has() -> None:
    """Its steps for a failure use them, and no other step would fetch them again."""
    play = Play(Pipeline("p", steps=(step(A, "fetch"), step(B)), on_failure=(step(C, "make", A),)))
    play.happens(*fetched(A), *failed(B), ev.StepIntended(C, 1))
    play.happens(ev.StepFailed(C, 1, ev.ErrorInfo("quota"), held=True), ev.RunPaused("quota"))
    assert again(play.state, "/b") == (C,)


def test_a_step_that_cannot_look_for_what_it_made_gets_its_parameters_again() -> None:
    """Resumed, it would find nothing as long as the step is failed from which its own parameters come."""
    lost = ev.StepFailed(B, 1, ev.ErrorInfo("there is no 'a'", code="EXPRESSION"), held=True)
    optional = step(A, "fetch", continue_on_error=True)
    play = Play(Pipeline("p", steps=(optional, step(B, "make", A), step(C, "make", A))))
    play.happens(*failed(A), ev.StepIntended(B, 1), lost, ev.RunPaused("B"))
    (resumed,) = resuming(play.state)
    assert isinstance(resumed, ev.RunResumed)
    assert resumed.steps == (A, B)
    # Held for another reason, it is tried again alone.
    quota = ev.StepFailed(C, 1, ev.ErrorInfo("no credit"), held=True)
    play = Play(Pipeline("p", steps=(optional, step(C, "make", A))))
    play.happens(*failed(A), ev.StepIntended(C, 1), quota, ev.RunPaused("C"))
    (resumed,) = resuming(play.state)
    assert isinstance(resumed, ev.RunResumed)
    assert resumed.steps == (C,)
