"""The samples of products, the asset library and copies, and the step kinds that they use, against the emulator."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunStatus
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.server import EmulatorServer
from tests.scenario.sample_stage import Stage, outputs, step

LOST_COPY = FaultPlan(rules=(FaultRule(on="create_asset_by_replication_info", do=Fault.RESET_AFTER, nth=1),))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with EmulatorServer(EmulatorConfig(speed=50)) as server:
        yield Stage(server, tmp_path)


def asset(name: str, *tags: str) -> Any:
    return step(name, "asset.create", asset_name=name, asset_type="IMAGE", tags=list(tags))


async def test_the_sample_of_products_runs(stage: Stage) -> None:
    """Each row becomes a product with its picture and its text."""
    headphones, lamp = await stage.succeed("product-portfolio.yaml")
    assert lamp.name == "LAMP-01"
    assert lamp.outputs["asset_ids"] == [outputs(lamp, "picture")["asset_id"]]
    (shown,) = await stage.succeed(
        Pipeline(
            "look", steps=(step("look", "api.show_product", product_id=headphones.outputs["product_id"]),)
        )
    )
    product = outputs(shown, "look")
    assert product["name"] == "Headphones"
    assert [text["title"] for text in product["text_list"]] == ["Selling point"]
    assert [item["asset_type"] for item in product["asset_list"]] == ["IMAGE"]


async def test_the_sample_of_a_clean_up_runs(stage: Stage) -> None:
    """First it only tells, then it marks what bears the tag and moves the old into the recycle bin."""
    (picture,) = await stage.succeed("library-picture.yaml")
    (told,) = await stage.succeed("asset-cleanup.yaml", older_than="1s")
    assert told.outputs == {"found": 1, "old": [], "marked": 0, "deleted": 0}
    (done,) = await stage.succeed("asset-cleanup.yaml", dry_run=False)
    assert (done.outputs["marked"], done.outputs["deleted"]) == (1, 0)
    look = step("look", "api.show_asset", asset_id=picture.outputs["asset_id"])
    (shown,) = await stage.succeed(Pipeline("look", steps=(look,)))
    assert {"lamps", "reviewed"} <= set(outputs(shown, "look")["tags"])


async def test_old_assets_are_deleted(stage: Stage) -> None:
    """What was created before the given time goes into the recycle bin, from which it is restored; force is for good."""
    made = (asset("a", "x"), asset("b", "x"), asset("other", "xx"))
    (first,) = await stage.succeed(Pipeline("make", steps=made))
    await stage.advance(3600)
    old = Pipeline(
        "old",
        steps=(
            step("old", "asset.list", tags=["x"]),
            step("bin", "asset.delete", "old", asset_id=outputs(first, "a")["asset_id"]),
            step("gone", "asset.delete", "old", asset_id=outputs(first, "b")["asset_id"], mode="force"),
            step("left", "asset.list", "bin", "gone", tags=["x"]),
            step("back", "asset.restore", "left", asset_id=outputs(first, "a")["asset_id"]),
            step("now", "asset.list", "back", tags=["x"]),
            step("nothing", "asset.delete", asset_id="0" * 32, ignore_missing=True),
        ),
    )
    (state,) = await stage.succeed(old)
    # `xx` contains the tag and is another one.
    assert outputs(state, "old")["total"] == 2
    assert outputs(state, "left")["items"] == []
    assert [item["asset_id"] for item in outputs(state, "now")["items"]] == [outputs(first, "a")["asset_id"]]
    assert outputs(state, "nothing")["deleted"] is False


async def test_more_than_is_asked_for_is_told(stage: Stage) -> None:
    """A list that would be cut off fails, unless that is wanted."""
    await stage.succeed(Pipeline("make", steps=(asset("a", "x"), asset("b", "x"))))
    few = {"tags": ["x"], "max_items": 1}
    (state,) = await stage.end(Pipeline("list", steps=(step("list", "asset.list", **few),)))
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert state.error.code == "TOO_MANY"
    (state,) = await stage.succeed(
        Pipeline("cut", steps=(step("list", "asset.list", overflow="cut", **few),))
    )
    assert (outputs(state, "list")["total"], outputs(state, "list")["cut"]) == (1, True)


async def test_tags_are_added_and_removed(stage: Stage) -> None:
    """The others stay, and a product's asset is linked and unlinked once."""
    steps = (
        asset("a", "one", "two"),
        step(
            "changed",
            "asset.update",
            asset_id="${{ steps.a.asset_id }}",
            add_tags=["three", "two"],
            remove_tags=["one"],
        ),
    )
    (state,) = await stage.succeed(Pipeline("tags", steps=_after(steps)))
    assert [tag for tag in outputs(state, "changed")["tags"] if not tag.startswith("mso-")] == [
        "two",
        "three",
    ]


async def test_a_portfolio_is_brought_to_what_is_wanted(stage: Stage) -> None:
    """What is so already needs no call; what is gone already is no mistake."""
    (lamp, _) = reversed(await stage.succeed("product-portfolio.yaml"))
    product, picture = lamp.outputs["product_id"], lamp.outputs["asset_ids"][0]
    same = step("same", "product.assets", product_id=product, link=[{"asset_id": picture}])
    less = step("less", "product.assets", "same", product_id=product, unlink=[picture])
    again = step("again", "product.assets", "less", product_id=product, unlink=[picture])
    gone = step("gone", "product.delete", "again", product_id=product)
    (state,) = await stage.succeed(Pipeline("portfolio", steps=(same, less, again, gone)))
    assert (outputs(state, "same")["linked"], outputs(state, "less")["unlinked"]) == (0, 1)
    assert (outputs(state, "again")["unlinked"], outputs(state, "again")["asset_ids"]) == (0, [])


async def test_the_sample_of_a_copy_runs(tmp_path: Path) -> None:
    """The other region has the asset under its id, even when the answer is lost; a second copy finds it; no ticket is kept."""
    here, there = EmulatorConfig(speed=50), EmulatorConfig(region="cn-east-3", speed=50, faults=LOST_COPY)
    async with EmulatorServer(here) as server, EmulatorServer(there) as other:
        other_region = {"endpoint": other.endpoint, "project_id": other.config.project_id}
        flags = {"regions": {"cn-east-3": other_region}, "engine.lookup_every_s": 0.1}
        stage = Stage(server, tmp_path, flags)
        (state,) = await stage.succeed("copy-asset.yaml")
        asset_id = outputs(state, "picture")["asset_id"]
        assert state.outputs == {"asset_id": asset_id, "region": "cn-east-3", "state": "ACTIVED"}
        assert outputs(state, "copy")["copied"] is True
        assert other.emulator.world.assets.get(asset_id) is not None
        again = step("copy", "asset.copy", asset_id=asset_id, to_region="cn-east-3")
        (state,) = await stage.succeed(Pipeline("again", steps=(again,)))
        assert outputs(state, "copy")["copied"] is False
        assert b"AES128_GCM" not in stage.kept()


async def test_a_region_that_is_not_set_is_told(stage: Stage) -> None:
    """Beside an emulator the address of the other region has to be given."""
    copy = step("copy", "asset.copy", asset_id="0" * 32, to_region="cn-east-3")
    (state,) = await stage.end(Pipeline("copy", steps=(copy,)))
    assert state.error is not None
    assert "regions.cn-east-3.endpoint" in state.error.hint


def _after(steps: tuple[Any, ...]) -> tuple[Any, ...]:
    """The second step needs the first, as the loader would see."""
    first, second = steps
    return first, replace(second, needs=(first.id,))
