"""`video.produce`: start the job that makes the video. This is the call that costs money."""

from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.metastudio.models.avatar_video import (
    CallBackConfig,
    Create2DDigitalHumanVideoReq,
    OutputAssetConfig,
)
from orchestrator.metastudio.models.common import BackgroundMusicConfig, ReviewConfig
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, Parameters, StepContext
from orchestrator.steps.traces import Sent
from orchestrator.steps.video_wait import cancel_job


class VideoProduceParams(Parameters):
    script_id: str = Field(min_length=1, description="a script made for this video (script.create)")
    output_asset_config: OutputAssetConfig
    background_music_config: BackgroundMusicConfig | None = None
    review_config: ReviewConfig | None = None


class VideoProduce(Adopting[VideoProduceParams]):
    """Adopted by the script, if the same run made it: a script is for one video, and the list call filters by it."""

    name = "video.produce"
    summary = "Start producing an avatar video from a script"
    params = VideoProduceParams
    outputs = frozenset({"job_id"})
    operations = ("create2_d_digital_human_video",)
    can_be_called_off = True
    started = "job_id"

    def creating(self, params: VideoProduceParams) -> tuple[Adoption, Sent]:
        """Reference 5.3.1."""
        return ADOPTIONS["create2_d_digital_human_video"], Sent(params)

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

    async def cancel(self, params: VideoProduceParams, ctx: StepContext, correlation: str) -> str:
        """As `cancel_job`."""
        del params
        return await cancel_job(ctx, correlation)
