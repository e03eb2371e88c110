"""What a user of the package may rely on, as the type checker sees it. Never run: `make types` reads it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

from pydantic import Field

from orchestrator.domain.decide import Decision, Policy, decide
from orchestrator.domain.events import Event
from orchestrator.domain.ids import RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, RunStatus, replay
from orchestrator.engine.engine import Engine
from orchestrator.engine.reception import Submission, Submitted
from orchestrator.errors import OrchestratorError, RetryClass
from orchestrator.limits.local import LocalLimiter
from orchestrator.metastudio import operations
from orchestrator.metastudio.auth.credentials import AkSk
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.models.avatar_video import Show2DDigitalHumanVideoResponse
from orchestrator.metastudio.models.digital_asset import (
    CreateDigitalAssetRequestBody,
    CreateDigitalAssetResponse,
)
from orchestrator.metastudio.transport import AioHttpTransport
from orchestrator.settings import Settings
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepKind, Waiting, kinds
from orchestrator.store.base import RunFilter, Store, Summary
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sqlite import SqliteStore


class StampParams(Parameters):
    """Parameters of a kind that somebody adds."""

    asset_id: str = Field(min_length=1)


class Stamp(StepKind[StampParams]):
    """A step kind takes three class variables and one method."""

    name = "asset.stamp"
    summary = "Read an asset's name"
    params = StampParams
    outputs = frozenset({"name"})

    async def act(self, params: StampParams, ctx: StepContext) -> Done | Waiting:
        """The answer's type follows from the operation."""
        asset = await ctx.call(operations.show_asset, path={"asset_id": params.asset_id})
        assert_type(asset.asset_name, str | None)
        return Done({"name": asset.asset_name})

    async def find(self, params: StampParams, ctx: StepContext) -> Found | None:
        """Nothing is made, so nothing is found."""
        return None


async def client(settings: Settings) -> None:
    """The client alone, without pipelines; `client_methods.py` has its methods."""
    async with MetaStudio(
        AkSk("ak", "sk"),
        region=settings.region,
        endpoint=settings.endpoint,
        project_id=settings.project_id,
        limiter=LocalLimiter(operations.RATES[settings.region]),
        transport=AioHttpTransport(),
    ) as api:
        body = CreateDigitalAssetRequestBody(asset_name="Mug", asset_type="IMAGE")
        created = await api.call(operations.create_digital_asset, body=body)
        assert_type(created, CreateDigitalAssetResponse)
        job = await api.call(operations.show2_d_digital_human_video, path={"job_id": "1"})
        assert_type(job, Show2DDigitalHumanVideoResponse)


async def runs(engine: Engine, pipeline: Pipeline) -> None:
    """Submitting a run and waiting for it."""
    submitted = await engine.submit(Submission(pipeline, "name", {"title": "Mug"}))
    assert_type(submitted, Submitted)
    summary = await engine.wait(submitted.run_id)
    assert_type(summary, Summary)
    assert_type(summary.status, RunStatus)


async def journal(store: Store, run: RunId, pipeline: Pipeline, now: datetime) -> None:
    """The journal leads to a state, the state to a decision."""
    events = await store.journal(run)
    assert_type(events, list[Event])
    state = replay(run, pipeline, events)
    assert_type(state, RunState)
    assert_type(decide(state, now, Policy()), Decision)
    assert_type(await store.summaries(RunFilter(top_level=True)), list[Summary])


def protocols(path: Path) -> tuple[Store, Store, Mapping[str, StepKind[Any]]]:
    """Both stores are stores."""
    return MemoryStore(), SqliteStore(path), kinds()


def errors(error: OrchestratorError) -> tuple[str, str, int]:
    """Every error says what happened, what to do, and the exit code."""
    assert_type(RetryClass("later"), RetryClass)
    return error.message, error.hint, error.exit_code
