"""What the pages about sub-pipelines and concurrency groups show runs as it stands there, against the emulator."""

import re
import shutil
from pathlib import Path

from orchestrator.app import kind_infos
from orchestrator.definition.loader import load
from orchestrator.domain.pipeline import GroupSpec
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from tests.scenario.sample_stage import Stage

PAGES = Path("docs/howto")


def blocks(page: str) -> list[str]:
    """The definitions of a page."""
    return re.findall(r"```yaml\n(.*?)```", (PAGES / page).read_text("utf-8"), re.DOTALL)


async def test_the_course_of_chapters_runs(tmp_path: Path) -> None:
    """One file is run once, and once for each picture, each time with its own picture."""
    chapter, course = blocks("sub-pipelines.md")
    (tmp_path / "chapters").mkdir()
    (tmp_path / "media").mkdir()
    (tmp_path / "chapters" / "chapter.yaml").write_text(chapter, "utf-8")
    (tmp_path / "course.yaml").write_text(course, "utf-8")
    for name in ("welcome", "one", "two"):
        shutil.copy("pipelines/media/headphones.png", tmp_path / "media" / f"{name}.png")
    async with EmulatorServer(EmulatorConfig(speed=50)) as server:
        stage = Stage(server, tmp_path)
        pictures = ["media/one.png", "media/two.png"]
        (run,) = await stage.succeed(str(tmp_path / "course.yaml"), pictures=pictures)
        counted = await stage.stats()
    assets = {run.outputs["intro"], *(one["asset_id"] for one in run.outputs["others"])}
    assert len(assets) == 3
    assert counted["totals"]["assets"] == counted["totals"]["files"] == 3


def test_the_broadcast_has_its_group(tmp_path: Path) -> None:
    """The definition of the other page is one."""
    (text,) = blocks("concurrency-groups.md")
    (tmp_path / "broadcast.yaml").write_text(text, "utf-8")
    pipeline = load(tmp_path / "broadcast.yaml", kinds=kind_infos())
    assert pipeline.group == GroupSpec("live-${{ inputs.room }}", 1)
