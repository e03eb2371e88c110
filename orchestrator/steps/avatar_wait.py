"""`avatar.wait`: until an avatar is trained, or a person has to look at it. The poller asks; trainings take days."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import NotFound
from orchestrator.metastudio.states import machine
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
    from orchestrator.metastudio.models.image_modeling import Show2dModelTrainingJobResponse

#: The avatar is there; in the further state it is not to be used before the user has confirmed it (NA users only, 8.6).
_USABLE: Final = frozenset({"JOB_SUCCESS", "JOB_FINISH"})
_TRAINED: Final = _USABLE | {"WAIT_USER_CONFIRM"}
#: Nobody works on it, and it may be deleted (8.4) without an avatar being lost.
_UNTRAINED: Final = frozenset(
    {"WAIT_FILE_UPLOAD", "AUTO_VERIFY_FAILED", "MANUAL_VERIFYING", "MANUAL_VERIFY_FAILED"}
)
#: What the poller says of a job that is not among those under way: only the job itself knows more.
_NOT_UNDER_WAY: Final = "NOT_UNDER_WAY"
_MACHINE: Final = "avatar_training_job"


class AvatarWaitParams(Parameters):
    job_id: str = Field(min_length=1)
    until: Literal["trained", "confirmed"] = Field(
        default="trained", description="`confirmed`: also until an NA user has confirmed the result"
    )


class AvatarWait(StepKind[AvatarWaitParams]):
    """Reviews and trainings take days, part of them by people at the provider: give the step a long `timeout` or none.

    NA users confirm or reject a trained avatar. For them the step is done with the state WAIT_USER_CONFIRM: let `approve` and
    `api.execute2d_model_training_command_by_user` with CONFIRM_ACCEPT follow, and wait once more `until: confirmed`. For all
    others the avatar is usable at once, in the state JOB_SUCCESS.
    """

    name = "avatar.wait"
    summary = "Wait until an avatar is trained"
    params = AvatarWaitParams
    outputs = frozenset({"job_id", "asset_id", "state"})
    operations = (operations.show2d_model_training_job.id,)
    can_be_called_off = True

    async def act(self, params: AvatarWaitParams, ctx: StepContext) -> Done | Waiting:
        """Done at once when the avatar is there already."""
        return await self.check(params, ctx, params.job_id) or Waiting(params.job_id)

    async def check(self, params: AvatarWaitParams, ctx: StepContext, correlation: str) -> Done | None:
        """Reference 8.3; the states are those of table 8-14."""
        job = await ctx.call(operations.show2d_model_training_job, path={"job_id": correlation})
        about_it(job, job_id=correlation)
        state = str(job.state)
        if state in (_TRAINED if params.until == "trained" else _USABLE):
            return Done({"job_id": params.job_id, "asset_id": job.asset_id, "state": state})
        if state == "WAIT_FILE_UPLOAD":
            raise StepError(
                f"Avatar training job {correlation} was never handed in.",
                hint="`avatar.train` sends the files of a job and hands it in.",
                code=state,
            )
        if _is_failure(state):
            raise StepError(
                f"Avatar training job {correlation} ended as {state}{_reason(job)}.",
                hint="Mend what is said to be wrong and start a new run; `orchestrator api call "
                f"delete2d_model_training_job -p job_id={correlation}` removes this job and its files.",
                code=state,
                retry=RetryClass.NEVER,
            )
        return None

    async def poll(self, around: Surroundings, waits: Sequence[Wait]) -> Mapping[str, str]:
        """All that is not among the jobs under way: those are few, whatever has ended. Reference 8.2."""
        unseen = {wait.correlation for wait in waits}
        async for job in around.api.pages(
            operations.list2d_model_training_job, query={"state": ",".join(_under_way())}, low=True
        ):
            unseen.discard(str(job.job_id))
        return dict.fromkeys(unseen, _NOT_UNDER_WAY)

    async def cancel(self, params: AvatarWaitParams, ctx: StepContext, correlation: str) -> str:
        """As `cancel_training`."""
        del params
        return await cancel_training(ctx, correlation)


async def training_state(ctx: StepContext, job_id: str) -> str | None:
    """The state of a training job; None: there is no such job. Reference 8.3."""
    try:
        job = await ctx.call(operations.show2d_model_training_job, path={"job_id": job_id})
    except NotFound:
        return None
    about_it(job, job_id=job_id)
    return str(job.state)


async def cancel_training(ctx: StepContext, job_id: str) -> str:
    """Delete a job that is not being trained yet, with its files; what became of it, for people. Reference 8.4.

    One that is reviewed automatically, or being trained, cannot be stopped; an avatar that is there stays. Both are said,
    and are no failure. May be repeated. Raises what `MetaStudio.call` does when nothing was decided.
    """
    state = await training_state(ctx, job_id)
    if state is None:
        return f"There is no avatar training job {job_id}."
    if state in _TRAINED or (_is_failure(state) and state not in _UNTRAINED):
        return GoesOn(f"Avatar training job {job_id} was over already, as {state}.")
    if state not in _UNTRAINED:
        return GoesOn(f"Avatar training job {job_id} is {state} and cannot be stopped any more.")
    try:
        await ctx.call(operations.delete2d_model_training_job, path={"job_id": job_id})
    except NotFound:
        return f"There is no avatar training job {job_id}."
    return f"Avatar training job {job_id} was deleted before its training began."


def _is_failure(state: str) -> bool:
    return state.endswith("_FAILED") or state == "JOB_REJECT"


def _under_way() -> list[str]:
    return [
        state
        for state in machine(_MACHINE).states
        if state not in _TRAINED | {"WAIT_FILE_UPLOAD"} and not _is_failure(state)
    ]


def _reason(job: "Show2dModelTrainingJobResponse") -> str:
    """The last thing that the job's log says, with its colon."""
    told = [entry.log_description for entry in job.operation_logs or () if entry.log_description]
    return f": {told[-1]}" if told else ""
