"""The admin listener over real sockets, on a reader that the test fills."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from orchestrator.domain.events import ErrorInfo
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.errors import UnreachableError, UsageError
from orchestrator.limits.base import BucketState, Why
from orchestrator.server.admin import AdminServer
from orchestrator.server.reads import (
    TOP_LEVEL,
    EventView,
    LiveRunReader,
    RowResult,
    RunDetail,
    RunQuery,
    RunSummary,
    StepView,
    TableResults,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Runs:
    """A reader of what the test put in."""

    found: dict[str, RunDetail] = field(default_factory=dict)
    journal: list[EventView] = field(default_factory=list)
    asked: list[tuple[RunQuery, str | None, int]] = field(default_factory=list)
    listeners: list[asyncio.Queue[EventView | None]] = field(default_factory=list)
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    broken: Exception | None = None
    tables: dict[str, list[RowResult]] = field(default_factory=dict)

    async def runs(
        self, query: RunQuery, *, cursor: str | None = None, limit: int = 50
    ) -> tuple[Sequence[RunSummary], str | None]:
        if self.broken:
            raise self.broken
        self.asked.append((query, cursor, limit))
        return [run.summary for run in self.found.values()], "more"

    async def run(self, run_id: RunId) -> RunDetail | None:
        return self.found.get(run_id)

    async def rows(self, run_id: RunId, start: int, limit: int) -> TableResults | None:
        rows = self.tables.get(run_id)
        return None if rows is None else TableResults(("sku",), ("video",), rows[start : start + limit])

    async def events(self, run_id: RunId, after_seq: int) -> Sequence[EventView]:
        return [event for event in self.journal if event.run_id == run_id and event.seq > after_seq]

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[EventView]]:
        queue: asyncio.Queue[EventView | None] = asyncio.Queue()

        async def events() -> AsyncIterator[EventView]:
            while (event := await queue.get()) is not None:
                yield event

        self.listeners.append(queue)
        self.listening.set()
        try:
            yield events()
        finally:
            self.listeners.remove(queue)
            self.left.set()

    def limits(self) -> Sequence[BucketState]:
        return [BucketState("list_assets", "Assets", 20.0, 18.5, 3, 1, None, 99, 2, Why.IN_FLIGHT)]

    def happen(self, event: EventView) -> None:
        self.journal.append(event)
        for queue in self.listeners:
            queue.put_nowait(event)


def event(seq: int, run: str = "r1") -> EventView:
    return EventView(RunId(run), seq, "step.succeeded", AT, StepId("save"), {"outputs": {"n": seq}})


@pytest.fixture
def reader(tmp_path: Path) -> Runs:
    video = tmp_path / "v.mp4"
    video.write_bytes(bytes(range(256)) * 10)
    page = tmp_path / "page.html"
    page.write_text("<script>alert(1)</script>")
    summary = RunSummary(
        RunId("r1"),
        "mug",
        "product-video",
        RunStatus.FAILED,
        AT,
        error=ErrorInfo("no", hint="do", code="MSS.1"),
    )
    done = StepStatus.SUCCEEDED
    steps = [
        StepView(
            StepId("save"), "download", done, 1, outputs=MappingProxyType({"path": str(video), "size": 2560})
        ),
        StepView(StepId("page"), "download", done, 1, outputs={"path": str(page)}),
        StepView(StepId("half"), "download", StepStatus.FAILED, 1, outputs={"path": str(video)}),
        StepView(StepId("gone"), "download", done, 1, outputs={"path": str(tmp_path / "gone.mp4")}),
        StepView(StepId("none"), "sleep", done, 1),
    ]
    return Runs({"r1": RunDetail(summary, steps, {"title": "Mug"}, {})}, [event(1), event(2)])


@pytest.fixture
async def server(reader: Runs) -> AsyncIterator[AdminServer]:
    checked: LiveRunReader = reader
    async with AdminServer(checked, heartbeat_s=0.05) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def fetch(
    http: aiohttp.ClientSession, server: AdminServer, path: str, **headers: str
) -> tuple[int, Any, aiohttp.ClientResponse]:
    async with http.get(server.url + path, headers=headers) as response:
        text = await response.text(errors="replace")
        return (
            response.status,
            json.loads(text) if response.content_type == "application/json" else text,
            response,
        )


async def test_runs(http: aiohttp.ClientSession, server: AdminServer, reader: Runs) -> None:
    """Runs are listed with the filters as asked; times are UTC, errors have their hint."""
    status, body, _ = await fetch(
        http,
        server,
        "api/v1/runs?status=failed&status=paused&parent=p&name=mug&pipeline=cups&cursor=c&limit=7",
    )
    assert status == 200
    assert body["next_cursor"] == "more"
    assert body["runs"][0]["created_at"] == "2026-01-02T03:04:05.000Z"
    assert body["runs"][0]["error"] == {
        "message": "no",
        "hint": "do",
        "code": "MSS.1",
        "retry": "never",
        "request_id": "",
    }
    await fetch(http, server, "api/v1/runs?parent=")
    stopped = frozenset({RunStatus.FAILED, RunStatus.PAUSED})
    assert reader.asked == [
        (RunQuery(stopped, RunId("p"), name="mug", pipeline="cups"), "c", 7),
        (RunQuery(parent=TOP_LEVEL), None, 50),
    ]


async def test_run(http: aiohttp.ClientSession, server: AdminServer) -> None:
    """A run comes with its steps; an unknown one is a 404."""
    status, body, _ = await fetch(http, server, "api/v1/runs/r1")
    assert (status, body["steps"][0]["uses"], body["steps"][0]["outputs"]["size"]) == (200, "download", 2560)
    status, body, _ = await fetch(http, server, "api/v1/runs/r2")
    assert (status, body["error"]["code"]) == (404, "not-found")


async def test_rows(http: aiohttp.ClientSession, server: AdminServer, reader: Runs) -> None:
    """A table's rows come a page at a time, with what came of them; a run without a table has none."""
    done = RowResult(1, "b", {"sku": "B"}, RunId("r3"), RunStatus.SUCCEEDED, {"video": "b.mp4"})
    reader.tables["r1"] = [RowResult(0, "a", {"sku": "A"}), done]
    status, body, _ = await fetch(http, server, "api/v1/runs/r1/rows?start=1&limit=1")
    assert (status, body["columns"], body["outputs"]) == (200, ["sku"], ["video"])
    assert [(row["cells"], row["status"], row["outputs"]) for row in body["rows"]] == [
        ({"sku": "B"}, "succeeded", {"video": "b.mp4"})
    ]
    reader.tables.clear()
    assert (await fetch(http, server, "api/v1/runs/r1/rows"))[0] == 404
    assert (await fetch(http, server, "api/v1/runs/r1/rows?start=-1"))[0] == 400


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "limit=" + "9" * 5000, "limit=٣", "status=odd"]
)
async def test_wrong_queries(http: aiohttp.ClientSession, server: AdminServer, query: str) -> None:
    """A wrong query is answered 400 with what would be right."""
    status, body, _ = await fetch(http, server, f"api/v1/runs?{query}")
    assert (status, body["error"]["code"]) == (400, "bad-request")


