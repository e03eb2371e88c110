"""`api.<operation>` against the emulator, over real HTTP: what is repeated, what is left to a person."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.app import Application, application, kind_infos
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.server import EmulatorServer
from orchestrator.engine.loading import load_state
from orchestrator.engine.submission import submission
from orchestrator.errors import RetryClass
from orchestrator.settings import Settings

SAMPLE = Path("pipelines/library-picture.yaml")

CREATE = {"asset_name": "Cup", "asset_type": "IMAGE"}
#: What it makes is in no list.
PREVIEW = {"text": "Hello.", "emotion": "0a4b548fd8d2d6998e1fc3fffb29f9bc"}


def step(name: str, uses: str, *needs: str, **with_: Any) -> Step:
    retry = RetryPolicy(attempts=3, backoff_s=0.05, on=frozenset(RetryClass) - {RetryClass.NEVER})
    return Step(StepId(name), uses, with_, needs=tuple(map(StepId, needs)), retry=retry)


def flow(*steps: Step) -> Pipeline:
    return Pipeline("calls", steps=steps)


@dataclass(frozen=True)
class Cloud:
    """An emulator under the given faults, and a state that outlives the processes that use it."""

    server: EmulatorServer
    folder: Path

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Application]:
        """One life of the orchestrator. Its quiet time is long: nothing here may depend on waiting for it."""
        config = self.server.config
        settings = Settings.load(
            {
                "endpoint": self.server.endpoint,
                "project_id": config.project_id,
                "auth.ak": config.ak,
                "auth.sk": config.sk,
                "state": f"sqlite:///{self.folder}/state.db",
                "out": str(self.folder / "out"),
                "public.listen": "127.0.0.1:0",
                "engine.quiet_time_s": 600,
            },
            environ={},
        )
        async with application(settings) as app:
            yield app

    async def run(self, pipeline: Pipeline) -> tuple[RunState, list[str]]:
        """How a run of it ended, and the types of its events."""
        async with self.process() as app:
            prepared = prepare(pipeline, {}, region=app.settings.region)
            run_id = (await app.engine.submit(submission(pipeline, prepared))).run_id
            await asyncio.wait_for(app.engine.rest(run_id), 20)
            return await ended(app, run_id)

    async def calls(self, operation: str) -> int:
        """How often the operation was called."""
        return int((await self._stats())["operations"].get(operation, {}).get("calls", 0))

    async def made(self) -> Mapping[str, int]:
        """How many assets, files, … there are."""
        found: Mapping[str, int] = (await self._stats())["totals"]
        return found

    async def previews(self) -> int:
        """How many previews of speech there are."""
        return int((await self._stats())["records"]["speech_preview"])

    async def _stats(self) -> Mapping[str, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.server.endpoint}/_emulator/stats") as answer,
        ):
            found: Mapping[str, Any] = await answer.json()
            return found


async def ended(app: Application, run_id: RunId) -> tuple[RunState, list[str]]:
    state = await load_state(app.store, run_id, {})
    assert state is not None
    return state, [event.body.TYPE for event in await app.store.journal(run_id)]


Start = Callable[..., Awaitable[Cloud]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    servers: list[EmulatorServer] = []

    async def started(*rules: FaultRule) -> Cloud:
        server = EmulatorServer(EmulatorConfig(faults=FaultPlan(rules=rules), speed=20))
        servers.append(await server.__aenter__())
        return Cloud(server, tmp_path)

    yield started
    for server in servers:
        await server.__aexit__(None, None, None)


def rule(on: str, do: Fault, **more: Any) -> FaultRule:
    return FaultRule(on=on, do=do, nth=more.pop("nth", 1), **more)


def outputs(state: RunState, name: str) -> Mapping[str, Any]:
    return state.steps[StepId(name)].outputs


async def test_the_sample_runs(start: Start) -> None:
    """Kinds of their own and API calls side by side; no presigned URL in the journal."""
    cloud = await start()
    state, _ = await cloud.run(load(SAMPLE, kinds=kind_infos()))
    assert state.status is RunStatus.SUCCEEDED
    assert state.outputs["with_this_tag"] == 1
    assert "lamps" in outputs(state, "described")["tags"]
    held = (cloud.folder / "state.db").read_bytes()
    for trace in (b"Signature=", b"AccessKeyId", b"download_url", b"upload_url"):
        assert trace not in held


async def test_a_read_is_repeated(start: Start) -> None:
    """A lost answer and a server error cost an attempt each."""
    cloud = await start(
        rule("list_assets", Fault.RESET_AFTER),
        rule("list_assets", Fault.ERROR, status=500, code="MSS.00000004"),
    )
    state, events = await cloud.run(flow(step("look", "api.list_assets", limit=1)))
    assert state.status is RunStatus.SUCCEEDED
    assert events.count("step.intended") == 3
    assert await cloud.calls("list_assets") == 3


async def test_a_change_is_repeated(start: Start) -> None:
    """What is set twice to the same is set once."""
    cloud = await start(rule("update_digital_asset", Fault.RESET_AFTER))
    pipeline = flow(
        step("make", "api.create_digital_asset", **CREATE),
        step(
            "name",
            "api.update_digital_asset",
            "make",
            asset_id="${{ steps.make.asset_id }}",
            asset_name="Mug",
        ),
    )
    state, _ = await cloud.run(pipeline)
    assert state.status is RunStatus.SUCCEEDED
    assert outputs(state, "name")["asset_name"] == "Mug"
    assert await cloud.calls("update_digital_asset") == 2


async def test_a_throttled_creation_is_sent_again(start: Start) -> None:
    """The API surely has not acted."""
    cloud = await start(rule("create_digital_asset", Fault.THROTTLE))
    state, _ = await cloud.run(flow(step("make", "api.create_digital_asset", **CREATE)))
    assert state.status is RunStatus.SUCCEEDED
    assert (await cloud.made())["assets"] == 1


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TRUNCATE, Fault.HTML])
async def test_a_creation_whose_answer_is_lost_waits_for_a_person(start: Start, fault: Fault) -> None:
    """Not repeated and not looked for in vain: the run ends at once and says where to look."""
    cloud = await start(rule("create_tts_audition", fault))
    state, events = await cloud.run(flow(step("make", "api.create_tts_audition", **PREVIEW)))
    error = state.steps[StepId("make")].error
    assert state.status is RunStatus.PAUSED
    assert error is not None
    assert error.retry is RetryClass.SUPPORT
    assert error.code == "NO_ANSWER"
    assert "previews are in no list" in error.hint
    assert events[-4:] == ["step.sent", "step.unknown", "step.failed", "run.paused"]
    assert await cloud.calls("create_tts_audition") == 1


async def test_asking_again_after_having_looked_sends_it_again(start: Start) -> None:
    """The person's word that it is not there: the run goes on from that step, and only from it."""
    cloud = await start(rule("create_tts_audition", Fault.RESET_BEFORE))
    pipeline = flow(
        step("look", "api.list_assets", limit=1), step("make", "api.create_tts_audition", "look", **PREVIEW)
    )
    assert (await cloud.run(pipeline))[0].status is RunStatus.PAUSED
    assert (await cloud.run(pipeline))[0].status is RunStatus.SUCCEEDED
    assert await cloud.previews() == 1
    assert await cloud.calls("list_assets") == 1


