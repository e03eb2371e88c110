"""The board keeps up with the journal, whatever it misses."""

from datetime import timedelta

import pytest

from orchestrator.cli.progress.board import Board, Told, Tone, told
from orchestrator.domain import events as ev
from orchestrator.domain.events import Event
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import StepStatus
from orchestrator.engine.control import UnknownRunError
from orchestrator.errors import RetryClass
from orchestrator.store.memory import MemoryStore
from tests.unit.cli.conftest import BEGAN_AT, Book

MAKE, WAIT = StepId("make"), StepId("wait")


async def test_a_run_without_rows_is_the_one_on_the_board(book: Book) -> None:
    """Its steps show as the journal has them."""
    await book.begin("a")
    await book.write("a", ev.StepIntended(MAKE, 1))
    board = await Board.load(book.store, RunId("a"))
    assert (board.total, [state.name for state in board.under_way]) == (1, ["cups"])
    assert board.runs[RunId("a")].steps[MAKE].status is StepStatus.RUNNING


async def test_events_tell_their_line_and_move_the_board(book: Book) -> None:
    """An event that matters becomes a line; the run's end is counted."""
    await book.begin("a")
    board = await Board.load(book.store, RunId("a"))
    events = await book.write(
        "a", ev.StepIntended(MAKE, 1), ev.StepSucceeded(MAKE, 1, {}), ev.RunSucceeded({})
    )
    lines = [await board.take(event) for event in events]
    assert lines == [
        None,
        Told("cups", "make", "succeeded", Tone.GOOD),
        Told("cups", "", "succeeded", Tone.GOOD),
    ]
    assert (board.succeeded, board.failed, board.under_way) == (1, 0, [])


@pytest.mark.parametrize("foreground", [False, True])
async def test_a_step_that_waits_for_a_person_says_how_to_answer(foreground: bool) -> None:
    """Also that a run in the foreground has to be stopped before: it holds the state."""
    ask = Step(StepId("ask"), "approve", {"message": "Is it fine?"})
    book = Book(MemoryStore(), Pipeline("cups", steps=(ask,)))
    await book.begin("a")
    board = await Board.load(book.store, RunId("a"), foreground=foreground)
    events = await book.write("a", ev.StepIntended(ask.id, 1), ev.StepWaiting(ask.id, 1, "x", None))
    line = [await board.take(event) for event in events][-1]
    assert line is not None
    asked = "waits for approval (Is it fine?): `orchestrator runs approve a --step ask`"
    assert line.what.startswith(asked)
    assert ("Ctrl-C" in line.what) is foreground


async def test_children_appear_as_they_are_born(book: Book) -> None:
    """The rows of a table come one after the other, each under its own name."""
    await book.begin("p", rows=["blue", "red"])
    board = await Board.load(book.store, RunId("p"))
    await book.bear("p", "p0", 0)
    await book.write("p0", ev.RunStarted(), ev.RunFailed(ev.ErrorInfo("no clay")))
    lines = [line for event in book.published if (line := await board.take(event))]
    assert lines == [Told("blue", "", "started"), Told("blue", "", "failed: no clay", Tone.BAD)]
    assert (board.total, board.succeeded, board.failed) == (2, 0, 1)


async def test_what_happened_before_is_read_from_the_store(book: Book) -> None:
    """A board made in the middle knows the rows that are over and those that are not."""
    await book.begin("p", rows=["blue", "red"])
    await book.bear("p", "p0", 0)
    await book.bear("p", "p1", 1)
    await book.write("p0", ev.RunStarted(), ev.RunSucceeded({}))
    board = await Board.load(book.store, RunId("p"))
    assert (board.succeeded, [state.name for state in board.under_way]) == (1, ["red"])
    assert [state.name for state in board.runs.values()] == ["blue", "red"]


async def test_a_gap_in_the_events_is_filled_from_the_journal(book: Book) -> None:
    """A watcher that was too slow misses events, not facts."""
    await book.begin("a")
    board = await Board.load(book.store, RunId("a"))
    await book.write("a", ev.StepIntended(MAKE, 1))
    await book.write("a", ev.StepSucceeded(MAKE, 1, {}))
    (last,) = await book.write("a", ev.StepIntended(WAIT, 1))
    await board.take(last)
    assert board.runs[RunId("a")].steps[MAKE].status is StepStatus.SUCCEEDED


async def test_an_event_that_is_known_already_changes_nothing(book: Book) -> None:
    """What the store told before the queue did is not counted twice."""
    await book.begin("a")
    events = await book.write("a", ev.RunSucceeded({}))
    board = await Board.load(book.store, RunId("a"))
    assert [await board.take(event) for event in events] == [None]
    assert board.succeeded == 1


async def test_other_runs_of_the_same_engine_stay_off_the_board(book: Book) -> None:
    """Runs that an earlier command left are worked on, but are not what was asked for."""
    await book.begin("a")
    await book.begin("b")
    board = await Board.load(book.store, RunId("a"))
    assert [await board.take(event) for event in book.published if event.run_id == "b"] == [None, None]
    assert list(board.runs) == ["a"]


