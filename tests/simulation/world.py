"""A whole orchestrator beside a whole emulator in virtual time, with a process that can be killed at any instant."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from orchestrator.domain.decide import Policy
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import InputSpec, Pipeline, RetryPolicy, RowsSpec, Step
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.stats import stats
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.engine.run_ids import RunIds
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio import callbacks
from orchestrator.metastudio.auth.credentials import AkSk
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.operations import RATES
from orchestrator.steps.base import CallbackAddress, Surroundings, kinds
from orchestrator.store.base import Append, RunFilter, StoreError, Summary
from orchestrator.store.memory import MemoryStore
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network, SimulatedFiles, Weather, read_letter

KEY = "master key of the simulation"
REGION = "cn-north-4"
#: Weather as foul as ours takes more patience than the default, which calls for a person after three lost answers.
FOUL_WEATHER_POLICY = Policy(max_unknowns=10)


def product_video(timeout_s: float | None = None) -> Pipeline:
    """The sample pipeline, as data; `timeout_s` for each of its steps."""
    retry = RetryPolicy(attempts=12, backoff_s=1.0, max_backoff_s=20.0)

    def step(name: str, uses: str, needs: tuple[str, ...] = (), **with_: Any) -> Step:
        ids = tuple(StepId(need) for need in needs)
        return Step(StepId(name), uses, with_, needs=ids, retry=retry, timeout_s=timeout_s)

    return Pipeline(
        "product-video",
        inputs={"title": InputSpec(), "image": InputSpec("file")},
        rows=RowsSpec(),
        steps=(
            step("background", "asset.create", asset_name="${{ inputs.title }}", asset_type="IMAGE"),
            step(
                "upload",
                "file.upload",
                ("background",),
                asset_id="${{ steps.background.asset_id }}",
                path="${{ inputs.image }}",
            ),
            step("confirm", "file.confirm", ("upload",), file_id="${{ steps.upload.file_id }}"),
            step(
                "script",
                "script.create",
                ("confirm", "background"),
                script_name="${{ inputs.title }}",
                model_asset_id="0c7798664ee7178b3dba3bbef57c32e7",
                voice_config={"voice_asset_id": "0a4b548fd8d2d6998e1fc3fffb29f9bc"},
                video_config={"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080},
                shoot_scripts=[
                    {
                        "shoot_script": {
                            "text_config": {"text": "Hello."},
                            "background_config": [
                                {
                                    "background_type": "IMAGE",
                                    "background_asset_id": "${{ steps.background.asset_id }}",
                                }
                            ],
                        }
                    }
                ],
            ),
            step(
                "video",
                "video.produce",
                ("script",),
                script_id="${{ steps.script.script_id }}",
                output_asset_config={"asset_name": "${{ inputs.title }}"},
            ),
            step("finished", "video.wait", ("video",), job_id="${{ steps.video.job_id }}"),
            step(
                "save",
                "download",
                ("finished",),
                asset_id="${{ steps.finished.asset_id }}",
                to="${{ run.name }}.mp4",
            ),
        ),
        outputs={"video": "${{ steps.save.path }}"},
    )


@dataclass(slots=True)
class _Handle:
    """A process's connection to the disk: dead when the process is."""

    disk: MemoryStore
    alive: bool = True

    def __getattr__(self, name: str) -> Any:
        if not self.alive:
            raise StoreError("The process is dead.")
        return getattr(self.disk, name)

    async def append(self, append: Append) -> None:
        if not self.alive:
            raise StoreError("The process is dead.")
        await self.disk.append(append)


@dataclass(slots=True)
class Process:
    """One life of the orchestrator."""

    engine: Engine
    handle: _Handle


