"""`video.produce`: start the job that makes the video. This is the call that costs money."""

from datetime import UTC, datetime, timedelta

from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.avatar_video import (
    CallBackConfig,
    Create2DDigitalHumanVideoReq,
    OutputAssetConfig,
)
from orchestrator.metastudio.models.common import BackgroundMusicConfig, ReviewConfig
from orchestrator.metastudio.models.video_production import DigitalHumanVideo
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepKind

_DEAD = frozenset({"FAILED", "CANCELED"})
#: How far the service's clock may be behind ours.
_SKEW = timedelta(minutes=2)
#: The list call defaults to the last month and the two clocks may differ.
_CLOCK_MARGIN = timedelta(days=1)


class VideoProduceParams(Parameters):
    script_id: str = Field(min_length=1, description="a script made for this video (script.create)")
    output_asset_config: OutputAssetConfig
    background_music_config: BackgroundMusicConfig | None = None
    review_config: ReviewConfig | None = None


class VideoProduce(StepKind[VideoProduceParams]):
    """Adopted by the script: a script belongs to one video, and the list call filters by it."""

    name = "video.produce"
    summary = "Start producing an avatar video from a script"
    params = VideoProduceParams
    outputs = frozenset({"job_id"})

    async def act(self, params: VideoProduceParams, ctx: StepContext) -> Done:
        """One create call, with the run's own callback address and key. Reference 5.3.1."""
        address = ctx.around.callback_address(ctx.run_id)
        callback = address and CallBackConfig(callback_url=address.url, auth_type="MSS_A", key=address.key)
        body = Create2DDigitalHumanVideoReq(
            script_id=params.script_id,
            output_asset_config=params.output_asset_config,
            background_music_config=params.background_music_config,
            review_config=params.review_config,
            callback_config=callback,
        )
        created = await ctx.create(operations.create2_d_digital_human_video, body=body)
        return Done({"job_id": created.job_id})

    async def find(self, params: VideoProduceParams, ctx: StepContext) -> Found | None:
        """The oldest job of the script and the name that is not older than the lost request. Reference 5.2.1."""
        since = ctx.run_created_at - _CLOCK_MARGIN
        query = {"script_id": params.script_id, "create_since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
        jobs = [
            job
            async for job in ctx.around.api.pages(
                operations.list_digital_human_video, query=query, order=ctx.order
            )
            if job.job_id and _may_be_ours(job, params, ctx)
        ]
        if not jobs:
            return None
        return Found({"job_id": min(jobs, key=lambda job: str(job.create_time or "")).job_id})


def _may_be_ours(job: DigitalHumanVideo, params: VideoProduceParams, ctx: StepContext) -> bool:
    """A script that came from elsewhere may have jobs of other runs: ours has our name and no earlier time."""
    output = job.output_asset_config
    if job.state in _DEAD:
        return False  # it will make no video, and a resumed run wants another
    if output is not None and output.asset_name not in {None, params.output_asset_config.asset_name}:
        return False
    try:
        created_at = datetime.fromisoformat(job.create_time or "")
    except ValueError:
        return True
    if created_at.tzinfo is None:
        created_at = created_at.replace(tzinfo=UTC)
    return ctx.sent_at is None or created_at >= ctx.sent_at - _SKEW
