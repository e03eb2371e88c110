"""Training avatars and voices: what is sent, what a lost answer leaves behind, and how it ends. In virtual time."""

import asyncio
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from orchestrator.definition.mistakes import sentence
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.emulator.behaviours.image_modeling_stages import TRAINING_JOBS as AVATAR_JOBS
from orchestrator.emulator.behaviours.voice_modeling_course import JOBS as VOICE_JOBS
from orchestrator.emulator.faults import FaultPlan
from orchestrator.emulator.stats import stats
from orchestrator.engine.engine import Engine
from orchestrator.engine.loading import load_state
from orchestrator.engine.reception import Submission
from orchestrator.steps.avatar_train import AvatarTrain
from orchestrator.steps.base import StepError, kinds
from orchestrator.steps.voice_recordings import _check_package
from orchestrator.steps.voice_train import VoiceTrain, VoiceTrainParams
from tests.simulation.loop import VirtualLoop, run_virtual
from tests.simulation.network import Weather
from tests.simulation.world import FOUL_WEATHER_POLICY, World

FILM = {
    "name": "Ada",
    "video": "film.mp4",
    "id_card_front": "front.png",
    "id_card_back": "back.png",
    "authorization_letter": "letter.pdf",
}
#: So long that a file's content, which is its path, is longer than the header of a sound file.
SENTENCES = "recordings-of-a-speaker-sentence-by-sentence"
VOICE = {"edition": "basic", "voice_name": "Ada", "recordings": SENTENCES}
#: What the emulator takes for a job whose result its user confirms.
NA_USER = {"tags": ["na-user"]}

Then = Callable[[Engine, RunId, World], Awaitable[None]]


def step(id_: str, uses: str, /, *needs: str, **with_: Any) -> Step:
    retry = RetryPolicy(attempts=3, backoff_s=1.0)
    return Step(StepId(id_), uses, with_, needs=tuple(map(StepId, needs)), retry=retry)


def avatar(**more: Any) -> tuple[Step, Step]:
    train = step("train", "avatar.train", **{**FILM, **more})
    return train, step("wait", "avatar.wait", "train", job_id="${{ steps.train.job_id }}")


def voice(**more: Any) -> tuple[Step, Step]:
    train = step("train", "voice.train", **{**VOICE, **more})
    return train, step("wait", "voice.wait", "train", job_id="${{ steps.train.job_id }}")


def play(
    *steps: Step, faults: list[Mapping[str, Any]] | None = None, then: Then | None = None
) -> tuple[RunState, World]:
    """One run of the steps beside an emulator; `then` is done when the run has begun."""

    async def main() -> tuple[RunState, World]:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        world = World(loop, 1, Weather(), FOUL_WEATHER_POLICY)
        world.emulator.set_faults(FaultPlan.model_validate({"rules": faults or []}))
        process = await world.boot()
        run_id = (await process.engine.submit(Submission(Pipeline("p", steps=steps), "r", {}))).run_id
        if then is not None:
            await then(process.engine, run_id, world)
        await process.engine.rest(run_id)
        state = await load_state(world.disk, run_id, {})
        assert state is not None
        await process.engine.stop()
        return state, world

    return run_virtual(main())


def calls(world: World, operation: str) -> int:
    return int(stats(world.emulator.world)["operations"].get(operation, {}).get("calls", 0))


def cancelled_in(table: Any, state: str) -> Then:
    """The run is called off as soon as its job is in the state."""

    async def cancelled(engine: Engine, run_id: RunId, world: World) -> None:
        while state not in {job.state for job in world.emulator.world[table]}:
            await asyncio.sleep(0.1)
            world.emulator.settle()
        await engine.cancel(run_id)

    return cancelled


# Avatars


