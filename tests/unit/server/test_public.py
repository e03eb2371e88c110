"""The public listener against friendly, careless and hostile clients over real sockets."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import capture_logs

from orchestrator.errors import UnreachableError
from orchestrator.metastudio.callbacks import VideoCallback, derive_key, sign
from orchestrator.metastudio.live_events import LiveEventCallback
from orchestrator.server.public import PublicServer

MASTER = "new-master-key"
OLD_MASTER = "old-master-key"
NOW_MS = 1_744_612_873_350
RUN = "run-1"
PUBLIC = "https://hooks.example.com/mso"
PATH = f"/callbacks/video/{RUN}"
BODY = json.dumps({"job_id": "j" * 32, "result": "SUCCEED", "asset_id": "a" * 32}).encode()


Log = list[MutableMapping[str, Any]]


@dataclass
class Inbox:
    """Keeps what arrives; knows one run."""

    taken: list[tuple[str, VideoCallback, bool]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    error: Exception | None = None

    async def callback(self, run_id: str, callback: VideoCallback, *, stale: bool) -> bool:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        if run_id != RUN:
            return False
        self.taken.append((run_id, callback, stale))
        return True

    async def live_event(self, run_id: str, event: LiveEventCallback, *, stale: bool) -> bool:
        raise AssertionError((run_id, event, stale))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def server(inbox: Inbox, request: pytest.FixtureRequest) -> AsyncIterator[PublicServer]:
    """Patient, so that a busy machine is not taken for a slow client; `impatient` tests wait to be cut."""
    read_s = 1.0 if request.node.get_closest_marker("impatient") else 60.0
    server = PublicServer(
        inbox, keys=[MASTER, OLD_MASTER], public_url=PUBLIC, now_ms=lambda: NOW_MS, read_s=read_s
    )
    async with server:
        yield server


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    usual = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with capture_logs() as entries:
        yield entries
    structlog.configure(**usual)


def query(
    *, run: str = RUN, master: str = MASTER, ms: int = NOW_MS, decimal: bool = True, base: str = PUBLIC
) -> str:
    url = f"{base}/callbacks/video/{run}"
    return sign(url, derive_key(master, run), ms, decimal=decimal).removeprefix(url + "?")


def post(
    body: bytes = BODY,
    *,
    path: str = PATH,
    signed: str | None = None,
    headers: str = "",
    length: int | None = None,
) -> bytes:
    signed = query() if signed is None else signed
    size = len(body) if length is None else length
    head = f"POST {path}?{signed} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {size}\r\n{headers}\r\n"
    return head.encode("utf-8", "surrogateescape") + body


async def raw(server: PublicServer, request: bytes, *, eof: bool = False) -> bytes:
    """Everything that the server answers until it closes."""
    reader, writer = await asyncio.open_connection(*server.address)
    try:
        writer.write(request)
        if eof:
            writer.write_eof()
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


async def test_accepts(server: PublicServer, inbox: Inbox) -> None:
    """A properly signed callback is handed on and answered without content."""
    answer = await raw(server, post())
    assert status(answer) == 204
    assert inbox.taken == [(RUN, VideoCallback("j" * 32, "SUCCEED", "a" * 32), False)]


@pytest.mark.parametrize(
    "signed",
    [query(decimal=False), query(master=OLD_MASTER), query(ms=NOW_MS - 290_000), query(ms=NOW_MS + 290_000)],
)
async def test_accepts_every_reading(server: PublicServer, inbox: Inbox, signed: str) -> None:
    """Both readings of the time, a key being rotated out and a clock a little off are fine."""
    assert status(await raw(server, post(signed=signed))) == 204
    assert [stale for _, _, stale in inbox.taken] == [False]


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-8", "nonsense"])
async def test_content_type_does_not_matter(server: PublicServer, inbox: Inbox, content_type: str) -> None:
    """JSON is read whatever it is called: the reference does not name the type."""
    assert status(await raw(server, post(headers=f"Content-Type: {content_type}\r\n"))) == 204
    assert len(inbox.taken) == 1


async def test_accepts_chunked(server: PublicServer, inbox: Inbox) -> None:
    """A chunked body is read as well."""
    head = f"POST {PATH}?{query()} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(
        f"{len(BODY[i : i + 7]):x}\r\n".encode() + BODY[i : i + 7] + b"\r\n" for i in range(0, len(BODY), 7)
    )
    assert status(await raw(server, head.encode() + chunks + b"0\r\n\r\n")) == 204
    assert len(inbox.taken) == 1


@pytest.mark.parametrize("ms", [NOW_MS - 301_000, NOW_MS + 301_000, 1])
async def test_stale(server: PublicServer, inbox: Inbox, ms: int) -> None:
    """A signature outside the window is refused; it may make the poller look sooner, no more."""
    assert status(await raw(server, post(signed=query(ms=ms)))) == 401
    assert [stale for _, _, stale in inbox.taken] == [True]


async def test_replays_are_answered(server: PublicServer, inbox: Inbox) -> None:
    """A replay gets the same answer; the inbox decides that it has no effect."""
    assert [status(await raw(server, post())) for _ in range(3)] == [204] * 3


_SIGNED = query()
_DEEP = b'{"job_id":' + b"[" * 30_000 + b"]" * 30_000 + b"}"

HOSTILE: dict[str, tuple[bytes, set[int]]] = {
    "no signature": (post(signed=""), {401}),
    "no time": (post(signed=_SIGNED.split("&")[0]), {401}),
    "wrong signature": (post(signed="secret=" + "0" * 64 + "&time_stamp=" + f"{NOW_MS:x}"), {401}),
    "cut signature": (post(signed=_SIGNED.replace("&time_stamp", "x&time_stamp")), {401}),
    "short signature": (post(signed="secret=ab&time_stamp=" + f"{NOW_MS:x}"), {401}),
    "non-ASCII signature": (post(signed="secret=%C3%A9&time_stamp=" + f"{NOW_MS:x}"), {401}),
    "fullwidth digits": (post(signed="secret=" + "%EF%BC%91" * 64 + "&time_stamp=" + f"{NOW_MS:x}"), {401}),
    "raw bytes in the query": (post(signed="secret=\udcff\udcfe&time_stamp=1"), {400, 401}),
    "doubled secret": (post(signed=_SIGNED + "&secret=" + "0" * 64), {401}),
    "doubled time": (post(signed=_SIGNED + "&time_stamp=" + f"{NOW_MS:x}"), {401}),
    "time is no number": (post(signed="secret=" + "0" * 64 + "&time_stamp=zz"), {401}),
    "endless time": (post(signed="secret=" + "0" * 64 + "&time_stamp=" + "f" * 5000), {401}),
    "negative time": (post(signed="secret=" + "0" * 64 + "&time_stamp=-1"), {401}),
    "changed time": (post(signed=_SIGNED[:-1] + "f"), {401}),
    "a hundred parameters": (post(signed=_SIGNED + "&a=1" * 100), {401}),
    "signed for another run": (post(signed=query(run="run-2")), {401}),
    "signed with another key": (post(signed=query(master="guess")), {401}),
    "signed with the master itself": (
        post(signed=sign(PUBLIC + PATH, MASTER, NOW_MS).partition("?")[2]),
        {401},
    ),
    "signed for the Host header": (post(signed=query(base="http://evil.example")), {401}),
    "unknown run": (post(path="/callbacks/video/run-2", signed=query(run="run-2")), {404}),
    "run with a slash": (post(path="/callbacks/video/a%2Fb"), {404}),
    "climbing path": (post(path="/callbacks/video/../../etc/passwd"), {400, 404}),
    "run with a line break": (post(path="/callbacks/video/a%0d%0ab"), {404}),
    "endless run": (post(path="/callbacks/video/" + "a" * 4000), {404}),
    "empty run": (post(path="/callbacks/video/"), {404}),
    "empty body": (post(b""), {400}),
    "no JSON": (post(b"<xml/>"), {400}),
    "not UTF-8": (post(b'{"job_id": "\xff"}'), {400}),
    "UTF-16": (post(BODY.decode().encode("utf-16")), {400}),
    "a list": (post(b"[1]"), {400}),
    "a string": (post(b'"x"'), {400}),
    "null": (post(b"null"), {400}),
    "no job": (post(b'{"result": "SUCCEED"}'), {400}),
    "job is a number": (post(b'{"job_id": 5, "result": "SUCCEED"}'), {400}),
    "job is an object": (post(b'{"job_id": {}, "result": "SUCCEED"}'), {400}),
    "endless job": (post(b'{"job_id": "' + b"x" * 5000 + b'", "result": "SUCCEED"}'), {400}),
    "doubled keys": (post(b'{"job_id": "a", "job_id": "b", "result": "SUCCEED"}'), {400}),
    "NaN": (post(b'{"job_id": "a", "result": "SUCCEED", "x": NaN}'), {400}),
    "Infinity": (post(b'{"job_id": "a", "result": "SUCCEED", "x": -Infinity}'), {400}),
    "huge float": (post(b'{"job_id": "a", "result": "SUCCEED", "x": 1e999}'), {400}),
    "5,000-digit integer": (post(b'{"job_id": "a", "result": "S", "x": ' + b"9" * 5000 + b"}"), {400}),
    "deep nesting": (post(_DEEP), {400}),
    "lone surrogate": (post(b'{"job_id": "\\ud800", "result": "SUCCEED"}'), {400}),
    "two documents": (post(BODY + BODY), {400}),
    "oversized": (post(b"x" * 70_000), {413}),
    "oversized by announcement": (post(b"x", length=10**12), {413}),
    "oversized in chunks": (
        f"POST {PATH}?{_SIGNED} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + (b"fff\r\n" + b"x" * 4095 + b"\r\n") * 20
        + b"0\r\n\r\n",
        {413},
    ),
    "gzip": (post(gzip.compress(BODY), headers="Content-Encoding: gzip\r\n"), {415}),
    "gzip bomb": (post(gzip.compress(bytes(10_000_000)), headers="Content-Encoding: gzip\r\n"), {415}),
    "unknown encoding": (post(headers="Content-Encoding: br\r\n"), {415}),
    "length and chunks": (post(headers="Transfer-Encoding: chunked\r\n"), {400}),
    "two lengths": (post(headers="Content-Length: 5\r\n"), {400}),
    "negative length": (post(length=-1), {400}),
    "odd chunk size": (
        f"POST {PATH}?{_SIGNED} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
        {400},
    ),
    "bare line feeds in a header": (b"GET /healthz HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", {400}),
    "folded header": (b"GET /healthz HTTP/1.1\r\nHost: h\r\n x: y\r\n\r\n", {400}),
    "NUL in a header": (b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: \x00\r\n\r\n", {400}),
    "endless header": (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", {0, 400}),
    "thousand headers": (b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 1000 + b"\r\n", {0, 400}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "HTTP/9": (b"GET /healthz HTTP/9.9\r\nHost: h\r\n\r\n", {400}),
    "unmet expectation": (post(headers="Expect: 200-maybe\r\n"), {417}),
    "GET": (f"GET {PATH}?{_SIGNED} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), {405}),
    "PUT": (f"PUT {PATH}?{_SIGNED} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode(), {405}),
    "TRACE": (b"TRACE /healthz HTTP/1.1\r\nHost: h\r\n\r\n", {405}),
    "CONNECT": (b"CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n", {400, 404, 405}),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", {400, 404, 405}),
    "HEAD": (b"HEAD /healthz HTTP/1.1\r\nHost: h\r\n\r\n", {405}),
    "elsewhere": (b"GET /admin HTTP/1.1\r\nHost: h\r\n\r\n", {404}),
    "root": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", {404}),
    "slow head": (b"POST " + PATH.encode(), {0}),
    "slow body": (post(b"{", length=100), {0}),
    "nothing": (b"", {0}),
}  # fmt: skip


IMPATIENT = {"slow head", "slow body", "nothing"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.impatient if name in IMPATIENT else ()) for name in HOSTILE],
)
async def test_hostile(server: PublicServer, inbox: Inbox, log: Log, name: str) -> None:
    """A hostile request changes nothing, is answered or cut without detail, and logged once without its secret."""
    request, expected = HOSTILE[name]
    answer = await raw(server, request)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert status(answer) in expected
    assert content == b""
    assert b"server:" not in head.lower()
    assert b"aiohttp" not in answer.lower()
    assert inbox.taken == []
    refusals = [entry for entry in log if entry["event"] == "callback.refused"]
    assert len(refusals) == 1
    assert [entry for entry in log if entry not in refusals] == []
    assert "secret=" not in str(log)
    assert _SIGNED.split("&")[0].removeprefix("secret=") not in str(log)
    # Still there for everyone else.
    assert status(await raw(server, post())) == 204


@pytest.mark.impatient
async def test_broken_chunk_after_the_head(server: PublicServer, inbox: Inbox, log: Log) -> None:
    """A body that breaks after its head was accepted is refused or, at the latest at the deadline, cut."""
    reader, writer = await asyncio.open_connection(*server.address)
    head = f"POST {PATH}?{query()} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"zz\r\n")
    try:
        assert status(await reader.read()) in {0, 400}
    finally:
        writer.close()
    assert (inbox.taken, [entry["event"] for entry in log]) == ([], ["callback.refused"])


async def test_half_closed(server: PublicServer, inbox: Inbox) -> None:
    """A client that hangs up in the middle of its request leaves nothing behind."""
    await raw(server, post(b"{", length=100), eof=True)
    assert inbox.taken == []


async def test_healthz(server: PublicServer) -> None:
    """The health page answers, and the connection is closed after one request."""
    answer = await raw(server, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert answer.endswith(b"ok\n")


@pytest.mark.impatient
async def test_slow_journal_is_not_cut(server: PublicServer, inbox: Inbox) -> None:
    """The deadline is for the client's part: an answer waits for the journal however long it takes."""
    inbox.gate = asyncio.Event()
    asyncio.get_running_loop().call_later(1.5, inbox.gate.set)
    assert status(await raw(server, post())) == 204


