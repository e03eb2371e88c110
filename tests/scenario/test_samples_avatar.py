"""The sample for avatars against the emulator, over real HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from tests.scenario.sample_stage import SAMPLES, Stage
from tests.scenario.test_samples_voice import OFTEN, hushed


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with EmulatorServer(EmulatorConfig(speed=100)) as server:
        yield Stage(server, tmp_path, OFTEN)


async def test_an_avatar_from_a_film_in_parts(stage: Stage) -> None:
    """The film goes in parts, the avatar is trained and says hello; no address in the journal."""
    (run,) = await stage.succeed("train-avatar.yaml", parts=3)
    world = stage.server.emulator.world
    avatar = world.assets.get(run.outputs["avatar"])
    assert avatar is not None
    assert (avatar.name, avatar.type) == ("Ada", "HUMAN_MODEL_2D")
    (film,) = [file for file in world.files if file.category == "trainingVideo"]
    assert [part.part for part in film.segments] == [1, 2, 3]
    assert film.size == (SAMPLES / "media/filmed.mp4").stat().st_size
    assert Path(run.outputs["video"]).stat().st_size > 10_000
    assert hushed(stage)