def test_an_avatar_is_trained_from_a_film_in_parts() -> None:
    """Every file reaches the job, the parts are confirmed, the job is handed in once."""
    more: dict[str, Any] = {
        "parts": 3,
        "cover": "cover.png",
        "audio": "sound.wav",
        "action_video": "acts.mp4",
        "action_parts": 2,
    }
    state, world = play(*avatar(**more))
    assert state.status is RunStatus.SUCCEEDED
    (job,) = world.emulator.world[AVATAR_JOBS]
    outputs = state.steps[StepId("wait")].outputs
    assert outputs == {"job_id": job.id, "asset_id": job.asset_id, "state": "JOB_SUCCESS"}
    files = {file.category: file for file in world.emulator.world.files_of(job.id) if file.segments}
    assert {name: file.parts for name, file in files.items() if file.parts} == {
        "trainingVideo": 3,
        "actionVideo": 2,
    }
    assert files.keys() >= {"cover", "audio", "idCardImage1", "idCardImage2", "grantFile"}
    assert job.audio_source_type == "AUDIO"
    assert calls(world, "execute2d_model_training_command_by_user") == 3


@pytest.mark.parametrize(
    ("on", "do"),
    [
        ("create2d_model_training_job", "reset_after"),
        ("create2d_model_training_job", "reset_before"),
        ("storage.part", "error"),
        ("execute2d_model_training_command_by_user", "reset_after"),
        ("execute2d_model_training_command_by_user", "reset_before"),
    ],
)
def test_a_fault_on_the_way_leaves_one_avatar_job(on: str, do: str) -> None:
    """Found by its tag, replaced when its addresses are lost, never handed in twice."""
    state, world = play(*avatar(parts=2), faults=[{"on": on, "do": do, "nth": 1}])
    assert state.status is RunStatus.SUCCEEDED, state.error
    assert len(world.emulator.world[AVATAR_JOBS]) == 1


def test_a_lost_answer_to_the_submission_is_no_second_one() -> None:
    """The job has moved on: that is seen, and the step is done."""
    lost = {"on": "execute2d_model_training_command_by_user", "do": "reset_after", "nth": 1}
    state, world = play(*avatar(), faults=[lost])
    assert state.status is RunStatus.SUCCEEDED
    assert calls(world, "execute2d_model_training_command_by_user") == 1
    assert calls(world, "create2d_model_training_job") == 1


def test_a_failed_review_says_what_is_missing() -> None:
    """The provider's own words reach the user."""
    train = step("train", "avatar.train", name="Ada", video="film.mp4")
    state, _ = play(train, avatar()[1])
    assert state.error is not None
    assert state.error.code == "AUTO_VERIFY_FAILED"
    assert "front of the ID card" in state.error.message
    assert "delete2d_model_training_job" in state.error.hint


def test_a_trained_avatar_waits_for_its_na_user() -> None:
    """Trained, confirmed by a command, usable."""
    job = "${{ steps.wait.job_id }}"
    confirm = step(
        "confirm",
        "api.execute2d_model_training_command_by_user",
        "wait",
        job_id=job,
        command="CONFIRM_ACCEPT",
    )
    state, _ = play(
        *avatar(**NA_USER), confirm, step("usable", "avatar.wait", "wait", job_id=job, until="confirmed")
    )
    assert state.status is RunStatus.SUCCEEDED, state.error
    assert state.steps[StepId("wait")].outputs["state"] == "WAIT_USER_CONFIRM"
    assert state.steps[StepId("usable")].outputs["state"] == "JOB_FINISH"


def test_a_job_that_was_never_handed_in_is_not_waited_for() -> None:
    """Nobody would ever work on it."""
    make = step("make", "api.create2d_model_training_job", name="Ada")
    wait = step("wait", "avatar.wait", "make", job_id="${{ steps.make.job_id }}")
    state, _ = play(make, wait)
    assert state.error is not None
    assert "never handed in" in state.error.message


