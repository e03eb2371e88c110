"""A whole orchestrator beside a whole emulator in virtual time, with a process that can be killed at any instant."""

import asyncio
import contextlib
from collections.abc import Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from urllib.parse import urlsplit

from orchestrator.domain.decide import Policy
from orchestrator.domain.ids import RunId
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import ANY_OPERATION, VIDEO, Fault, FaultPlan, FaultRule
from orchestrator.emulator.records import Post
from orchestrator.emulator.stats import stats
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.run_ids import RunIds
from orchestrator.engine.sweeper import SweepPolicy
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio import callbacks
from orchestrator.metastudio.auth.credentials import Token
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.operations import RATES
from orchestrator.steps.base import CallbackAddress, Surroundings, kinds
from orchestrator.store.base import RunFilter, StoreError, Summary
from orchestrator.store.memory import MemoryStore
from tests.simulation.loop import OWNER, VirtualLoop
from tests.simulation.network import Network, SimulatedFiles, Weather, read_letter

T = TypeVar("T")

KEY = "master key of the simulation"
REGION = "cn-north-4"
#: Weather as foul as ours takes more patience than the default, which calls for a person after three lost answers.
#: Looks are far apart: most of them find nothing, and each costs as much to simulate as a step of the pipeline.
FOUL_WEATHER_POLICY = Policy(max_unknowns=10, lookup_every_s=20.0)


class DiedError(Exception):
    """The process was killed before it could answer."""