async def test_events(http: aiohttp.ClientSession, server: AdminServer) -> None:
    """A run's journal is JSON, whole or after a number."""
    _, body, _ = await fetch(http, server, "api/v1/runs/r1/events")
    assert [item["seq"] for item in body["events"]] == [1, 2]
    _, body, _ = await fetch(http, server, "api/v1/runs/r1/events?after=1")
    assert [item["seq"] for item in body["events"]] == [2]
    assert body["events"][0]["payload"] == {"outputs": {"n": 2}}


async def frames(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """The next `count` events of a stream."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            line = (await response.content.readline()).decode()
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
    return found


async def test_run_stream(http: aiohttp.ClientSession, server: AdminServer, reader: Runs) -> None:
    """A run's stream is its journal, then what happens, each event once and no other run's."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "1"}
    async with http.get(server.url + "api/v1/runs/r1/events", headers=headers) as response:
        assert response.content_type == "text/event-stream"
        assert [item["seq"] for item in await frames(response, 1)] == [2]
        for queue in reader.listeners:
            queue.put_nowait(event(2))
        reader.happen(event(1, run="r2"))
        reader.happen(event(3))
        assert [item["seq"] for item in await frames(response, 1)] == [3]


async def test_stream_of_everything(http: aiohttp.ClientSession, server: AdminServer, reader: Runs) -> None:
    """`/events` has every run's events, shows that it lives, and its subscription ends when the client leaves."""
    async with http.get(server.url + "events") as response:
        await reader.listening.wait()
        reader.happen(event(3))
        reader.happen(event(1, run="r2"))
        assert [item["run_id"] for item in await frames(response, 2)] == ["r1", "r2"]
        async with asyncio.timeout(5):
            while await response.content.readline() != b": still here\n":
                pass
        response.close()
    async with asyncio.timeout(5):
        await reader.left.wait()
    assert reader.listeners == []


async def test_streams_end_with_the_server(http: aiohttp.ClientSession, reader: Runs) -> None:
    """Stopping does not wait for open streams."""
    server = AdminServer(reader)
    await server.start()
    async with http.get(server.url + "events") as response:
        await reader.listening.wait()
        async with asyncio.timeout(2):
            await server.stop()
        await response.read()


async def test_file(http: aiohttp.ClientSession, server: AdminServer) -> None:
    """A saved video is served whole and in ranges, to be played in place."""
    status, _, response = await fetch(http, server, "api/v1/runs/r1/files/save")
    assert (status, response.content_type, response.headers["Accept-Ranges"]) == (200, "video/mp4", "bytes")
    assert response.headers["Content-Disposition"] == 'inline; filename="v.mp4"'
    async with http.get(server.url + "api/v1/runs/r1/files/save", headers={"Range": "bytes=5-9"}) as ranged:
        assert (ranged.status, await ranged.read()) == (206, bytes(range(5, 10)))


@pytest.mark.parametrize("step", ["half", "gone", "none", "unknown", "..%2f..%2fetc%2fpasswd", "save%00"])
async def test_other_files(http: aiohttp.ClientSession, server: AdminServer, step: str) -> None:
    """Only what a finished step of this run recorded can be had."""
    async with http.get(server.url + f"api/v1/runs/r1/files/{step}") as response:
        assert response.status == 404


async def test_active_content_is_not_shown(http: aiohttp.ClientSession, server: AdminServer) -> None:
    """A saved page is offered for saving, not run as one of ours."""
    _, _, response = await fetch(http, server, "api/v1/runs/r1/files/page")
    assert response.content_type == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_limits_and_health(http: aiohttp.ClientSession, server: AdminServer) -> None:
    """The buckets, and the two health pages."""
    _, body, _ = await fetch(http, server, "api/v1/limits")
    assert body["limits"][0]["operation"] == "list_assets"
    assert body["limits"][0]["next_free_s"] is None
    assert body["limits"][0]["why"] == "replies are missing"
    assert (await fetch(http, server, "healthz"))[:2] == (200, "ok\n")
    assert (await fetch(http, server, "readyz"))[:2] == (200, {"ready": True, "problems": []})


async def test_not_ready(http: aiohttp.ClientSession, reader: Runs) -> None:
    """What keeps the daemon from working is told, with a 503."""

    async def ready() -> Sequence[str]:
        return ["the database is not reachable"]

    async with AdminServer(reader, ready=ready) as server:
        status, body, _ = await fetch(http, server, "readyz")
    assert (status, body["problems"]) == (503, ["the database is not reachable"])


@pytest.mark.parametrize(
    ("error", "expected"), [(UnreachableError("gone", hint="start it"), 503), (UsageError("bad cursor"), 400)]
)
async def test_failing_reader(
    http: aiohttp.ClientSession, server: AdminServer, reader: Runs, error: Exception, expected: int
) -> None:
    """The reader's errors are answered as what they are."""
    reader.broken = error
    status, body, _ = await fetch(http, server, "api/v1/runs")
    assert (status, body["error"]["message"]) == (expected, str(error.args[0]))


async def test_pages(http: aiohttp.ClientSession, server: AdminServer) -> None:
    """The dashboard is three files under a strict policy, and names nothing outside of this server."""
    for path in ("", "dashboard.js", "dashboard.css", "icon.svg"):
        status, text, response = await fetch(http, server, path)
        assert status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in response.headers
        assert "https://" not in text
        assert "innerHTML" not in text
    status, body, response = await fetch(http, server, "nowhere")
    assert (status, body["error"]["code"], "Server" in response.headers) == (404, "not-found", False)


async def test_wrong_method(http: aiohttp.ClientSession, server: AdminServer) -> None:
    """Nothing can be changed here."""
    async with http.post(server.url + "api/v1/runs") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("LOCALHOST:9", 200),
        ("[::1]:9", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("localhost.evil.example", 421),
        ("[::1].evil.example", 421),
        ("", 421),
    ],
)
async def test_dns_rebinding(
    http: aiohttp.ClientSession, server: AdminServer, host: str, expected: int
) -> None:
    """A foreign name that points to this machine gets nothing."""
    status, _, _ = await fetch(http, server, "api/v1/runs", Host=host)
    assert status == expected


async def test_token(http: aiohttp.ClientSession, reader: Runs) -> None:
    """With a token everything needs it, as Bearer or as a browser's Basic password."""

    def basic(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    async with AdminServer(reader, token="tökén") as server:
        for path in ("", "api/v1/runs", "events", "api/v1/runs/r1/files/save"):
            status, _, response = await fetch(http, server, path)
            assert (status, response.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        for wrong in ("Bearer x", "Bearer", "Basic !!", basic("tökén"), basic("me:x"), "Digest tökén", ""):
            assert (await fetch(http, server, "api/v1/runs", Authorization=wrong))[0] == 401
        for right in ("Bearer tökén", "bearer  tökén", basic("me:tökén")):
            assert (await fetch(http, server, "api/v1/runs", Authorization=right))[0] == 200


async def test_open_address_needs_a_token(reader: Runs) -> None:
    """An address that others can reach is not listened on without a token."""
    with pytest.raises(UsageError, match=r"admin\.token"):
        await AdminServer(reader, host="0.0.0.0").start()


async def test_address_taken(server: AdminServer, reader: Runs) -> None:
    """A taken address is reported with what to do."""
    port = int(server.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(UnreachableError, match=r"admin\.listen"):
        await AdminServer(reader, port=port).start()
