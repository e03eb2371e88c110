"""The commands' REST client against the real admin listener."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from orchestrator.cli.daemon_client import DaemonClient
from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.control import ControlError, UnknownRunError
from orchestrator.errors import UnreachableError, UsageError
from orchestrator.server.reads import TOP_LEVEL, RunQuery
from orchestrator.server.replay_changes import Definition
from tests.unit.cli.conftest import Book
from tests.unit.cli.watched import Watched, listener

MAKE = StepId("make")
A = RunId("01a")


@pytest.fixture
async def watched(book: Book) -> Watched:
    """A failed run and one under way."""
    error = ev.ErrorInfo("no clay", "Buy clay.", "MSS.1", request_id="4f1c")
    await book.begin("01a")
    await book.write("01a", ev.StepIntended(MAKE, 1), ev.StepFailed(MAKE, 1, error), ev.RunFailed(error))
    await book.begin("02b")
    return Watched(book)


@pytest.fixture
async def client(watched: Watched) -> AsyncIterator[DaemonClient]:
    async with listener(watched) as server, DaemonClient.at(server.url) as client:
        yield client


async def test_what_a_daemon_shows_arrives_whole(client: DaemonClient, watched: Watched) -> None:
    """Lists, runs and journals are the same as the state's own."""
    query = RunQuery(status=frozenset({RunStatus.FAILED, RunStatus.PAUSED}), parent=TOP_LEVEL, name="cups")
    assert await client.runs(query) == await watched.runs(query)
    page, more = await client.runs(RunQuery(), limit=1)
    assert [run.id for run in page] == ["02b"]
    assert [run.id for run in (await client.runs(RunQuery(), cursor=more))[0]] == ["01a"]
    assert await client.run(A) == await watched.run(A)
    assert await client.events(A, 2) == await watched.events(A, 2)
    assert await client.run(RunId("no/body?")) is None
    assert await client.rows(A, 0, 10) is None
    await watched.book.begin("03c", rows=["blue", "red"])
    await watched.book.bear("03c", "03d", 0)
    await watched.book.write("03d", ev.RunStarted(), ev.RunPaused("No clay left."))
    table = await client.rows(RunId("03c"), 0, 10)
    assert table is not None
    ours = await watched.rows(RunId("03c"), 0, 10)
    assert ours is not None
    assert table.rows == ours.rows
    assert [(row.name, row.status) for row in table.rows] == [("blue", RunStatus.PAUSED), ("red", None)]


async def test_what_happens_is_streamed(client: DaemonClient, watched: Watched) -> None:
    """Each event as it is committed, however large."""
    async with client.subscribe() as events:
        await watched.listened.wait()
        facts = {"text": "ü" * 300_000}
        await watched.happens("02b", ev.StepIntended(MAKE, 1), ev.StepNoted(MAKE, 1, facts))
        found = [await anext(events), await anext(events)]
    assert [(event.run_id, event.type, event.attempt) for event in found] == [
        ("02b", "step.intended", 1),
        ("02b", "step.noted", 1),
    ]
    assert found[1].payload == {"facts": facts}


async def test_verbs_reach_the_daemon(client: DaemonClient, watched: Watched) -> None:
    """With what belongs to them; each brings the run as it then is."""
    assert (await client.pause(RunId("02b"), reason="lunch")).status is RunStatus.PAUSED
    assert (await client.resume(RunId("02b"))).status is RunStatus.RUNNING
    cancelled = await client.cancel(RunId("02b"), reason="wrong glaze")
    assert (cancelled.status, cancelled.reason) == (RunStatus.CANCELLING, "wrong glaze")
    assert (await client.retry(A)).status is RunStatus.RUNNING
    await client.approve(A, MAKE, approved=False, by="Ann", comment="blue")
    definition = Definition("pipeline: plates\nsteps:\n  nap: {uses: sleep, with: {seconds: 1}}\n", "p.yaml")
    new = await client.replay(A, inputs={}, definition=definition, first=StepId("nap"))
    assert new.id == "09new"
    assert watched.asked[-2:] == [
        ("approve", A, "make", False, "Ann", "blue"),
        ("replay", A, "plates", None, "nap"),
    ]


async def test_refusals_are_our_own_errors(client: DaemonClient) -> None:
    """With the message and the hint that the daemon gave."""
    with pytest.raises(ControlError, match="cannot be cancelled") as refused:
        await client.cancel(A)
    assert refused.value.hint == "Let it be."
    with pytest.raises(UsageError, match=r"p\.yaml:2:"):
        await client.replay(
            A, inputs={}, definition=Definition("pipeline: x\nstepz: 1\n", "p.yaml"), first=None
        )
    with pytest.raises(UnknownRunError):
        await client.replay(RunId("nobody"), inputs={}, definition=None, first=None)


async def test_a_token_is_sent_and_its_lack_explained(watched: Watched) -> None:
    """The hint names the setting."""
    async with listener(watched, token="t0ken") as server:
        async with DaemonClient.at(server.url, token="t0ken") as client:
            assert (detail := await client.run(A)) is not None
            assert detail.steps[0].status is StepStatus.FAILED
        async with DaemonClient.at(server.url) as stranger:
            with pytest.raises(UsageError) as refused:
                await stranger.run(A)
            assert "admin.token" in refused.value.hint
            with pytest.raises(UsageError):
                async with stranger.subscribe():
                    pass


async def test_nobody_there_is_told_in_words(watched: Watched) -> None:
    """Exit code 3, with what to do; the same when the daemon ends in the middle of a stream."""
    server = listener(watched)
    await server.start()
    url = server.url
    async with DaemonClient.at(url) as client:
        async with client.subscribe() as events:
            await server.stop()
            assert [event async for event in events] == []
        for asked in (client.run(A), client.cancel(A), client.events(A, 0)):
            with pytest.raises(UnreachableError, match="nobody listens there") as error:
                await asked
        assert error.value.exit_code == 3
        assert "orchestrator daemon" in error.value.hint


@pytest.mark.parametrize(
    ("status", "body"), [(200, "[]"), (200, "<html>"), (200, '{"runs": [{}]}'), (302, ""), (404, "not here")]
)
async def test_something_else_at_the_address_is_recognised(status: int, body: str) -> None:
    """Whatever it answers, no token is sent on and nothing is taken for a run."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "/api/v1/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with DaemonClient.at(f"http://{host}:{port}", token="t0ken") as client:
        with pytest.raises(UnreachableError, match="no daemon of this version"):
            await client.runs(RunQuery())
        with pytest.raises(UnreachableError, match="no daemon of this version"):
            async with client.subscribe():
                pass
    await runner.cleanup()
