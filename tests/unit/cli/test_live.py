"""What a terminal shows of runs under way."""

import io
from collections.abc import Mapping
from datetime import timedelta

import pytest
from rich.console import Console

from orchestrator.cli.progress.board import Board, Told, Tone
from orchestrator.cli.progress.live import LiveView
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState
from orchestrator.engine.live import Progress
from orchestrator.limits.base import Waiting
from orchestrator.steps.base import call_label
from tests.unit.cli.conftest import BEGAN_AT, Book

MAKE, WAIT = StepId("make"), StepId("wait")
A = RunId("a")


class Insight:
    """What the process knows, given by hand."""

    def __init__(self) -> None:
        self.progress: dict[tuple[RunId, StepId], Progress] = {}
        self.calls: dict[str, Waiting] = {}

    def quota(self) -> Mapping[str, Waiting]:
        return self.calls

    def waiting_for(self, state: RunState, step: Step) -> str:
        return "attempt 2 at 03:04:10 UTC"


@pytest.fixture
def insight() -> Insight:
    return Insight()


def drawn(board: Board, insight: Insight, *, width: int = 100) -> list[str]:
    """The picture's lines as a terminal of that width has them."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    view = LiveView(board, insight, console, lambda: BEGAN_AT + timedelta(seconds=71))
    with console.capture() as captured:
        console.print(view.picture())
    return [line.rstrip() for line in captured.get().splitlines()]


async def test_a_line_a_run_with_marks_for_its_steps(book: Book, insight: Insight) -> None:
    """Done and waiting steps have marks of their own, the wait its time, the whole its bar."""
    await book.begin("a")
    await book.write("a", ev.StepIntended(MAKE, 1), ev.StepSucceeded(MAKE, 1, {}), ev.StepIntended(WAIT, 1))
    await book.write("a", ev.StepWaiting(WAIT, 1, "job", None))
    run, bar = drawn(await Board.load(book.store, A), insight)
    assert run == "cups  ✓◷  wait: waits 1:09"
    assert bar.startswith("cups")
    assert bar.endswith("0/1 done  1:10")


async def test_a_transfer_shows_its_share(book: Book, insight: Insight) -> None:
    """Phase, percent and size of what is being sent."""
    await book.begin("a")
    await book.write("a", ev.StepIntended(MAKE, 1))
    insight.progress[A, MAKE] = Progress("uploading", 500_000, 2_000_000)
    assert "make: uploading 25 % of 2.0 MB" in drawn(await Board.load(book.store, A), insight)[0]


async def test_waiting_for_the_quota_is_told(book: Book, insight: Insight) -> None:
    """Which quota, how many are ahead, how long it takes."""
    await book.begin("a")
    await book.write("a", ev.StepIntended(MAKE, 1))
    label = call_label(A, MAKE)
    insight.calls[label] = Waiting("create_digital_asset", label, 7, 0.84, 0.1)
    line = drawn(await Board.load(book.store, A), insight)[0]
    assert "make: waits for the quota of create_digital_asset (7 ahead, 0.8 s)" in line


async def test_a_retry_tells_when_and_why(book: Book, insight: Insight) -> None:
    """What went wrong stands beside the time of the next attempt."""
    await book.begin("a")
    await book.write("a", ev.StepIntended(MAKE, 1))
    await book.write(
        "a", ev.StepFailed(MAKE, 1, ev.ErrorInfo("busy", code="X.1"), BEGAN_AT + timedelta(seconds=9))
    )
    assert "make: attempt 2 at 03:04:10 UTC (busy)" in drawn(await Board.load(book.store, A), insight)[0]


async def test_hundreds_of_rows_fit_the_terminal(
    book: Book, insight: Insight, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only runs under way are listed, as many as there is room for; the rest is a number."""
    monkeypatch.setenv("LINES", "9")
    await book.begin("p", rows=[f"cup-{n}" for n in range(300)])
    for number in range(12):
        await book.bear("p", f"p{number:03}", number)
    await book.write("p000", ev.RunStarted(), ev.RunSucceeded({}))
    lines = drawn(await Board.load(book.store, RunId("p")), insight)
    assert [line.split()[0] for line in lines[:5]] == ["cup-1", "cup-2", "cup-3", "cup-4", "cup-5"]
    assert lines[5] == "and 6 more under way, 288 to come"
    assert "1/300 done" in lines[6]
    assert len(lines) == 7


async def test_a_narrow_terminal_keeps_names_and_marks(book: Book, insight: Insight) -> None:
    """What gives way is the description at the end."""
    await book.begin("a")
    await book.write("a", ev.StepIntended(MAKE, 1))
    insight.progress[A, MAKE] = Progress("looking for a way to make this rather long", 0, 0)
    line = drawn(await Board.load(book.store, A), insight, width=30)[0]
    assert line.startswith("cups  ●·  make: look")
    assert line.endswith("…")


async def test_failures_stay_on_the_screen(book: Book, insight: Insight) -> None:
    """What goes wrong or makes somebody wait is printed above the picture and not redrawn."""
    await book.begin("a")
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    async with LiveView(await Board.load(book.store, A), insight, console, lambda: BEGAN_AT) as view:
        view.tell(Told("cups", "make", "succeeded", Tone.GOOD))
        view.tell(Told("cups", "make", "failed: no clay", Tone.BAD))
        view.tell(Told("cups", "make", "looking", Tone.NOTABLE))
    assert "cups  make  failed: no clay" in out.getvalue()
    assert "cups  make  looking" in out.getvalue()
    assert "succeeded" not in out.getvalue()
