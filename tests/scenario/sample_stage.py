"""A stage for sample pipelines: the whole application beside a fast emulator, a life at a time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from orchestrator.app import Application, application, kind_infos
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.emulator.server import EmulatorServer
from orchestrator.engine.loading import load_state
from orchestrator.engine.submission import submission
from orchestrator.settings import Settings
from orchestrator.store.base import RunFilter

SAMPLES = Path("pipelines")


@dataclass(frozen=True)
class Stage:
    """An emulator, and a folder that outlives the processes that use it."""

    server: EmulatorServer
    folder: Path
    #: More settings, by dotted name.
    flags: Mapping[str, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Application]:
        """One life of the orchestrator."""
        config = self.server.config
        settings = Settings.load(
            {
                "region": config.region,
                "endpoint": self.server.endpoint,
                "project_id": config.project_id,
                "auth.ak": config.ak,
                "auth.sk": config.sk,
                "state": f"sqlite:///{self.folder}/state.db",
                "out": str(self.folder / "out"),
                "public.listen": "127.0.0.1:0",
                **self.flags,
            },
            environ={},
        )
        async with application(settings) as app:
            yield app

    async def succeed(self, what: str | Pipeline, **inputs: Any) -> list[RunState]:
        """The runs of a sample, or of a pipeline, that ended well: the one, or each row's in the order of their names."""
        states = await self.end(what, **inputs)
        for state in states:
            assert state.status is RunStatus.SUCCEEDED, state.error
        return states

    async def end(self, what: str | Pipeline, **inputs: Any) -> list[RunState]:
        """As `succeed`, however they ended."""
        async with self.process() as app:
            run_id = await begin(app, what, **inputs)
            await asyncio.wait_for(app.engine.rest(run_id), 30)
            rows = await app.store.summaries(RunFilter(parent=run_id))
            of_rows = [row.id for row in rows if row.id != run_id and "/" not in row.name]
            states = [await state_of(app, one) for one in of_rows or [run_id]]
            return sorted(states, key=lambda state: state.name)

    async def advance(self, seconds: float) -> None:
        """Let the emulator's clock go on."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.server.endpoint}/_emulator/advance", json={"seconds": seconds}) as answer,
        ):
            assert answer.status == 200

    def kept(self) -> bytes:
        """All that is written down."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("state.db*")) if path.is_file())

    async def stats(self) -> Mapping[str, Any]:
        """What the emulator counts."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.server.endpoint}/_emulator/stats") as answer,
        ):
            found: Mapping[str, Any] = await answer.json()
            return found


async def state_of(app: Application, run_id: RunId) -> RunState:
    """Where a run stands."""
    state = await load_state(app.store, run_id, {})
    assert state is not None
    return state


async def begin(app: Application, what: str | Pipeline, **inputs: Any) -> RunId:
    """Submit a sample, or a pipeline."""
    pipeline = load(SAMPLES / what, kinds=kind_infos()) if isinstance(what, str) else what
    prepared = prepare(pipeline, inputs, region=app.settings.region)
    return (await app.engine.submit(submission(pipeline, prepared))).run_id


def step(name: str, uses: str, *needs: str, **with_: Any) -> Step:
    """A step that is tried three times without delay."""
    retry = RetryPolicy(attempts=3, backoff_s=0.05)
    return Step(StepId(name), uses, with_, needs=tuple(map(StepId, needs)), retry=retry)


def outputs(state: RunState, name: str) -> Mapping[str, Any]:
    """What a step brought."""
    return state.steps[StepId(name)].outputs
