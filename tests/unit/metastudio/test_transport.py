import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from orchestrator.metastudio import transport as module
from orchestrator.metastudio.errors import AnswerLost, ConnectFailed, Executed
from orchestrator.metastudio.transport import AioHttpTransport
from orchestrator.metastudio.wire import Request

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(handler: Streams) -> AsyncIterator[str]:
    """A server of raw bytes, for faults that no HTTP server would make."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"


@asynccontextmanager
async def http_server(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """A real aiohttp server with one handler for everything."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/x"
    finally:
        await runner.cleanup()


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def _request(url: str, method: str = "POST", body: bytes = b"{}") -> Request:
    return Request(
        method, url, {"Content-Type": "application/json"}, body, "create_file", reads=method == "GET"
    )


async def test_request_and_answer_arrive_whole() -> None:
    """Method, encoded path and query, headers and body there, status, headers and body back."""

    async def echo(request: web.BaseRequest) -> web.Response:
        assert request.headers["X-Mine"] == "1"
        text = f"{request.method} {request.raw_path} {await request.text()}"
        return web.Response(status=418, text=text, headers={"X-Request-Id": "r"})

    async with http_server(echo) as url, AioHttpTransport() as transport:
        answer = await transport.send(
            Request("PUT", f"{url}/a%2Fb%20?q=c%2Bd", {"X-Mine": "1"}, b"body"), timeout_s=5
        )
    assert answer.status == 418
    assert answer.body == b"PUT /x/a%2Fb%20?q=c%2Bd body"
    assert answer.request_id == "r"


async def test_a_redirect_is_not_followed() -> None:
    """A signature holds for one URL, and a body must not go elsewhere."""
    seen = []

    async def redirect(request: web.BaseRequest) -> web.Response:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with http_server(redirect) as url, AioHttpTransport() as transport:
        assert (await transport.send(_request(url), timeout_s=5)).status == 307
    assert seen == ["/x"]


async def test_nobody_listening_is_a_connect_failure() -> None:
    """It never left, so it may be repeated at once."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with AioHttpTransport() as transport:
        with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1") as caught:
            await transport.send(_request(f"http://127.0.0.1:{port}/?Signature=s3cret"), timeout_s=5)
    assert caught.value.executed is Executed.NO
    assert "s3cret" not in str(caught.value)


async def test_an_unknown_host_is_a_connect_failure() -> None:
    """A name that doesn't resolve."""
    async with AioHttpTransport() as transport:
        with pytest.raises(ConnectFailed, match=r"nowhere\.invalid"):
            await transport.send(_request("http://nowhere.invalid/"), timeout_s=5)


async def test_waiting_for_a_free_connection_ends_as_a_connect_failure() -> None:
    """With the pool exhausted nothing has left."""
    hang = asyncio.Event()
    arrived = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.Response:
        arrived.set()
        await hang.wait()
        return web.Response()

    async with http_server(handler) as url, AioHttpTransport(connections=1) as transport:
        first = asyncio.create_task(transport.send(_request(url), timeout_s=30))
        await arrived.wait()
        with pytest.raises(ConnectFailed):
            await transport.send(_request(url), timeout_s=0.05)
        hang.set()
        await first


async def _close_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)


async def _cut_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def _cut_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    await writer.drain()


async def _cut_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")
    await writer.drain()


async def _no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    await writer.drain()


async def _broken_gzip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")
    await writer.drain()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _endless_drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await reader.read()


@pytest.mark.parametrize(
    "handler",
    [_close_after_head, _cut_body, _cut_chunk, _cut_head, _no_http, _broken_gzip, _silent, _endless_drip],
)
@pytest.mark.parametrize(("method", "expected"), [("POST", Executed.UNKNOWN), ("GET", Executed.NO)])
async def test_an_answer_that_does_not_come_whole_is_lost(
    handler: Streams, method: str, expected: Executed
) -> None:
    """Dropped, truncated, broken or too slow: the request left, so a writing call may have been executed."""
    async with raw_server(handler) as url, AioHttpTransport() as transport:
        with pytest.raises(AnswerLost) as caught:
            await transport.send(_request(f"{url}?Signature=s3cret", method), timeout_s=0.2)
    assert caught.value.executed is expected
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_request_on_a_dropped_connection_is_never_sent_twice(method: str) -> None:
    """A kept connection that breaks under the second request loses it; nothing is repeated silently."""
    heads: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await _head(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        heads.append(await _head(reader))

    async with raw_server(once) as url, AioHttpTransport() as transport:
        request = _request(url, method, b"")
        assert (await transport.send(request, timeout_s=5)).status == 200
        with pytest.raises(AnswerLost):
            await transport.send(request, timeout_s=5)
    assert len(heads) == 2


async def test_an_oversized_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed or endless answer can't fill the memory."""
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1000)

    async def big(request: web.BaseRequest) -> web.Response:
        answer = web.Response(body=b"0" * 100_000)
        answer.enable_compression()
        return answer

    async with http_server(big) as url, AioHttpTransport() as transport:
        with pytest.raises(AnswerLost, match="1000 bytes"):
            await transport.send(_request(url), timeout_s=5)
