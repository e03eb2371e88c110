"""How many simple calls a second the emulator answers, what a page of many assets costs, and how soon it listens.

The calls are `show_asset` with a token, limits off, over 50 kept connections, from a process of its own; beside them, in
the same run, those of a bare aiohttp handler that always returns the same bytes. `python tests/bench/emulator_calls.py
[SECONDS]` prints a table; ratios say more than the absolute figures of one machine.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # run as a script, this folder alone is on the path

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.wire import Request

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 50
SECONDS = 5.0
STARTS = 5
MANY, FEW = 100_000, 1_000
PAGES = 200
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

EMULATOR = (sys.executable, "-m", "orchestrator", "emulator", "--no-limits")
#: The least that an aiohttp server can do: bytes that are ready.
BARE = """
import asyncio, socket, sys
from aiohttp import web

async def main(body):
    async def answer(request):
        await request.read()
        return web.Response(body=body, content_type="application/json")
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    print(listener.getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main(sys.argv[1].encode()))
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A request that is sent over and over."""

    host: str
    port: int
    raw: bytes


class Caller(asyncio.Protocol):
    """One connection: sends the next request when the last one is answered."""

    def __init__(self, raw: bytes, answered: Callable[[], None]) -> None:
        """`answered` hears of each whole answer."""
        self._raw = raw
        self._answered = answered
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the first request."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(self._raw)

    def data_received(self, data: bytes) -> None:
        """Sends the next request after a whole answer."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) >= length and self._transport is not None:
            self._buffer = b""
            self._answered()
            self._transport.write(self._raw)


async def calls_per_s(target: Target, seconds: float) -> float:
    """Answers a second over all connections, after a second of warming up."""
    loop = asyncio.get_running_loop()
    count = 0

    def answered() -> None:
        nonlocal count
        count += 1

    made = [
        await loop.create_connection(lambda: Caller(target.raw, answered), target.host, target.port)
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(1)
    count, began = 0, loop.time()
    await asyncio.sleep(seconds)
    rate = count / (loop.time() - began)
    for transport, _ in made:
        transport.abort()
    return rate


@contextmanager
def running(*command: str) -> Iterator[tuple[str, float]]:
    """A process, the first line of its stdout, and after how many seconds that came."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline(), time.perf_counter() - began
        finally:
            process.terminate()


def get(url: str, path: str, token: str = "") -> Target:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Auth-Token: {token}\r\n\r\n"
    return Target(parts.hostname, parts.port, head.encode())


def compare(seconds: float) -> None:
    """The emulator beside the bare handler."""
    with running(*EMULATOR) as (line, _):
        hello = json.loads(line)
        root = f"/v1/{hello['project_id']}/digital-assets"
        body = json.dumps({"asset_name": "Kettle", "asset_type": "IMAGE"}).encode()
        headers = {"X-Auth-Token": hello["token"], "Content-Type": "application/json"}
        with urlopen(HttpRequest(hello["endpoint"] + root, body, headers), timeout=10) as answer:
            asset_id = json.load(answer)["asset_id"]
        with urlopen(
            HttpRequest(f"{hello['endpoint']}{root}/{asset_id}", headers=headers), timeout=10
        ) as answer:
            shown = answer.read().decode()
        ours = asyncio.run(calls_per_s(get(hello["endpoint"], f"{root}/{asset_id}", hello["token"]), seconds))
    with running(sys.executable, "-c", BARE, shown) as (line, _):
        bare = asyncio.run(calls_per_s(get(f"http://127.0.0.1:{int(line)}", "/"), seconds))
    say(f"show_asset, {CONNECTIONS} connections   {ours:8.0f} calls/s")
    say(f"bare aiohttp handler            {bare:8.0f} calls/s")
    say(f"ratio                           {ours / bare:8.2f}")


def start_s() -> None:
    """Time from the command to the first line on stdout, and the same of an interpreter that does nothing."""
    for name, command in (
        ("orchestrator emulator", EMULATOR),
        ("python, nothing else", (sys.executable, "-c", "print()")),
    ):
        times = []
        for _ in range(STARTS):
            with running(*command) as (_, seconds):
                times.append(seconds)
        say(f"{name:24}{statistics.median(times):8.2f} s  (least {min(times):.2f}, of {STARTS})")


def pages() -> None:
    """What a page costs in a world of many and of few assets."""
    say(f"{'page of 100, ms':24}{FEW:>10,}{MANY:>10,} assets")
    few, many = world_of(FEW), world_of(MANY)
    for name, place, further in (
        ("first", 0.0, {}),
        ("middle", 0.5, {}),
        ("last", 1.0, {}),
        ("middle, newest first", 0.5, {"sort_dir": "desc"}),
        ("middle, one state", 0.5, {"asset_state": "CREATING"}),
        ("middle, by update", 0.5, {"sort_key": "update_time"}),
    ):
        times = [page_ms(*one, place, further) for one in (few, many)]
        say(f"{name:24}{times[0]:10.2f}{times[1]:10.2f}   x {times[1] / times[0]:.1f}")


def world_of(count: int) -> tuple[Emulator, int]:
    emulator = Emulator(EmulatorConfig(render=False, limits=False), clock=lambda: NOW)
    for number in range(count):
        at = NOW + timedelta(milliseconds=number)
        asset = Asset(
            id=f"{number:032x}",
            name=f"Asset {number}",
            type="IMAGE",
            state=AssetState.CREATING,
            created_at=at,
            updated_at=at,
        )
        emulator.world.assets.put(asset)
    return emulator, count


def page_ms(emulator: Emulator, count: int, place: float, further: dict[str, Any]) -> float:
    """Median time of pages around a place in the list."""
    config = emulator.config
    middle = int(place * (count - 100))
    query = "".join(f"&{name}={value}" for name, value in further.items())
    times = []
    for step in range(PAGES):
        offset = max(0, min(count - 100, middle + step - PAGES // 2))
        target = f"/v1/{config.project_id}/digital-assets?limit=100&offset={offset}{query}"
        request = Request("GET", target, {"X-Auth-Token": config.token})
        began = time.perf_counter()
        answer = emulator.handle(request)
        times.append((time.perf_counter() - began) * 1000)
        assert len(answer.json()["assets"]) == 100
    return statistics.median(times)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(seconds: float) -> None:
    """Prints the tables."""
    compare(seconds)
    start_s()
    pages()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
