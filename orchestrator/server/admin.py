"""The listener for people and programs on this side: runs, events and quotas as JSON and SSE, and the dashboard."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self

import structlog
from aiohttp import web

from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus
from orchestrator.errors import OrchestratorError, UnreachableError, UsageError
from orchestrator.server.access import Handler, add_headers, guard, problem
from orchestrator.server.controls import MAX_BODY_BYTES, Controls
from orchestrator.server.outputs import saved_file, serve
from orchestrator.server.reads import EventView, LiveRunReader, RunDetail, RunQuery, to_json
from orchestrator.server.sse import stream
from orchestrator.settings import Listen

log = structlog.get_logger(__name__)

_DASHBOARD = Path(__file__).parent / "dashboard"
_PAGES = {
    "/": ("index.html", "text/html"),
    "/dashboard.js": ("dashboard.js", "text/javascript"),
    "/dashboard.css": ("dashboard.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


async def _always_ready() -> Sequence[str]:
    return ()


class AdminServer:
    """REST, SSE and dashboard over a `LiveRunReader`.

    `controls`: the verbs on runs; without them everything is read-only. `token`: needed from everyone if given; without
    one only loopback may be listened on. `ready` returns what keeps the daemon from working, nothing when it is ready.
    `heartbeat_s`: seconds between signs of life on event streams.
    """

    def __init__(
        self,
        reader: LiveRunReader,
        *,
        controls: Controls | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        ready: Callable[[], Awaitable[Sequence[str]]] = _always_ready,
        heartbeat_s: float = 15.0,
    ) -> None:
        self._reader = reader
        self._controls = controls
        self._host = host
        self._port = port
        self._token = token
        self._ready = ready
        self._heartbeat_s = heartbeat_s
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where the dashboard is, with a slash at its end. Needs a started server."""
        assert self._runner is not None, "not started"
        host, port = self._runner.addresses[0][:2]
        return f"http://{Listen(host, port)}/"

    async def start(self) -> None:
        """Begins to listen.

        Raises `UsageError` for an open address without a token, `UnreachableError` when the address can't be had.
        """
        loopback = Listen(self._host, self._port).loopback
        if not loopback and self._token is None:
            raise UsageError(
                f"Listening on {self._host} opens runs to other machines.",
                hint="Set admin.token, or use 127.0.0.1.",
            )
        app = web.Application(
            middlewares=[guard(host=self._host, loopback=loopback, token=self._token), _answer_errors],
            client_max_size=MAX_BODY_BYTES,
        )
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self._end_streams)
        self._add_routes(app.router)
        # A client that leaves ends its stream at once, and with it the subscription.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise UnreachableError(
                f"Can't listen on {self._host}:{self._port}: {error.strerror}.",
                hint="Choose another admin.listen.",
            ) from error
        self._runner = runner

    async def stop(self) -> None:
        """Stops listening; open event streams end."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        for path in _PAGES:
            router.add_get(path, _page)
        router.add_get("/healthz", _health)
        router.add_get("/readyz", self._readiness)
        router.add_get("/events", self._all_events, allow_head=False)
        router.add_get("/api/v1/runs", self._runs)
        router.add_get("/api/v1/runs/{run}", self._run)
        router.add_get("/api/v1/runs/{run}/rows", self._rows)
        router.add_get("/api/v1/runs/{run}/events", self._run_events, allow_head=False)
        router.add_get("/api/v1/runs/{run}/files/{step}", self._file)
        router.add_get("/api/v1/limits", self._limits)
        if self._controls is not None:
            self._controls.add_routes(router, admitted_by="loopback" if self._token is None else "token")

    async def _end_streams(self, _app: web.Application) -> None:
        self._stopping.set()

    async def _readiness(self, _request: web.Request) -> web.StreamResponse:
        problems = list(await self._ready())
        return _json({"ready": not problems, "problems": problems}, status=503 if problems else 200)

    async def _runs(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        wanted = [status for status in query.getall("status", []) if status]
        if unknown := [status for status in wanted if status not in set(RunStatus)]:
            raise UsageError(f"There is no status {unknown[0]!r}.", hint=f"One of: {', '.join(RunStatus)}.")
        runs, next_cursor = await self._reader.runs(
            RunQuery(
                status=frozenset(map(RunStatus, wanted)),
                parent=RunId(query["parent"]) if "parent" in query else None,
                name=query.get("name", ""),
                pipeline=query.get("pipeline", ""),
            ),
            cursor=query.get("cursor") or None,
            limit=_number(query.get("limit", "50"), "limit", 1, 500),
        )
        return _json({"runs": runs, "next_cursor": next_cursor})

    async def _run(self, request: web.Request) -> web.StreamResponse:
        return _json(await self._found(request))

    async def _rows(self, request: web.Request) -> web.StreamResponse:
        start = _number(request.query.get("start", "0"), "start", 0, 2**53)
        limit = _number(request.query.get("limit", "100"), "limit", 1, 500)
        found = await self._reader.rows((await self._found(request)).summary.id, start, limit)
        if found is None:
            return problem(404, "not-found", "The run has no table.")
        return _json(found)

    async def _run_events(self, request: web.Request) -> web.StreamResponse:
        run_id = (await self._found(request)).summary.id
        after = request.headers.get("Last-Event-ID") or request.query.get("after", "0")
        after_seq = _number(after, "after", 0, 2**53)
        if "text/event-stream" not in request.headers.get("Accept", ""):
            return _json({"events": await self._reader.events(run_id, after_seq)})

        async def history_then_live() -> AsyncGenerator[EventView, None]:
            last = after_seq
            # Subscribed before the history is read: between the two nothing is missed, and what comes twice is dropped.
            async with self._reader.subscribe() as live:
                for event in await self._reader.events(run_id, after_seq):
                    last = event.seq
                    yield event
                async for event in live:
                    if event.run_id == run_id and event.seq > last:
                        last = event.seq
                        yield event

        async with aclosing(history_then_live()) as events:
            return await self._stream(request, events, with_ids=True)

    async def _all_events(self, request: web.Request) -> web.StreamResponse:
        async with self._reader.subscribe() as events:
            return await self._stream(request, events, with_ids=False)

    async def _stream(
        self, request: web.Request, events: AsyncIterator[EventView], *, with_ids: bool
    ) -> web.StreamResponse:
        return await stream(
            request, events, stopping=self._stopping, heartbeat_s=self._heartbeat_s, with_ids=with_ids
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = saved_file(await self._found(request), request.match_info["step"])
        if path is None:
            return problem(404, "not-found", "This step of the run has saved no file, or it is gone.")
        return serve(path)

    async def _limits(self, _request: web.Request) -> web.StreamResponse:
        return _json({"limits": self._reader.limits()})

    async def _found(self, request: web.Request) -> RunDetail:
        run = await self._reader.run(RunId(request.match_info["run"]))
        if run is None:
            raise web.HTTPNotFound
        return run


async def _page(request: web.Request) -> web.StreamResponse:
    name, content_type = _PAGES[request.path]
    return web.FileResponse(
        _DASHBOARD / name,
        headers={"Content-Type": f"{content_type}; charset=utf-8", "Cache-Control": "no-cache"},
    )


async def _health(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n")


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as JSON; ours with their hint."""
    try:
        return await handler(request)
    except UsageError as error:
        return problem(400, "bad-request", error.message, hint=error.hint)
    except OrchestratorError as error:
        log.warning("admin.failed", path=request.path, error=error.message)
        status = 503 if isinstance(error, UnreachableError) else 500
        return problem(status, "failed", error.message, hint=error.hint)
    except web.HTTPException as error:
        code = error.reason.lower().replace(" ", "-")
        answer = problem(error.status, code, f"{request.method} {request.path}: {error.reason}.")
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


def _json(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(
        text=to_json(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _number(text: str, name: str, least: int, most: int) -> int:
    # Bounded before it is read: int() takes its time over thousands of digits.
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else -1
    if not least <= value <= most:
        raise UsageError(f"{name} should be a whole number from {least} to {most}.")
    return value
