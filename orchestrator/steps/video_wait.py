"""`video.wait`: until a video job is over. A callback tells first, the poller finds what callbacks miss."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import ApiError, CallError
from orchestrator.metastudio.models.video_production import DigitalHumanVideo
from orchestrator.steps.base import (
    Done,
    Ended,
    GoesOn,
    Parameters,
    StepContext,
    StepError,
    StepKind,
    Surroundings,
    Waiting,
)
from orchestrator.steps.traces import about_it
from orchestrator.store.base import Wait

_SUCCEEDED = frozenset({"SUCCEED", "SUCCESS"})
_ENDED = _SUCCEEDED | {"FAILED", "CANCELED", "BLOCK"}
#: What the list can be asked for (5.2.1, `state`).
_ENDED_STATES = "SUCCEED,FAILED,CANCELED,BLOCK"
_PENDING_STATES = "WAITING,PROCESSING"
_PENDING = frozenset(_PENDING_STATES.split(","))
#: A job is created shortly before the wait for it begins, and the two clocks may differ.
_CREATED_BEFORE = timedelta(minutes=5)
_CREATED_AFTER = timedelta(minutes=2)
#: Jobs that are read at most to find out about some waits.
_MOST_READ = 3000
#: Of a list that is longer than that, so many that were not on it are asked for one by one.
_ASKED_DIRECTLY = 10
#: What the poller says of a job that is not among those under way: only the job itself knows more.
NOT_PENDING = "NOT_PENDING"
#: Only a job that waits can be cancelled (5.3.3); there is no such job.
_TOO_LATE = "MSS.20010048"
_UNKNOWN_JOB = "MSS.20010009"

log = structlog.get_logger(__name__)


class VideoWaitParams(Parameters):
    job_id: str = Field(min_length=1)


class VideoWait(StepKind[VideoWaitParams]):
    """Hints only wake the step; what became of the job is what the details call says."""

    name = "video.wait"
    summary = "Wait until a video job is over"
    params = VideoWaitParams
    outputs = frozenset({"job_id", "asset_id", "duration_s", "state"})
    operations = ("show2_d_digital_human_video",)
    can_be_called_off = True
    sweeps = True

    async def act(self, params: VideoWaitParams, ctx: StepContext) -> Done | Waiting:
        """No call: jobs take minutes, and a callback that came already is found by `decide`."""
        del ctx
        return Waiting(params.job_id)

    async def check(self, params: VideoWaitParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 5.3.2; its example prints SUCCESS where the table has SUCCEED."""
        job = await ctx.call(operations.show2_d_digital_human_video, path={"job_id": correlation})
        about_it(job, job_id=correlation)
        if job.state in _SUCCEEDED:
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

    async def cancel(self, params: VideoWaitParams, ctx: StepContext, correlation: str) -> str:
        """As `cancel_job`."""
        del params
        return await cancel_job(ctx, correlation)

    async def sweep(self, around: Surroundings, since: datetime) -> AsyncIterator[Ended]:
        """The list by time of change, no further back than `since`. Reference 5.2.1.

        Raises what `MetaStudio.call` does, and StepError for a list that cannot be read.
        """
        query = {"state": _ENDED_STATES, "sort_key": "update_time", "sort_dir": "desc"}
        async for job in around.api.pages(operations.list_digital_human_video, query=query, low=True):
            job_id, at = _job_id(job), _changed_at(job)
            if at < since:
                return
            if job.state in _ENDED:
                yield Ended(job_id, str(job.state), at)

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        """All that is not among the jobs under way that were created when the waits began. Reference 5.2.1.

        Asking for those, not for those that ended, also finds jobs that the list has lost. Raises as `sweep`.
        """
        unseen = {wait.correlation for wait in waits}
        over: dict[str, str] = {}
        query = {
            "state": _PENDING_STATES,
            "sort_key": "create_time",
            "sort_dir": "desc",
            "create_since": _api_time(min(wait.since_at for wait in waits) - _CREATED_BEFORE),
            "create_until": _api_time(max(wait.since_at for wait in waits) + _CREATED_AFTER),
        }
        read = 0
        async for job in around.api.pages(operations.list_digital_human_video, query=query, low=True):
            job_id = _job_id(job)
            if job_id in unseen and job.state in _PENDING:
                unseen.discard(job_id)
            elif job_id in unseen and job.state in _ENDED:
                over[job_id] = str(job.state)
            read += 1
            if not unseen or read == _MOST_READ:
                break
        directly = [wait for wait in waits if wait.correlation in unseen]
        if read == _MOST_READ:
            # They may stand further down. Others each time, so that the turn comes to each.
            turn = directly[0].polls * _ASKED_DIRECTLY % len(directly) if directly else 0
            directly = (directly[turn:] + directly[:turn])[:_ASKED_DIRECTLY]
        return {**{wait.correlation: NOT_PENDING for wait in directly}, **over}


async def cancel_job(ctx: StepContext, job_id: str) -> str:
    """Cancel a video job that still waits at the provider; what became of it, for people. Reference 5.3.3.

    One that is being made already, or is over, goes its way: that is said, and is no failure. Nor is a job that does
    not exist. May be repeated. Raises what `MetaStudio.call` does when nothing was decided.
    """
    try:
        await ctx.call(operations.cancel2_d_digital_human_video, path={"job_id": job_id})
    except ApiError as error:
        if error.code == _UNKNOWN_JOB:
            return f"There is no video job {job_id}."
        if error.code != _TOO_LATE:
            raise
        log.warning("too late to cancel a video job", job_id=job_id)
        return await _too_late(ctx, job_id)
    log.info("cancelled a video job", job_id=job_id)
    return f"Video job {job_id} was cancelled before it began."


async def _too_late(ctx: StepContext, job_id: str) -> str:
    """Not every job that cannot be cancelled costs something: one may have been cancelled by an earlier try."""
    try:
        job = await ctx.call(operations.show2_d_digital_human_video, path={"job_id": job_id})
    except CallError:
        return GoesOn(f"Video job {job_id} could not be cancelled: it does not wait any more.")
    if job.state == "CANCELED":
        return f"Video job {job_id} was cancelled before it began."
    if job.state in _ENDED:
        return GoesOn(f"Video job {job_id} was over already, as {job.state}.")
    return GoesOn(
        f"Video job {job_id} has begun and cannot be cancelled any more: it will be made, and charged for."
    )


def _job_id(job: DigitalHumanVideo) -> str:
    if not job.job_id:
        raise StepError("The list of video jobs has one without an id.")
    return job.job_id


def _changed_at(job: DigitalHumanVideo) -> datetime:
    try:
        at = datetime.fromisoformat(job.lastupdate_time or job.end_time or job.create_time or "")
    except ValueError:
        raise StepError("The list of video jobs has one without a time that can be read.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _api_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
