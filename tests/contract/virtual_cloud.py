"""The real emulator, client and engine in virtual time, with faults on named operations: 75 s of quiet cost nothing."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, StepState
from orchestrator.emulator import wire as served
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.stats import stats
from orchestrator.emulator.storage import StorageRules
from orchestrator.engine.engine import Engine
from orchestrator.engine.loading import load_state
from orchestrator.engine.reception import Submission
from orchestrator.engine.run_ids import RunIds
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio.auth.credentials import AkSk
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.errors import AnswerLost, ConnectFailed, Executed
from orchestrator.metastudio.operations import OPERATIONS, RATES
from orchestrator.metastudio.wire import Request, Response
from orchestrator.steps.base import Surroundings, kinds
from orchestrator.store.memory import MemoryStore
from orchestrator.transfer.digest import Digest
from orchestrator.transfer.files import HashedFile
from orchestrator.transfer.parts import split
from orchestrator.transfer.upload import OnProgress
from tests.simulation.loop import VirtualLoop, run_virtual

T = TypeVar("T")

REGION = "cn-north-4"
#: Nothing that a step did is still to come after this long.
LONG_S = 400.0
#: So long a video job can be cancelled.
VIDEO_WAITS_S = 3600.0


def md5_of(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@dataclass
class Line:
    """The way to the emulator: whole, but for connections that are refused on purpose. A `Transport`."""

    emulator: Emulator
    #: Operations whose next request finds nobody listening.
    refused: set[str] = field(default_factory=set)

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        await asyncio.sleep(0.01)
        if request.operation in self.refused:
            self.refused.discard(request.operation)
            raise ConnectFailed("Cannot connect.", operation=request.operation)
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {"Host": parts.netloc, **request.headers}
        answer = self.emulator.handle(served.Request(request.method, target, headers, request.body))
        if answer.delivery is not served.Delivery.WHOLE:
            executed = Executed.NO if request.reads else Executed.UNKNOWN
            raise AnswerLost("The answer was lost.", operation=request.operation, executed=executed)
        return Response(answer.status, dict(answer.headers), answer.body)


@dataclass(frozen=True)
class Files:
    """Files whose content is their own name, as `steps.base.Transfers`."""

    cloud: "Cloud"

    def part_count(self, size: int) -> int | None:
        return None

    async def describe(self, path: Path) -> HashedFile:
        content = str(path).encode()
        return HashedFile(path, Digest(len(content), md5_of(content), 1, 1))

    async def modified_at(self, path: Path) -> None:
        return None

    async def upload(self, file: HashedFile, urls: Any, on_progress: OnProgress) -> None:
        self.cloud.put(urls[0], str(file.path).encode())

    async def size(self, path: Path) -> int:
        return len(str(path))

    async def send(
        self, path: Path, urls: Any, on_progress: OnProgress, *, content_type: str | None = None
    ) -> None:
        content = str(path).encode()
        for (offset, length), url in zip(split(len(content), len(urls)), urls, strict=True):
            self.cloud.send(url, content[offset : offset + length], {"Content-Type": content_type or ""})

    async def download(self, url: str, to: Path, *, size: int | None, on_progress: OnProgress) -> int:
        return size or 0


class Cloud:
    """An emulator, and an engine that works with it."""

    def __init__(self) -> None:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        self.clock = loop.now
        config = EmulatorConfig(region=REGION, render=False, video_wait_s=VIDEO_WAITS_S)
        self.emulator = Emulator(config, clock=loop.now)
        self.line = Line(self.emulator)
        self.store = MemoryStore()
        self.api = MetaStudio(
            AkSk(config.ak, config.sk),
            region=REGION,
            endpoint="http://metastudio.invalid",
            project_id=config.project_id,
            limiter=LocalLimiter(RATES[REGION]),
            transport=self.line,
            repeats=0,
            clock=loop.now,
        )
        self.around = Surroundings(
            self.api, Files(self), lambda _: None, post_json=_nobody_listens, roots=(Path("/"),)
        )
        self.engine = Engine(
            self.store, kinds(), self.around, clock=loop.now, new_id=RunIds(loop.now, Random(1).getrandbits)
        )

    # The provider's side

    def goes_wrong(self, operation: str, fault: Fault, **more: Any) -> None:
        """The next request of the operation."""
        rule = FaultRule(on=operation, do=fault, nth=1, **more)
        self.emulator.set_faults(FaultPlan(rules=(rule,)))

    def put(self, url: str, content: bytes) -> None:
        self.send(url, content, {"Content-MD5": md5_of(content), "Content-Type": "image/png"})

    def send(self, url: str, content: bytes, signed: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        headers = {"Host": parts.netloc, "Content-Length": str(len(content)), **signed}
        request = served.Request("PUT", f"{parts.path}?{parts.query}", headers, content)
        assert StorageRules(self.emulator).put(request).status == 200

    def there(self, table: str) -> set[str]:
        """Ids of what is in a table and was not deleted."""
        self.emulator.settle()
        tables: Mapping[str, Any] = {
            "assets": self.emulator.world.assets,
            "files": self.emulator.world.files,
            "scripts": self.emulator.world.scripts,
            "jobs": self.emulator.world.jobs,
            **self.emulator.world.further,
        }
        return {row.id for row in tables[table] if getattr(row, "state", None) not in {"DELETED", "DELETING"}}

    def calls(self, operation: str) -> int:
        found: int = stats(self.emulator.world)["operations"].get(operation, {}).get("calls", 0)
        return found

    async def call(self, operation: str, /, **given: Any) -> Any:
        """Somebody else calls, by hand; parameters of the path and fields of the body side by side."""
        called = OPERATIONS[operation]
        path = {name: given.pop(name) for name in called.path_names}
        body = None if called.request is None else called.request.model_validate(given)
        return await self.api.call(called, path=path, body=body)

    # The orchestrator's side

    async def run(self, name: str, *steps: Step) -> RunState:
        """Submit a pipeline; the run once nothing of it goes on by itself."""
        submitted = await self.engine.submit(Submission(Pipeline(name, steps=steps), name, {}))
        return await self.rest(submitted.run_id)

    async def rest(self, run_id: RunId) -> RunState:
        """The run once nothing of it goes on by itself."""
        await asyncio.wait_for(self.engine.rest(run_id), LONG_S)
        return await self.look(run_id)

    async def look(self, run_id: RunId) -> RunState:
        state = await load_state(self.store, run_id, {})
        assert state is not None
        return state


async def _nobody_listens(url: str, message: Any, headers: Any) -> int:
    raise AssertionError("no step here sends a webhook")


@asynccontextmanager
async def open_cloud() -> AsyncIterator[Cloud]:
    cloud = Cloud()
    await cloud.engine.start()
    yield cloud
    await cloud.engine.stop()


def in_the_cloud(play: Callable[[Cloud], Awaitable[T]]) -> T:
    """Plays it in a cloud of its own, in virtual time."""

    async def main() -> T:
        async with open_cloud() as cloud:
            return await play(cloud)

    return run_virtual(main())


def step(name: str, uses: str, /, *needs: str, **with_: Any) -> Step:
    retry = RetryPolicy(attempts=3, backoff_s=1.0)
    return Step(StepId(name), uses, with_, needs=tuple(map(StepId, needs)), retry=retry)


def last(state: RunState) -> StepState:
    return state.steps[state.all_steps[-1].id]
