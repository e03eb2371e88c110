"""Somebody who controls runs at any moment, and who sees to those that wait for a person."""

import asyncio
import contextlib
from collections.abc import Awaitable
from random import Random

from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.control import APPROVE, Control, ControlError
from orchestrator.engine.loading import load_state
from orchestrator.engine.offline import Offline
from orchestrator.engine.run_ids import RunIds
from orchestrator.errors import OrchestratorError
from orchestrator.steps.base import kinds
from orchestrator.store.base import RunFilter, Summary
from tests.simulation.pipelines import PIPELINE
from tests.simulation.world import DiedError, World

#: How often somebody looks whether a run waits for a person.
_LOOK_EVERY_S = 30.0
_VERBS = ("cancel", "pause", "pause", "resume", "retry")


class Person:
    """Seeded as the world is. Wishes go through the process when there is one, else straight to the disk."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world, self._chance = world, chance
        #: Runs whose end was promised.
        self.cancelled: set[RunId] = set()
        #: Wishes that were granted.
        self.granted = 0
        #: Answers that no wish should get.
        self.findings: list[str] = []
        #: Held by whoever writes straight to the disk: no process begins meanwhile, as with the lock on a real file.
        self.at_disk = asyncio.Lock()

    async def wish(self) -> None:
        """One thing that anybody might want of any run."""
        runs = await self._world.runs()
        if not runs:
            return
        run, verb = self._chance.choice(runs), self._chance.choice(_VERBS)
        if verb == "cancel" and run.pipeline != PIPELINE:
            verb = "pause"  # items that somebody cancelled are rightly made anew when their row is retried
        if await self._do(verb, run) and verb == "cancel":
            self.cancelled.add(run.id)

    async def look_after(self) -> None:
        """Again and again: approve what waits for a word, resume what somebody (or a quota) has paused."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for run in await self._world.runs():
                if run.status is RunStatus.PAUSED:
                    await self._do("resume", run)
                elif not run.status.over and await self._waits_for_approval(run):
                    await self._do("approve", run)

    async def retry_failed(self, control: Control) -> bool:
        """Take up what failed at last; whether anything did."""
        failed = frozenset({RunStatus.FAILED})
        runs = await self._world.disk.summaries(RunFilter(failed, top_level=True))
        for run in runs:
            with contextlib.suppress(ControlError):  # somebody's wish was first
                await control.retry(run.id)
        return bool(runs)

    async def _waits_for_approval(self, run: Summary) -> bool:
        state = await load_state(self._world.disk, run.id, {})
        assert state is not None
        waiting = (state.steps[step.id].status for step in state.all_steps if step.uses == APPROVE)
        return StepStatus.WAITING in waiting

    async def _do(self, verb: str, run: Summary) -> bool:
        """Whether it was granted."""
        world = self._world
        try:
            if not await self._answered(verb, run.id):
                return False
        except (ControlError, DiedError, asyncio.CancelledError) as refusal:
            world.tell(f"{verb} {run.name} {run.id[-6:]}: {refusal!r}")
            return False
        except OrchestratorError as error:
            self.findings.append(f"{verb} {run.name}: {error!r}")
            return False
        world.tell(f"{verb} {run.name} {run.id[-6:]}: granted")
        self.granted += 1
        return True

    async def _answered(self, verb: str, run_id: RunId) -> bool:
        """Whether anybody was there to grant or refuse it."""
        async with self.at_disk:
            if (process := self._world.process) is None:
                await _ask(verb, self._offline(), run_id)
                return True
        if not process.admits:
            return False  # it is starting or stopping
        await self._world.outcome(process, _ask(verb, process.engine, run_id), guest=True)
        return True

    def _offline(self) -> Offline:
        world = self._world
        known = kinds()
        return Offline(
            world.disk,
            clock=world.loop.now,
            new_id=RunIds(world.loop.now, self._chance.getrandbits),
            leaves=lambda uses: known[uses].leaves if uses in known else None,
            is_there=world.downloads.__contains__,
        )


async def _ask(verb: str, control: Control, run_id: RunId) -> None:
    asked: Awaitable[None]
    match verb:
        case "cancel":
            asked = control.cancel(run_id, reason="not wanted any more")
        case "pause":
            asked = control.pause(run_id)
        case "resume":
            asked = control.resume(run_id)
        case "retry":
            asked = control.retry(run_id)
        case _:
            asked = control.approve(run_id, by="somebody")
    await asked
