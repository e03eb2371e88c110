"""Why steps and runs wait, in words."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.events import Event, EventBody
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState
from orchestrator.engine.live import Progress
from orchestrator.errors import RetryClass
from orchestrator.limits.base import Waiting, Why
from orchestrator.server.waiting import NoInsight, QueuedCall, Reasons

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = AT + timedelta(seconds=65)
MAKE, LOOK, WAIT, EACH = map(StepId, ("make", "look", "wait", "each"))
PIPELINE = Pipeline(
    name="cups",
    steps=(
        Step(MAKE, "asset.create"),
        Step(WAIT, "video.wait", needs=(MAKE,)),
        Step(LOOK, "approve", with_={"message": "Is ${{ run.name }} blue enough?"}, needs=(MAKE, WAIT)),
        Step(EACH, "sleep", foreach="${{ inputs.items }}", needs=(LOOK,)),
    ),
)
ERROR = ev.ErrorInfo("The account's balance is used up.", "Top it up.", "MSS.1", RetryClass.QUOTA)


class Insight:
    """What a living process knows, given by hand."""

    def __init__(self, call: QueuedCall | None = None, progress: Progress | None = None) -> None:
        self._call, self._progress = call, progress

    def queued(self, run_id: RunId, step: StepId) -> QueuedCall | None:
        return self._call

    def progress(self, run_id: RunId, step: StepId) -> Progress | None:
        return self._progress


def state(*bodies: EventBody, rows: int | None = None) -> RunState:
    """A run to which this has happened."""
    found = RunState(RunId("01r"), PIPELINE)
    created = ev.RunCreated("cup", "cups", DefinitionHash("d"), RunKey("k"), {}, rows_total=rows)
    for seq, body in enumerate((created, ev.RunStarted(), *bodies), 1):
        found.apply(Event(found.id, seq, AT, body))
    return found


def said(found: RunState, step: StepId, reasons: Reasons | None = None) -> str:
    one = next(step_ for step_ in found.pipeline.steps if step_.id == step)
    return (reasons or Reasons(NoInsight())).step(found, one)


@pytest.mark.parametrize(
    ("bodies", "step", "words"),
    [
        ((), MAKE, ""),
        ((), WAIT, "step make"),
        ((), LOOK, "steps make, wait"),
        ((ev.RunPaused("lunch"),), MAKE, "the pause"),
        ((ev.StepIntended(MAKE, 1),), MAKE, ""),
        (
            (ev.StepIntended(MAKE, 1), ev.StepUnknown(MAKE, 1, ERROR)),
            MAKE,
            "an answer was lost: looking for what the request may have made",
        ),
        (
            (ev.StepIntended(MAKE, 1), ev.StepFailed(MAKE, 1, ev.ErrorInfo("Slow down.", code="429"), LATER)),
            MAKE,
            "next attempt at 03:05:10 UTC after 429: Slow down",
        ),
        (
            (ev.StepIntended(MAKE, 1), ev.StepFailed(MAKE, 1, ERROR, held=True)),
            MAKE,
            "held: MSS.1: The account's balance is used up; `orchestrator runs resume 01r`",
        ),
        ((ev.StepWaiting(WAIT, 1, "job-7", None),), WAIT, "job-7"),
        ((ev.StepWaiting(WAIT, 1, "job-7", LATER),), WAIT, "job-7, at most until 03:05:10 UTC"),
        (
            (ev.StepWaiting(WAIT, 1, "nap", None, LATER, polled=False),),
            WAIT,
            "nap, asked next at 03:05:10 UTC",
        ),
        (
            (ev.StepWaiting(LOOK, 1, "approval", None),),
            LOOK,
            "approval (Is cup blue enough?): `orchestrator runs approve 01r --step look`",
        ),
        (
            (ev.StepWaiting(EACH, 1, "02c", None),),
            EACH,
            "the runs of its items: `orchestrator runs list --parent 02c`",
        ),
        ((ev.StepIntended(MAKE, 1), ev.StepSucceeded(MAKE, 1, {})), MAKE, ""),
    ],
)
def test_a_step_says_what_it_waits_for(bodies: Sequence[EventBody], step: StepId, words: str) -> None:
    """From the journal alone."""
    assert said(state(*bodies), step) == words


def test_a_callback_that_may_be_lost_is_polled_for() -> None:
    """Where the poller looks for it, it says when."""
    found = state(ev.StepWaiting(WAIT, 1, "job-7", None))
    words = Reasons(NoInsight()).step(found, PIPELINE.steps[1], {WAIT: LATER})
    assert words == "callback of job-7, polled next at 03:05:10 UTC"


def test_a_queued_call_says_where_it_stands() -> None:
    """Its quota, how many are ahead, for how long; and what holds it back if that is not the quota."""
    call = Waiting("create2_d_digital_human_video", "01r/make", 41, 14.2, 3.0)
    found = state(ev.StepIntended(MAKE, 1))
    words = "start an avatar video job: 3/s, 41 ahead, about 14 s"
    assert said(found, MAKE, Reasons(Insight(QueuedCall(call, 3.0)))) == words
    slowed = Waiting("no_such_operation", "01r/make", 1041, 2.0, 3.0, Why.PAUSED)
    words = "no_such_operation: 0.5/s, 1,041 ahead, about 2 s, paused after a refusal"
    assert said(found, MAKE, Reasons(Insight(QueuedCall(slowed, 0.5)))) == words


def test_a_transfer_says_how_far_it_is() -> None:
    """With its share where the whole is known."""
    found = state(ev.StepIntended(MAKE, 1))
    assert said(found, MAKE, Reasons(Insight(progress=Progress("uploading", 1, 4)))) == "uploading 25 %"
    assert said(found, MAKE, Reasons(Insight(progress=Progress("hashing", 1, 0)))) == "hashing"


@pytest.mark.parametrize(
    ("bodies", "words"),
    [
        (
            (ev.StepIntended(MAKE, 1), ev.StepSucceeded(MAKE, 1, {}), ev.StepWaiting(WAIT, 1, "job", None)),
            "job",
        ),
        ((ev.StepIntended(MAKE, 1),), "step make"),
        ((ev.RunPaused("Lunch."),), "paused: Lunch; `orchestrator runs resume 01r`"),
        ((ev.RunCancelling("wrong glaze"),), "wrong glaze"),
        ((ev.RunCancelling("wrong glaze"), ev.RunCancelled()), "wrong glaze"),
        ((ev.RunSucceeded({}),), ""),
    ],
)
def test_a_run_says_what_it_waits_for(bodies: Sequence[EventBody], words: str) -> None:
    """What is under way comes before what only waits for other steps."""
    assert Reasons(NoInsight()).run(state(*bodies)) == words


def test_a_table_says_how_far_it_is() -> None:
    """Rows that are done, that failed, and that are paused."""
    found = state(rows=1000)
    found.children_succeeded, found.children_failed, found.children_paused = 39, 2, 3
    assert Reasons(NoInsight()).run(found) == "41 of 1,000 rows done; 2 failed; 3 paused"
    found.children_failed = found.children_paused = 0
    assert Reasons(NoInsight()).run(found) == "39 of 1,000 rows done"
