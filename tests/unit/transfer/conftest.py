"""A small object storage on a real socket, and what the transfers run on."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

EarlyCloser = Callable[[bytes], Awaitable[str]]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

SIGNED = "AccessKeyId=AKIDSECRET&Expires=1900000000&Signature=c2VjcmV0%2Fsig%3D"


def refusal_xml(code: str, message: str = "No.") -> str:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'


@dataclass
class Storage:
    """Keeps what is PUT, checks Content-MD5, and answers as the test says first."""

    base: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[web.BaseRequest] = field(default_factory=list)
    #: Answers of the next requests to a path, before the normal behaviour.
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def url(self, name: str) -> str:
        return f"{self.base}/{name}?{SIGNED}"

    def answer(self, name: str, *answers: Answer) -> None:
        self.answers.setdefault(f"/{name}", []).extend(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if planned := self.answers.get(request.path):
            return await planned.pop(0)(request)
        if request.method == "GET":
            stored = self.objects.get(request.path)
            return web.Response(body=stored) if stored is not None else web.Response(status=404)
        return await self.store(request)

    async def store(self, request: web.Request) -> web.StreamResponse:
        if "Content-Length" not in request.headers:
            return web.Response(status=411, text=refusal_xml("MissingContentLength"))
        body = await request.read()
        digest = hashlib.md5(body)
        sent = request.headers.get("Content-MD5")
        if sent is not None and sent != base64.b64encode(digest.digest()).decode():
            return web.Response(status=400, text=refusal_xml("BadDigest", "The Content-MD5 did not match."))
        self.objects[request.path] = body
        return web.Response(headers={"ETag": f'"{digest.hexdigest()}"'})


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    storage = Storage()
    app = web.Application(client_max_size=1024**3)
    app.router.add_route("*", "/{name:.*}", storage.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    storage.base = f"http://127.0.0.1:{port}"
    yield storage
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
async def early_closer() -> AsyncIterator[EarlyCloser]:
    """Starts raw servers that read a request's head, send some bytes and hang up."""
    servers: list[asyncio.Server] = []

    async def start(answer: bytes) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/object?{SIGNED}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
