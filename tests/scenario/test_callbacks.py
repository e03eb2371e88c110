"""What becomes of each callback: over the real listener, the real engine and its file, beside an emulated provider.

One test for each row of the table in docs/explanation/callbacks-and-polling.md.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import InputSpec, Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.emulator.records import Job, JobState
from orchestrator.engine.engine import Engine, EngineSettings
from orchestrator.engine.loading import load_state
from orchestrator.engine.poller import PollPolicy
from orchestrator.engine.reception import Submission
from orchestrator.metastudio.callbacks import derive_key, sign
from orchestrator.metastudio.client import MetaStudio
from orchestrator.server.addresses import CallbackAddresses
from orchestrator.server.engine_reads import EngineSink
from orchestrator.server.public import PublicServer
from orchestrator.steps.base import Surroundings, kinds
from orchestrator.store.sqlite import SqliteStore
from tests.cloud import Cloud

PUBLIC = "https://hooks.example.com/mso"
OLD, NEW = "old master key", "new master key"
SHOW = "show2_d_digital_human_video"
CREATE = "create2_d_digital_human_video"
#: No poll before the end of the test.
NEVER = PollPolicy(first_s=3600.0, max_s=3600.0)
OFTEN = PollPolicy(first_s=0.2, max_s=0.4)


def video(*more: Step) -> Pipeline:
    """Make a video and wait for it, then `more`."""
    retry = RetryPolicy(attempts=2, backoff_s=0.01)
    produce = Step(
        StepId("video"),
        "video.produce",
        {"script_id": "${{ inputs.script }}", "output_asset_config": {"asset_name": "Cup"}},
        retry=retry,
    )
    wait = Step(
        StepId("done"),
        "video.wait",
        {"job_id": "${{ steps.video.job_id }}"},
        needs=(StepId("video"),),
        retry=retry,
    )
    return Pipeline("p", inputs={"script": InputSpec()}, steps=(produce, wait, *more))


def nap(seconds: float) -> Step:
    """A step behind the wait."""
    return Step(StepId("nap"), "sleep", {"seconds": seconds}, needs=(StepId("done"),))


@dataclass
class Daemon:
    """One life of the orchestrator."""

    cloud: Cloud
    store: SqliteStore
    engine: Engine
    public: PublicServer
    api: MetaStudio
    http: aiohttp.ClientSession

    async def submit(self, pipeline: Pipeline | None = None) -> RunId:
        wanted = Submission(pipeline or video(), "r", {"script": await self.cloud.script(self.api)})
        return (await self.engine.submit(wanted)).run_id

    async def waiting(self, pipeline: Pipeline | None = None) -> tuple[RunId, Job]:
        """A run that waits for its job."""
        run_id = await self.submit(pipeline)
        await self.until(run_id, "step.waiting")
        return run_id, self.cloud.jobs[-1]

    async def until(self, run_id: RunId, type_: str, times: int = 1) -> None:
        with self.engine.live.watch() as events:
            while (await self.types(run_id)).count(type_) < times:
                await asyncio.wait_for(events.get(), 10)

    async def types(self, run_id: RunId) -> list[str]:
        return [event.body.TYPE for event in await self.store.journal(run_id)]

    async def post(
        self,
        job: Job,
        result: str = "SUCCEED",
        *,
        at: datetime | None = None,
        job_id: str = "",
        asset: str = "",
    ) -> int:
        """As MetaStudio does it: to the address and with the key that it was given with the job."""
        assert job.callback is not None
        message = {"job_id": job_id or job.id, "result": result, "asset_id": asset or None}
        return await self.send(job.callback.url, job.callback.key, message, at)

    async def send(self, url: str, key: str, message: Mapping[str, Any], at: datetime | None = None) -> int:
        """The status of the answer; the listener is where the proxy would pass it on to."""
        sent_ms = int((at or datetime.now(UTC)).timestamp() * 1000)
        host, port = self.public.address
        signed = sign(url, key, sent_ms).replace(PUBLIC, f"http://{host}:{port}")
        async with self.http.post(signed, data=json.dumps(message)) as answer:
            return answer.status

    async def succeeded(self, run_id: RunId) -> list[str]:
        """The run's events once it has ended well."""
        summary = await asyncio.wait_for(self.engine.wait(run_id), 10)
        assert summary.status is RunStatus.SUCCEEDED, summary.error
        return await self.types(run_id)