class World:
    """Seeded: the same seed takes the same course."""

    def __init__(
        self, loop: VirtualLoop, seed: int, weather: Weather, policy: Policy, **emulator: Any
    ) -> None:
        self.loop = loop
        self.random = Random(seed)
        config = EmulatorConfig(region=REGION, render=False, seed=seed, **emulator)
        self.emulator = Emulator(config, clock=loop.now)
        self.network = Network(loop, self.emulator, weather, self.random)
        self.disk = MemoryStore(self._disk_latency)
        self.downloads: dict[Path, int] = {}
        self.policy = policy
        self.process: Process | None = None
        self.kills = 0
        #: Tasks that are no part of the orchestrator's process.
        self.spectators: set[asyncio.Task[Any]] = set()

    async def _disk_latency(self) -> None:
        await asyncio.sleep(self.random.random() * 0.004)

    # The orchestrator's process

    async def boot(self) -> Process:
        handle = _Handle(self.disk)
        limiter = LocalLimiter(RATES[REGION])
        config = self.emulator.config
        api = MetaStudio(
            AkSk(config.ak, config.sk),
            region=REGION,
            endpoint="http://metastudio.invalid",
            project_id=config.project_id,
            limiter=limiter,
            transport=self.network,
            repeats=0,
            clock=self.loop.now,
        )
        around = Surroundings(
            api,
            SimulatedFiles(self.network, self.downloads),
            self._address,
            post_json=_no_webhooks,
        )
        engine = Engine(
            handle,
            kinds(),
            around,
            settings=EngineSettings(policy=self.policy, polls=PollPolicy(5.0, 60.0), out="/out"),
            clock=self.loop.now,
            new_id=RunIds(self.loop.now, self.random.getrandbits),
            is_there=self.downloads.__contains__,
        )
        self.process = Process(engine, handle)
        await engine.start()
        return self.process

    def _address(self, run_id: RunId) -> CallbackAddress:
        return CallbackAddress(
            f"http://public.invalid/callbacks/video/{run_id}", callbacks.derive_key(KEY, run_id)
        )

    async def kill(self) -> None:
        """SIGKILL: from this instant nothing that the process does has an effect."""
        process = self.process
        assert process is not None
        self.process = None
        self.kills += 1
        process.handle.alive = False
        mine = asyncio.all_tasks() - self.network.tasks - self.spectators
        for task in sorted(mine, key=_age):  # a set of tasks has another order each time
            task.cancel()
        process.engine._timers.stop()
        process.engine.failed.cancel()
        if mine:
            await asyncio.wait(mine)

    # The world's own course

    async def live(self) -> None:
        """Jobs advance and callbacks are posted, whether the orchestrator lives or not."""
        while True:
            self.emulator.settle()
            for post in self.emulator.postman.due(self.emulator.now):
                await self._post(post)
            self.emulator.keep()
            await asyncio.sleep(0.25)

    async def _post(self, post: Any) -> None:
        letter = self.emulator.postman.letter(post, self.emulator.real_now)
        taken = False
        if not self.network.happens(self.network.weather.callback_lost):
            for _ in range(2 if self.network.happens(self.network.weather.callback_doubled) else 1):
                taken = await self._deliver(letter.url, letter.body)
        self.emulator.postman.tried(letter.post_id, self.emulator.now, taken=taken)

    async def _deliver(self, url: str, body: bytes) -> bool:
        process = self.process
        if process is None:
            return False
        run_id = RunId(urlsplit(url).path.rpartition("/")[2])
        callback = read_letter(
            url, body, callbacks.derive_key(KEY, run_id), int(self.loop.now().timestamp() * 1000)
        )
        with contextlib.suppress(StoreError, asyncio.CancelledError):
            return await self._hand_over(process, run_id, callback)
        return False

    async def _hand_over(self, process: Process, run_id: RunId, callback: callbacks.VideoCallback) -> bool:
        # Its own task: it dies with the process while the sender lives on.
        task = self.loop.create_task(
            process.engine.callback(
                run_id,
                job_id=callback.job_id,
                result=callback.result,
                asset_id=callback.asset_id or "",
                stale=False,
            )
        )
        return await task

    # Telling what came of it

    def totals(self) -> dict[str, Any]:
        return stats(self.emulator.world)

    async def runs(self) -> list[Summary]:
        return await self.disk.summaries(RunFilter(), limit=100_000)


def _age(task: "asyncio.Task[Any]") -> int:
    return int(task.get_name().removeprefix("Task-"))


async def _no_webhooks(url: str, message: Any) -> int:
    raise AssertionError("the sample sends no webhook")


def submission(rows: int, timeout_s: float | None) -> Submission:
    return Submission(
        product_video(timeout_s),
        "product-video",
        {},
        rows=[
            RowInput(f"cup-{n}", {"title": f"Cup {n}", "image": f"/media/cup-{n}.png"}, {"sku": f"cup-{n}"})
            for n in range(rows)
        ],
    )


async def play(
    loop: VirtualLoop,
    seed: int,
    *,
    rows: int,
    weather: Weather,
    kill_every_s: float | None = None,
    most_kills: int = 12,
    policy: Policy = FOUL_WEATHER_POLICY,
    timeout_s: float | None = None,
    limit_s: float = 7200.0,
) -> World:
    """Submit, kill and boot again and again until every run is over; the world as it is then."""
    world = World(loop, seed, weather, policy)
    life = loop.create_task(world.live())
    me = asyncio.current_task()
    assert me is not None
    world.spectators = {life, me}
    while True:
        process = await world.boot()
        mortal = kill_every_s is not None and world.kills < most_kills
        lifetime = world.random.expovariate(1 / kill_every_s) if mortal and kill_every_s else None
        finished = loop.create_task(_until_over(process, submission(rows, timeout_s)))
        done, _ = await asyncio.wait({finished}, timeout=lifetime)
        if done:
            finished.result()
            break
        await world.kill()
        assert loop.time() < limit_s, "the runs do not end"
        await asyncio.sleep(world.random.random() * 5)
    await process.engine.stop()
    # What is still on its way arrives: a video that was made twice must not hide behind the end.
    await asyncio.sleep(120)
    life.cancel()
    return world


async def _until_over(process: Process, wanted: Submission) -> None:
    submitted = await process.engine.submit(wanted)
    await process.engine.wait(submitted.run_id)
