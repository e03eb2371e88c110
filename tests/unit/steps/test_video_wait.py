"""`video.wait` beside an emulated provider, in virtual time: what it asks, and what it makes of the answers."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.emulator.records import JobState
from orchestrator.metastudio.client import MetaStudio
from orchestrator.metastudio.errors import ApiError
from orchestrator.steps import video_wait
from orchestrator.steps.base import StepContext, StepError, Surroundings
from orchestrator.steps.video_wait import NOT_PENDING, VideoWait, VideoWaitParams
from orchestrator.store.base import Wait
from tests.cloud import Cloud
from tests.simulation.loop import EPOCH, VirtualLoop, run_virtual

LIST = "list_digital_human_video"
KIND = VideoWait()
Test = Callable[[Cloud, MetaStudio, list[str]], Coroutine[Any, Any, None]]


def play(test: Test, *, jobs: int = 1, video_wait_s: float = 60.0, video_process_s: float = 60.0) -> None:
    """A world with so many jobs, one after the other."""

    async def main() -> None:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        cloud = Cloud(loop.now, video_wait_s, video_process_s)
        async with cloud.client() as api:
            script_id = await cloud.script(api)
            made = [await cloud.job(api, script_id) for _ in range(jobs)]
            cloud.calls.clear()
            cloud.limiter.asked.clear()
            await test(cloud, api, made)

    run_virtual(main())


def around(api: MetaStudio) -> Surroundings:
    nothing = cast("Any", None)
    return Surroundings(api, nothing, lambda _: None, nothing)


def context(api: MetaStudio) -> StepContext:
    nothing = cast("Any", None)
    return StepContext(
        run_id=RunId("r"),
        run_name="r",
        step_id=StepId("s"),
        attempt=1,
        key="k",
        facts={},
        order=0.0,
        run_created_at=EPOCH,
        now=EPOCH,
        sent_at=None,
        around=around(api),
        folder=Path(),
        out=Path(),
        input_files=frozenset(),
        sent=nothing,
        note=nothing,
        on_progress=nothing,
    )


def waits(jobs: Sequence[str], polls: int = 0) -> list[Wait]:
    return [Wait(RunId(f"r{job}"), StepId("s"), "video.wait", job, EPOCH, EPOCH, polls) for job in jobs]


async def cancelled(api: MetaStudio, job: str) -> str:
    return await KIND.cancel(VideoWaitParams(job_id=job), context(api), job)


def test_a_sweep_reads_what_ended_since_and_no_further() -> None:
    """The latest first, a page at a time, in quota that nobody else wants; however many are under way."""

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        cloud.emulator.advance(1000)
        script_id = await cloud.script(api)
        cloud.emulator.advance(1000)
        late = [await cloud.job(api, script_id) for _ in range(3)]
        cloud.emulator.advance(11)
        cloud.calls.clear()
        since = cloud.emulator.now - timedelta(seconds=300)
        found = [ended async for ended in KIND.sweep(around(api), since)]
        assert {ended.correlation for ended in found} == set(late)
        assert cloud.called(LIST) == 1
        everything = [ended async for ended in KIND.sweep(around(api), EPOCH)]
        assert {ended.correlation for ended in everything} >= set(jobs)
        assert [ended.at for ended in everything] == sorted((e.at for e in everything), reverse=True)
        assert cloud.called(LIST) == 3
        assert {low for operation, low in cloud.limiter.asked if operation == LIST} == {True}

    play(test, jobs=101, video_wait_s=5.0, video_process_s=5.0)


def test_a_sweep_tells_each_end_and_nothing_under_way() -> None:
    """Cancelled jobs are over, too; waiting ones are not."""

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        first, second, third = jobs
        await cancelled(api, second)
        assert [e.correlation async for e in KIND.sweep(around(api), EPOCH)] == [second]
        cloud.emulator.advance(200)
        found = {e.correlation: e.result async for e in KIND.sweep(around(api), EPOCH)}
        assert found == {first: "SUCCEED", second: "CANCELED", third: "SUCCEED"}

    play(test, jobs=3)


def test_a_look_asks_once_for_many() -> None:
    """What is under way is left alone, what ended or is gone may be over; one call for up to a hundred."""

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        gone, ended = "0" * 32, jobs[0]
        await cancelled(api, ended)
        cloud.calls.clear()
        cloud.limiter.asked.clear()
        over = await KIND.poll(around(api), waits([gone, *jobs]))
        assert over == {gone: NOT_PENDING, ended: NOT_PENDING}
        assert cloud.called(LIST) == 1
        assert cloud.limiter.asked == [(LIST, True)]

    play(test, jobs=60, video_wait_s=3600.0)


def test_a_list_that_ignores_its_filter_still_tells_states() -> None:
    """A job that the list shows as over is told as that."""

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        (job,) = jobs
        cloud.spoilt[LIST] = (200, {"count": 1, "jobs": [{"job_id": job, "state": "FAILED"}]})
        assert await KIND.poll(around(api), waits(jobs)) == {job: "FAILED"}

    play(test)


def test_of_an_endless_list_each_look_asks_for_a_few_jobs_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that may stand further down are asked for one by one, others each time."""
    monkeypatch.setattr(video_wait, "_MOST_READ", 20)
    monkeypatch.setattr(video_wait, "_ASKED_DIRECTLY", 2)

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        unknown = waits([f"unknown{n}" for n in range(5)])
        first = await KIND.poll(around(api), unknown)
        then = await KIND.poll(around(api), waits([wait.correlation for wait in unknown], polls=1))
        assert len(first) == len(then) == 2
        assert not first.keys() & then.keys()
        assert cloud.called(LIST) == 2
        assert jobs

    play(test, jobs=30, video_wait_s=3600.0)


