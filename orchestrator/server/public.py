"""The listener that faces the internet: takes callbacks in, hands each to the journal, tells strangers nothing."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, Self, TypeVar

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from orchestrator.errors import UnreachableError
from orchestrator.metastudio.callbacks import (
    LIVE_QUERY,
    MAX_BODY_BYTES,
    MalformedCallback,
    Verdict,
    VideoCallback,
    derive_key,
    derive_live_key,
    parse,
    verify,
)
from orchestrator.metastudio.live_events import LiveEventCallback, parse_live_event
from orchestrator.settings import Listen

log = structlog.get_logger(__name__)

#: The paths under the public URL; the token is the run's id.
VIDEO_CALLBACK_PATH = "/callbacks/video/"
LIVE_CALLBACK_PATH = "/callbacks/live/"

_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)

C = TypeVar("C")


class CallbackSink(Protocol):
    """Where a verified callback goes."""

    async def callback(self, run_id: str, callback: VideoCallback, *, stale: bool) -> bool:
        """Journals the callback and returns once that is durable; False: there is no such run.

        Called again for a replay, which must have no second effect. `stale`: properly signed, but outside the time
        window, so it may do no more than cause a look at the job.
        """
        ...

    async def live_event(self, run_id: str, event: LiveEventCallback, *, stale: bool) -> bool:
        """As `callback`, for an event of one of the run's livestreams."""
        ...


