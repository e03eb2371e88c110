"""`live.wait`: until a livestream runs, or until it is over."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.live_events import LIVE_EVENTS, LiveEventType, correlation_of
from orchestrator.metastudio.models.live_task import SmartLiveJob
from orchestrator.steps.base import (
    Done,
    Parameters,
    StepContext,
    StepError,
    StepKind,
    Surroundings,
    Waiting,
)
from orchestrator.steps.live_stop import BEGIN_ANEW, UNDER_WAY, shown
from orchestrator.store.base import Wait

#: It begins within seconds of the call, and nobody hints at that when nothing is pushed.
_CHECK_EVERY_S: Final = 1.0
#: What the poller says of one that is not among those under way: only the livestream itself knows more.
_NOT_UNDER_WAY: Final = "NOT_UNDER_WAY"


class LiveWaitParams(Parameters):
    room_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)
    until: Literal["running", "ended"] = Field(
        default="ended", description="running: it takes commands and is on air; ended: it is over"
    )


class LiveWait(StepKind[LiveWaitParams]):
    """The livestream's own callbacks tell first; the poller asks for what they miss. A livestream that failed or was blocked
    fails the step.
    """

    name = "live.wait"
    summary = "Wait until a livestream runs, or is over"
    params = LiveWaitParams
    outputs = frozenset({"job_id", "room_id", "state", "duration_s"})
    operations = ("show_smart_live",)

    async def act(self, params: LiveWaitParams, ctx: StepContext) -> Done | Waiting:
        """Done at once when it is so already."""
        correlation = correlation_of(params.job_id, LiveEventType.RTMP_STREAM_STATE_CHANGE)
        if params.until == "ended":
            return Waiting(correlation)
        done = await self.check(params, ctx, correlation)
        return done or Waiting(correlation, check_after_s=_CHECK_EVERY_S, poll=False)

    async def check(self, params: LiveWaitParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 6.2.3; the states are those of table 6-300."""
        del correlation
        job = await shown(ctx, params.room_id, params.job_id)
        runs = job.state == "PROCESSING"
        if job.state in UNDER_WAY:
            return _done(params, job) if runs and params.until == "running" else None
        if job.state == "SUCCEED" and params.until == "ended":
            return _done(params, job)
        raise _ended(params.job_id, job)

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        """All that is not among the livestreams under way; a tenant has few of those at once. Reference 6.2.6."""
        query = {"state": ",".join(sorted(UNDER_WAY))}
        running = {
            job.job_id
            async for job in around.api.pages(operations.list_smart_live_jobs, query=query, low=True)
            if job.state in UNDER_WAY
        }
        return {
            wait.correlation: _NOT_UNDER_WAY for wait in waits if _job_id(wait.correlation) not in running
        }


def _job_id(correlation: str) -> str:
    return correlation.removeprefix(LIVE_EVENTS).partition(" ")[0]


def _done(params: LiveWaitParams, job: SmartLiveJob) -> Done:
    return Done(
        {
            "job_id": params.job_id,
            "room_id": params.room_id,
            "state": job.state,
            "duration_s": job.duration,
        }
    )


def _ended(job_id: str, job: SmartLiveJob) -> StepError:
    cause = job.block_reason or (job.error_info.error_msg if job.error_info else "")
    return StepError(
        f"Livestream {job_id} ended as {job.state}{f': {cause}' if cause else ''}.",
        hint=f"See to its room and to the address that it is pushed to before you begin another. {BEGIN_ANEW}",
        code=(job.error_info.error_code if job.error_info else None) or str(job.state),
        retry=RetryClass.NEVER,
    )
