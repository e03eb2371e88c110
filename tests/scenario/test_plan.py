"""`orchestrator plan` beside what really happens on the emulator."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.app import kind_infos
from orchestrator.cli.planned import Reckoning, plan_for
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.pipeline import Pipeline
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from orchestrator.engine.submission import submission
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.planning.plan import Plan
from orchestrator.settings import Settings
from tests.scenario.sample_stage import SAMPLES, Stage, step

#: A picture that costs the renderer little.
VIDEO = {"codec": "H264", "bitrate": 1000, "width": 64, "height": 64, "clip_mode": "CROP", "dx": 0, "dy": 0}


def cheap(sample: str) -> Pipeline:
    pipeline = load(SAMPLES / sample, kinds=kind_infos())
    steps = tuple(
        replace(step, with_={**step.with_, "video_config": VIDEO}) if step.uses == "script.create" else step
        for step in pipeline.steps
    )
    return replace(pipeline, steps=steps)


def planned(pipeline: Pipeline, state: Path, *, again: bool = False) -> Plan:
    settings = Settings.load({"state": f"sqlite:///{state}"}, environ={})
    wanted = submission(pipeline, prepare(pipeline, {}, region=settings.region), again=again)
    return plan_for(wanted, settings, Reckoning())


@pytest.mark.parametrize("sample", ["product-video.yaml", "library-picture.yaml", "product-portfolio.yaml"])
async def test_the_emulator_counts_what_was_planned(sample: str, tmp_path: Path) -> None:
    """Call for call; afterwards there is nothing left to do, unless it is to be done again."""
    state, pipeline = tmp_path / "state.db", cheap(sample)
    before = await asyncio.to_thread(planned, pipeline, state)
    async with EmulatorServer(EmulatorConfig(speed=50, video_max_s=2)) as server:
        stage = Stage(server, tmp_path, {"engine.poll_first_s": 600})
        await stage.succeed(pipeline)
        counted = (await stage.stats())["operations"]
    called = {name: entry["calls"] for name, entry in counted.items() if name in OPERATIONS}
    assert called == {line.operation: line.calls.high for line in before.calls}
    after = await asyncio.to_thread(planned, pipeline, state)
    assert after.runs.done == after.runs.total == before.runs.total
    assert not after.calls
    anew = await asyncio.to_thread(planned, pipeline, state, again=True)
    assert anew.calls == before.calls


async def test_a_run_that_has_begun_goes_on(tmp_path: Path) -> None:
    """What is done of it is not planned again."""
    make = step("make", "asset.create", asset_name="Cup", asset_type="IMAGE")
    look = replace(step("look", "api.show_asset", asset_id="0" * 32), needs=(make.id,))
    state, pipeline = tmp_path / "state.db", Pipeline("cup", steps=(make, look))
    async with EmulatorServer(EmulatorConfig(speed=50)) as server:
        await Stage(server, tmp_path).end(pipeline)
    found = await asyncio.to_thread(planned, pipeline, state)
    assert (found.runs.total, found.runs.begun, found.runs.anew) == (1, 1, 0)
    assert [line.operation for line in found.calls] == ["show_asset"]
