"""The way between orchestrator and emulator: slow, lossy, seeded. What is on its way arrives, whoever has died."""

import asyncio
import base64
import hashlib
from collections.abc import Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from orchestrator.emulator import wire as served
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.storage import StorageRules
from orchestrator.errors import RetryClass
from orchestrator.metastudio import callbacks
from orchestrator.metastudio.errors import AnswerLost, ConnectFailed, Executed
from orchestrator.metastudio.wire import Request, Response
from orchestrator.transfer.content_type import content_type_of
from orchestrator.transfer.digest import Digest
from orchestrator.transfer.errors import TransferError
from orchestrator.transfer.files import HashedFile
from orchestrator.transfer.parts import split
from orchestrator.transfer.upload import OnProgress
from tests.simulation.loop import VirtualLoop


@dataclass(frozen=True, slots=True)
class Weather:
    """How often things go wrong, each as a probability per request."""

    refused: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    #: The connection breaks, and the server acts up to `late_s` later.
    late: float = 0.0
    late_s: float = 60.0
    error_before: float = 0.0
    error_after: float = 0.0
    throttled: float = 0.0
    callback_lost: float = 0.0
    callback_doubled: float = 0.0
    #: The answer comes, but is no JSON, or JSON whose values are all of another type, or its addresses have expired.
    garbled: float = 0.0
    #: The job ends badly at the provider; no part of `foul`, because it rightly ends a run.
    job_failed: float = 0.0
    #: A creating request is refused because the account is out of quota; no part of `foul`, because it calls for a person.
    quota: float = 0.0

    @classmethod
    def foul(cls, share: float) -> "Weather":
        """Every kind of fault with the same probability."""
        return cls(share, share, share, share, 60.0, share, share, share, share, share, share)


