"""Who may call: tokens, AK/SK signatures with lasting or temporary keys, and IAM's part in it (reference 3.2, 11.3)."""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.records import Token
from orchestrator.emulator.refusals import Refusal
from orchestrator.emulator.signature import WrongSignatureError, access_key_of, check_signature
from orchestrator.emulator.wire import Answer, MalformedBodyError, Request, json_answer, read_object
from orchestrator.emulator.world import World

UNAUTHORIZED = "MSS.00000001"
OTHER_PROJECT = "MSS.00020006"
#: A signed body may have at most this (reference 3.2); a longer one needs a token.
MAX_SIGNED_BODY = 12 * 1024 * 1024

_TOKEN_TIME, _KEY_TIME = "%Y-%m-%dT%H:%M:%S.%f000Z", "%Y-%m-%dT%H:%M:%S.%fZ"
#: How long a temporary key may serve, the shortest by default.
_KEY_S = range(900, 86401)
#: Keeps security tokens apart from tokens.
_TEMPORARY = "security/"


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
            check_signature(request, self._keys(request, now), real_now)
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

    def login(self, request: Request, *, real_now: datetime, now: datetime) -> tuple[str, Answer] | None:
        """IAM's answer to a request for credentials, and what that is called; None: it is another request."""
        if request.method != "POST":
            return None
        path = request.path.rstrip("/")
        if path == "/v3/auth/tokens":
            return "iam.create_token", self._issue_token(request, now)
        if path == "/v3.0/OS-CREDENTIAL/securitytokens":
            return "iam.create_temporary_key", self._issue_temporary_key(request, real_now, now)
        return None

    def _issue_token(self, request: Request, now: datetime) -> Answer:
        """201 and the token in X-Subject-Token, or IAM's own errors."""
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
        info = {
            "token": {
                "methods": ["password"],
                "issued_at": now.strftime(_TOKEN_TIME),
                "expires_at": end.strftime(_TOKEN_TIME),
                "user": {"name": config.user, "domain": {"name": config.domain}},
                "project": {"id": config.project_id, "name": config.region},
            }
        }
        return json_answer(201, info).with_header("X-Subject-Token", token)

    def _issue_temporary_key(self, request: Request, real_now: datetime, now: datetime) -> Answer:
        """201 and a key, a secret and a security token that belong together, or IAM's own errors."""
        try:
            self.authorise(request, real_now=real_now, now=now)
        except Refusal:
            return _iam_error(401, "The request you have made requires authentication.", "Unauthorized")
        try:
            duration_s = _wanted_duration(read_object(request.body))
        except (MalformedBodyError, KeyError, TypeError, AttributeError):
            return _iam_error(
                400, "The body is not a request for a key of 900 to 86400 seconds.", "Bad Request"
            )
        token = hashlib.sha256(f"{self._config.sk}/{self._world.new_id()}".encode()).hexdigest()
        end = now + timedelta(seconds=duration_s)
        self._world.tokens.put(Token(id=_token_id(f"{_TEMPORARY}{token}"), expires_at=end))
        access, secret = self._temporary_key(token)
        credential = {"access": access, "secret": secret, "securitytoken": token}
        return json_answer(201, {"credential": {**credential, "expires_at": end.strftime(_KEY_TIME)}})

    def projects(self, request: Request) -> Answer:
        """IAM's answer to GET /v3/projects; `name` filters."""
        config = self._config
        project = {"id": config.project_id, "name": config.region, "enabled": True, "is_domain": False}
        wanted = dict(request.query).get("name")
        listed = [project] if wanted in {None, config.region} else []
        return json_answer(200, {"projects": listed, "links": {"next": None, "previous": None}})

    def _keys(self, request: Request, now: datetime) -> dict[str, str]:
        """The secret by the access key that may have signed the request.

        Raises:
            Refusal: the security token is unknown or has expired, or belongs to another key.
        """
        token = request.header("X-Security-Token")
        if token is None:
            return {self._config.ak: self._config.sk}
        known = self._world.tokens.get(_token_id(f"{_TEMPORARY}{token}"))
        if known is None:
            raise Refusal(UNAUTHORIZED, "the security token is unknown")
        if known.expires_at <= now:
            raise Refusal(UNAUTHORIZED, "the security token has expired")
        access, secret = self._temporary_key(token)
        if access_key_of(request) != access:
            raise Refusal(UNAUTHORIZED, "the security token belongs to another access key")
        return {access: secret}

    def _temporary_key(self, token: str) -> tuple[str, str]:
        """Access key and secret of a security token: they follow from it, so that no secret is kept."""
        key = hmac.new(self._config.sk.encode(), token.encode("utf-8", "surrogateescape"), hashlib.sha256)
        digest = key.hexdigest().upper()
        return digest[:20], digest[20:60].lower()

    def _check_token(self, token: str, now: datetime) -> None:
        sent = token.encode("utf-8", "surrogateescape")
        if hmac.compare_digest(sent, self._config.token.encode()):
            return
        known = self._world.tokens.get(_token_id(token))
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


def _wanted_duration(body: dict[str, Any]) -> int:
    identity = body["auth"]["identity"]
    if "token" not in identity["methods"]:
        raise KeyError("methods")
    seconds = identity.get("token", {}).get("duration_seconds", _KEY_S.start)
    if isinstance(seconds, bool) or seconds not in _KEY_S:
        raise TypeError("duration_seconds")
    return int(seconds)


def _token_id(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _iam_error(status: int, message: str, title: str) -> Answer:
    return json_answer(status, {"error": {"code": status, "message": message, "title": title}})