class Premises:
    """The provider, and the folder that outlives a daemon."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Cloud(lambda: datetime.now(UTC))
        self.folder = folder

    @asynccontextmanager
    async def daemon(
        self, *keys: str, polls: PollPolicy = NEVER, everything: bool = True
    ) -> AsyncIterator[Daemon]:
        async with AsyncExitStack() as stack:
            store = await SqliteStore(self.folder / "state.db").open()
            stack.push_async_callback(store.close)
            api = await stack.enter_async_context(self.cloud.client())
            masters: Sequence[str] = keys or (OLD,)
            nothing = cast("Any", None)
            around = Surroundings(api, nothing, CallbackAddresses(masters[0], PUBLIC), nothing)
            settings = EngineSettings(polls=polls, grace_s=0.0)
            engine = Engine(store, kinds(), around, settings=settings)
            public = PublicServer(EngineSink(engine), keys=masters, public_url=PUBLIC)
            await public.start()
            stack.push_async_callback(public.stop)
            await engine.start(everything=everything)
            stack.push_async_callback(engine.stop)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            yield Daemon(self.cloud, store, engine, public, api, http)


@pytest.fixture
def premises(tmp_path: Path) -> Premises:
    return Premises(tmp_path)


@pytest.fixture
async def daemon(premises: Premises) -> AsyncIterator[Daemon]:
    async with premises.daemon() as one:
        yield one


async def test_before_the_create_call_returned(daemon: Daemon) -> None:
    """Kept under the job's id; the wait, when it begins, finds it and asks the API at once."""
    held, acted = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        acted.set()
        await held.wait()

    daemon.cloud.answering[CREATE] = hold
    run_id = await daemon.submit()
    await acted.wait()
    daemon.cloud.emulator.advance(1000)
    assert await daemon.post(daemon.cloud.jobs[-1]) == 204
    held.set()
    types = await daemon.succeeded(run_id)
    assert types.index("callback.received") < types.index("step.succeeded") < types.index("step.waiting")
    assert daemon.cloud.called(SHOW) == 1


async def test_once_twice_and_after_the_end(daemon: Daemon) -> None:
    """The first ends the wait; the same again, and any after the run's end, is answered and changes nothing."""
    run_id, job = await daemon.waiting()
    daemon.cloud.emulator.advance(1000)
    assert [await daemon.post(job) for _ in range(3)] == [204] * 3
    types = await daemon.succeeded(run_id)
    assert types.count("callback.received") == 1
    assert await daemon.post(job) == 204
    assert await daemon.post(job, "FAILED") == 204
    assert await daemon.types(run_id) == types
    assert daemon.cloud.called(SHOW) == 1


async def test_with_different_results(daemon: Daemon) -> None:
    """Each is kept, none is believed: what the API says of the job counts."""
    run_id, job = await daemon.waiting(video(nap(3600)))
    daemon.cloud.emulator.advance(1000)
    assert await daemon.post(job, "FAILED") == 204
    await daemon.until(run_id, "step.succeeded", 2)
    assert await daemon.post(job, "SUCCEED", asset="a" * 32) == 204
    state = await load_state(daemon.store, run_id, {})
    assert state is not None
    assert state.hints[job.id] == [("FAILED", ""), ("SUCCEED", "a" * 32)]
    assert state.steps[StepId("done")].outputs["state"] == "SUCCEED"
    assert state.steps[StepId("done")].outputs["asset_id"] == job.output_asset_id
    assert daemon.cloud.called(SHOW) == 1


async def test_that_comes_too_early_or_lies(daemon: Daemon) -> None:
    """The API says «not over»: the step waits on, and the next hint makes it ask again."""
    run_id, job = await daemon.waiting()
    assert await daemon.post(job, "FAILED") == 204
    await daemon.until(run_id, "step.checked")
    daemon.cloud.emulator.advance(1000)
    assert await daemon.post(job, "SUCCEED") == 204
    types = await daemon.succeeded(run_id)
    assert types.count("callback.received") == 2
    assert daemon.cloud.called(SHOW) == 2


async def test_for_an_unknown_job_and_for_an_unknown_run(daemon: Daemon) -> None:
    """One about another job of the run is kept and asks nobody; one for a run that is not there is refused."""
    run_id, job = await daemon.waiting()
    assert await daemon.post(job, job_id="f" * 32) == 204
    state = await load_state(daemon.store, run_id, {})
    assert state is not None
    assert state.steps[StepId("done")].status is StepStatus.WAITING
    assert "f" * 32 in state.hints
    assert daemon.cloud.called(SHOW) == 0
    stranger = "0" * 26
    url = f"{PUBLIC}/callbacks/video/{stranger}"
    assert await daemon.send(url, derive_key(OLD, stranger), {"job_id": job.id, "result": "SUCCEED"}) == 404
    assert await daemon.send(url, "guessed", {"job_id": job.id, "result": "SUCCEED"}) == 401


async def test_without_end(daemon: Daemon) -> None:
    """Whoever saw a signed address can fill neither the journal nor the quota with it."""
    run_id, job = await daemon.waiting()
    for number in range(22):
        assert await daemon.post(job, job_id="another", asset=str(number)) == 204
    assert (await daemon.types(run_id)).count("callback.received") == 20
    assert daemon.cloud.called(SHOW) == 0
    daemon.cloud.emulator.advance(1000)
    assert await daemon.post(job) == 204
    await daemon.succeeded(run_id)


