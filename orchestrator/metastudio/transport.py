"""Sends a request and returns the whole answer: the one file of the client that touches a socket."""

import re
from dataclasses import replace
from io import BytesIO
from typing import Protocol, Self

import aiohttp
from yarl import URL

from orchestrator.errors import RetryClass
from orchestrator.metastudio.errors import AnswerLost, ConnectFailed, Executed
from orchestrator.metastudio.wire import Request, Response

#: Lists of 100 videos with their scripts stay far below.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
CONNECT_TIMEOUT_S = 10.0
#: Shorter than any gateway keeps an idle connection: a request that meets a closing one has an unknown end.
_KEEPALIVE_S = 8.0
_LINE = re.compile("[\r\n\0]")


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
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, ValueError) as error:
        if isinstance(error, UnicodeError) and not isinstance(error, UnicodeDecodeError):
            # The host has a name that can't be looked up: nothing has left.
            raise
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
        url = _address(request)
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        head: Response | None = None
        try:
            async with self._session.request(
                request.method,
                url,
                headers=request.headers,
                # Bytes in one piece would hold up the event loop when there are many.
                data=BytesIO(request.body) if request.body else None,
                allow_redirects=False,
                proxy=self._proxy,
                # `connect` covers waiting for a free connection too: until it ends, nothing has left.
                timeout=aiohttp.ClientTimeout(
                    total=timeout_s + connect_s, connect=connect_s, sock_read=timeout_s
                ),
            ) as response:
                head = Response(response.status, dict(response.headers))
                return replace(head, body=await _read(request, response, head))
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise _never(request, "its URL is no address of a host") from _harmless(error)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientHttpProxyError,
        ) as error:
            raise ConnectFailed(
                f"Cannot connect to {url.host} ({_cause(error)}).",
                hint=_connect_hint(error),
                operation=request.operation,
            ) from _harmless(error)
        except (_Dropped, aiohttp.ClientError, TimeoutError) as error:
            raise _lost(request, _cause(error.__cause__ or error), head) from _harmless(error)
        except ValueError as error:
            # Its words may hold the URL or a header. Before there is an answer's head, it comes from writing the request.
            if head is not None:
                raise _lost(request, _cause(error), head) from None
            raise _never(request, f"its URL or a header is wrong ({_cause(error)})") from None


async def _read(request: Request, response: aiohttp.ClientResponse, head: Response) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _lost(request, f"more than {MAX_ANSWER_BYTES} bytes", head)
    return bytes(body)


def _lost(request: Request, why: str, head: Response | None = None) -> AnswerLost:
    part = f" after HTTP {head.status}" if head is not None else ""
    return AnswerLost(
        f"The answer was lost{part} ({why}).",
        hint="Nothing changed, so it may be asked again."
        if request.reads
        else "Whether it was executed is open: look before sending it again.",
        operation=request.operation,
        executed=Executed.NO if request.reads else Executed.UNKNOWN,
        request_id=head.request_id if head is not None else "",
    )


def _address(request: Request) -> URL:
    """Where it goes, after a look at what aiohttp would stumble over half-way."""
    try:
        url = URL(request.url, encoded=True)
        reachable = url.scheme in {"http", "https"} and bool(url.host)
        for value in request.headers.values():
            value.encode()
    except ValueError:
        # The words of these errors may hold the URL or a header.
        raise _never(request, "its URL or a header is no proper text") from None
    if not reachable:
        raise _never(request, "its URL has no scheme and host")
    if any(_LINE.search(value) for value in request.headers.values()):
        raise _never(request, "a header holds a line break")
    return url


def _never(request: Request, why: str) -> ConnectFailed:
    return ConnectFailed(
        f"The request cannot be sent: {why}.",
        hint="Check the endpoint, the proxy and the headers.",
        operation=request.operation,
        retry=RetryClass.NEVER,
    )


def _harmless(error: BaseException) -> BaseException | None:
    """The cause that a traceback may show: the system's words. Those of HTTP quote the URL, perhaps signed, or the answer."""
    cause = error.__cause__ if isinstance(error, _Dropped) else error
    return cause if isinstance(cause, OSError) else None


def _connect_hint(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "The name has no address: check the endpoint, the region and the name server."
        case aiohttp.ClientSSLError():
            return "The certificate isn't trusted or TLS failed: check the clock, the proxy and the certificates."
        case aiohttp.ClientHttpProxyError():
            return "The proxy refused: check its address and its credentials."
        case _:
            return "Check the endpoint, the network and the proxy."


def _cause(error: BaseException) -> str:
    # The text of an aiohttp error may hold the URL, so only its type and the system's own words are shown.
    reason = getattr(error, "strerror", None)
    name = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
    return f"{name}: {reason}" if reason else name
