"""The journal as lines for people."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.cli.runs_lines import log_line, said
from orchestrator.domain import events as ev
from orchestrator.domain.events import Event, EventBody
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.server.reads import EventView
from orchestrator.server.state_reads import event_view

AT = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
LATER = AT + timedelta(seconds=65)
MAKE, A = StepId("make"), RunId("01a")
ERROR = ev.ErrorInfo("no\n clay", "Buy clay.", "MSS.1", request_id="4f1c")

SAID: list[tuple[EventBody, str]] = [
    (ev.RunCreated("cup", "cups", DefinitionHash("d"), RunKey("k"), {}), "created: cup (cups)"),
    (
        ev.RunCreated("cup", "cups", DefinitionHash("d"), RunKey("k"), {}, rows_total=1000),
        "created: cup (cups, 1,000 rows)",
    ),
    (ev.RunStarted(), "started"),
    (ev.RunSucceeded({"a": 1}), "succeeded"),
    (ev.RunFailed(ERROR), "failed: no clay [MSS.1] (request id 4f1c) hint: Buy clay."),
    (ev.RunPaused("lunch"), "paused: lunch"),
    (ev.RunCancelling("wrong glaze"), "is being cancelled: wrong glaze"),
    (ev.RunCancelling(), "is being cancelled"),
    (ev.RunCancelled(), "cancelled"),
    (ev.RunResumed(), "goes on"),
    (ev.ChildrenCreated(100, created=98), "rows up to 100 have their runs, 98 of them new"),
    (ev.StepIntended(MAKE, 2), "attempt 2"),
    (ev.StepSent(MAKE, 1), "a creating request leaves"),
    (ev.StepNoted(MAKE, 1, {"asset_id": "7"}), "noted: asset_id=7"),
    (ev.StepWaiting(MAKE, 1, "job-7", None), "waiting for job-7"),
    (ev.StepChecked(MAKE, 1, 0), "asked: not over yet"),
    (ev.StepChecked(MAKE, 1, 0, conclusive=False), "asked: no answer"),
    (ev.StepSucceeded(MAKE, 1, {"path": "/a b", "size": 3}), "succeeded path=/a b size=3"),
    (ev.StepSucceeded(MAKE, 1, {}), "succeeded"),
    (ev.StepFailed(MAKE, 1, ERROR), "failed: no clay [MSS.1] (request id 4f1c) hint: Buy clay."),
    (
        ev.StepFailed(MAKE, 1, ERROR, LATER),
        "failed, again at 03:05:10Z: no clay [MSS.1] (request id 4f1c) hint: Buy clay.",
    ),
    (ev.StepFailed(MAKE, 1, ERROR, held=True), "held: no clay [MSS.1] (request id 4f1c) hint: Buy clay."),
    (ev.StepUnknown(MAKE, 1, ERROR), "no answer: no clay [MSS.1] (request id 4f1c) hint: Buy clay."),
    (ev.StepLookedUp(MAKE, 1, AT), "looked for what the request made: nothing"),
    (
        ev.StepLookedUp(MAKE, 1, AT, conclusive=False, error=ERROR),
        "looked for what the request made: no answer: no clay [MSS.1] (request id 4f1c) hint: Buy clay.",
    ),
    (ev.StepAdopted(MAKE, 1, {}), "adopted what a lost attempt had made"),
    (ev.StepSkipped(MAKE, "not wanted"), "skipped: not wanted"),
    (ev.StepCancelled(MAKE, 1, "The job was called off."), "cancelled: The job was called off."),
    (ev.StepDoubleCancelled(MAKE, 1, "7"), "a double was removed: 7"),
    (ev.StepReused(MAKE, A, {}), "kept from run 01a"),
    (ev.ApprovalGiven(MAKE, 1, approved=True, by="Ann"), "approved by Ann"),
    (ev.ApprovalGiven(MAKE, 1, approved=False, by="Ann", comment="too blue"), "rejected by Ann: too blue"),
    (ev.ChildEnded("02c", "succeeded"), "child run: succeeded"),
    (ev.CallbackReceived("job-7", "SUCCEED"), "callback: job-7 SUCCEED"),
    (ev.PollFound("job-7", "SUCCEED"), "poll: job-7 SUCCEED"),
]


def view(body: EventBody) -> EventView:
    return event_view(Event(A, 3, AT, body))


@pytest.mark.parametrize(("body", "words"), SAID)
def test_an_event_is_one_line(body: EventBody, words: str) -> None:
    """What happened, with error, request id and hint."""
    assert said(view(body)) == words


def test_every_event_has_words() -> None:
    """None is left out of the table above."""
    assert {body.TYPE for body, _ in SAID} == {body.TYPE for body in ev.EventBody.__args__}


def test_a_line_begins_with_time_and_place() -> None:
    """The step and its attempt, or the run."""
    assert (
        log_line(view(ev.StepSent(MAKE, 2))) == "2026-01-02 03:04:05.678Z  make #2  a creating request leaves"
    )
    assert log_line(view(ev.RunStarted())) == "2026-01-02 03:04:05.678Z  run  started"


def test_a_long_value_is_cut() -> None:
    """The whole of it is in the JSON."""
    words = said(view(ev.StepNoted(MAKE, 1, {"text": "x" * 1000})))
    assert (len(words), words[-1]) == (212, "…")


def test_an_event_of_a_newer_version_is_shown_as_it_is() -> None:
    """A daemon may know more than the command."""
    new = EventView(A, 3, "run.mended", AT, payload={"with": "glue"})
    assert said(new) == "run.mended with=glue"