async def test_after_a_restart(premises: Premises) -> None:
    """A run that waits is a row: the callback wakes it in whatever process is there."""
    async with premises.daemon() as first:
        run_id, job = await first.waiting()
    premises.cloud.emulator.advance(1000)
    async with premises.daemon() as second:
        assert await second.post(job) == 204
        assert "poll.found" not in await second.succeeded(run_id)


async def test_while_the_process_is_down(premises: Premises) -> None:
    """Nobody answers: the sender repeats it later; if it gives up, the poller finds the end."""
    async with premises.daemon() as first:
        one, job = await first.waiting()
        two, _ = await first.waiting()
        address = first.public.address
    premises.cloud.emulator.advance(1000)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
    async with premises.daemon() as second:
        assert await second.post(job) == 204
        await second.succeeded(one)
    async with premises.daemon(polls=OFTEN) as third:
        # Its first poll was planned by the process before, for much later; a sweep does not wait for that.
        types = await third.succeeded(two)
    assert "callback.received" not in types
    assert "poll.found" in types


async def test_for_a_run_that_this_process_does_not_carry(premises: Premises) -> None:
    """Kept, and acted upon by the next process that carries the run."""
    async with premises.daemon() as first:
        run_id, job = await first.waiting()
    premises.cloud.emulator.advance(1000)
    async with premises.daemon(everything=False) as second:
        assert await second.post(job) == 204
        assert (await second.types(run_id))[-1] == "callback.received"
    async with premises.daemon() as third:
        await third.succeeded(run_id)


async def test_after_the_run_was_cancelled(daemon: Daemon) -> None:
    """The job is cancelled at the provider while it waits there; what is told of it later changes nothing."""
    run_id, job = await daemon.waiting()
    await daemon.engine.cancel(run_id)
    summary = await asyncio.wait_for(daemon.engine.wait(run_id), 10)
    assert summary.status is RunStatus.CANCELLED
    types = await daemon.types(run_id)
    assert await daemon.post(job, "FAILED") == 204
    assert await daemon.types(run_id) == types
    run_id, job = await daemon.waiting()
    daemon.cloud.emulator.advance(90)
    await daemon.engine.cancel(run_id)
    await asyncio.wait_for(daemon.engine.wait(run_id), 10)
    assert await daemon.post(job) == 204
    assert (await daemon.types(run_id))[-1] == "run.cancelled"
    assert [one.state for one in daemon.cloud.jobs] == [JobState.CANCELED, JobState.PROCESSING]


async def test_while_the_run_is_paused(daemon: Daemon) -> None:
    """The wait ends, for what is under way goes on; the next step begins when the run is resumed."""
    run_id, job = await daemon.waiting(video(nap(0)))
    await daemon.engine.pause(run_id)
    daemon.cloud.emulator.advance(1000)
    assert await daemon.post(job) == 204
    await daemon.until(run_id, "step.succeeded", 2)
    state = await load_state(daemon.store, run_id, {})
    assert state is not None
    assert state.status is RunStatus.PAUSED
    assert state.steps[StepId("nap")].status is StepStatus.PENDING
    await daemon.engine.resume(run_id)
    await daemon.succeeded(run_id)


async def test_that_is_stale(daemon: Daemon) -> None:
    """Signed, but out of its time: refused, kept nowhere, and reason enough for the poller to look soon."""
    run_id, job = await daemon.waiting()
    daemon.cloud.emulator.advance(1000)
    assert await daemon.post(job, at=datetime.now(UTC) - timedelta(minutes=10)) == 401
    assert "callback.received" not in await daemon.types(run_id)
    (line,) = await daemon.store.wait_lines()
    assert line.poll_at < datetime.now(UTC) + timedelta(seconds=10)


async def test_while_keys_are_changed(premises: Premises) -> None:
    """A new key in front signs new runs, the old one serves the runs that it signed for, until it is taken away."""
    async with premises.daemon(OLD) as first:
        one, old_job = await first.waiting()
        two, older_job = await first.waiting()
    async with premises.daemon(NEW, OLD) as second:
        three, new_job = await second.waiting()
        assert new_job.callback is not None
        assert new_job.callback.key == derive_key(NEW, three)
        premises.cloud.emulator.advance(1000)
        assert [await second.post(job) for job in (old_job, new_job)] == [204, 204]
        await second.succeeded(one)
        await second.succeeded(three)
    async with premises.daemon(NEW, polls=OFTEN) as third:
        assert await third.post(older_job) == 401
        types = await third.succeeded(two)
    assert "callback.received" not in types
    assert "poll.found" in types
