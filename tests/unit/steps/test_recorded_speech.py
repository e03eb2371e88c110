"""Previews of speech and recorded speech in scripts: what is saved, what is sent, what is refused."""

import wave
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import StepId
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.steps.base import kinds
from orchestrator.steps.speech_preview import _join
from tests.unit.steps.test_trainings import calls, play, step

VOICE = {"voice_asset_id": "aca15f9fe7912b2d5d8eb827f2d1327b"}
RECORDED = {"shoot_script": {"script_type": "AUDIO"}}
SCRIPT = {
    "script_name": "Talk",
    "model_asset_id": "0c7798664ee7178b3dba3bbef57c32e7",
    "voice_config": VOICE,
    "video_config": {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080},
}


def preview(text: str = "A cup.", **voice: Any) -> Any:
    return step("hear", "speech.preview", text=text, voice_config={**VOICE, **voice}, to="cup.wav")


def talk(*recordings: str, scenes: Any = (RECORDED,)) -> RunState:
    script = step("script", "script.create", **SCRIPT, shoot_scripts=list(scenes))
    speech = step(
        "speech",
        "script.audio",
        "script",
        script_id="${{ steps.script.script_id }}",
        recordings=list(recordings),
    )
    state, _ = play(script, speech)
    return state


def sound(path: Path, frames: int, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(2 * frames))
    return path


def test_a_short_preview_is_saved_at_once() -> None:
    """Ordered, asked for once, saved inside the output folder."""
    state, world = play(preview())
    assert state.status is RunStatus.SUCCEEDED, state.error
    outputs = state.steps[StepId("hear")].outputs
    assert outputs["path"] == "/out/cup.wav"
    assert outputs["paths"] == ["/out/cup.wav"]
    assert outputs.keys() == kinds()["speech.preview"].outputs
    assert world.downloads == {Path("/out/cup.wav"): 1}
    assert calls(world, "show_tts_audition_file") == 1


def test_a_failed_preview_says_what_the_service_says() -> None:
    """Its message, not only that it failed."""
    state, _ = play(preview(), faults=[{"on": "speech", "do": "fail", "nth": 1}])
    assert state.error is not None
    assert state.error.code == "PREVIEW_FAILED"
    assert "MSS.20050012" in state.error.message


def test_a_preview_whose_order_was_not_answered_is_left_to_a_person() -> None:
    """It may be charged, and is in no list: never ordered twice."""
    state, world = play(preview(), faults=[{"on": "create_tts_audition", "do": "reset_after", "nth": 1}])
    assert state.status is RunStatus.PAUSED
    assert calls(world, "create_tts_audition") == 1


def test_a_preview_that_leads_out_of_the_folder_is_not_ordered() -> None:
    """The name is looked at first."""
    away = step("hear", "speech.preview", text="A cup.", voice_config=VOICE, to="../cup.wav")
    state, world = play(away)
    assert state.error is not None
    assert state.error.code == "BAD_PATH"
    assert calls(world, "create_tts_audition") == 0


def test_wav_pieces_become_one_sound(tmp_path: Path) -> None:
    """In their order, under the name that was asked for; the pieces go."""
    pieces = [sound(tmp_path / f"cup.{number}.wav", 100 * number) for number in (1, 2)]
    assert _join(pieces, tmp_path / "cup.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["cup.wav"]
    with wave.open(str(tmp_path / "cup.wav")) as joined:
        assert joined.getnframes() == 300


def test_mp3_pieces_become_one_sound(tmp_path: Path) -> None:
    """Frames follow frames."""
    pieces = [tmp_path / "cup.1.mp3", tmp_path / "cup.2.mp3"]
    for piece in pieces:
        piece.write_bytes(b"\xff\xfb" + piece.name.encode())
    assert _join(pieces, tmp_path / "cup.mp3")
    assert (tmp_path / "cup.mp3").read_bytes() == b"\xff\xfbcup.1.mp3\xff\xfbcup.2.mp3"


@pytest.mark.parametrize("second", ["another rate", "damaged", "unknown"])
def test_pieces_that_do_not_fit_stay_apart(tmp_path: Path, second: str) -> None:
    """Nothing is lost, and no half of a sound is left behind."""
    first, other = sound(tmp_path / "cup.1.wav", 100), tmp_path / "cup.2.wav"
    if second == "another rate":
        sound(other, 100, rate=16000)
    else:
        other.write_bytes(b"RIFFxxxx" if second == "damaged" else b"OggS")
    assert not _join([first, other], tmp_path / "cup.wav")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cup.1.wav", "cup.2.wav"]


def test_recordings_go_to_their_scenes() -> None:
    """Only scenes of recorded speech take one; the others keep their text."""
    spoken = {"shoot_script": {"text_config": {"text": "A cup."}}}
    state = talk("one.wav", "two.mp3", scenes=(RECORDED, spoken, RECORDED))
    assert state.status is RunStatus.SUCCEEDED, state.error
    outputs = state.steps[StepId("speech")].outputs
    assert len(outputs["scenes"]) == 2
    assert outputs.keys() == kinds()["script.audio"].outputs


@pytest.mark.parametrize(
    ("recordings", "said"),
    [(("one.wav", "two.wav"), "1 scenes of recorded speech"), (("one.ogg",), "no MP3, WAV or M4A")],
)
def test_recordings_that_do_not_fit_are_refused(recordings: tuple[str, ...], said: str) -> None:
    """Too many, or of a kind that the service does not take."""
    state = talk(*recordings)
    assert state.error is not None
    assert said in state.error.message
