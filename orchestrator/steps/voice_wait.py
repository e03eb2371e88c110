"""`voice.wait`: until a voice is trained. The poller asks; reviews and trainings take days."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import ApiError
from orchestrator.steps.base import (
    Done,
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

if TYPE_CHECKING:
    from orchestrator.metastudio.models.voice_modeling import TrainingJobInfo

_FAILED: Final = frozenset({"AUDIT_FAILED", "SPLIT_FAILED", "FAILED"})
#: As the list is asked for them (9.4, `state`).
_UNDER_WAY: Final = (
    "SYSTEM_AUDITING,AUDITING,WAITING_SPLIT,SPLITTING,ANNOTATING,WAITING,PROCESSING,RESULT_REVIEW"
)
#: The job is the user's still, or again.
_UNTRAINED: Final = frozenset({"CREATING", "AUDIT_FAILED"})
#: What the poller says of a job that is not among those under way: only the job itself knows more.
_NOT_UNDER_WAY: Final = "NOT_UNDER_WAY"
#: There is no such job; it is worked on and cannot be deleted (11.2).
_UNKNOWN_JOB: Final = "MSS.20020002"
_TOO_LATE: Final = "MSS.20020001"


class VoiceWaitParams(Parameters):
    job_id: str = Field(min_length=1)


class VoiceWait(StepKind[VoiceWaitParams]):
    """People at the provider review recordings and results, which takes days: give the step a long `timeout` or none.

    `asset_id` is the new voice, for `voice_asset_id` of scripts and previews.
    """

    name = "voice.wait"
    summary = "Wait until a voice is trained"
    params = VoiceWaitParams
    outputs = frozenset({"job_id", "asset_id", "state"})
    operations = (operations.show_voice_training_job.id,)
    can_be_called_off = True

    async def act(self, params: VoiceWaitParams, ctx: StepContext) -> Done | Waiting:
        """Done at once when the voice is there already."""
        return await self.check(params, ctx, params.job_id) or Waiting(params.job_id)

    async def check(self, params: VoiceWaitParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 9.6; the states are those of table 9-31. What a review found is asked for, 9.10."""
        job = await ctx.call(operations.show_voice_training_job, path={"job_id": correlation})
        about_it(job, job_id=correlation)
        if job.state == "SUCCEED":
            return Done({"job_id": params.job_id, "asset_id": job.asset_id, "state": "SUCCEED"})
        if job.state == "CREATING":
            raise StepError(
                f"Voice training job {correlation} was never handed in.",
                hint="`voice.train` sends the files of a job and hands it in.",
                code="CREATING",
            )
        if job.state not in _FAILED:
            return None
        raise StepError(
            f"Voice training job {correlation} ended as {job.state}{await _reason(job, correlation, ctx)}.",
            hint="Mend what is said to be wrong and start a new run; `orchestrator api call delete_voice_training_job "
            f"-p job_id={correlation}` removes this job and its files.",
            code=job.job_failed_code or str(job.state),
            retry=RetryClass.NEVER,
        )

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        """All that is not among the jobs under way: those are few, whatever has ended. Reference 9.4."""
        unseen = {wait.correlation for wait in waits}
        async for job in around.api.pages(
            operations.list_voice_training_job, query={"state": _UNDER_WAY}, low=True
        ):
            unseen.discard(str(job.job_id))
        return dict.fromkeys(unseen, _NOT_UNDER_WAY)

    async def cancel(self, params: VoiceWaitParams, ctx: StepContext, correlation: str) -> str:
        """As `cancel_training`."""
        del params
        return await cancel_training(ctx, correlation)


async def training_state(ctx: StepContext, job_id: str) -> str | None:
    """The state of a training job; None: there is no such job. Reference 9.6."""
    try:
        job = await ctx.call(operations.show_voice_training_job, path={"job_id": job_id})
    except ApiError as error:
        if error.code == _UNKNOWN_JOB or error.status == 404:
            return None
        raise
    about_it(job, job_id=job_id)
    return str(job.state)


async def cancel_training(ctx: StepContext, job_id: str) -> str:
    """Delete a job that has not been handed in, or was sent back; what became of it, for people. Reference 9.7.

    One that is worked on goes on, and a voice that is there stays: both are said, and are no failure. May be repeated.
    Raises what `MetaStudio.call` does when nothing was decided.
    """
    state = await training_state(ctx, job_id)
    if state is None:
        return f"There is no voice training job {job_id}."
    if state in _UNTRAINED:
        try:
            await ctx.call(operations.delete_voice_training_job, path={"job_id": job_id})
        except ApiError as error:
            if error.code == _UNKNOWN_JOB:
                return f"There is no voice training job {job_id}."
            if error.code != _TOO_LATE:
                raise
        else:
            return f"Voice training job {job_id} was deleted before its training began."
    if state in _FAILED or state == "SUCCEED":
        return GoesOn(f"Voice training job {job_id} was over already, as {state}.")
    return GoesOn(f"Voice training job {job_id} is being reviewed or trained and cannot be stopped any more.")


async def _reason(job: "TrainingJobInfo", job_id: str, ctx: StepContext) -> str:
    """What the job says, and what its review found of single recordings, with their colon."""
    told = [job.job_failed_reason] if job.job_failed_reason else []
    if job.state == "AUDIT_FAILED":
        audit = await ctx.call(operations.show_job_audit_result, path={"job_id": job_id})
        found = audit.system_audit_result.errors if audit.system_audit_result else None
        told += [
            f"{error.audio_name}: {error.error_message or error.error_code}"
            for error in found or ()
            if error.audio_name
        ]
        if audit.admin_audit_result and audit.admin_audit_result.message:
            told.append(audit.admin_audit_result.message)
    return f": {'; '.join(text.rstrip('.') for text in dict.fromkeys(told))}" if told else ""
