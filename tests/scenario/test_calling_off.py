"""What becomes of work at the provider when a run is called off: the real step kinds beside an emulated provider."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.emulator.records import JobState
from orchestrator.engine.loading import load_state
from orchestrator.engine.reception import Submission
from orchestrator.metastudio.errors import AnswerLost, Executed
from tests.cloud import SCRIPT, Cloud
from tests.scenario.test_callbacks import CREATE, Daemon, Premises, nap, video

CANCEL = "cancel2_d_digital_human_video"
#: Creating calls that may be without an answer at the same time: the published rate.
AT_ONCE = 5


@pytest.fixture
def premises(tmp_path: Path) -> Premises:
    return Premises(tmp_path)


@pytest.fixture
async def daemon(premises: Premises) -> AsyncIterator[Daemon]:
    async with premises.daemon() as one:
        yield one


def whole() -> Pipeline:
    """With a script of the run's own: what it made of that can be found."""
    script = Step(StepId("script"), "script.create", SCRIPT)
    produce, wait = video().steps
    made = {**produce.with_, "script_id": "${{ steps.script.script_id }}"}
    return Pipeline("p", steps=(script, replace(produce, with_=made, needs=(script.id,)), wait))


async def cancelled(daemon: Daemon, run_id: RunId) -> list[str]:
    """The run's end as cancelled; what was said of each step that was."""
    summary = await asyncio.wait_for(daemon.engine.wait(run_id), 10)
    assert summary.status is RunStatus.CANCELLED
    journal = await daemon.store.journal(run_id)
    return [event.body.reason for event in journal if isinstance(event.body, ev.StepCancelled)]


def states(cloud: Cloud) -> list[JobState]:
    """Of all jobs that were ever made."""
    return [job.state for job in cloud.jobs]


def held(daemon: Daemon, operation: str) -> tuple[asyncio.Event, asyncio.Event]:
    """The server acts on the call, and answers once the first event is set; it sets the second when it has acted."""
    answer, acted = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        acted.set()
        await answer.wait()

    daemon.cloud.answering[operation] = hold
    return answer, acted


async def test_a_job_that_waits_is_cancelled(daemon: Daemon) -> None:
    """At the provider, before it costs anything."""
    run_id, job = await daemon.waiting()
    await daemon.engine.cancel(run_id)
    assert await cancelled(daemon, run_id) == [f"Video job {job.id} was cancelled before it began."]
    assert states(daemon.cloud) == [JobState.CANCELED]


async def test_a_job_that_is_being_made_goes_on_and_the_run_says_so(daemon: Daemon) -> None:
    """It is paid for; the run ends without it."""
    run_id, _ = await daemon.waiting()
    daemon.cloud.emulator.advance(90)
    await daemon.engine.cancel(run_id)
    (told,) = await cancelled(daemon, run_id)
    assert "it will be made, and charged for" in told
    assert states(daemon.cloud) == [JobState.PROCESSING]
    new = await daemon.engine.replay(run_id)
    await daemon.until(new, "step.waiting")
    assert daemon.cloud.called(CREATE) == 1  # the replay waits for the same job
    await daemon.engine.cancel(new)
    await cancelled(daemon, new)


async def test_a_request_on_its_way_is_answered_and_its_job_cancelled(daemon: Daemon) -> None:
    """The wish comes while the create call is without an answer."""
    answer, acted = held(daemon, CREATE)
    run_id = await daemon.submit()
    await acted.wait()
    await daemon.engine.cancel(run_id)
    answer.set()
    await cancelled(daemon, run_id)
    assert states(daemon.cloud) == [JobState.CANCELED]


async def lost() -> None:
    raise AnswerLost("The connection broke.", operation=CREATE, executed=Executed.UNKNOWN)


async def killed() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("end", [lost, killed], ids=["its answer lost", "its process killed"])
async def test_a_job_of_which_nobody_knows_is_found_and_cancelled(
    premises: Premises, end: Callable[[], Awaitable[None]]
) -> None:
    """Looked for, adopted, called off: by this process, or by the next."""
    made = asyncio.Event()
    async with premises.daemon() as daemon:

        async def acted() -> None:
            made.set()
            await end()

        daemon.cloud.answering[CREATE] = acted
        run_id = (await daemon.engine.submit(Submission(whole(), "r", {}))).run_id
        await made.wait()
        await daemon.engine.cancel(run_id)
    premises.cloud.answering.clear()
    async with premises.daemon() as daemon:
        await cancelled(daemon, run_id)
    assert states(premises.cloud) == [JobState.CANCELED]


async def test_a_job_that_nobody_waits_for_yet_is_cancelled(daemon: Daemon) -> None:
    """It was made, and the step that waits for it has not begun."""
    produce, wait = video().steps
    between = Step(StepId("nap"), "sleep", {"seconds": 3600}, needs=(produce.id,))
    later = Step(wait.id, wait.uses, wait.with_, needs=(produce.id, between.id))
    pipeline = Pipeline("p", inputs=video().inputs, steps=(produce, between, later))
    run_id = await daemon.submit(pipeline)
    await daemon.until(run_id, "step.waiting")
    await daemon.engine.cancel(run_id)
    await cancelled(daemon, run_id)
    assert states(daemon.cloud) == [JobState.CANCELED]


async def test_calls_that_wait_for_their_turn_never_leave(daemon: Daemon) -> None:
    """A job in the limiter's queue is withdrawn; those before it are not touched."""
    answer, _ = held(daemon, CREATE)
    script = await daemon.cloud.script(daemon.api)

    async def submit(number: int) -> RunId:
        wanted = Submission(video(), "r", {"script": script}, content=str(number))
        return (await daemon.engine.submit(wanted)).run_id

    sent = [await submit(number) for number in range(AT_ONCE)]
    for run_id in sent:
        await daemon.until(run_id, "step.sent")
    queued = [await submit(number) for number in range(AT_ONCE, AT_ONCE + 3)]
    for run_id in queued:
        await daemon.until(run_id, "step.intended")
    for run_id in queued:
        await daemon.engine.cancel(run_id)
        assert await cancelled(daemon, run_id) == ["Nothing was under way."]
        state = await load_state(daemon.store, run_id, {})
        assert state is not None
        assert state.steps[StepId("video")].status is StepStatus.CANCELLED
    answer.set()
    for run_id in sent:
        await daemon.until(run_id, "step.waiting")
    assert daemon.cloud.called(CREATE) == AT_ONCE
    assert daemon.cloud.called(CANCEL) == 0


async def test_finally_runs_when_the_jobs_are_called_off(daemon: Daemon) -> None:
    """It reads that the run was cancelled."""
    last = Step(StepId("last"), "sleep", {"seconds": 0}, if_="run.cancelled")
    main = video(nap(0))
    run_id, _ = await daemon.waiting(Pipeline("p", inputs=main.inputs, steps=main.steps, finally_=(last,)))
    await daemon.engine.cancel(run_id)
    await cancelled(daemon, run_id)
    state = await load_state(daemon.store, run_id, {})
    assert state is not None
    assert states(daemon.cloud) == [JobState.CANCELED]
    assert [state.steps[StepId(name)].status.value for name in ("nap", "last")] == ["pending", "succeeded"]
