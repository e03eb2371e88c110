"""The emulator's core as the other end of the client, without a socket: each call can be seen, held and spoilt."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from orchestrator.emulator import wire as served
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.records import Job
from orchestrator.limits.base import Permit
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio import operations
from orchestrator.metastudio.auth.credentials import AkSk
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.models.avatar_video import Create2DDigitalHumanVideoReq, OutputAssetConfig
from orchestrator.metastudio.models.video_script import CreateVideoScriptsReq
from orchestrator.metastudio.operations import RATES
from orchestrator.metastudio.wire import Request, Response

SCRIPT = {
    "script_name": "Cup",
    "model_asset_id": "0c7798664ee7178b3dba3bbef57c32e7",
    "voice_config": {"voice_asset_id": "aca15f9fe7912b2d5d8eb827f2d1327b"},
    "video_config": {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080},
    "shoot_scripts": [{"shoot_script": {"text_config": {"text": "A cup."}}}],
}


class NotingLimiter(LocalLimiter):
    """Remembers what was asked for with which priority."""

    def __init__(self, region: str) -> None:
        super().__init__(RATES[region])
        self.asked: list[tuple[str, bool]] = []

    def permit(
        self, operation: str, *, order: float = 0.0, low: bool = False, label: str = ""
    ) -> AbstractAsyncContextManager[Permit]:
        self.asked.append((operation, low))
        return super().permit(operation, order=order, low=low, label=label)


@dataclass(frozen=True, slots=True)
class Called:
    """One call that reached the server."""

    operation: str
    query: dict[str, str]


@dataclass
class Cloud:
    """Implements `Transport`. `clock` is the emulated world's."""

    clock: Callable[[], datetime]
    #: How long a job waits, and how long it is then processed.
    video_wait_s: float = 60.0
    video_process_s: float = 60.0
    calls: list[Called] = field(default_factory=list)
    #: By operation: awaited once the server has acted, before its answer leaves.
    answering: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    #: By operation: what is answered instead, status and body.
    spoilt: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = EmulatorConfig(
            render=False, video_wait_s=self.video_wait_s, video_process_s=self.video_process_s
        )
        self.emulator = Emulator(config, clock=self.clock)
        self.limiter = NotingLimiter(config.region)

    def client(self) -> MetaStudio:
        config = self.emulator.config
        return MetaStudio(
            AkSk(config.ak, config.sk),
            region=config.region,
            endpoint="http://metastudio.invalid",
            project_id=config.project_id,
            limiter=self.limiter,
            transport=self,
            repeats=0,
            clock=self.clock,
        )

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        del timeout_s
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.calls.append(Called(request.operation, query))
        if request.operation in self.spoilt:
            status, body = self.spoilt[request.operation]
            return Response(status, {"Content-Type": "application/json"}, json.dumps(body).encode())
        headers = {"Host": parts.netloc, **request.headers}
        answer = self.emulator.handle(served.Request(request.method, target, headers, request.body))
        if request.operation in self.answering:
            await self.answering[request.operation]()
        return Response(answer.status, dict(answer.headers), answer.body)

    def called(self, operation: str) -> int:
        """How often."""
        return sum(call.operation == operation for call in self.calls)

    @property
    def jobs(self) -> list[Job]:
        return list(self.emulator.world.jobs)

    async def script(self, api: MetaStudio) -> str:
        """A script that a video can be made from."""
        body = CreateVideoScriptsReq.model_validate(SCRIPT)
        return str((await api.call(operations.create_video_scripts, body=body)).script_id)

    async def job(self, api: MetaStudio, script_id: str) -> str:
        """A video job from the script."""
        body = Create2DDigitalHumanVideoReq(
            script_id=script_id, output_asset_config=OutputAssetConfig(asset_name="Cup")
        )
        return str((await api.call(operations.create2_d_digital_human_video, body=body)).job_id)