@pytest.mark.parametrize(
    "job",
    [
        {"state": "SUCCEED", "lastupdate_time": "2026-01-01T00:00:00Z"},
        {"job_id": "j", "state": "SUCCEED"},
        {"job_id": "j", "state": "SUCCEED", "lastupdate_time": "yesterday"},
    ],
)
def test_a_list_that_cannot_be_read_fails_the_sweep(job: dict[str, str]) -> None:
    """A job without an id or a time is no ground for a conclusion."""

    async def test(cloud: Cloud, api: MetaStudio, _jobs: list[str]) -> None:
        cloud.spoilt[LIST] = (200, {"count": 1, "jobs": [job]})
        with pytest.raises(StepError, match="list of video jobs"):
            assert [ended async for ended in KIND.sweep(around(api), EPOCH)]

    play(test)


def test_a_job_that_waits_is_cancelled_at_the_provider() -> None:
    """And again, should the first answer have been lost."""

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        (job,) = jobs
        for _ in range(2):
            assert await cancelled(api, job) == f"Video job {job} was cancelled before it began."
        assert [one.state for one in cloud.jobs] == [JobState.CANCELED]

    play(test)


@pytest.mark.parametrize(
    ("passed_s", "said"), [(90, "cannot be cancelled any more"), (200, "over already, as SUCCEED")]
)
def test_a_job_that_cannot_be_cancelled_any_more_goes_its_way(passed_s: float, said: str) -> None:
    """That is said and no failure."""

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        cloud.emulator.advance(passed_s)
        assert said in await cancelled(api, jobs[0])

    play(test)


def test_cancelling_what_is_not_there_is_no_failure() -> None:
    """Nothing is left to be cancelled."""

    async def test(_cloud: Cloud, api: MetaStudio, _jobs: list[str]) -> None:
        assert "no video job" in await cancelled(api, "0" * 32)

    play(test)


def test_a_cancellation_without_an_answer_about_the_job_is_to_be_repeated() -> None:
    """An outage says nothing of the job."""

    async def test(cloud: Cloud, api: MetaStudio, jobs: list[str]) -> None:
        cloud.spoilt["cancel2_d_digital_human_video"] = (500, {"error_code": "MSS.00000004"})
        with pytest.raises(ApiError):
            await cancelled(api, jobs[0])

    play(test)
