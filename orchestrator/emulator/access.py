"""Who may call: AK/SK signatures and tokens, and IAM's two operations (reference 3.2, 11.3)."""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.records import Token
from orchestrator.emulator.refusals import Refusal
from orchestrator.emulator.signature import WrongSignatureError, check_signature
from orchestrator.emulator.wire import Answer, MalformedBodyError, Request, json_answer, read_object
from orchestrator.emulator.world import World

UNAUTHORIZED = "MSS.00000001"
OTHER_PROJECT = "MSS.00020006"
#: A signed body may have at most this (reference 3.2); a longer one needs a token.
MAX_SIGNED_BODY = 12 * 1024 * 1024


class Gate:
    """Checks the credentials of requests."""

    def __init__(self, config: EmulatorConfig, world: World) -> None:
        """One account with one project."""
        self._config = config
        self._world = world

    def authorise(self, request: Request, *, real_now: datetime, now: datetime) -> None:
        """Passes when the request carries a valid token or signature.

        `real_now` is compared with the sender's clock, `now` with the token's end.

        Raises:
            Refusal: MSS.00000001 with what is wrong.
        """
        token = request.header("X-Auth-Token")
        if token is not None:
            self._check_token(token, now)
            return
        if request.header("Authorization") is None:
            raise Refusal(UNAUTHORIZED, "neither Authorization nor X-Auth-Token is sent")
        if len(request.body) > MAX_SIGNED_BODY:
            raise Refusal(UNAUTHORIZED, "a signed body may have 12 MB at most: use a token", status=413)
        try:
            check_signature(request, {self._config.ak: self._config.sk}, real_now)
        except WrongSignatureError as error:
            raise Refusal(UNAUTHORIZED, str(error)) from error

    def check_project(self, request: Request, project_id: str) -> None:
        """Passes when path and header name the account's project.

        Raises:
            Refusal: MSS.00020006.
        """
        named = request.header("X-Project-Id")
        if project_id != self._config.project_id or named not in {None, "", project_id}:
            raise Refusal(OTHER_PROJECT)

    def issue_token(self, request: Request, now: datetime) -> Answer:
        """IAM's answer to POST /v3/auth/tokens: 201 and the token in X-Subject-Token, or IAM's own errors."""
        try:
            user, scope = _login(read_object(request.body))
        except (MalformedBodyError, KeyError, TypeError, AttributeError):
            return _iam_error(400, "The body is not a password login scoped to a project.", "Bad Request")
        if not self._knows(user):
            return _iam_error(401, "The username or password is wrong.", "Unauthorized")
        config = self._config
        if not ({scope.get("name"), scope.get("id")} & {config.region, config.project_id}):
            return _iam_error(401, "The project does not exist.", "Unauthorized")
        token = hashlib.sha256(f"{config.token}/{self._world.new_id()}".encode()).hexdigest()
        end = now + timedelta(seconds=config.token_s)
        self._world.tokens.put(Token(id=_token_id(token), expires_at=end))
        form = "%Y-%m-%dT%H:%M:%S.%f000Z"
        info = {
            "token": {
                "methods": ["password"],
                "issued_at": now.strftime(form),
                "expires_at": end.strftime(form),
                "user": {"name": config.user, "domain": {"name": config.domain}},
                "project": {"id": config.project_id, "name": config.region},
            }
        }
        return json_answer(201, info).with_header("X-Subject-Token", token)

    def projects(self, request: Request) -> Answer:
        """IAM's answer to GET /v3/projects; `name` filters."""
        config = self._config
        project = {"id": config.project_id, "name": config.region, "enabled": True, "is_domain": False}
        wanted = dict(request.query).get("name")
        listed = [project] if wanted in {None, config.region} else []
        return json_answer(200, {"projects": listed, "links": {"next": None, "previous": None}})

    def _check_token(self, token: str, now: datetime) -> None:
        sent = token.encode("utf-8", "surrogateescape")
        if hmac.compare_digest(sent, self._config.token.encode()):
            return
        known = self._world.tokens.get(hashlib.sha256(sent).hexdigest())
        if known is None:
            raise Refusal(UNAUTHORIZED, "the token is unknown")
        if known.expires_at <= now:
            raise Refusal(UNAUTHORIZED, "the token has expired")

    def _knows(self, user: dict[str, Any]) -> bool:
        config = self._config
        sent = (user.get("name"), user.get("password"), user.get("domain", {}).get("name"))
        return sent == (config.user, config.password, config.domain)


def _login(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    auth = body["auth"]
    user, scope = auth["identity"]["password"]["user"], auth["scope"]["project"]
    if "password" not in auth["identity"]["methods"] or not isinstance(user["domain"], dict):
        raise KeyError("methods")
    if not all(isinstance(scope.get(name), str | None) for name in ("name", "id")):
        raise TypeError("scope")
    return user, scope


def _token_id(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _iam_error(status: int, message: str, title: str) -> Answer:
    return json_answer(status, {"error": {"code": status, "message": message, "title": title}})
