"""Who may use the admin listener, and the headers that keep a browser from being used against it."""

import base64
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal: sets the security headers, takes the software's name off."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.popall("Server", None)


def guard(*, host: str, loopback: bool, token: str | None) -> Middleware:
    """The middleware that admits requests.

    On loopback only under a local name: a page on the internet may point its own name to 127.0.0.1 (DNS rebinding). With a
    token only those that bring it, as `Bearer` or, for browsers, as the password of `Basic`.
    """
    names = _LOCAL_HOSTS | {host.lower()}

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if loopback and _name(request.headers.get("Host", "")) not in names:
            return problem(421, "misdirected", "This listener answers under localhost and 127.0.0.1 only.")
        if token is not None and not _authorized(request.headers.get("Authorization", ""), token):
            refused = problem(401, "unauthorized", "A token is needed (admin.token).")
            refused.headers["WWW-Authenticate"] = (
                'Basic realm="orchestrator: any user, the token as password"'
            )
            return refused
        return await handler(request)

    return admit


def problem(status: int, code: str, message: str, **more: Any) -> web.Response:
    """An error as the API answers it."""
    return web.json_response({"error": {"code": code, "message": message, **more}}, status=status)


def _name(host: str) -> str:
    """The Host header without its port and brackets; empty when it is malformed."""
    match = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::\d{0,5})?", host.lower())
    return (match[1] or match[2]) if match else ""


def _authorized(header: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    sent = given.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            sent = base64.b64decode(sent, validate=True).partition(b":")[2]
        except ValueError:
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(sent, token.encode())
