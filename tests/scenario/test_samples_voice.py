"""The samples for voices, speech and recorded audio against the emulator, over real HTTP."""

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.domain.ids import StepId
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from tests.scenario.sample_stage import Stage

#: Trainings have no callback: the poller finds what is over.
OFTEN = {"engine.poll_first_s": 0.2, "engine.poll_max_s": 0.4, "engine.quiet_time_s": 1}
#: What must never be written down.
SECRETS = (b"Signature=", b"AccessKeyId", b"upload_url", b"uploading_url", b"download_url")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with EmulatorServer(EmulatorConfig(speed=100)) as server:
        yield Stage(server, tmp_path, OFTEN)


def hushed(stage: Stage) -> bool:
    held = (stage.folder / "state.db").read_bytes()
    return not any(secret in held for secret in SECRETS)


async def test_a_voice_from_a_package(stage: Stage) -> None:
    """Sent whole with the letter, trained, heard; no address in the journal."""
    (run,) = await stage.succeed("clone-voice-package.yaml")
    world = stage.server.emulator.world
    voice = world.assets.get(run.outputs["voice"])
    assert voice is not None
    assert (voice.name, voice.type) == ("Ada's voice", "VOICE_MODEL")
    with wave.open(run.outputs["preview"]) as sound:
        assert sound.getnframes() > sound.getframerate()
    assert hushed(stage)


async def test_a_voice_of_the_premium_edition(stage: Stage) -> None:
    """One long recording in a ZIP."""
    premium = {"edition": "premium", "recordings": "media/voice-recording.zip"}
    (run,) = await stage.succeed("clone-voice-sentences.yaml", **premium)
    assert stage.server.emulator.world.assets.get(run.outputs["voice"]) is not None


async def test_a_voice_sentence_by_sentence(stage: Stage) -> None:
    """Twenty sentences, each compared with its text."""
    (run,) = await stage.succeed("clone-voice-sentences.yaml")
    assert stage.server.emulator.world.assets.get(run.outputs["voice"]) is not None
    assert hushed(stage)


async def test_previews_in_several_voices(stage: Stage) -> None:
    """A file for each voice, joined from the pieces that the service made."""
    (run,) = await stage.succeed("speech-previews.yaml")
    names = sorted(path.name for path in (stage.folder / "out").rglob("*.wav"))
    assert names == ["first.wav", "second.wav", "third.wav"]
    assert len(run.steps[StepId("listen")].outputs["results"]) == 3
    assert hushed(stage)


async def test_a_talk_from_recordings(stage: Stage) -> None:
    """Two recordings of a good second each make a video of their length."""
    (run,) = await stage.succeed("audio-talk.yaml")
    assert Path(run.outputs["video"]).stat().st_size > 10_000
    assert run.outputs["seconds"] == pytest.approx(2.5, abs=0.5)
    assert hushed(stage)
