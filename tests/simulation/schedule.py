"""One schedule: what the weather is like, when the process is killed, stopped or told what to do, all from a seed."""

import asyncio
import contextlib
import random
import traceback
from dataclasses import dataclass, field, replace
from random import Random

from orchestrator.domain.decide import Policy
from orchestrator.engine.reception import Submission
from orchestrator.store.base import RunFilter
from tests.simulation.checks import findings, trace
from tests.simulation.loop import StalledError, VirtualLoop, run_virtual
from tests.simulation.network import Weather
from tests.simulation.person import Person
from tests.simulation.pipelines import submission
from tests.simulation.world import FOUL_WEATHER_POLICY, DiedError, Process, World

#: What is still on its way arrives within this time after the last run's end: late requests, repeated callbacks.
AFTERMATH_S = 300.0

_ENDLESS = "the runs do not end"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that a course depends on."""

    seed: int
    rows: int = 2
    weather: Weather = field(default_factory=Weather)
    #: Killed before exactly these steps of the event loop.
    kill_at: tuple[int, ...] = ()
    #: Besides, interrupted after so many steps on average, at most so often; `stops` is the share of SIGTERMs among it.
    every_steps: float | None = None
    most: int = 8
    stops: float = 0.0
    #: The share of wishes of a person among it, who also sees to paused runs and approvals. They begin new runs only once:
    #: what was cancelled would otherwise be made anew.
    wishes: float = 0.0
    #: The pipeline has a step that somebody has to approve.
    approval: bool = False
    #: Assets more, each row, made by a step with `foreach`.
    items: int = 0
    #: One asset more, each row, made by a pipeline of its own.
    nested: bool = False
    #: The rows begin one after the other.
    grouped: bool = False
    #: Seconds that a job waits at the provider before it begins; until then it can be cancelled.
    job_waits_s: float = 1.0
    #: Each process asks for the same runs again, as `orchestrator run` does; False: only the first, as with a daemon.
    asks_again: bool = True
    policy: Policy = FOUL_WEATHER_POLICY
    #: Doubles that come late are looked for.
    sweeps: bool = True
    #: For each step of the pipeline.
    timeout_s: float | None = None
    #: By then (virtual time) every run has to be over.
    limit_s: float = 7200.0

    @classmethod
    def drawn(cls, seed: int, rows: int | None = None) -> "Schedule":
        """A schedule of the kind and the measure that its seed draws; `rows` None: as many as it draws."""
        chance, other = Random(f"schedule {seed}"), Random(f"pipeline {seed}")
        few = chance.choice((1, 1, 1, 2, 3))
        drawn = cls(
            seed,
            few if rows is None else rows,
            Weather.foul(chance.choice((0.0, 0.02, 0.05, 0.05))),
            every_steps=chance.choice((60.0, 200.0, 600.0)),
            stops=chance.choice((0.0, 0.0, 0.3)),
            asks_again=chance.random() < 0.5,
            items=chance.choice((0, 0, 0, 2)),
            nested=other.random() < 0.25,
            grouped=other.random() < 0.2,
        )
        if seed % 2:
            return drawn
        return replace(
            drawn,
            weather=replace(
                drawn.weather, job_failed=chance.choice((0.0, 0.1)), quota=chance.choice((0.0, 0.05))
            ),
            every_steps=chance.choice((30.0, 60.0, 200.0)),
            wishes=chance.choice((0.3, 0.7)),
            approval=chance.random() < 0.3,
            job_waits_s=chance.choice((1.0, 20.0)),
            asks_again=False,
        )


class Course:
    """A schedule being played."""

    def __init__(self, loop: VirtualLoop, schedule: Schedule) -> None:
        self.loop, self.schedule = loop, schedule
        self.world = World(
            loop,
            schedule.seed,
            schedule.weather,
            schedule.policy,
            sweeps=schedule.sweeps,
            video_wait_s=schedule.job_waits_s,
        )
        #: Steps of the event loop until every run was over.
        self.steps = 0
        self._blows = Random(f"blows {schedule.seed}")
        self.person = Person(self.world, self._blows)
        self._retried = 0
        self._struck = 0
        self._planned = sorted(schedule.kill_at, reverse=True)
        self._asked_to_stop = asyncio.Event()

    async def play(self) -> None:
        """Boot, interrupt and boot again until every run is over."""
        self.world.network.spawn(self.world.live())
        if self.schedule.wishes:
            self.world.network.spawn(self.person.look_after())
        self.loop.strike = self._strike
        while True:
            async with self.person.at_disk:
                process = self.world.begin()
            self._plan()
            with contextlib.suppress(DiedError):
                if await self._lives(process):
                    return
            assert self.loop.time() < self.schedule.limit_s, _ENDLESS
            await asyncio.sleep(self._blows.random() * 5)
            if self._blows.random() < self.schedule.wishes:
                await self.person.wish()

    async def _lives(self, process: Process) -> bool:
        """One process's life; whether every run is over. Raises DiedError."""
        self._asked_to_stop.clear()
        main = self.world.inside(process, self._main(process))
        asked = self.loop.create_task(self._asked_to_stop.wait())
        patience_s = self.schedule.limit_s - self.loop.time()
        ends = {main, asked, process.died}
        ended, _ = await asyncio.wait(ends, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        assert ended, _ENDLESS
        if process.died.done():
            raise DiedError
        if over := main.done():
            main.result()
            self.steps, self.loop.strike_at = self.loop.steps, None
            await asyncio.sleep(AFTERMATH_S)
        await self.world.stop(main)
        return over

    async def _main(self, process: Process) -> None:
        """What the process is there for: begin, or take up, and wait for the end."""
        # As `orchestrator run` does: what nobody asks for is left alone.
        engine = await self.world.open(process, everything=not self.schedule.asks_again)
        known = await process.disk.summaries(RunFilter(top_level=True))
        if self.schedule.asks_again or not known:
            await engine.submit(self._wanted())
            known = await process.disk.summaries(RunFilter(top_level=True))
        for run in known:
            await engine.wait(run.id)
        if self.schedule.wishes and not self._retried:
            self._retried += await self.person.retry_failed(engine)
            for run in known:
                await engine.wait(run.id)

    def _wanted(self) -> Submission:
        wish = self.schedule
        return submission(
            wish.rows,
            timeout_s=wish.timeout_s,
            approval=wish.approval,
            items=wish.items,
            nested=wish.nested,
            grouped=wish.grouped,
        )

    # Interruptions

    def _plan(self) -> None:
        """When the process is struck next."""
        now, every = self.loop.steps, self.schedule.every_steps
        while self._planned and self._planned[-1] <= now:
            self._planned.pop()
        due = self._planned[-1:]
        if every is not None and self._struck < self.schedule.most:
            due.append(now + 1 + int(self._blows.expovariate(1 / every)))
        self.loop.strike_at = min(due, default=None)

    def _strike(self) -> None:
        self._struck += 1
        planned = self._planned[-1:] == [self.loop.steps]
        which = 1.0 if planned else self._blows.random()
        if which >= self.schedule.stops + self.schedule.wishes:
            self.world.kill()
            return
        if which < self.schedule.stops:
            self._asked_to_stop.set()
        else:
            self.world.network.spawn(self.person.wish())
        self._plan()


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a schedule."""

    schedule: Schedule
    #: What is wrong; nothing, usually.
    findings: tuple[str, ...]
    #: Steps of the event loop until every run was over.
    steps: int = 0
    kills: int = 0
    stops: int = 0
    adopted: int = 0
    callbacks: int = 0
    wishes: int = 0
    #: Everything that happened, in the order of time; only when asked for.
    lines: tuple[str, ...] = field(default=(), repr=False)


def play(schedule: Schedule, *, traced: bool = False) -> tuple[Report, World]:
    """Plays a schedule to its end, in virtual time; the world as it is then.

    That it has no end, or breaks off, is a finding, too. `traced`: the report has its lines.
    """
    courses: list[Course] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        courses.append(Course(loop, schedule))
        await courses[0].play()

    before, broke_off = random.getstate(), ""
    random.seed(schedule.seed)
    try:
        run_virtual(main())
    except StalledError:
        broke_off = "everybody waits for ever"
    except Exception:  # noqa: BLE001 - whatever it was, the seed has to be told
        broke_off = traceback.format_exc()
    finally:
        random.setstate(before)
    return run_virtual(_report(courses[0], broke_off, traced=traced)), courses[0].world


async def _report(course: Course, broke_off: str, *, traced: bool) -> Report:
    world, schedule = course.world, course.schedule
    found = await findings(
        world,
        timeouts=schedule.timeout_s is not None,
        cancelled=course.person.cancelled,
        more_assets=schedule.items + schedule.nested,
    )
    types = [event.body.TYPE for run in await world.runs() for event in await world.disk.journal(run.id)]
    return Report(
        schedule,
        (*([broke_off] if broke_off else []), *found, *course.person.findings),
        steps=course.steps,
        kills=world.kills,
        stops=world.processes - world.kills - 1,
        adopted=types.count("step.adopted"),
        callbacks=types.count("callback.received"),
        wishes=course.person.granted,
        lines=tuple(await trace(world)) if traced else (),
    )
