"""Between aiohttp and the emulator's own requests and answers; performs what faults do to connections."""

import asyncio
import contextlib
import socket
import struct

from aiohttp import web

from orchestrator.emulator.wire import Answer, Delivery, Request


class Departure:
    """Tells everything that waits on purpose that the server stops."""

    def __init__(self) -> None:
        """Not stopping yet."""
        self._stopping = asyncio.Event()

    def begin(self) -> None:
        """Lets go of everybody."""
        self._stopping.set()

    async def wait(self) -> None:
        """Returns when the server stops."""
        await self._stopping.wait()

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds`, or at once when the server stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def as_request(http: web.Request, body: bytes) -> Request:
    """The request with its target as it was sent; of a header that came twice, the first."""
    headers: dict[str, str] = {}
    for name, value in http.headers.items():
        headers.setdefault(name, value)
    return Request(http.method, http.raw_path, headers, body)


async def depart(http: web.Request, answer: Answer, departure: Departure) -> web.StreamResponse:
    """Sends an answer, or does to the connection what the answer says."""
    if answer.delay_s:
        await departure.sleep(answer.delay_s)
    if answer.delivery is Delivery.NEVER:
        await departure.wait()
    if answer.delivery is Delivery.HALF:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = max(len(answer.body), 2)
        await response.prepare(http)
        await response.write(answer.body[: len(answer.body) // 2] or b"{")
        hang_up(http)
        return response
    if answer.delivery is not Delivery.WHOLE:
        _reset(http)
        return web.Response(status=500)
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def hang_up(http: web.Request) -> None:
    """Ends the connection after what was written."""
    if http.transport is not None:
        http.transport.close()


def _reset(http: web.Request) -> None:
    """Cuts the connection so that the caller sees a reset, not an end."""
    if http.transport is None:
        return
    connection = http.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    http.transport.abort()
