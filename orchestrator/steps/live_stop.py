"""`live.stop`: end a livestream."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from pydantic import Field

from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import ApiError
from orchestrator.metastudio.models.live_task import SmartLiveJob
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, StepKind
from orchestrator.steps.traces import about_it

#: It does not run (6.2.4): it is over already. There is no such livestream.
_NOT_RUNNING = "MSS.20010099"
_UNKNOWN_ROOM, _UNKNOWN_JOB = "MSS.20010045", "MSS.20010046"
#: A livestream in one of these goes on until somebody stops it.
UNDER_WAY: Final = frozenset({"WAITING", "PROCESSING"})
#: What to do about one that is over: its step has succeeded, so a retry does not begin another.
BEGIN_ANEW: Final = (
    "A retry begins no new livestream: `orchestrator runs replay RUN --from STEP` with the step that makes the room, or "
    "`orchestrator run FILE --again`, does."
)

log = structlog.get_logger(__name__)


class LiveStopParams(Parameters):
    room_id: str = Field(min_length=1)
    job_id: str | None = Field(
        default=None, min_length=1, description="without it, whatever waits or runs in the room is stopped"
    )


class LiveStop(StepKind[LiveStopParams]):
    """One that is over already is no mistake, nor is a room without any when `job_id` is left out (the outputs are empty then),
    so it may be repeated and stand in `finally`. There leave `job_id` out: a livestream whose beginning was not answered is
    stopped as well.
    """

    name = "live.stop"
    summary = "End a livestream"
    params = LiveStopParams
    outputs = frozenset({"job_id", "state", "duration_s", "stream_duration_s"})
    operations = ("stop_smart_live", "show_smart_live")

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """One more without `job_id`, to see what there is."""
        listed = {} if "job_id" in given else {operations.list_smart_live.id: 1}
        return {**super().calls(given), **listed}

    async def act(self, params: LiveStopParams, ctx: StepContext) -> Done:
        """Reference 6.2.4; 6.2.3 for what became of it, 6.2.2 for what is in the room."""
        jobs = [params.job_id] if params.job_id else await _under_way(ctx, params.room_id)
        if not jobs:
            return Done({"job_id": None, "state": None, "duration_s": None, "stream_duration_s": None})
        for job_id in jobs:
            await stop(ctx, params.room_id, job_id)
        # A room has one at a time.
        job = await shown(ctx, params.room_id, jobs[-1])
        return Done(
            {
                "job_id": jobs[-1],
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
        if error.code in {_UNKNOWN_ROOM, _UNKNOWN_JOB}:
            return f"There is no livestream {job_id}."
        raise
    log.info("stopped a livestream", room_id=room_id, job_id=job_id)
    return f"Livestream {job_id} was stopped."


async def _under_way(ctx: StepContext, room_id: str) -> list[str]:
    """The livestreams that wait or run in a room; none in one that is gone. Reference 6.2.2."""
    query = {"state": ",".join(sorted(UNDER_WAY))}
    pages = ctx.around.api.pages(
        operations.list_smart_live, path={"room_id": room_id}, query=query, order=ctx.order, label=ctx.label
    )
    try:
        return [job.job_id async for job in pages if job.job_id and job.state in UNDER_WAY]
    except ApiError as error:
        if error.code == _UNKNOWN_ROOM:
            return []
        raise


async def shown(ctx: StepContext, room_id: str, job_id: str) -> SmartLiveJob:
    """What a livestream looks like. Raises StepError for one that is gone (`LIVE_ENDED`), and for an answer that is not
    about it. Reference 6.2.3.
    """
    path = {"room_id": room_id, "job_id": job_id}
    try:
        job = await ctx.call(operations.show_smart_live, path=path)
    except ApiError as error:
        if error.code not in {_UNKNOWN_ROOM, _UNKNOWN_JOB}:
            raise
        raise StepError(
            f"There is no livestream {job_id}, or no room {room_id} any more: {error.message}",
            hint=BEGIN_ANEW,
            code="LIVE_ENDED",
        ) from error
    about_it(job, job_id=job_id)
    return job