@pytest.mark.parametrize(("state", "left"), [("MANUAL_VERIFYING", 0), ("TRAINING", 1)])
def test_a_cancelled_run_deletes_a_job_that_is_not_being_trained(state: str, left: int) -> None:
    """Before its training it goes with its files; once that has begun it stays."""
    run, world = play(*avatar(), then=cancelled_in(AVATAR_JOBS, state))
    assert run.status is RunStatus.CANCELLED
    assert len(world.emulator.world[AVATAR_JOBS]) == left


# Voices


@pytest.mark.parametrize(("edition", "sentences"), [("basic", 20), ("advanced", 100)])
def test_a_voice_is_trained_sentence_by_sentence(edition: str, sentences: int) -> None:
    """Each is sent with the type that its address is signed for, and compared."""
    state, world = play(*voice(edition=edition, sex="MALE", authorization_letter="letter.pdf"))
    assert state.status is RunStatus.SUCCEEDED, state.error
    (job,) = world.emulator.world[VOICE_JOBS]
    assert (job.sex, job.create_type, len(job.confirmed)) == ("MALE", "SEGMENT", sentences)
    assert state.steps[StepId("wait")].outputs == {
        "job_id": job.id,
        "asset_id": job.asset_id,
        "state": "SUCCEED",
    }
    assert calls(world, "confirm_training_segment") == sentences


@pytest.mark.parametrize(
    ("on", "do", "nth", "confirmations"),
    [
        ("create_training_basic_job", "reset_after", 1, 20),
        ("create_training_basic_job", "reset_before", 1, 20),
        ("confirm_training_segment", "reset_after", 7, 20),
        ("confirm_training_segment", "reset_before", 7, 21),
        ("storage.put", "error", 15, 20),
        ("commit_voice_training_job", "reset_after", 1, 20),
        ("commit_voice_training_job", "reset_before", 1, 20),
    ],
)
def test_a_fault_on_the_way_leaves_one_voice_job(on: str, do: str, nth: int, confirmations: int) -> None:
    """Gone on with by its id; sentences that were compared are not sent again."""
    state, world = play(*voice(), faults=[{"on": on, "do": do, "nth": nth}])
    assert state.status is RunStatus.SUCCEEDED, state.error
    assert len(world.emulator.world[VOICE_JOBS]) == 1
    assert calls(world, "confirm_training_segment") == confirmations


def test_a_misread_sentence_is_told_by_its_number() -> None:
    """Recordings as short as their header say nothing."""
    state, _ = play(*voice(recordings="r"))
    assert state.error is not None
    assert state.error.code == "NOT_AS_WRITTEN"
    assert "0.wav does not say what 0.txt says" in state.error.message


def test_a_retried_run_goes_on_with_the_sentence_that_failed() -> None:
    """The same job; what was compared is not sent again."""

    async def retried(engine: Engine, run_id: RunId, _: World) -> None:
        assert (await engine.wait(run_id)).status is RunStatus.FAILED
        await engine.retry(run_id)

    refused = {
        "on": "confirm_training_segment",
        "do": "error",
        "status": 400,
        "code": "MSS.20020028",
        "nth": 7,
    }
    state, world = play(*voice(), faults=[refused], then=retried)
    assert state.status is RunStatus.SUCCEEDED, state.error
    assert len(world.emulator.world[VOICE_JOBS]) == 1
    assert calls(world, "confirm_training_segment") == 21


@pytest.mark.parametrize(
    ("edition", "names", "code", "said"),
    [
        (
            "basic",
            [f"{n}.{end}" for n in range(20) for end in ("wav", "txt") if (n, end) != (7, "txt")],
            "INCOMPLETE_RECORDINGS",
            "lacks 7.txt",
        ),
        ("premium", ["notes.txt"], "BAD_PACKAGE", "no recording"),
        ("premium", None, "BAD_PACKAGE", "no ZIP"),
    ],
)
def test_a_package_is_looked_into_before_it_is_sent(
    tmp_path: Path, edition: str, names: list[str] | None, code: str, said: str
) -> None:
    """What is missing is told by its name."""
    package = tmp_path / "all.zip"
    package.write_bytes(b"no zip")
    if names is not None:
        with zipfile.ZipFile(package, "w") as file:
            for name in names:
                file.writestr(f"speaker/{name}", b"x")
    with pytest.raises(StepError, match=said) as caught:
        _check_package(package, edition)
    assert caught.value.code == code