class PublicServer:
    """`POST /callbacks/video/{run id}`, `POST /callbacks/live/{run id}` and `GET /healthz`, nothing else.

    `keys` are the master keys; each run's signatures are made with a key derived from one of them. `public_url` is what
    MetaStudio was told, and a proxy strips what path it has; None: this listener's own address. A connection serves one request, has `read_s` seconds to deliver it,
    and there are at most `max_connections` of them.
    """

    def __init__(
        self,
        sink: CallbackSink,
        *,
        keys: Sequence[str],
        public_url: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        window_s: float = 300.0,
        read_s: float = 10.0,
        max_connections: int = 2000,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._sink = sink
        self._keys = keys
        self._public_url = public_url
        self._host = host
        self._port = port
        self._window_s = window_s
        self._read_s = read_s
        self._max_connections = max_connections
        self._now_ms = now_ms
        self._open: set[_Connection] = set()
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._own_url = ""

    @property
    def url(self) -> str:
        """The public URL, without a slash at its end. Needs a started server when none was configured."""
        if self._public_url is not None:
            return self._public_url.rstrip("/")
        return self._own_url

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on."""
        assert self._listener is not None, "not started"
        host, port, *_ = self._listener.sockets[0].getsockname()
        return host, port

    def callback_url(self, run_id: str) -> str:
        """The URL to give to MetaStudio for a run's videos (5-146, `callback_url`)."""
        return f"{self.url}{VIDEO_CALLBACK_PATH}{run_id}"

    def callback_key(self, run_id: str) -> str:
        """The key to give along with it (5-146, `key`), made with the first master key."""
        return derive_key(self._keys[0], run_id)

    async def start(self) -> None:
        """Begins to listen. Raises `UnreachableError` when the address can't be had."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_bare])
        app.router.add_post(VIDEO_CALLBACK_PATH + "{token}", self._video)
        app.router.add_post(LIVE_CALLBACK_PATH + "{token}", self._live)
        app.router.add_get("/healthz", _health, allow_head=False)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=10)
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._connection, self._host, self._port, backlog=1024)
        except OSError as error:
            await self._runner.cleanup()
            raise UnreachableError(
                f"Can't listen on {self._host}:{self._port}: {error.strerror}.",
                hint="Choose another public.listen.",
            ) from error
        self._own_url = f"http://{Listen(*self.address)}"

    async def stop(self) -> None:
        """Stops listening and lets the callbacks under way finish."""
        if self._listener is not None:
            loop = asyncio.get_running_loop()
            for listening in self._listener.sockets:
                loop.remove_reader(listening.fileno())
            # A connection is accepted, attached to its listener and made in a turn of the loop each. A listener that is
            # closed before it is attached would leave it open for ever.
            for _ in range(3):
                await asyncio.sleep(0)
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _connection(self) -> asyncio.Protocol:
        assert self._runner is not None
        assert self._runner.server is not None
        return _Connection(self._runner.server, self._open, self._max_connections, self._read_s)

    async def _video(self, request: web.Request) -> web.StreamResponse:
        run_id, stale, callback = await self._received(request, self._video_verdict, parse)
        if not await self._sink.callback(run_id, callback, stale=stale):
            raise _RefusedError(404, "no such run")
        if stale:
            raise _RefusedError(401, "stale signature")
        log.info("callback.accepted", run=run_id, job_id=callback.job_id, result=callback.result)
        return _Silent(status=204)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        run_id, stale, event = await self._received(request, self._live_verdict, parse_live_event)
        if not await self._sink.live_event(run_id, event, stale=stale):
            raise _RefusedError(404, "no such run")
        if stale:
            raise _RefusedError(401, "stale signature")
        log.info("callback.accepted", run=run_id, job_id=event.job_id, event_type=event.event_type)
        return _Silent(status=204)

    async def _received(
        self, request: web.Request, judge: Callable[[str, str], Verdict], read: Callable[[bytes], C]
    ) -> tuple[str, bool, C]:
        """The run, whether the signature is stale, and what the body says. Raises _RefusedError for all else."""
        run_id = request.match_info["token"]
        if not _TOKEN.fullmatch(run_id):
            raise _RefusedError(404, "no such run")
        if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            # A few bytes may unpack to gigabytes, and MetaStudio sends plain JSON.
            raise _RefusedError(415, "encoded body")
        verdict = judge(run_id, request.rel_url.raw_query_string)
        if verdict is Verdict.FORGED:
            raise _RefusedError(401, "forged signature")
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise _RefusedError(413, "oversized body")
        try:
            said = read(await request.read())
        except MalformedCallback as error:
            raise _RefusedError(400, error.message) from error
        except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as error:
            raise _RefusedError(400, "broken body") from error
        _arrived(request)
        return run_id, verdict is Verdict.STALE, said

    def _video_verdict(self, run_id: str, query: str) -> Verdict:
        keys = [derive_key(master, run_id) for master in self._keys]
        # The configured URL, never the Host header: only what MetaStudio was told can have been signed.
        return verify(self.callback_url(run_id), query, keys, self._now_ms(), self._window_s)

    def _live_verdict(self, run_id: str, query: str) -> Verdict:
        url = f"{self.url}{LIVE_CALLBACK_PATH}{run_id}"
        keys = [derive_live_key(master, run_id) for master in self._keys]
        return verify(url, query, keys, self._now_ms(), self._window_s, fields=LIVE_QUERY)


class _Silent(web.Response):
    """A response that does not say which software made it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


class _Connection(web.RequestHandler):
    """One client: cut when its request is not here in time, closed after the answer."""

    __slots__ = ("_deadline", "_max_open", "_open", "_read_s", "was_cut")

    def __init__(self, server: web.Server, opened: "set[_Connection]", max_open: int, read_s: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None turns it off, which the annotation forgets
            auto_decompress=False,
            # A refused body is not read to its end for the sake of a connection that is closed anyway.
            lingering_time=0.5,
            max_headers=64,
        )
        self._open = opened
        self._max_open = max_open
        self._read_s = read_s
        self._deadline: asyncio.TimerHandle | None = None
        #: We hung up, and have logged why.
        self.was_cut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open.add(self)
        if len(self._open) > self._max_open:
            self._cut("too many connections")
        else:
            self._deadline = asyncio.get_running_loop().call_later(self._read_s, self._cut, "too slow")

    def connection_lost(self, exc: BaseException | None) -> None:
        self._open.discard(self)
        self.arrived()
        super().connection_lost(exc)

    def arrived(self) -> None:
        """The request is here in full: what takes time now is our own work."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers broken HTTP and our own failures, without the detail that aiohttp would give."""
        if status >= 500:
            log.error("callback.failed", status=status, exc_info=exc)
        else:
            log.warning("callback.refused", status=status, reason="broken HTTP", peer=request.remote)
        return _Silent(status=status)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends the answer, stripped if aiohttp itself made it, and as the last one of this connection."""
        if not isinstance(resp, _Silent):
            log.warning("callback.refused", status=resp.status, reason="refused by HTTP", peer=request.remote)
            resp = _Silent(status=resp.status)
        # An open connection is a slot that a stranger holds.
        resp.force_close()
        self.arrived()
        return await super().finish_response(request, resp, start_time)

    def _cut(self, reason: str) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.was_cut = True
            peer = self.transport.get_extra_info("peername")
            log.warning("callback.refused", reason=reason, peer=peer[0] if peer else None)
            self.transport.abort()


class _RefusedError(Exception):
    """A request that is answered with `status` and nothing else; `reason` is for the log alone."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@web.middleware
async def _bare(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers refusals without detail."""
    try:
        response = await handler(request)
    except _RefusedError as refused:
        response = _refused(request, refused.status, refused.reason)
    except web.HTTPException as refused:
        response = _refused(request, refused.status, refused.reason)
    return response


async def _health(_request: web.Request) -> web.StreamResponse:
    return _Silent(text="ok\n")


def _arrived(request: web.Request) -> None:
    if isinstance(request.protocol, _Connection):
        request.protocol.arrived()


def _refused(request: web.Request, status: int, reason: str) -> web.StreamResponse:
    connection = request.protocol
    if not (isinstance(connection, _Connection) and connection.was_cut):
        run = request.match_info.get("token", "")
        known = {"run": run} if _TOKEN.fullmatch(run) else {}
        log.warning("callback.refused", status=status, reason=reason, peer=request.remote, **known)
    return _Silent(status=status)
