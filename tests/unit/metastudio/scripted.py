"""A client whose transport and limiter do as a test tells them."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from orchestrator.limits.base import BucketState, Permit, Waiting
from orchestrator.metastudio.auth.credentials import AkSk, Credentials, TokenLogin
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.errors import (
    CallError,
)
from orchestrator.metastudio.models.digital_asset import CreateDigitalAssetRequestBody
from orchestrator.metastudio.wire import Request, Response

HOST = "https://metastudio.example"
KEYS = AkSk("ak", "s3cret")
LOGIN = TokenLogin("me", "s3cret", "account", "p", "https://iam.example")
BODY = CreateDigitalAssetRequestBody(asset_name="a", asset_type="IMAGE")
OK = Response(200, {"X-Request-Id": "r1"}, b'{"asset_id": "a"}')
THROTTLE = Response(429, {"Retry-After": "3"}, b'{"error_code": "APIGW.0308", "error_msg": "throttled"}')
REFUSED = Response(401, {}, b'{"error_code": "APIGW.0307", "error_msg": "token must be updated"}')


class Script:
    """A transport that answers what it was told to, in order, the last one for ever; keeps what it was sent."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []
        self.tokens = 0

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        if request.operation == "iam_create_token":
            self.tokens += 1
            return Response(201, {"X-Subject-Token": f"token-{self.tokens}"})
        self.sent.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class OpenTurn:
    """A turn that has always come; notes what becomes of it."""

    def __init__(self, limiter: "OpenLimiter", asked: tuple[str, float, bool, str]) -> None:
        self.limiter = limiter
        self.asked = asked

    async def __aenter__(self) -> Permit:
        self.limiter.passed.append(self.asked)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def unused(self) -> None:
        self.limiter.unused += 1

    def answered(self) -> None:
        self.limiter.answered += 1


class OpenLimiter:
    """Lets everything pass at once and remembers what it was told."""

    def __init__(self) -> None:
        self.passed: list[tuple[str, float, bool, str]] = []
        self.throttles: list[float | None] = []
        self.unused = 0
        self.answered = 0

    def permit(
        self, operation: str, *, order: float = 0.0, low: bool = False, label: str = ""
    ) -> AbstractAsyncContextManager[Permit]:
        return OpenTurn(self, (operation, order, low, label))

    def throttled(self, operation: str, retry_after_s: float | None = None) -> None:
        self.throttles.append(retry_after_s)

    def snapshot(self) -> list[BucketState]:
        return []

    def waiting(self, operation: str | None = None, *, label: str | None = None) -> list[Waiting]:
        return []


class Iam(Script):
    """Answers for IAM as well: one project, asked for with whatever the client signs by."""

    def __init__(self, *answers: Response | Exception) -> None:
        super().__init__(*answers)
        self.asked: list[Request] = []
        self.faults: list[CallError] = []

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        if request.operation == "iam_list_projects":
            self.asked.append(request)
            if self.faults:
                raise self.faults.pop()
            return Response(200, {}, b'{"projects": [{"name": "cn-north-4", "id": "looked-up"}]}')
        return await super().send(request, timeout_s=timeout_s)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2025, 8, 19, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def client(
    transport: Script, limiter: OpenLimiter | None = None, credentials: Credentials = KEYS
) -> MetaStudio:
    return MetaStudio(
        credentials,
        region="cn-north-4",
        endpoint=HOST,
        project_id="p",
        limiter=limiter or OpenLimiter(),
        transport=transport,
        repeats=0,
        clock=lambda: datetime(2025, 8, 19, 8, tzinfo=UTC),
    )


def patient(transport: Script, **settings: Any) -> MetaStudio:
    """A client that sends again by itself, as a program's own does; its waits take no time in a virtual loop."""
    return MetaStudio(
        settings.pop("credentials", KEYS),
        region="cn-north-4",
        endpoint=HOST,
        limiter=settings.pop("limiter", None) or OpenLimiter(),
        transport=transport,
        **{"project_id": "p", **settings},
    )