async def test_failing_journal(server: PublicServer, inbox: Inbox, log: Log) -> None:
    """A callback that could not be kept is answered 500 without detail, so that it is sent again."""
    inbox.error = OSError("disk full at /secret/place")
    answer = await raw(server, post())
    assert status(answer) == 500
    assert b"disk" not in answer
    assert [entry["event"] for entry in log] == ["callback.failed"]


async def test_flood(inbox: Inbox) -> None:
    """Hundreds of callbacks at once are all taken."""
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        # However busy the machine that plays both sides: nobody is cut for being slow.
        PublicServer(inbox, keys=[MASTER], public_url=PUBLIC, read_s=300, now_ms=lambda: NOW_MS) as server,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        host, port = server.address
        url = f"http://{host}:{port}{PATH}?{query()}"

        async def one() -> int:
            async with session.post(url, data=BODY) as response:
                return response.status

        assert await asyncio.gather(*(one() for _ in range(400))) == [204] * 400
    assert len(inbox.taken) == 400


async def test_too_many_connections(inbox: Inbox) -> None:
    """Above its number of connections the server cuts newcomers and keeps serving."""
    async with PublicServer(inbox, keys=[MASTER], public_url=PUBLIC, max_connections=2, read_s=5) as server:
        idle = [await asyncio.open_connection(*server.address) for _ in range(2)]
        assert await raw(server, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n") == b""
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5):
            while not await raw(server, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"):
                pass


async def test_own_address(inbox: Inbox) -> None:
    """Without a configured URL the listener's own address is what is signed; run URL and key come from the server."""
    async with PublicServer(inbox, keys=[MASTER], now_ms=lambda: NOW_MS) as server:
        url = server.callback_url(RUN)
        host, port = server.address
        assert url == f"http://{host}:{port}{PATH}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(sign(url, server.callback_key(RUN), NOW_MS), data=BODY) as response,
        ):
            assert response.status == 204
    assert len(inbox.taken) == 1


async def test_address_taken(server: PublicServer, inbox: Inbox) -> None:
    """A taken address is reported with what to do."""
    with pytest.raises(UnreachableError, match=r"public\.listen"):
        await PublicServer(inbox, keys=[MASTER], port=server.address[1]).start()


async def test_keys_stay_out_of_standard_logs(server: PublicServer, caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP library's own loggers say nothing about requests."""
    caplog.set_level(logging.DEBUG)
    await raw(server, post(signed=query(master="guess")))
    assert "secret" not in caplog.text
