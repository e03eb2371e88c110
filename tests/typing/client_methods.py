"""The client's methods, as an editor and the type checker see them. Never run: `make types` reads it.

Each `type: ignore` is a mistake that has to be found: one that isn't makes the comment an error.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import assert_type

from orchestrator.metastudio import AkSk, MetaStudio, Token
from orchestrator.metastudio.models.avatar_video import (
    Create2DDigitalHumanVideoReq,
    Create2DDigitalHumanVideoResponse,
    Show2DDigitalHumanVideoResponse,
)
from orchestrator.metastudio.models.digital_asset import (
    CreateDigitalAssetRequestBody,
    CreateDigitalAssetResponse,
    DigitalAssetInfo,
    ListAssetsResponse,
)
from orchestrator.metastudio.models.video_production import DigitalHumanVideo
from orchestrator.metastudio.models.voice_modeling import OperationLogItem


async def results(api: MetaStudio) -> None:
    """Each operation is a method with its own result."""
    body = CreateDigitalAssetRequestBody(asset_name="Mug", asset_type="IMAGE")
    assert_type(await api.create_digital_asset(body), CreateDigitalAssetResponse)
    assert_type(await api.list_assets(limit=10, asset_type=["IMAGE", "MUSIC"]), ListAssetsResponse)
    shown = await api.show_asset("asset-id")
    assert_type(shown, DigitalAssetInfo)
    assert_type(shown.asset_name, str | None)
    job = await api.create2_d_digital_human_video(Create2DDigitalHumanVideoReq(script_id="s"))
    assert_type(job, Create2DDigitalHumanVideoResponse)
    assert_type(await api.show2_d_digital_human_video(job_id="j"), Show2DDigitalHumanVideoResponse)
    await api.delete_asset("asset-id", mode="force", deadline_s=60.0)


async def pages(api: MetaStudio) -> None:
    """A list that comes in pages is an iterator over its items."""
    assert_type(api.iter_assets(), AsyncIterator[DigitalAssetInfo])
    async for video in api.iter_digital_human_video(state="SUCCEED", page_size=50):
        assert_type(video, DigitalHumanVideo)
    async for entry in api.iter_job_operation_log("job-id"):
        assert_type(entry, OperationLogItem)


async def mistakes(api: MetaStudio) -> None:
    """A parameter that isn't there, a value that isn't allowed, a missing one: all found before the program runs."""
    await api.list_assets(limti=10)  # type: ignore[call-arg]  # no such parameter
    await api.list_assets(limit="ten")  # type: ignore[arg-type]  # a number
    await api.list_assets(sort_dir="up")  # type: ignore[arg-type]  # asc or desc
    await api.list_assets(asset_type=["PICTURE"])  # type: ignore[list-item]  # no such type
    await api.list_assets(10)  # type: ignore[call-arg]  # the query's parameters are keywords
    await api.show_asset()  # type: ignore[call-arg]  # which one?
    await api.create_digital_asset({"asset_name": "Mug"})  # type: ignore[arg-type]  # a model, not a dict
    await api.show_asset("asset-id", timeout="soon")  # type: ignore[call-arg]  # it is timeout_s
    await api.confirm_training_segment(job_id="j")  # type: ignore[call-arg]  # index is required
    api.iter_assets(offset=5)  # type: ignore[call-arg]  # an iterator has its own
    (await api.show_asset("asset-id")).asset_nam  # type: ignore[attr-defined]  # noqa: B018  the name is the mistake


def making() -> tuple[MetaStudio, MetaStudio, MetaStudio]:
    """A region or an endpoint is enough; a token may stand beside a key pair."""
    keys = AkSk("ak", "sk")
    return (
        MetaStudio(keys, region="cn-north-4"),
        MetaStudio(keys, endpoint="https://metastudio.cn-east-3.myhuaweicloud.com", project_id="p"),
        MetaStudio(keys, region="ap-southeast-3", large_bodies=Token("t"), clock=lambda: datetime.now(UTC)),
    )