class Network:
    """Carries requests to the emulator's core; its tasks belong to the world, not to a process that may be killed."""

    def __init__(self, loop: VirtualLoop, emulator: Emulator, weather: Weather, random: Random) -> None:
        self.loop, self.emulator, self.weather, self.random = loop, emulator, weather, random
        self.storage = StorageRules(emulator)
        self.tasks: set[asyncio.Task[Any]] = set()
        #: Set when a request has changed what the emulated world will do next.
        self.arrived = asyncio.Event()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        # In a context of its own, whose owner is nobody.
        task = self.loop.create_task(coroutine, context=Context())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def happens(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    async def delay(self, most_s: float = 0.05) -> None:
        await asyncio.sleep(self.random.random() * most_s)

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        """A `Transport` for the client."""
        weather = self.weather
        await self.delay()
        if self.happens(weather.refused):
            raise ConnectFailed("Cannot connect.", operation=request.operation)
        if self.happens(weather.lost_before):
            raise self._lost(request)
        if self.happens(weather.late):
            self.spawn(self._late(request))
            raise self._lost(request)
        if self.happens(weather.throttled):
            body = b'{"error_code":"APIGW.0308","error_msg":"throttled"}'
            return Response(429, {"Content-Type": "application/json"}, body)
        if request.operation.startswith("create") and self.happens(weather.quota):
            body = b'{"error_code":"MSS.00020012","error_msg":"Insufficient total quota."}'
            return Response(400, {"Content-Type": "application/json"}, body)
        if self.happens(weather.error_before):
            return Response(502, {"Content-Type": "text/html"}, b"<html>Bad Gateway</html>")
        # Shielded: once it has left, the request arrives even if its sender dies now.
        answer = await asyncio.shield(self.spawn(self._arrive(request)))
        if answer.delivery is not served.Delivery.WHOLE or self.happens(weather.lost_after):
            raise self._lost(request)
        if self.happens(weather.error_after):
            return Response(500, {"Content-Type": "application/json"}, b'{"error_code":"MSS.00000004"}')
        await self.delay()
        return Response(answer.status, dict(answer.headers), answer.body)

    async def _arrive(self, request: Request) -> served.Answer:
        await self.delay()
        return self._handle(request)

    async def _late(self, request: Request) -> None:
        await asyncio.sleep(self.random.random() * self.weather.late_s)
        self._handle(request)

    def _handle(self, request: Request) -> served.Answer:
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {"Host": parts.netloc, **request.headers}
        answer = self.emulator.handle(served.Request(request.method, target, headers, request.body))
        self.arrived.set()
        return answer

    def _lost(self, request: Request) -> AnswerLost:
        executed = Executed.NO if request.reads else Executed.UNKNOWN
        return AnswerLost("The answer was lost.", operation=request.operation, executed=executed)


@dataclass(frozen=True, slots=True)
class SimulatedFiles:
    """Files without a disk: a path's content is its own name. Implements `steps.base.Transfers`."""

    network: Network
    downloads: dict[Path, int]

    def part_count(self, size: int) -> int | None:
        return None

    async def describe(self, path: Path) -> HashedFile:
        content = str(path).encode()
        md5 = _md5_base64(content)
        await self.network.delay()
        return HashedFile(path, Digest(len(content), md5, 1, 1))

    async def modified_at(self, path: Path) -> datetime | None:
        return None

    async def upload(self, file: HashedFile, urls: Sequence[str], on_progress: OnProgress) -> None:
        network = self.network
        await network.delay(0.5)
        if network.happens(network.weather.lost_before):
            raise TransferError("The connection was lost.", retry=RetryClass.LATER)
        content = str(file.path).encode()
        headers = {
            "Content-MD5": file.digest.md5_base64,
            "Content-Length": str(len(content)),
            "Content-Type": content_type_of(file.path),
        }
        answer = network.storage.put(_storage_request("PUT", urls[0], headers, content))
        if answer.status != 200:
            expired = answer.status == 403
            raise TransferError(
                f"The storage answered {answer.status}.", retry=RetryClass.LATER, expired=expired
            )
        if network.happens(network.weather.lost_after):
            raise TransferError("The connection was lost.", retry=RetryClass.LATER)
        on_progress(len(content), len(content))

    async def size(self, path: Path) -> int:
        return len(str(path).encode())

    async def send(
        self, path: Path, urls: Sequence[str], on_progress: OnProgress, *, content_type: str | None = None
    ) -> None:
        network, content = self.network, str(path).encode()
        await network.delay(0.5)
        if network.happens(network.weather.lost_before):
            raise TransferError("The connection was lost.", retry=RetryClass.LATER)
        for (offset, length), url in zip(split(len(content), len(urls)), urls, strict=True):
            headers = {"Content-Length": str(length), "Content-Type": content_type or ""}
            body = content[offset : offset + length]
            answer = network.storage.put(_storage_request("PUT", url, headers, body))
            if answer.status != 200:
                message = f"The storage answered {answer.status}."
                raise TransferError(message, retry=RetryClass.LATER, expired=answer.status == 403)
        if network.happens(network.weather.lost_after):
            raise TransferError("The connection was lost.", retry=RetryClass.LATER)
        on_progress(len(content), len(content))

    async def download(self, url: str, to: Path, *, size: int | None, on_progress: OnProgress) -> int:
        await self.network.delay(0.5)
        if self.network.happens(self.network.weather.lost_after):
            raise TransferError("The connection was lost.", retry=RetryClass.LATER)
        self.downloads[to] = self.downloads.get(to, 0) + 1
        return size or 0


def _storage_request(method: str, url: str, headers: dict[str, str], body: bytes) -> served.Request:
    parts = urlsplit(url)
    return served.Request(method, f"{parts.path}?{parts.query}", {"Host": parts.netloc, **headers}, body)


def _md5_base64(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def read_letter(url: str, body: bytes, key: str, now_ms: int) -> callbacks.VideoCallback:
    """What the public listener makes of a callback, without its socket."""
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}"
    verdict = callbacks.verify(base, parse_qsl(parts.query), [key], now_ms)
    assert verdict is callbacks.Verdict.VALID, verdict
    return callbacks.parse(body)