class Disk:
    """A process's connection to the disk, dead when the process is. Every verb lets others run before it takes effect."""

    def __init__(self, disk: MemoryStore) -> None:
        self._disk = disk
        self.alive = True

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._disk, name)

        async def call(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            if not self.alive:
                raise asyncio.CancelledError
            return await verb(*args, **options)

        setattr(self, name, call)
        return call


@dataclass(slots=True)
class Process:
    """One life of the orchestrator. What runs in `context` ends with it."""

    number: int
    disk: Disk
    died: asyncio.Future[None]
    context: Context = field(default_factory=copy_context)
    #: What callers from outside are being answered.
    guests: "dict[asyncio.Task[Any], None]" = field(default_factory=dict)
    #: Whether people are answered, and whether a callback finds an open door.
    admits: bool = False
    listens: bool = False
    _engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """Once it was made."""
        assert self._engine is not None
        return self._engine

    def made(self, engine: Engine) -> None:
        """The engine is there; callbacks may come."""
        self._engine = engine
        self.listens = True

    async def stop(self) -> None:
        """As the application does it: no more people, the engine ends in order, then no more callbacks."""
        self.admits = False
        await self._dismiss(at_once=True)
        if self._engine is not None:
            await self._engine.stop()
        self.listens = False
        await self._dismiss(at_once=False)

    async def _dismiss(self, *, at_once: bool) -> None:
        for guest in self.guests:
            if at_once:
                guest.cancel()
        if self.guests:
            await asyncio.wait(self.guests)


class World:
    """Seeded: the same seed takes the same course."""

    def __init__(
        self,
        loop: VirtualLoop,
        seed: int,
        weather: Weather,
        policy: Policy,
        *,
        sweeps: bool = True,
        **emulator: Any,
    ) -> None:
        self.loop = loop
        self.random = Random(seed)
        config = EmulatorConfig(
            region=REGION, render=False, seed=seed, faults=_faults(weather, seed), **emulator
        )
        self.emulator = Emulator(config, clock=loop.now)
        self.network = Network(loop, self.emulator, weather, self.random)
        self.disk = MemoryStore(self._disk_latency)
        self.downloads: dict[Path, int] = {}
        self.policy, self.sweeps = policy, SweepPolicy() if sweeps else None
        self.process: Process | None = None
        self.processes = 0
        self.kills = 0
        #: What a process left running that had stopped in order, and what became of each process, with the time.
        self.leftovers: list[str] = []
        self.told: list[tuple[datetime, str]] = []
        self._posting: set[str] = set()

    async def _disk_latency(self) -> None:
        await asyncio.sleep(self.random.random() * 0.004)

    # The orchestrator's process

    def begin(self) -> Process:
        """A new process, which has done nothing yet."""
        self.processes += 1
        process = Process(self.processes, Disk(self.disk), self.loop.create_future())
        process.context.run(OWNER.set, process.number)
        self.process = process
        self.tell(f"{process.number} begins")
        return process

    def tell(self, what: str) -> None:
        """Note what becomes of a process."""
        self.told.append((self.loop.now(), f"{what} at step {self.loop.steps}"))

    async def open(self, process: Process, *, everything: bool = True) -> Engine:
        """Make and start the process's engine, as `Engine.start` does; to be run inside of it."""
        config = self.emulator.config
        api = MetaStudio(
            # Signatures have tests of their own; a token is cheap.
            Token(config.token),
            region=REGION,
            endpoint="http://metastudio.invalid",
            project_id=config.project_id,
            limiter=LocalLimiter(RATES[REGION]),
            transport=self.network,
            repeats=0,
            clock=self.loop.now,
        )
        files = SimulatedFiles(self.network, self.downloads)
        around = Surroundings(api, files, _address, post_json=_no_webhooks)
        engine = Engine(
            process.disk,
            kinds(),
            around,
            settings=EngineSettings(
                policy=self.policy, polls=PollPolicy(5.0, 60.0), sweeps=self.sweeps, out="/out"
            ),
            clock=self.loop.now,
            new_id=RunIds(self.loop.now, self.random.getrandbits),
            is_there=self.downloads.__contains__,
        )
        process.made(engine)
        await engine.start(everything=everything)
        process.admits = True
        return engine

    def inside(self, process: Process, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Work of the process: it dies with it."""
        return self.loop.create_task(work, context=process.context.copy())

    async def outcome(self, process: Process, work: Coroutine[Any, Any, T], *, guest: bool = False) -> T:
        """What the work of the process comes to. Raises DiedError when the process dies before.

        `guest`: for a caller from outside, who is seen off when the process stops.
        """
        task = self.inside(process, work)
        if guest:
            process.guests[task] = None
        ends: set[asyncio.Future[Any]] = {task, process.died}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        process.guests.pop(task, None)
        if not task.done():
            task.add_done_callback(_heard)
            raise DiedError
        return task.result()

    async def boot(self) -> Process:
        """A new process whose engine has started."""
        process = self.begin()
        await self.outcome(process, self.open(process))
        return process

    def kill(self) -> None:
        """SIGKILL: from this instant nothing of the process runs any more."""
        process = self.process
        if process is None:
            return
        self.process = None
        self.kills += 1
        self.tell(f"{process.number} is killed")
        process.disk.alive = False
        self.loop.dead.add(process.number)
        if not process.died.done():
            process.died.set_result(None)

    async def stop(self, main: "asyncio.Task[Any]") -> None:
        """SIGTERM: the process's command is cancelled, then the engine stops in order. Raises DiedError."""
        process = self.process
        assert process is not None
        main.cancel()
        self.tell(f"{process.number} is stopped")
        await self.outcome(process, _stopped(process, main))
        self.process = None
        self.tell(f"{process.number} has stopped")
        self.leftovers += [
            f"process {process.number} leaves a task behind: {getattr(task.get_coro(), '__qualname__', '?')}"
            for task in self.loop.tasks_of(process.number)
        ]
        self.loop.dead.add(process.number)

    # The world's own course

    async def live(self) -> None:
        """Jobs advance and callbacks are posted, whether the orchestrator lives or not."""
        arrived = self.network.arrived
        while True:
            arrived.clear()
            self.emulator.settle()
            for post in self.emulator.postman.due(self.emulator.now):
                if post.id not in self._posting:
                    self._posting.add(post.id)
                    self.network.spawn(self._post(post))
            due_at = self.emulator.next_due(except_posts=self._posting)
            delay_s = None if due_at is None else (due_at - self.loop.now()).total_seconds()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await arrived.wait()

    async def _post(self, post: Post) -> None:
        letter = self.emulator.postman.letter(post, self.emulator.real_now)
        taken = False
        if not self.network.happens(self.network.weather.callback_lost):
            for _ in range(2 if self.network.happens(self.network.weather.callback_doubled) else 1):
                taken = await self._deliver(letter.url, letter.body)
        self.emulator.postman.tried(letter.post_id, self.emulator.now, taken=taken)
        self._posting.discard(post.id)
        self.network.arrived.set()

    async def _deliver(self, url: str, body: bytes) -> bool:
        await self.network.delay()
        process = self.process
        if process is None or not process.listens:
            return False
        run_id = RunId(urlsplit(url).path.rpartition("/")[2])
        now_ms = int(self.loop.now().timestamp() * 1000)
        found = read_letter(url, body, callbacks.derive_key(KEY, run_id), now_ms)
        take = process.engine.callback(
            run_id, job_id=found.job_id, result=found.result, asset_id=found.asset_id or "", stale=False
        )
        try:
            return await self.outcome(process, take, guest=True)
        except (DiedError, StoreError, asyncio.CancelledError):
            return False

    # Telling what came of it

    def totals(self) -> dict[str, Any]:
        """The emulator's counters."""
        return stats(self.emulator.world)

    async def runs(self) -> list[Summary]:
        """Every run's summary, newest first."""
        return await self.disk.summaries(RunFilter(), limit=100_000)


def _faults(weather: Weather, seed: int) -> FaultPlan:
    """What goes wrong inside of the provider."""
    rules = [
        FaultRule(on=ANY_OPERATION, do=fault, probability=weather.garbled)
        for fault in (Fault.MALFORMED, Fault.MISTYPED, Fault.EXPIRED_URL)
    ]
    rules.append(FaultRule(on=VIDEO, do=Fault.FAIL, probability=weather.job_failed))
    return FaultPlan(seed=seed, rules=tuple(rule for rule in rules if rule.probability))


def _heard(task: "asyncio.Task[Any]") -> None:
    """Nobody is left to whom its failure could matter."""
    if not task.cancelled():
        task.exception()


async def _stopped(process: Process, main: "asyncio.Task[Any]") -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await main
    await process.stop()


def _address(run_id: RunId) -> CallbackAddress:
    key = callbacks.derive_key(KEY, run_id)
    return CallbackAddress(f"http://public.invalid/callbacks/video/{run_id}", key)


async def _no_webhooks(url: str, message: Any, headers: Any) -> int:
    raise AssertionError("the sample sends no webhook")
