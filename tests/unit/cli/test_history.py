"""Runs read straight from the state."""

import json

import pytest

from orchestrator.cli.history import find, list_runs, show_run
from orchestrator.domain import events as ev
from orchestrator.domain.ids import StepId
from orchestrator.engine.control import UnknownRunError
from orchestrator.errors import UsageError
from orchestrator.server.state_reads import StateReads
from tests.unit.cli.conftest import Book

MAKE = StepId("make")


@pytest.fixture
async def history(book: Book) -> StateReads:
    """A table with a good, a failed and an unfinished row, and a run of its own."""
    await book.begin("01aa", rows=["blue", "red", "green"])
    for number in range(3):
        await book.bear("01aa", f"01ab{number}", number)
    await book.write("01ab0", ev.RunStarted(), ev.RunSucceeded({"video": "/out/blue.mp4"}))
    error = ev.ErrorInfo("no clay", "Buy clay.", "MSS.10001001", request_id="4f1c")
    await book.write("01ab1", ev.RunStarted(), ev.StepIntended(MAKE, 1), ev.StepFailed(MAKE, 1, error))
    await book.write("01ab1", ev.RunFailed(error))
    await book.begin("02bb")
    return StateReads(book.store)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("01ab1", "01ab1"),
        ("01AB1", "01ab1"),
        ("02", "02bb"),
        ("02B", "02bb"),
        ("blue", "01ab0"),
        ("cups", "02bb"),
    ],
)
async def test_a_run_is_found_by_id_beginning_or_name(history: StateReads, wanted: str, found: str) -> None:
    """In capitals or not; of several with one name, the newest."""
    assert (await find(history, wanted)).id == found


async def test_an_ambiguous_beginning_names_the_candidates(history: StateReads) -> None:
    """Rather ask than guess."""
    with pytest.raises(UsageError, match="01ab2, 01ab1"):
        await find(history, "01a")


@pytest.mark.parametrize("wanted", ["nobody", ""])
async def test_an_unknown_run_is_no_traceback(history: StateReads, wanted: str) -> None:
    """The error says how to find the right one."""
    with pytest.raises(UnknownRunError, match="runs list"):
        await find(history, wanted)


async def test_the_list_is_of_top_level_runs(history: StateReads, capsys: pytest.CaptureFixture[str]) -> None:
    """A table's rows are not mixed among the runs."""
    await list_runs(history, status=(), parent=None, limit=50, cursor="", as_json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == ["02bb", "01aa"]


async def test_the_list_can_be_narrowed(history: StateReads, capsys: pytest.CaptureFixture[str]) -> None:
    """To the rows of one run, and to a status."""
    await list_runs(history, status=("failed",), parent="01aa", limit=50, cursor="", as_json=True)
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["name"], row["error"], row["hint"]) == ("red", "no clay", "Buy clay.")


async def test_a_long_list_says_how_to_go_on(history: StateReads, capsys: pytest.CaptureFixture[str]) -> None:
    """The cursor of the rest is printed beside the page."""
    await list_runs(history, status=(), parent="01aa", limit=2, cursor="", as_json=False)
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["RUN", "01ab2", "01ab1"]
    assert "--cursor 01ab1" in err


async def test_a_run_shows_why_its_step_failed(
    history: StateReads, capsys: pytest.CaptureFixture[str]
) -> None:
    """Error, code, request id and hint, once; a failed step is not done, and those behind it were not reached."""
    await show_run(history, "red", events=False, as_json=False)
    out = capsys.readouterr().out
    assert "steps done  0/2" in out
    assert "error       no clay [MSS.10001001] (request id 4f1c)\n" in out
    assert out.count("Buy clay.") == 1
    make, wait = out.splitlines()[-2:]
    assert make.endswith("1            no clay [MSS.10001001] (request id 4f1c)")
    assert wait.split() == ["wait", "video.wait", "not", "reached", "0"]
    assert "parent      01aa" in out


async def test_a_table_shows_its_rows_the_bad_ones_first(
    history: StateReads, capsys: pytest.CaptureFixture[str]
) -> None:
    """What needs a look comes first; failed rows are not done."""
    await show_run(history, "01aa", events=False, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "rows done  1/3, 1 failed" in lines
    assert [line.split()[1] for line in lines[-3:]] == ["red", "green", "blue"]


async def test_json_holds_steps_children_and_journal(
    history: StateReads, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything that the store knows of the run."""
    await show_run(history, "01ab1", events=True, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["steps_done"] == 0
    assert [step["status"] for step in document["steps"]] == ["failed", "pending"]
    assert document["steps"][0]["error"]["code"] == "MSS.10001001"
    assert [event["type"] for event in document["events"]][-1] == "run.failed"
    assert document["children"] == []


async def test_the_journal_can_be_read_by_people(
    history: StateReads, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line an event."""
    await show_run(history, "02bb", events=True, as_json=False)
    assert "run.started" in capsys.readouterr().out