async def test_rows_that_share_a_run_are_on_the_board(book: Book) -> None:
    """Those that are over count, and those under way are followed."""
    await book.begin("p", rows=["blue", "red"])
    await book.bear("p", "p0", 0)
    await book.bear("p", "p1", 1)
    await book.write("p0", ev.RunStarted(), ev.RunSucceeded({}))
    await book.begin("q", shared={"blue": RunId("p0"), "red": RunId("p1")})
    board = await Board.load(book.store, RunId("q"))
    assert (board.total, board.succeeded, [state.name for state in board.under_way]) == (2, 1, ["red"])
    (event,) = await book.write("p1", ev.RunStarted())
    assert await board.take(event) == Told("red", "", "started")


async def test_a_run_that_is_resumed_is_under_way_again(book: Book) -> None:
    """It no longer counts as failed."""
    await book.begin("p", rows=["blue", "red"])
    await book.bear("p", "p0", 0)
    await book.write("p0", ev.RunStarted(), ev.RunFailed(ev.ErrorInfo("no clay")))
    board = await Board.load(book.store, RunId("p"))
    assert board.failed == 1
    (event,) = await book.write("p0", ev.RunResumed())
    assert await board.take(event) == Told("blue", "", "goes on")
    assert (board.failed, [state.name for state in board.under_way]) == (0, ["blue"])


@pytest.mark.parametrize(
    ("looks_for_s", "most"),
    [(115.0, " (up to about 2 minutes)"), (42.0, " (up to about 42 s)"), (None, "")],
)
async def test_looking_for_what_was_lost_is_told_once(
    book: Book, looks_for_s: float | None, most: str
) -> None:
    """A step that stands still says why and for how long, with its first look-up and no other."""
    await book.begin("a")
    await book.write("a", ev.StepIntended(MAKE, 1), ev.StepSent(MAKE, 1))
    board = await Board.load(book.store, RunId("a"), looks_for_s=looks_for_s)
    looks = [ev.StepLookedUp(MAKE, 1, BEGAN_AT), ev.StepLookedUp(MAKE, 1, BEGAN_AT)]
    lines = [await board.take(event) for event in await book.write("a", *looks)]
    what = f"an answer was lost; looking for what the request made{most}"
    assert lines == [Told("cups", "make", what, Tone.NOTABLE), None]


async def test_an_unknown_run_is_named(book: Book) -> None:
    """There is no board of nothing."""
    with pytest.raises(UnknownRunError, match="zzz"):
        await Board.load(book.store, RunId("zzz"))


@pytest.mark.parametrize(
    ("body", "what", "tone"),
    [
        (ev.StepIntended(MAKE, 2), "attempt 2", Tone.PLAIN),
        (ev.StepWaiting(WAIT, 1, "job", None), "waiting", Tone.PLAIN),
        (ev.StepSkipped(MAKE, "not wanted"), "skipped: not wanted", Tone.PLAIN),
        (ev.StepAdopted(MAKE, 1, {}), "adopted what a lost attempt had made", Tone.GOOD),
        (
            ev.StepFailed(
                MAKE, 1, ev.ErrorInfo("busy", retry=RetryClass.LATER), BEGAN_AT + timedelta(seconds=3)
            ),
            "failed, again in 3 s: busy",
            Tone.BAD,
        ),
        (ev.StepFailed(MAKE, 1, ev.ErrorInfo("gone")), "failed: gone", Tone.BAD),
        (
            ev.StepFailed(MAKE, 1, ev.ErrorInfo("gone", code="X.1", request_id="4f1c")),
            "failed: gone [X.1] (request id 4f1c)",
            Tone.BAD,
        ),
        (
            ev.StepUnknown(MAKE, 1, ev.ErrorInfo("cut off")),
            "no answer: cut off",
            Tone.BAD,
        ),
        (ev.CallbackReceived("job", "SUCCEED"), "callback: SUCCEED", Tone.PLAIN),
        (ev.PollFound("job", "FAILED"), "poll: FAILED", Tone.PLAIN),
    ],
)
def test_each_kind_of_event_has_its_words(body: ev.EventBody, what: str, tone: Tone) -> None:
    """A line says what happened in the words of the field."""
    line = told("cup", Event(RunId("a"), 1, BEGAN_AT, body))
    assert line is not None
    assert (line.what, line.tone) == (what, tone)


async def test_the_run_of_a_sub_pipeline_shows_with_steps_of_its_own(book: Book) -> None:
    """It is a part of the run that is counted, and no second one."""
    await book.begin("a")
    board = await Board.load(book.store, RunId("a"))
    below = Book(book.store, Pipeline("below", steps=(Step(MAKE, "sleep"), Step(StepId("own"), "sleep"))))
    await below.begin("b", parent="a")
    await below.write("b", ev.StepIntended(StepId("own"), 1), ev.StepSucceeded(StepId("own"), 1, {}))
    await below.write("b", ev.RunSucceeded({}))
    lines = [await board.take(event) for event in below.published]
    assert [line for line in lines if line is not None] == [
        Told("below", "", "started"),
        Told("below", "own", "succeeded", Tone.GOOD),
        Told("below", "", "succeeded", Tone.GOOD),
    ]
    assert (board.total, board.succeeded, len(board.under_way)) == (1, 0, 1)
