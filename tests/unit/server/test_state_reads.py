"""Runs as a store has them."""

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.server.reads import TOP_LEVEL, RunQuery
from orchestrator.server.state_reads import StateReads
from orchestrator.store.memory import MemoryStore
from tests.unit.cli.conftest import Book


@pytest.fixture
def book() -> Book:
    return Book(MemoryStore())


@pytest.fixture
async def reads(book: Book) -> StateReads:
    """A table with a good and a paused row, and three runs of their own."""
    await book.begin("01a", rows=["blue", "red"])
    await book.bear("01a", "01b", 0)
    await book.bear("01a", "01c", 1)
    await book.write("01b", ev.RunStarted(), ev.RunSucceeded({"video": "/out/blue.mp4"}))
    await book.write("01c", ev.RunStarted(), ev.RunPaused("No clay left."))
    for run_id in ("02a", "02b", "02c"):
        await book.begin(run_id)
    return StateReads(book.store)


async def ids(reads: StateReads, query: RunQuery, *, cursor: str | None = None, limit: int = 50) -> list[str]:
    page, more = await reads.runs(query, cursor=cursor, limit=limit)
    return [*(run.id for run in page), *(["…"] if more is not None else [])]


async def test_runs_are_found_by_what_they_are_like(reads: StateReads) -> None:
    """Status, table, name, pipeline, newest first, a page at a time."""
    assert await ids(reads, RunQuery(parent=TOP_LEVEL)) == ["02c", "02b", "02a", "01a"]
    assert await ids(reads, RunQuery(parent=RunId("01a"))) == ["01c", "01b"]
    assert await ids(reads, RunQuery(status=frozenset({RunStatus.PAUSED}))) == ["01c"]
    assert await ids(reads, RunQuery(name="red")) == ["01c"]
    assert await ids(reads, RunQuery(name="cups"), limit=2) == ["02c", "02b", "…"]
    assert await ids(reads, RunQuery(name="cups"), cursor="02b", limit=2) == ["02a", "01a"]
    assert await ids(reads, RunQuery(pipeline="cups", name="blue")) == ["01b"]
    assert await ids(reads, RunQuery(pipeline="plates")) == []


async def test_a_table_and_its_rows_say_why_they_stand_still(reads: StateReads) -> None:
    """In the list as on the run's own page."""
    page, _ = await reads.runs(RunQuery(name="red"))
    assert page[0].reason == "paused: No clay left; `orchestrator runs resume 01c`"
    table = await reads.run(RunId("01a"))
    assert table is not None
    assert (table.summary.reason, table.steps) == ("1 of 2 rows done; 1 paused", [])
    assert (table.summary.children_succeeded, table.summary.children_paused) == (1, 1)


async def test_a_run_says_when_the_poller_looks(book: Book, reads: StateReads) -> None:
    """What is waited for, and what brings its end if no callback comes."""
    wait = StepId("wait")
    await book.write("02a", ev.StepIntended(wait, 1), ev.StepWaiting(wait, 1, "job-7", None))
    detail = await reads.run(RunId("02a"))
    assert detail is not None
    assert detail.steps[1].waiting_for.startswith("callback of job-7, polled next at 03:04:")
    assert await reads.run(RunId("nobody")) is None


async def test_rows_tell_what_came_of_them(book: Book, reads: StateReads) -> None:
    """Outputs, or why there are none; a row that has not begun; pages; a run without a table."""
    await book.begin("03a", rows=["green", "black", "white"])
    await book.bear("03a", "03b", 0)
    await book.write("03b", ev.RunStarted(), ev.RunFailed(ev.ErrorInfo("no glaze", "Buy glaze.")))
    await book.bear("03a", "03c", 1)
    found = await reads.rows(RunId("03a"), 0, 3)
    assert found is not None
    assert [(row.number, row.run, row.status, row.error) for row in found.rows] == [
        (0, "03b", RunStatus.FAILED, ev.ErrorInfo("no glaze", "Buy glaze.")),
        (1, "03c", RunStatus.CREATED, None),
        (2, None, None, None),
    ]
    first = await reads.rows(RunId("01a"), 0, 1)
    rest = await reads.rows(RunId("01a"), 1, 9)
    assert first is not None
    assert rest is not None
    assert [dict(row.outputs) for row in first.rows] == [{"video": "/out/blue.mp4"}]
    assert [row.error and row.error.message for row in rest.rows] == ["paused: No clay left."]
    assert await reads.rows(RunId("02a"), 0, 9) is None
    assert await reads.rows(RunId("nobody"), 0, 9) is None
