"""`video.wait`: until a video job is over. A callback tells first, the poller finds what callbacks miss."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind, Surroundings, Waiting
from orchestrator.store.base import Wait

_ENDED = frozenset({"SUCCEED", "SUCCESS", "FAILED", "CANCELED", "BLOCK"})
_CLOCK_MARGIN = timedelta(hours=1)
#: After so many fruitless looks at the list, ask for the job itself: lists may lag behind.
_ASK_DIRECTLY_AFTER = 3


class VideoWaitParams(Parameters):
    job_id: str = Field(min_length=1)


class VideoWait(StepKind[VideoWaitParams]):
    """Hints only wake the step; what became of the job is what the details call says."""

    name = "video.wait"
    summary = "Wait until a video job is over"
    params = VideoWaitParams
    outputs = frozenset({"job_id", "asset_id", "duration_s", "state"})

    async def act(self, params: VideoWaitParams, ctx: StepContext) -> Done | Waiting:
        """No call: jobs take minutes, and a callback that came already is found by `decide`."""
        del ctx
        return Waiting(params.job_id)

    async def check(self, params: VideoWaitParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 5.3.2; its example prints SUCCESS where the table has SUCCEED."""
        job = await ctx.call(operations.show2_d_digital_human_video, path={"job_id": correlation})
        if job.state in {"SUCCEED", "SUCCESS"}:
            output = job.output_asset_config
            return Done(
                {
                    "job_id": params.job_id,
                    "asset_id": output.asset_id if output else None,
                    "duration_s": job.duration,
                    "state": "SUCCEED",
                }
            )
        if job.state not in _ENDED:
            return None
        info = job.error_info
        raise StepError(
            f"Video job {correlation} ended as {job.state}{f': {info.error_msg}' if info and info.error_msg else ''}.",
            hint="Start the run again to have the job made anew; mend the script or its assets first if they are the cause.",
            code=(info.error_code if info else None) or str(job.state),
            retry=RetryClass.NEVER,
        )

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        """One list call covers up to 100 jobs, newest first; pages end where the oldest wanted job began."""
        wanted = {wait.correlation for wait in waits}
        since = min(wait.since_at for wait in waits) - _CLOCK_MARGIN
        query = {
            "sort_key": "create_time",
            "sort_dir": "desc",
            "create_since": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        over: dict[str, str] = {}
        seen: set[str] = set()
        async for job in around.api.pages(operations.list_digital_human_video, query=query, low=True):
            if job.job_id in wanted:
                seen.add(job.job_id)
                if job.state in _ENDED:
                    over[job.job_id] = str(job.state)
            if seen == wanted:
                break
        for wait in waits:
            if wait.correlation not in seen and wait.polls >= _ASK_DIRECTLY_AFTER:
                over[wait.correlation] = "UNSEEN"
        return over
