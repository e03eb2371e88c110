"""A clock that is moved by hand, and a tenant that calls the emulator with or without a socket."""

import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.records import Segment
from orchestrator.emulator.server import EmulatorServer
from orchestrator.emulator.wire import Answer, Request

AVATAR = "0c7798664ee7178b3dba3bbef57c32e7"
EMMA = "aca15f9fe7912b2d5d8eb827f2d1327b"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Time that moves when it is told to."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def script_body(**changes: Any) -> dict[str, Any]:
    """A script that the service takes."""
    return {
        "script_name": "Kettle",
        "model_asset_id": AVATAR,
        "voice_config": {"voice_asset_id": EMMA},
        "video_config": {"codec": "H264", "bitrate": 4000, "width": 1280, "height": 720},
        "shoot_scripts": [{"shoot_script": {"text_config": {"text": "Hello, this is the new kettle."}}}],
        **changes,
    }


@dataclass
class Tenant:
    """Calls an emulator directly, with its token."""

    emulator: Emulator
    clock: Clock
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        target = f"/v1/{self.emulator.config.project_id}{path}" + (f"?{urlencode(query)}" if query else "")
        raw = b"" if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": self.emulator.config.token, **self.headers}
        return self.emulator.handle(Request(method, target, headers, raw))

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.send(method, path, body, **query)
        assert answer.status in {200, 202}, answer.body
        return answer.json() if answer.body else None

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        answer = self.send(method, path, body, **query)
        assert answer.status >= 400
        return answer.status, answer.json()["error_code"]

    def asset(self, **changes: Any) -> str:
        body = {"asset_name": "Background", "asset_type": "IMAGE", **changes}
        return str(self.ok("POST", "/digital-assets", body)["asset_id"])

    def upload(self, asset_id: str, name: str = "a.png", category: str = "MAIN", **found: Any) -> str:
        """A confirmed file of the asset, as if its bytes had been stored and `found` in them."""
        data = b"abc"
        file_id = str(self.ok("POST", "/files", file_body(asset_id, data, name, category))["file_id"])
        files = self.emulator.world.files
        file = files.get(file_id)
        assert file is not None
        segment = Segment(1, len(data), hashlib.md5(data).hexdigest(), **found)
        files.put(replace(file, segments=(segment,)))
        self.ok("POST", f"/files/{file_id}/complete", {"state": "CREATED"})
        return file_id

    def shown_asset(self, asset_id: str) -> dict[str, Any]:
        asset = self.ok("GET", f"/digital-assets/{asset_id}")
        assert isinstance(asset, dict)
        return asset

    def script(self, **changes: Any) -> str:
        return str(self.ok("POST", "/digital-human-video-scripts", script_body(**changes))["script_id"])

    def video(self, script_id: str, **changes: Any) -> str:
        body = {"script_id": script_id, "output_asset_config": {"asset_name": "Film"}, **changes}
        return str(self.ok("POST", "/2d-digital-human-videos", body)["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        job = self.ok("GET", f"/2d-digital-human-videos/{job_id}")
        assert isinstance(job, dict)
        return job


@dataclass
class RemoteTenant:
    """Calls an emulator over HTTP, with its token."""

    server: EmulatorServer
    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self.server.endpoint}/v1/{self.server.config.project_id}{path}"
        headers = {"X-Auth-Token": self.server.config.token}
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        status, value = await self.send(method, path, body)
        assert status in {200, 202}, value
        return value

    async def control(self, method: str, name: str, body: Any = None) -> Any:
        url = f"{self.server.endpoint}/_emulator/{name}"
        async with self.session.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def file(self, data: bytes, *, name: str = "a.png", category: str = "MAIN") -> tuple[str, str, str]:
        """A new asset with a file that waits for `data`: asset id, file id, upload URL."""
        asset = await self.ok("POST", "/digital-assets", {"asset_name": "B", "asset_type": "IMAGE"})
        made = await self.ok("POST", "/files", file_body(asset["asset_id"], data, name, category))
        return asset["asset_id"], made["file_id"], made["upload_url"]

    async def put(self, url: str, data: bytes, **headers: str) -> tuple[int, str]:
        """Status and body of a PUT, with Content-MD5 of `data` unless another is given."""
        sent = {"Content-MD5": md5_of(data), **headers}
        async with self.session.put(
            url, data=io.BytesIO(data), headers=sent, skip_auto_headers=["Content-Type"]
        ) as answer:
            return answer.status, await answer.text()

    async def uploaded(self, data: bytes, name: str = "a.png") -> str:
        """An asset whose main file is `data`."""
        asset_id, file_id, url = await self.file(data, name=name)
        status, text = await self.put(url, data)
        assert status == 200, text
        await self.ok("POST", f"/files/{file_id}/complete", {"state": "CREATED"})
        return asset_id

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended; each look advances the emulated world."""
        for _ in range(2000):
            job: dict[str, Any] = await self.ok("GET", f"/2d-digital-human-videos/{job_id}")
            if job["state"] not in {"WAITING", "PROCESSING"}:
                return job
            await self.control("POST", "advance", {"seconds": 1})
        raise AssertionError("the job doesn't end")


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def file_body(asset_id: str, data: bytes, name: str = "a.png", category: str = "MAIN") -> dict[str, Any]:
    return {
        "asset_id": asset_id,
        "file_name": name,
        "file_md5": md5_of(data),
        "file_size": len(data),
        "file_type": name.rpartition(".")[2],
        "asset_file_category": category,
    }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tenant(clock: Clock) -> Tenant:
    config = EmulatorConfig(render=False, limits=False, video_wait_s=2, video_process_s=3)
    return Tenant(Emulator(config, clock=clock), clock)


@pytest.fixture
def make_tenant(clock: Clock) -> Callable[..., Tenant]:
    def make(**settings: Any) -> Tenant:
        config = EmulatorConfig(**{"render": False, "limits": False, **settings})
        return Tenant(Emulator(config, clock=clock), clock)

    return make


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Awaitable[RemoteTenant]]]:
    """Starts servers, and stops them at the end unless the test did."""
    started: list[RemoteTenant] = []

    async def start(**settings: Any) -> RemoteTenant:
        server = EmulatorServer(EmulatorConfig(**{"render": False, "limits": False, **settings}))
        await server.start()
        tenant = RemoteTenant(server, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)))
        started.append(tenant)
        return tenant

    yield start
    for tenant in started:
        await tenant.session.close()
        await tenant.server.stop()
