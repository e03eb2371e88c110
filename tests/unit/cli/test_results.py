"""What came of runs, for people and for programs."""

import pytest

from orchestrator.cli.results import Report, report, show, text
from orchestrator.domain import events as ev
from tests.unit.cli.conftest import Book


async def finished(book: Book) -> Report:
    """Three rows: the second failed, the third was the first to end."""
    await book.begin("p", rows=["blue", "red", "green"])
    for number in range(3):
        await book.bear("p", f"p{number}", number)
    await book.write("p2", ev.RunStarted(), ev.RunSucceeded({"video": "/out/green.mp4", "size": 3}))
    await book.write(
        "p1", ev.RunStarted(), ev.RunFailed(ev.ErrorInfo("no clay", "Buy clay.", "MSS.10001001"))
    )
    await book.write("p0", ev.RunStarted(), ev.RunSucceeded({"video": "/out/blue.mp4"}))
    state = await book.write("p", ev.RunFailed(ev.ErrorInfo("1 of 3 rows failed.")))
    summary = await book.store.summary(state[0].run_id)
    assert summary is not None
    return await report(book.store, summary)


async def test_results_come_in_the_order_of_the_table(book: Book) -> None:
    """Whichever row ended first."""
    found = await finished(book)
    assert [(result.name, result.status.value) for result in found.results] == [
        ("blue", "succeeded"),
        ("red", "failed"),
        ("green", "succeeded"),
    ]
    assert found.succeeded == 2


async def test_stdout_holds_outputs_and_stderr_what_failed(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe gets name, output and value; a person is told why a row failed and what to do."""
    show(await finished(book))
    out, err = capsys.readouterr()
    assert out == "blue\tvideo\t/out/blue.mp4\ngreen\tsize\t3\ngreen\tvideo\t/out/green.mp4\n"
    assert "red    no clay [MSS.10001001]\n" in err
    assert "Buy clay." in err
    assert "2 of 3 succeeded, 1 run failed in " in err


async def test_json_tells_the_whole(book: Book) -> None:
    """The run, and each row with its outputs or its error, hint and code."""
    document = (await finished(book)).to_json()
    assert document["run"]["status"] == "failed"
    assert document["run"]["rows"] == {"total": 3, "succeeded": 2, "failed": 1}
    assert document["runs"][1] == {
        "id": "p1",
        "name": "red",
        "status": "failed",
        "outputs": {},
        "error": "no clay",
        "hint": "Buy clay.",
        "code": "MSS.10001001",
    }


async def test_a_run_without_rows_is_its_own_result(book: Book) -> None:
    """One run, one result."""
    state = await book.begin("a")
    await book.write("a", ev.RunSucceeded({"video": "/out/a.mp4"}))
    summary = await book.store.summary(state.id)
    assert summary is not None
    found = await report(book.store, summary)
    assert [dict(result.outputs) for result in found.results] == [{"video": "/out/a.mp4"}]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("plain", "plain"), ("two\nlines", '"two\\nlines"'), (3, "3"), (None, "null"), (["é"], '["é"]')],
)
def test_a_value_takes_one_line(value: object, shown: str) -> None:
    """Tabs and line ends in a value cannot break the columns."""
    assert text(value) == shown