def test_a_refused_recording_is_told_by_its_file() -> None:
    """What the review found stands in the error."""
    fail = {"on": "voice", "do": "fail", "code": "MSS.20020011", "nth": 1}
    state, _ = play(*voice(), faults=[fail])
    assert state.error is not None
    assert state.error.code == "MSS.20020011"
    assert "0.wav" in state.error.message


def test_a_cancelled_run_leaves_a_voice_that_is_being_trained() -> None:
    """The run ends; the job goes on at the provider, and that is said."""
    state, world = play(*voice(), then=cancelled_in(VOICE_JOBS, "PROCESSING"))
    assert state.status is RunStatus.CANCELLED
    assert len(world.emulator.world[VOICE_JOBS]) == 1


def test_the_premium_edition_takes_a_package_only() -> None:
    """The mistake shows before anything is called."""
    with pytest.raises(ValidationError) as caught:
        VoiceTrainParams.model_validate({**VOICE, "edition": "premium"})
    assert "has to end in .zip" in sentence(caught.value.errors()[0])


# Crashes


@pytest.mark.parametrize("uses", ["avatar", "voice"])
def test_a_crash_at_any_time_leaves_one_job(uses: str) -> None:
    """The process dies on the way, the next one goes on: trained once, handed in once, nothing left behind."""
    table: Any = AVATAR_JOBS if uses == "avatar" else VOICE_JOBS
    steps = avatar(parts=2) if uses == "avatar" else voice()

    async def main(killed_after_s: float) -> tuple[RunStatus, int]:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        world = World(loop, 1, Weather(), FOUL_WEATHER_POLICY)
        process = await world.boot()
        submission = Submission(Pipeline("p", steps=steps), "r", {})
        run_id = (await world.outcome(process, process.engine.submit(submission))).run_id
        await asyncio.sleep(killed_after_s)
        world.kill()
        process = await world.boot()
        summary = await process.engine.wait(run_id)
        await process.engine.stop()
        return summary.status, len(world.emulator.world[table])

    for tenths in range(1, 120, 7):
        assert run_virtual(main(tenths / 10)) == (RunStatus.SUCCEEDED, 1), f"killed after {tenths / 10} s"


# What a plan counts


def test_the_calls_of_a_step_hang_on_its_parameters() -> None:
    """Parts are confirmed, sentences compared; what is not known yet counts as little as possible."""
    command = "execute2d_model_training_command_by_user"
    assert AvatarTrain().calls({"video": "film.mp4"})[command] == 1
    assert AvatarTrain().calls({"video": "film.mp4", "parts": 4, "action_parts": 2})[command] == 3
    assert VoiceTrain().calls({**VOICE, "edition": "advanced"}) == {
        "create_training_middle_job": 1,
        "confirm_training_segment": 100,
        "commit_voice_training_job": 1,
    }
    assert VoiceTrain().calls({"recordings": "all.zip"})["confirm_training_segment"] == 0


def test_the_poller_asks_once_for_all() -> None:
    """Its list covers every job under way: a second training costs no call of it."""
    other = step("train2", "avatar.train", **FILM)
    wait = step("wait2", "avatar.wait", "train2", job_id="${{ steps.train2.job_id }}")
    _, alone = play(*avatar())
    both, together = play(*avatar(), other, wait)
    assert both.status is RunStatus.SUCCEEDED
    asked = calls(alone, "list2d_model_training_job")
    assert 1 <= calls(together, "list2d_model_training_job") <= asked + 1


def test_no_output_holds_an_address() -> None:
    """Ids and states only."""
    for name in ("avatar.train", "avatar.wait", "voice.train", "voice.wait"):
        assert kinds()[name].outputs <= {"job_id", "asset_id", "state"}
