"""Step kinds by themselves, in virtual time."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, Step
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.emulator.faults import FaultPlan
from orchestrator.engine.loading import load_state
from orchestrator.engine.reception import Submission
from orchestrator.steps.base import StepContext, StepError, kinds
from orchestrator.steps.download import _beside_newer, _inside
from tests.simulation.loop import EPOCH, VirtualLoop, run_virtual
from tests.simulation.network import Weather
from tests.simulation.world import FOUL_WEATHER_POLICY, World

#: Made, but the answer never comes.
LOST_SCRIPT = {"on": "create_video_scripts", "do": "reset_after", "nth": 1}
SCRIPT = {
    "script_name": "Cup",
    "model_asset_id": "0c7798664ee7178b3dba3bbef57c32e7",
    "voice_config": {"voice_asset_id": "aca15f9fe7912b2d5d8eb827f2d1327b"},
    "video_config": {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080},
    "shoot_scripts": [{"shoot_script": {"text_config": {"text": "A cup."}}}],
}


def step(name: str, uses: str, *needs: str, **with_: Any) -> Step:
    retry = RetryPolicy(attempts=3, backoff_s=1.0)
    return Step(StepId(name), uses, with_, needs=tuple(StepId(need) for need in needs), retry=retry)


def play(*steps: Step, inputs: Mapping[str, Any] | None = None, **settings: Any) -> tuple[RunState, World]:
    """One run of the given steps beside an emulator in fair weather."""

    async def main() -> tuple[RunState, World]:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        world = World(loop, 1, Weather(), FOUL_WEATHER_POLICY, **settings)
        process = await world.boot()
        submitted = await process.engine.submit(Submission(Pipeline("p", steps=steps), "r", inputs or {}))
        await process.engine.wait(submitted.run_id)
        state = await load_state(world.disk, submitted.run_id, {})
        assert state is not None
        await process.engine.stop()
        return state, world

    return run_virtual(main())


def test_kinds_are_found_by_scanning_the_folder() -> None:
    """Each file of the folder brings its kind; each has a summary and closed parameters."""
    assert {"asset.create", "file.upload", "file.confirm", "script.create", "video.produce"} <= kinds().keys()
    for kind in kinds().values():
        assert kind.summary
        assert kind.params.model_config.get("extra") == "forbid"


def test_sleep_lets_time_pass_without_a_task() -> None:
    """An hour is one row in the store and a timer."""
    state, _ = play(step("nap", "sleep", seconds=3600))
    assert state.status is RunStatus.SUCCEEDED
    assert state.ended_at is not None
    assert 3600 <= (state.ended_at - EPOCH).total_seconds() < 3601
    assert state.seq == 6


def test_a_timeout_ends_a_wait_before_its_next_check() -> None:
    """However far off that is: nobody sleeps an hour in a step that may take ten seconds."""
    state, _ = play(replace(step("nap", "sleep", seconds=3600), timeout_s=10.0))
    assert state.status is RunStatus.FAILED
    assert state.ended_at is not None
    assert 10 <= (state.ended_at - EPOCH).total_seconds() < 11
    assert state.error is not None
    assert state.error.message == "Step nap: Not done within 10 s."


def test_asset_wait_ends_when_the_asset_is_reviewed() -> None:
    """The step asks every few seconds until the asset is active."""
    state, _ = play(
        step("make", "asset.create", asset_name="Cup", asset_type="IMAGE"),
        step("send", "file.upload", "make", asset_id="${{ steps.make.asset_id }}", path="cup.png"),
        step("confirm", "file.confirm", "send", file_id="${{ steps.send.file_id }}"),
        step("wait", "asset.wait", "confirm", asset_id="${{ steps.make.asset_id }}"),
        review_s=42.0,
    )
    assert state.status is RunStatus.SUCCEEDED
    assert state.steps[StepId("wait")].outputs["state"] == "ACTIVED"
    assert state.ended_at is not None
    assert 42 <= (state.ended_at - EPOCH).total_seconds() < 55


def test_asset_create_leaves_its_key_as_a_tag() -> None:
    """The tag by which a lost attempt is found stands beside the user's own."""
    _, world = play(step("make", "asset.create", asset_name="Cup", asset_type="IMAGE", tags=["spring"]))
    (asset,) = [asset for asset in world.emulator.world.assets if asset.name == "Cup"]
    assert asset.tags[0] == "spring"
    assert asset.tags[1].startswith("mso-")


@pytest.mark.parametrize("view", [None, "LANDSCAPE", "VERTICAL"])
def test_a_lost_script_is_found_whatever_its_view(view: str | None) -> None:
    """The list shows one view only, so the look for a script that may be there names it."""

    async def main() -> int:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        world = World(loop, 1, Weather(), FOUL_WEATHER_POLICY)
        world.emulator.set_faults(FaultPlan.model_validate({"rules": [LOST_SCRIPT]}))
        process = await world.boot()
        make = step("make", "script.create", **SCRIPT, **({"view_mode": view} if view else {}))
        submitted = await process.engine.submit(Submission(Pipeline("p", steps=(make,)), "r", {}))
        await process.engine.wait(submitted.run_id)
        await process.engine.stop()
        return len(world.emulator.world.scripts)

    assert run_virtual(main()) == 1


def test_a_file_outside_of_the_readable_folders_is_refused() -> None:
    """A path that leads out of the definition's folder ends the step before any call."""
    state, world = play(
        step("make", "asset.create", asset_name="Cup", asset_type="IMAGE"),
        step("send", "file.upload", "make", asset_id="${{ steps.make.asset_id }}", path="/etc/hostname"),
    )
    assert state.error is not None
    assert state.error.code == "BAD_PATH"
    assert world.totals()["totals"]["files"] == 0


def test_uploading_to_an_asset_that_is_not_there_says_so() -> None:
    """The API's code and a hint reach the user."""
    state, _ = play(step("send", "file.upload", asset_id="nothing", path="cup.png"))
    assert state.error is not None
    assert state.error.code == "MSS.10001001"
    assert state.error.hint


@pytest.mark.parametrize("name", ["../out.mp4", "/etc/passwd", "a/../../b", "."])
def test_downloads_stay_inside_the_output_folder(tmp_path: Path, name: str) -> None:
    """A cell cannot make a download leave its folder."""
    with pytest.raises(StepError, match="output folder"):
        _inside(tmp_path, name)
    assert _inside(tmp_path, "deep/er.mp4") == tmp_path.resolve() / "deep/er.mp4"


def test_a_download_does_not_write_over_a_newer_file(tmp_path: Path) -> None:
    """A run that was left behind for long saves beside what a newer run made."""

    class Files:
        async def modified_at(self, path: Path) -> datetime | None:
            return EPOCH

    def context(began_at: datetime) -> StepContext:
        around = SimpleNamespace(transfers=Files())
        return cast(
            "StepContext", SimpleNamespace(around=around, run_created_at=began_at, run_id="01abcdefgh")
        )

    target = tmp_path / "cup.mp4"
    older, newer = context(EPOCH - timedelta(hours=1)), context(EPOCH + timedelta(hours=1))
    assert asyncio.run(_beside_newer(target, older)) == tmp_path / "cup.cdefgh.mp4"
    assert asyncio.run(_beside_newer(target, newer)) == target
