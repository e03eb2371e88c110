"""Which credential a request goes with, and the request as it goes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.metastudio.auth import aksk
from orchestrator.metastudio.auth.credentials import (
    AkSk,
    Credentials,
    Token,
    TokenLogin,
    refuse_unsendable,
)
from orchestrator.metastudio.auth.token import TokenSource
from orchestrator.metastudio.wire import MAX_BODY_BYTES, Request, too_large_to_sign

if TYPE_CHECKING:
    from orchestrator.metastudio.transport import Transport


class Identity:
    """The credentials of one client: a key pair signs, a token is sent along, and a login has its token renewed."""

    def __init__(
        self,
        credentials: Credentials,
        large_bodies: Token | TokenLogin | None,
        transport: "Transport",
        clock: Callable[[], datetime],
    ) -> None:
        """`large_bodies` is what bodies go with that a key pair may not sign (reference 3.2).

        Raises UsageError for a key, a token or an address of IAM with which no request could be sent.
        """
        for one in (credentials, large_bodies):
            if one is not None:
                refuse_unsendable(one)
        self._credentials = credentials
        self._large_bodies = large_bodies
        self._clock = clock
        self._sources = {
            login: TokenSource(login, transport, clock)
            for login in (credentials, large_bodies)
            if isinstance(login, TokenLogin)
        }

    async def token(self, request: Request) -> str | None:
        """The token that `request` has to be sent with; None when it is signed instead.

        Raises UsageError for a body too large to be signed when there is nothing else, and as `TokenSource.get`.
        """
        match self._credential(request):
            case AkSk():
                return None
            case TokenLogin() as login:
                return await self._sources[login].get()
            case Token(value):
                return value

    def authorized(self, request: Request, token: str | None, project_id: str | None) -> Request:
        """`request` with its token, or signed for this moment."""
        if token is not None:
            return replace(request, headers={**request.headers, "X-Auth-Token": token})
        assert isinstance(self._credentials, AkSk), "every other kind has a token"
        project = {} if project_id is None else {"X-Project-Id": project_id}
        headers = aksk.sign(
            self._credentials,
            method=request.method,
            url=request.url,
            headers={**request.headers, **project},
            body=request.body,
            now=self._clock(),
        )
        return replace(request, headers=headers)

    def renews(self, request: Request, token: str | None) -> bool:
        """The service refused `token` for `request`: whether there will be another."""
        credential = self._credential(request)
        if token is None or not isinstance(credential, TokenLogin):
            return False
        return self._sources[credential].reject(token)

    def _credential(self, request: Request) -> Credentials:
        if not isinstance(self._credentials, AkSk) or not too_large_to_sign(request):
            return self._credentials
        if self._large_bodies is None:
            raise UsageError(
                f"The body of {request.operation} has {len(request.body)} bytes; with an access key pair it may have"
                f" {MAX_BODY_BYTES}.",
                hint="Give a token or a login beside the key pair (setting auth.token, argument large_bodies):"
                " larger bodies go with a token.",
            )
        return self._large_bodies
