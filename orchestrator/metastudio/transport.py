"""Sends a request and returns the whole answer: the one file of the client that touches a socket."""

from typing import Protocol, Self

import aiohttp
from yarl import URL

from orchestrator.metastudio.errors import AnswerLost, ConnectFailed, Executed
from orchestrator.metastudio.wire import Request, Response

#: Lists of 100 videos with their scripts stay far below.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
CONNECT_TIMEOUT_S = 10.0
#: Shorter than any gateway keeps an idle connection: a request that meets a closing one has an unknown end.
_KEEPALIVE_S = 8.0


class Transport(Protocol):
    """Moves one request and its answer."""

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        """The answer, whatever its status.

        Raises ConnectFailed when the request surely never left, AnswerLost when no whole answer came back. Sends
        once: never again by itself, and follows no redirect.
        """


class _Dropped(Exception):  # noqa: N818  a signal inside this file
    """Hides a lost connection from aiohttp, which would send a PUT, GET or DELETE a second time by itself."""


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Dropped from error


class AioHttpTransport:
    """One pool of connections, opened by `async with`."""

    def __init__(self, *, connections: int = 100, proxy: str | None = None) -> None:
        """`proxy` is the URL of an HTTP proxy; the environment isn't asked."""
        self._connections = connections
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_send_once,),
            headers={"User-Agent": "metastudio-orchestrator"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        """As `Transport.send`. `timeout_s` bounds the exchange once connected; connecting has up to 10 s of its own."""
        assert self._session is not None, "open the transport with `async with`"
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                proxy=self._proxy,
                # `connect` covers waiting for a free connection too: until it ends, nothing has left.
                timeout=aiohttp.ClientTimeout(
                    total=timeout_s + connect_s, connect=connect_s, sock_read=timeout_s
                ),
            ) as response:
                body = await _read(request, response)
                return Response(response.status, dict(response.headers), body)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientHttpProxyError,
        ) as error:
            host = URL(request.url).host
            raise ConnectFailed(
                f"Cannot connect to {host} ({_cause(error)}).",
                hint="Check the endpoint, the network and the proxy.",
                operation=request.operation,
            ) from error
        except (_Dropped, aiohttp.ClientError, TimeoutError) as error:
            raise _lost(request, _cause(error.__cause__ or error)) from error


async def _read(request: Request, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _lost(request, f"more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _lost(request: Request, why: str) -> AnswerLost:
    return AnswerLost(
        f"The answer was lost ({why}).",
        operation=request.operation,
        executed=Executed.NO if request.reads else Executed.UNKNOWN,
    )


def _cause(error: BaseException) -> str:
    # The text of an aiohttp error may hold the URL, so only its type and the system's own words are shown.
    reason = getattr(error, "strerror", None)
    name = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
    return f"{name}: {reason}" if reason else name
