"""Many waiting runs in a process of their own, and a client that reports their jobs as MetaStudio would."""

import asyncio
import json
import random
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from orchestrator.metastudio.callbacks import derive_key, sign
from tests.bench.kit.peers import ROOT

_NODE: Final = ROOT / "tests" / "bench" / "kit" / "waiting_node.py"
#: As in `waiting_node`, which is not imported here: that would load all of the orchestrator into the client.
KEY: Final = "master key of the bench"
#: The public listener has room for 2,000 connections; a client that opens more would be cut.
CONNECTIONS: Final = 200
_RETRY_S: Final = 0.002
#: The longest answer of a node, in bytes.
_LINE: Final = 1024 * 1024


@dataclass(slots=True)
class Node:
    """The process, by its two pipes."""

    process: asyncio.subprocess.Process
    hello: Mapping[str, Any]
    port: int
    state: Path
    #: When it was started.
    started_at: float
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, verb: str, *arguments: Any) -> Mapping[str, Any]:
        """What the node answers."""
        assert self.process.stdin is not None
        async with self._turn:
            self.process.stdin.write(json.dumps([verb, *arguments]).encode() + b"\n")
            await self.process.stdin.drain()
            return await _answer(self.process)

    async def began_at(self, count: int, within_s: float) -> Mapping[str, float]:
        """When the steps behind the waiting ones began, by run."""
        path = self.state.with_name("began.json")
        await self.ask("began", count, within_s, str(path))
        found: Mapping[str, float] = json.loads(path.read_text("ascii"))
        return found


@asynccontextmanager
async def node(state: Path, *, first: "Callback | None" = None) -> AsyncIterator[Node]:
    """A node on a state file, killed (not stopped) at the end of the block.

    `first` is sent from the very start of the process until it is taken; `first.answered_at` tells when.
    """
    port = _free_port()
    started_at = monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, _NODE, state, str(port)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE,
    )
    try:
        if first is not None:
            await first.until_taken(port)
        yield Node(process, await _answer(process), port, state, started_at)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _answer(process: asyncio.subprocess.Process) -> Mapping[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line, "the node has ended"
    found: Mapping[str, Any] = json.loads(line)
    return found


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@dataclass(slots=True)
class Callback:
    """One signed callback about a run's job."""

    run_id: str
    job: str
    sent_at: float = 0.0
    answered_at: float = 0.0
    status: int = 0

    def request(self, port: int) -> bytes:
        """The bytes that MetaStudio would send."""
        url = f"http://127.0.0.1:{port}/callbacks/video/{self.run_id}"
        target = sign(url, derive_key(KEY, self.run_id), time.time_ns() // 1_000_000)
        body = json.dumps({"job_id": self.job, "result": "SUCCEED", "asset_id": f"asset-of-{self.job}"})
        return (
            f"POST {target.removeprefix(f'http://127.0.0.1:{port}')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def send(self, port: int, request: bytes | None = None) -> None:
        """Over a connection of its own, as from a service that calls each customer once in a while.

        `request`: made before, where the client's own speed matters.
        """
        sending = request or self.request(port)
        loop = asyncio.get_running_loop()
        over: asyncio.Future[bytes] = loop.create_future()
        self.sent_at = monotonic()
        transport, _ = await loop.create_connection(lambda: _Sender(sending, over), "127.0.0.1", port)
        try:
            head = await over
            self.answered_at = monotonic()
            self.status = int(head.split(None, 2)[1])
        finally:
            transport.abort()

    async def until_taken(self, port: int) -> None:
        """Again and again, until somebody listens."""
        while self.status != 204:
            try:
                await self.send(port)
            except OSError:
                await asyncio.sleep(_RETRY_S)


class _Sender(asyncio.Protocol):
    """Writes a request, hands on the first bytes of the answer."""

    def __init__(self, request: bytes, over: asyncio.Future[bytes]) -> None:
        self._request, self._over = request, over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._over.done():
            self._over.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(exc or ConnectionResetError("closed without an answer"))


def waiting_runs(state: Path, count: int, *, seed: int = 0) -> list[Callback]:
    """Callbacks for so many of the runs that wait, chosen by chance. Reads the file beside the node."""
    with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT run_id, correlation FROM waits ORDER BY run_id").fetchall()
    chosen = random.Random(seed).sample(found, min(count, len(found)))
    return [Callback(run_id, job) for run_id, job in chosen]


async def send_paced(callbacks: Sequence[Callback], port: int, per_s: float) -> None:
    """One after the other at a rate, whether or not the ones before were answered."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, callback in enumerate(callbacks):
            await asyncio.sleep(max(0.0, begin + number / per_s - loop.time()))
            group.create_task(callback.send(port))


async def send_at_once(callbacks: Sequence[Callback], port: int) -> None:
    """As fast as this client can, over so many connections at a time; signed before."""
    left = iter([(callback, callback.request(port)) for callback in callbacks])

    async def one_after_the_other() -> None:
        for callback, request in left:
            await callback.send(port, request)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONNECTIONS, len(callbacks))):
            group.create_task(one_after_the_other())
