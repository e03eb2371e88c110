"""The sample of slides and subtitles against the emulator, over real HTTP."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.domain.ids import StepId
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from orchestrator.steps import slides_upload
from orchestrator.steps.cues import read_srt
from tests.scenario.sample_stage import SAMPLES, Stage, outputs
from tests.unit.definition.decks import deck

#: What must never be written down.
SECRETS = (b"Signature=", b"AccessKeyId", b"download_url", b"upload_url")
#: Less than the sample's: videos take their time to be drawn.
VIDEO_S = 4.0


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(slides_upload, "CHECK_EVERY_S", 0.05)
    async with EmulatorServer(EmulatorConfig(speed=1000, video_max_s=VIDEO_S)) as server:
        yield Stage(server, tmp_path)


async def test_the_sample_of_a_course_runs(stage: Stage) -> None:
    """A scene for each slide, the notes said in it and shown in time; what is deleted of it comes again; no address stays."""
    (run,) = await stage.succeed("course.yaml")
    script = stage.server.emulator.world.scripts.get(outputs(run, "script")["script_id"])
    assert script is not None
    scenes = [item["shoot_script"] for item in script.body["shoot_scripts"]]
    assert [scene["text_config"]["text"][:7] for scene in scenes] == ["Welcome", "Put the", "<speak>"]
    pages = [page["asset_id"] for page in outputs(run, "pages")["results"]]
    assert [scene["background_config"][0]["background_asset_id"] for scene in scenes] == pages
    assert len(set(pages)) == 3

    said = Path(run.outputs["subtitles"])
    cues = read_srt(said.read_bytes())
    assert [(cue.start_s, cue.end_s, cue.text) for cue in cues] == [
        (0.0, 3.6, "Welcome. Two things make a desk kind to you."),
        (3.6, VIDEO_S, "Put the lamp to your side."),
    ]
    assert "00:00:03.600 --> 00:00:04.000" in Path(outputs(run, "subtitles")["vtt"]).read_text("utf-8")
    assert Path(run.outputs["video"]).stat().st_size > 10_000

    said.unlink()
    (again,) = await stage.succeed("course.yaml")
    assert again.id == run.id
    assert said.exists()
    assert (await stage.stats())["operations"]["create2_d_digital_human_video"]["calls"] == 1
    assert not any(secret in stage.kept() for secret in SECRETS)


async def test_a_deck_with_pictures_beside_it(stage: Stage) -> None:
    """They are taken as they are, hidden slides are left out, and another deck makes another video."""
    path = deck(stage.folder / "own.pptx", ["One.", None, "Three."], hidden=[2])
    pictures = stage.folder / "own"
    pictures.mkdir()
    for number in (1, 3):
        Image.new("RGB", (160, 90), "navy").save(pictures / f"Slide{number}.PNG")
    here = shutil.copy(SAMPLES / "course.yaml", stage.folder)
    (run,) = await stage.succeed(str(here), deck=path.name, title="Own")
    assert outputs(run, "deck")["asset_id"] is None
    assert [page["number"] for page in run.steps[StepId("pages")].outputs["results"]] == [1, 3]
    assert run.outputs["video"].endswith("own.mp4")
