"""`runs logs` and `runs watch`, beside a daemon and without one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest

from orchestrator.cli.daemon_client import DaemonClient
from orchestrator.cli.runs_following import Following, settled
from orchestrator.cli.runs_watching import show_logs, watch_run
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.errors import UnreachableError
from tests.unit.cli.conftest import Book
from tests.unit.cli.watched import Watched, listener

T = TypeVar("T")

MAKE = StepId("make")
DONE = (ev.StepSucceeded(MAKE, 1, {}), ev.RunSucceeded({}))


@pytest.fixture
async def watched(book: Book) -> Watched:
    """A table with one row, and a run of its own."""
    await book.begin("01a", rows=["blue"])
    await book.bear("01a", "01b", 0)
    await book.begin("02c")
    return Watched(book)


@pytest.fixture
async def client(watched: Watched) -> AsyncIterator[DaemonClient]:
    async with listener(watched) as server, DaemonClient.at(server.url) as client:
        yield client


#: Following begins with a look for the journal and one for the status; waiting, with the latter.
FOLLOWS, WAITS = 2, 1


async def meanwhile(
    watched: Watched, work: Awaitable[T], *happen: Callable[[], Awaitable[None]], looks: int = FOLLOWS
) -> T:
    """What `work` brings, while things happen that it is told of."""
    task = asyncio.ensure_future(work)
    await watched.looked(looks)
    for one in happen:
        await one()
    return await task


async def test_the_journal_is_printed(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """A line an event; as JSON an object a line."""
    await show_logs(watched, None, "02c", follow=False, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "2026-01-02 03:04:07.000Z  run  created: cups (cups)",
        "2026-01-02 03:04:07.000Z  run  started",
    ]
    await show_logs(watched, None, "02c", follow=False, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["run.created", "run.started"]


async def test_a_followed_journal_goes_on_until_the_run_is_over(
    watched: Watched, client: DaemonClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has happened, then what happens; other runs are not in it."""
    await meanwhile(
        watched,
        show_logs(client, client, "02c", follow=True, as_json=True),
        lambda: watched.happens("02c", ev.StepIntended(MAKE, 1)),
        lambda: watched.happens("01b", ev.RunStarted()),
        lambda: watched.happens("02c", *DONE),
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5]


async def test_without_a_daemon_the_state_is_looked_at(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody may work on it who cannot be asked; it says so."""
    task = asyncio.ensure_future(
        show_logs(watched, None, "02c", follow=True, as_json=True, look_again_s=0.001)
    )
    await watched.journal_read.wait()
    await watched.happens("02c", ev.StepIntended(MAKE, 1))
    await watched.happens("02c", *DONE)
    await task
    out, err = capsys.readouterr()
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [1, 2, 3, 4, 5]
    assert "no daemon answers" in err


async def test_a_table_is_watched_with_its_rows(
    watched: Watched, client: DaemonClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a change, under the row's name; the run's end ends it."""
    status = await meanwhile(
        watched,
        watch_run(client, client, "01a", as_json=False),
        lambda: watched.happens("01b", ev.RunStarted(), ev.StepIntended(MAKE, 1)),
        lambda: watched.happens("02c", ev.StepIntended(MAKE, 1)),
        lambda: watched.happens("01b", *DONE),
        lambda: watched.happens("01a", ev.RunSucceeded({})),
    )
    assert status is RunStatus.SUCCEEDED
    assert capsys.readouterr().out.splitlines() == [
        "cups  running  0 of 1 rows done",
        "blue  started",
        "blue  make  attempt 1",
        "blue  make  succeeded",
        "blue  succeeded",
        "cups  succeeded",
        "cups: succeeded",
    ]


async def test_watching_as_json_ends_with_the_run(
    watched: Watched, client: DaemonClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """An object an event, then the run itself."""
    error = ev.ErrorInfo("no clay", "Buy clay.")
    status = await meanwhile(
        watched,
        watch_run(client, client, "02c", as_json=True),
        lambda: watched.happens("02c", ev.RunFailed(error)),
    )
    failed, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (status, failed["type"], failed["run"]) == (RunStatus.FAILED, "run.failed", "02c")
    assert (last["run"]["status"], last["run"]["error"]) == ("failed", "no clay")


async def test_a_run_that_is_over_is_not_waited_for(
    watched: Watched, client: DaemonClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end and its error are told at once."""
    await watched.happens("02c", ev.RunFailed(ev.ErrorInfo("no clay", "Buy clay.")))
    assert await watch_run(client, client, "02c", as_json=False) is RunStatus.FAILED
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "cups: failed"
    assert "no clay" in err
    assert "Buy clay." in err


async def test_a_daemon_that_comes_back_is_followed_on(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happened while it was away is caught up with, once."""
    server = listener(watched)
    await server.start()
    port = int(server.url.rstrip("/").rpartition(":")[2])
    async with DaemonClient.at(server.url) as client:
        following = Following(client, client, RunId("02c"), look_again_s=0.001)
        events = following.events(history=True, rows=False)
        found = [(await anext(events)).seq, (await anext(events)).seq]
        task = asyncio.ensure_future(anext(events))
        await watched.looked(FOLLOWS)
        await server.stop()
        await watched.happens("02c", ev.StepIntended(MAKE, 1))
        second = listener(watched)
        second._port = port
        async with second:
            found.append((await task).seq)
            await watched.happens("02c", *DONE)
            found += [event.seq async for event in events]
    assert found == [1, 2, 3, 4, 5]


async def test_waiting_ends_where_it_was_wished_to(watched: Watched, client: DaemonClient) -> None:
    """At the wished status, or at the run's end, whichever comes first."""
    paused = frozenset({RunStatus.PAUSED})
    status = await meanwhile(
        watched,
        settled(client, RunId("02c"), paused),
        lambda: watched.happens("02c", ev.StepIntended(MAKE, 1)),
        lambda: watched.happens("02c", ev.RunPaused("lunch")),
        looks=WAITS,
    )
    assert status is RunStatus.PAUSED
    assert await settled(client, RunId("02c"), paused) is RunStatus.PAUSED
    await watched.happens("02c", ev.RunResumed(), *DONE)
    assert await settled(client, RunId("02c"), paused) is RunStatus.SUCCEEDED


async def test_waiting_ends_with_the_daemon(watched: Watched) -> None:
    """Exit code 3: nobody knows what becomes of the run meanwhile."""
    server = listener(watched)
    await server.start()
    async with DaemonClient.at(server.url) as client:
        task = asyncio.ensure_future(settled(client, RunId("02c"), frozenset()))
        await watched.looked(WAITS)
        await server.stop()
        with pytest.raises(UnreachableError):
            await task