async def test_a_crash_between_sending_and_answer_waits_for_a_person(start: Start) -> None:
    """Taken up again, the run does not send a second one; asked for once more, it does."""
    cloud = await start(rule("create_tts_audition", Fault.HANG))
    pipeline = flow(step("make", "api.create_tts_audition", **PREVIEW))
    async with cloud.process() as app:
        asked = submission(pipeline, prepare(pipeline, {}, region=app.settings.region))
        run_id = (await app.engine.submit(asked)).run_id
        while not await cloud.previews():
            pass  # each question is answered over the network
        await app.engine._dispatcher.stop(0.0)  # it dies without waiting for the answer
    state, events = await cloud.run(pipeline)
    assert state.id == run_id
    error = state.steps[StepId("make")].error
    assert state.status is RunStatus.PAUSED
    assert error is not None
    assert error.retry is RetryClass.SUPPORT
    assert "step.looked_up" not in events
    assert await cloud.calls("create_tts_audition") == 1
    assert (await cloud.run(pipeline))[0].status is RunStatus.SUCCEEDED
    assert await cloud.calls("create_tts_audition") == 2


def deletion(**more: Any) -> Sequence[Step]:
    """A file that is registered, then deleted."""
    return (
        step("make", "api.create_digital_asset", **CREATE),
        step(
            "file",
            "api.create_file",
            "make",
            asset_id="${{ steps.make.asset_id }}",
            file_name="cup.png",
            file_type="png",
            file_size=3,
            file_md5="ICy5YqxZB1uWSwcVLSNLcA==",
            asset_file_category="MAIN",
        ),
        step("drop", "api.delete_file", "file", file_id="${{ steps.file.file_id }}", **more),
    )


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HTML])
async def test_a_deletion_whose_answer_is_lost_is_done(start: Start, fault: Fault) -> None:
    """Whether the lost attempt or the next one deleted it: it is gone."""
    cloud = await start(rule("delete_file", fault))
    state, _ = await cloud.run(flow(*deletion()))
    assert state.status is RunStatus.SUCCEEDED
    assert outputs(state, "drop") == {}
    assert await cloud.calls("delete_file") == 2


async def test_what_was_never_there_cannot_be_deleted(start: Start) -> None:
    """However often it is asked for: nothing of ours has deleted it."""
    cloud = await start()
    pipeline = flow(step("drop", "api.delete_file", file_id="none"))
    for times in (1, 2):
        state, _ = await cloud.run(pipeline)
        assert state.status is RunStatus.FAILED
        assert state.error is not None
        assert state.error.code == "MSS.10001004"
        assert await cloud.calls("delete_file") == times


async def test_a_refusal_before_it_is_no_trace_of_a_deletion(start: Start) -> None:
    """A first attempt that was surely refused does not make a later «not found» a success."""
    cloud = await start(rule("delete_file", Fault.ERROR, status=403, code="MSS.00024002"))
    state, _ = await cloud.run(flow(step("drop", "api.delete_file", file_id="none")))
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert state.error.code == "MSS.10001004"
    assert await cloud.calls("delete_file") == 2
