"""The emulator over HTTP: two listeners, one for the API and its control, one for object storage."""

import asyncio
import contextlib
import logging
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, ClientTimeout, web

from orchestrator.emulator.adapter import Departure, as_request, depart
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.control import PREFIX, advanced, advances, control, resets
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.ledger import Ledger
from orchestrator.emulator.media import require_media
from orchestrator.emulator.objects import Objects
from orchestrator.emulator.pump import Pump
from orchestrator.emulator.records import FileState
from orchestrator.emulator.refusals import INTERNAL_ERROR, INVALID_PARAMETER, Refusal
from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.storage_http import StorageHandler
from orchestrator.emulator.studio import Studio
from orchestrator.emulator.wire import Answer, Request
from orchestrator.errors import UsageError

_log = logging.getLogger(__name__)
#: Bodies above this are refused, signed or not.
_MAX_BODY = 32 * 1024 * 1024
#: Lists of ids stand in the query.
_MAX_LINE = 64 * 1024
#: What is no HTTP is refused by the library; it is the caller's mistake, not an event of ours.
_QUIET = logging.getLogger(f"{__name__}.quiet")
_QUIET.setLevel(logging.CRITICAL + 1)
_SHUTDOWN_S = 1.0


class EmulatorServer:
    """An emulator that listens; an async context manager."""

    def __init__(self, config: EmulatorConfig | None = None) -> None:
        """Nothing is opened before `start`."""
        self.config = config or EmulatorConfig()
        self.endpoint = ""
        self.storage_endpoint = ""
        self._stack = contextlib.AsyncExitStack()
        self._departure = Departure()
        self._wake = asyncio.Event()
        self._emulator: Emulator | None = None
        self._objects: Objects | None = None
        self._studio: Studio | None = None
        self._pump: Pump | None = None

    @property
    def hello(self) -> dict[str, str]:
        """What a caller has to know: endpoint, key, secret, project and a token."""
        config = self.config
        return {
            "endpoint": self.endpoint,
            "ak": config.ak,
            "sk": config.sk,
            "project_id": config.project_id,
            "token": config.token,
        }

    @property
    def emulator(self) -> Emulator:
        """The emulator behind the listeners; only between start and stop."""
        assert self._emulator is not None, "the emulator is not started"
        return self._emulator

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Opens the data and the listeners, and goes on with what an earlier process left undone.

        Raises:
            UsageError: media support is missing, the data folder is in use or unreadable, a port is taken.
        """
        if self.config.render:
            require_media()
        self._departure = Departure()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Closes everything; what is pending goes on with the next start on the same data folder."""
        await self._stack.aclose()

    async def _start(self) -> None:
        folder, ledger = self._open_data()
        config, stack = self.config, self._stack
        kept = _kept_ports(ledger)
        api_socket = _bind(config.host, config.port, kept.get("api"))
        stack.callback(api_socket.close)
        storage_socket = _bind(config.host, config.storage_port, kept.get("storage"))
        stack.callback(storage_socket.close)
        self.endpoint = _url(config.host, api_socket)
        self.storage_endpoint = _url(config.host, storage_socket)
        if ledger is not None:
            ports = {"api": api_socket.getsockname()[1], "storage": storage_socket.getsockname()[1]}
            ledger.keep((), settings={"ports": ports})
        emulator = Emulator(
            config, storage_url=self.storage_endpoint, api_url=self.endpoint, ledger=ledger, in_slices=True
        )
        self._emulator = emulator
        pool = ThreadPoolExecutor(4, thread_name_prefix="storage")
        stack.callback(pool.shutdown)
        objects = Objects(folder, pool)
        known = {file.id for file in emulator.world.files if file.state is not FileState.DELETED}
        known.update(key for job in emulator.world.jobs for key in (job.output_video_id, job.output_cover_id))
        objects.sweep(known)
        self._objects = objects
        studio = Studio(emulator, objects, self._wake.set)
        self._studio = studio
        stack.push_async_callback(studio.stop)
        session = ClientSession(
            timeout=ClientTimeout(total=config.callback_timeout_s),
            headers={"User-Agent": "MetaStudio-Emulator"},
        )
        stack.push_async_callback(session.close)
        self._pump = Pump(emulator, studio, session, self._wake)
        await self._pump.catch_up()
        await self._listen(api_socket, self._handle_api)
        handler = StorageHandler(StorageRules(emulator), objects, emulator.world.new_id, self._departure)
        await self._listen(storage_socket, handler.handle)
        if config.render:
            for job in studio.lost():
                studio.start(job)
            for file in studio.lost_files():
                studio.start_file(file)
        await stack.enter_async_context(_running(self._pump.run()))
        stack.callback(self._departure.begin)

    def _open_data(self) -> tuple[Path, Ledger | None]:
        if self.config.data_dir is None:
            folder = Path(tempfile.mkdtemp(prefix="metastudio-emulator-"))
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
            return folder, None
        ledger = Ledger(self.config.data_dir / "emulator.db")
        self._stack.callback(ledger.close)
        return self.config.data_dir, ledger

    async def _listen(self, listener: socket.socket, handler: Any) -> None:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{tail:.*}", handler)
        # A caller that goes away must not leave a hanging request behind.
        runner = web.AppRunner(
            app,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_S,
            access_log=None,
            logger=_QUIET,
            auto_decompress=False,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()

    # -- the API ---------------------------------------------------------------------------------

    async def _handle_api(self, http: web.Request) -> web.StreamResponse:
        try:
            body = await http.read()
        except web.HTTPRequestEntityTooLarge:
            return await depart(
                http,
                Refusal(INVALID_PARAMETER, "the body is too large", status=413).answer(),
                self._departure,
            )
        request = as_request(http, body)
        try:
            if f"{request.path}/".startswith(PREFIX):
                answer = await self._control(request)
            else:
                answer = self.emulator.handle(request)
        except Exception:  # noqa: BLE001 - the boundary to the socket, see below
            # The last line before the socket: a fault of ours is told in the API's own form, and logged.
            _log.exception("a request failed")
            answer = Refusal(INTERNAL_ERROR).answer()
            self.emulator.note(request, "failed", answer, code=INTERNAL_ERROR)
        self._wake.set()
        return await depart(http, answer, self._departure)

    async def _control(self, request: Request) -> Answer:
        answer = control(self.emulator, request)
        if answer.status != 200:
            return answer
        if resets(request) and self._objects is not None and self._studio is not None:
            self._studio.abandon()
            self._objects.clear()
        if advances(request) and self._pump is not None:
            await self._pump.arrival()
            return advanced(self.emulator)
        return answer


@contextlib.asynccontextmanager
async def _running(pump: Any) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(pump, name="emulator pump")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _kept_ports(ledger: Ledger | None) -> dict[str, int]:
    """The ports of last time."""
    if ledger is None:
        return {}
    with ledger.loading():
        ports = dict(ledger.setting("ports") or {})
        return {name: int(port) for name, port in ports.items()}


def _bind(host: str, port: int, before: int | None) -> socket.socket:
    """A listening socket: on the port asked for, else on the one of last time if it is free, else on any."""
    wanted = [port] if port else [before or 0, 0]
    for number in wanted:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            listener.listen(1024)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            reason = error
            continue
        return listener
    raise UsageError(
        f"cannot listen on {host}:{port}: {reason.strerror}", hint="Choose another port."
    ) from reason


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
