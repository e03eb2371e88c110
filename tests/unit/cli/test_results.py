"""What came of runs, for people and for programs."""

import pytest

from orchestrator.cli.results import Report, report, show, show_failures, text
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from tests.unit.cli.conftest import Book


async def finished(book: Book) -> Report:
    """Three rows: the second failed, the third was the first to end."""
    await book.begin("p", rows=["blue", "red", "green"])
    for number in range(3):
        await book.bear("p", f"p{number}", number)
    await book.write("p2", ev.RunStarted(), ev.RunSucceeded({"video": "/out/green.mp4", "size": 3}))
    error = ev.ErrorInfo("no clay", "Buy clay.", "MSS.10001001", request_id="4f1c")
    await book.write("p1", ev.RunStarted(), ev.RunFailed(error))
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
    assert "red    no clay [MSS.10001001] (request id 4f1c)\n" in err
    assert "Buy clay." in err
    assert "2 of 3 succeeded, 1 run failed in " in err


async def failed(book: Book, *errors: ev.ErrorInfo) -> Report:
    """A row for each error."""
    await book.begin("p", rows=[f"cup-{number}" for number in range(len(errors))])
    for number, error in enumerate(errors):
        await book.bear("p", f"p{number}", number)
        await book.write(f"p{number}", ev.RunStarted(), ev.RunFailed(error))
    state = await book.write("p", ev.RunFailed(ev.ErrorInfo("rows failed")))
    summary = await book.store.summary(state[0].run_id)
    assert summary is not None
    return await report(book.store, summary)


async def test_the_same_advice_is_given_once(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    """However many rows it is for."""
    one, other = ev.ErrorInfo("no clay", "Buy clay."), ev.ErrorInfo("no kiln", "Build one.")
    show_failures(await failed(book, one, one, other, one))
    err = capsys.readouterr().err
    assert (err.count("no clay"), err.count("Buy clay."), err.count("Build one.")) == (3, 1, 1)


async def test_who_reaches_nothing_is_told_by_the_exit_code(book: Book) -> None:
    """3 when nothing but the way to the API failed."""
    unreachable = ev.ErrorInfo("cannot connect", code="UNREACHABLE")
    assert (await failed(book, unreachable, unreachable)).exit_code == 3


async def test_any_other_failure_is_a_failed_run(book: Book) -> None:
    """1, also when some rows could not reach the API."""
    found = await failed(book, ev.ErrorInfo("cannot connect", code="UNREACHABLE"), ev.ErrorInfo("no clay"))
    assert found.exit_code == 1


async def test_rows_that_share_a_run_all_have_its_result(book: Book) -> None:
    """What an earlier command made is a result of this one, too."""
    await finished(book)
    rows = await book.store.rows(RunId("p"), 0, 3)
    await book.begin("q", shared={row.name: row.child for row in rows if row.child and row.name != "red"})
    (last,) = await book.write("q", ev.RunSucceeded({"rows": 2}))
    summary = await book.store.summary(last.run_id)
    assert summary is not None
    found = await report(book.store, summary)
    assert [result.name for result in found.results] == ["blue", "green"]


async def test_json_tells_the_whole(book: Book) -> None:
    """The run, and each row with its outputs or its error, hint and code."""
    document = (await finished(book)).to_json()
    assert document["run"]["status"] == "failed"
    assert document["run"]["rows"] == {"total": 3, "succeeded": 2, "failed": 1, "paused": 0}
    assert document["runs"][1] == {
        "id": "p1",
        "name": "red",
        "status": "failed",
        "outputs": {},
        "error": "no clay",
        "hint": "Buy clay.",
        "code": "MSS.10001001",
        "request_id": "4f1c",
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


async def test_what_was_paused_or_cancelled_is_no_failure(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    """Why it stands still, and how it goes on; the exit code is that of a run that did not succeed."""
    await book.begin("p", rows=["blue", "red", "green"])
    for number in range(3):
        await book.bear("p", f"p{number}", number)
    await book.write("p0", ev.RunStarted(), ev.RunSucceeded({}))
    await book.write("p1", ev.RunStarted(), ev.RunPaused("The balance is used up."))
    await book.write("p2", ev.RunStarted(), ev.RunCancelling("wrong glaze"), ev.RunCancelled())
    summary = await book.store.summary(RunId("p"))
    assert summary is not None
    found = await report(book.store, summary)
    show_failures(found)
    err = capsys.readouterr().err
    assert "red    paused: The balance is used up.\n" in err
    assert "`orchestrator runs resume p1`" in err
    assert "green  cancelled: wrong glaze\n" in err
    assert "1 of 3 succeeded, 1 run failed, 1 run paused" in err
    assert found.exit_code == 1
