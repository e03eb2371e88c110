"""`live.stop`: end a livestream."""

import structlog
from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import ApiError
from orchestrator.metastudio.models.live_task import SmartLiveJob
from orchestrator.steps.base import Done, Parameters, StepContext, StepKind
from orchestrator.steps.traces import about_it

#: It does not run (6.2.4): it is over already. There is no such livestream.
_NOT_RUNNING = "MSS.20010099"
_UNKNOWN_JOB = "MSS.20010046"

log = structlog.get_logger(__name__)


class LiveStopParams(Parameters):
    room_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)


class LiveStop(StepKind[LiveStopParams]):
    """One that is over already is no mistake, so it may be repeated and stand in `finally`."""

    name = "live.stop"
    summary = "End a livestream"
    params = LiveStopParams
    outputs = frozenset({"job_id", "state", "duration_s", "stream_duration_s"})
    operations = ("stop_smart_live", "show_smart_live")

    async def act(self, params: LiveStopParams, ctx: StepContext) -> Done:
        """Reference 6.2.4; 6.2.3 for what became of it."""
        await stop(ctx, params.room_id, params.job_id)
        job = await shown(ctx, params.room_id, params.job_id)
        return Done(
            {
                "job_id": params.job_id,
                "state": job.state,
                "duration_s": job.duration,
                "stream_duration_s": job.stream_duration,
            }
        )


async def stop(ctx: StepContext, room_id: str, job_id: str) -> str:
    """End a livestream that waits or runs; what became of it, for people. May be repeated. Reference 6.2.4.

    Raises what `MetaStudio.call` does when nothing was decided.
    """
    try:
        await ctx.call(operations.stop_smart_live, path={"room_id": room_id, "job_id": job_id})
    except ApiError as error:
        if error.code == _NOT_RUNNING:
            return f"Livestream {job_id} was over already."
        if error.code == _UNKNOWN_JOB:
            return f"There is no livestream {job_id}."
        raise
    log.info("stopped a livestream", room_id=room_id, job_id=job_id)
    return f"Livestream {job_id} was stopped."


async def shown(ctx: StepContext, room_id: str, job_id: str) -> SmartLiveJob:
    """What a livestream looks like. Raises StepError for an answer that is not about it. Reference 6.2.3."""
    path = {"room_id": room_id, "job_id": job_id}
    job = await ctx.call(operations.show_smart_live, path=path)
    about_it(job, job_id=job_id)
    return job
