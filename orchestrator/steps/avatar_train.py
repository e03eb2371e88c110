"""`avatar.train`: a filmed video and what goes with it into a training job for an avatar, handed in for review."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.errors import NotFound
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.avatar_wait import cancel_training, training_state
from orchestrator.steps.base import Done, Found, StepContext, StepError
from orchestrator.steps.traces import Sent

if TYPE_CHECKING:
    from orchestrator.metastudio.models.image_modeling import Create2dModelTrainingJobResponse
    from orchestrator.steps.bodies.avatar_train import AvatarTrainParams

Command = Literal["SUBMITVERIFYING", "CONFIRM_MULTIPART_UPLOADED", "CONFIRM_ACTION_VIDEO_MULTIPART_UPLOADED"]

#: What the job may take, and where the answer says that it is to be sent. The videos last: the large ones.
_FILES: Final[Mapping[str, str]] = {
    "cover": "cover_upload_url",
    "id_card_front": "id_card_image1_upload_url",
    "id_card_back": "id_card_image2_upload_url",
    "authorization_letter": "grant_file_upload_url",
    "audio": "audio_upload_url",
    "action_video": "action_video_upload_url",
    "video": "training_video_upload_url",
}
_CONFIRMS: Final[Mapping[str, Command]] = {
    "video": "CONFIRM_MULTIPART_UPLOADED",
    "action_video": "CONFIRM_ACTION_VIDEO_MULTIPART_UPLOADED",
}
#: Facts: the job, the job whose files are all there, and what has to be said of them before it is handed in.
_JOB, _UPLOADED, _TO_CONFIRM = "job_id", "uploaded", "to_confirm"


@dataclass(frozen=True, slots=True)
class _Material:
    """A file of the job, and in how many parts it is sent."""

    path: Path
    parts: int


class AvatarTrain(Adopting["AvatarTrainParams"]):
    """Creates the job, sends its files, confirms the parts, hands the job in. `avatar.wait` waits for what follows.

    The upload addresses come with the create call only and are never written down. So a job whose addresses were lost
    before all of its files were there (a crash, an unanswered create call, an upload that failed for good) is deleted and
    created anew. One that has been handed in stays.
    """

    name = "avatar.train"
    summary = "Train an avatar from a filmed video"
    outputs = frozenset({"job_id"})
    can_be_called_off = True
    started = "job_id"

    @cached_property
    def params(self) -> type["AvatarTrainParams"]:
        """The job's fields, and its files."""
        from orchestrator.steps.bodies.avatar_train import AvatarTrainParams  # noqa: PLC0415 - only who uses it loads it

        return AvatarTrainParams

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """The create call, and a command for the submission and for each video that goes in several parts."""
        in_parts = sum(_several(given.get(name)) for name in ("parts", "action_parts"))
        return Counter(
            {
                operations.create2d_model_training_job.id: 1,
                operations.execute2d_model_training_command_by_user.id: 1 + in_parts,
            }
        )

    def creating(self, params: "AvatarTrainParams") -> tuple[Adoption, Sent]:
        """Reference 8.1."""
        return ADOPTIONS["create2d_model_training_job"], Sent(params.job)

    async def find(self, params: "AvatarTrainParams", ctx: StepContext) -> Found | None:
        """The job, to go on with: what is to be done with it hangs on its state."""
        row, sent = self.creating(params)
        job_id = await row.find(self.name, sent, ctx)
        return None if job_id is None else Found(facts={_JOB: job_id})

    async def act(self, params: "AvatarTrainParams", ctx: StepContext) -> Done:
        """Reference 8.1 (create and send), 8.6 (confirm, submit), 8.3 and 8.4 (a job left behind)."""
        job_id = ctx.facts.get(_JOB)
        if job_id is not None:
            state = await training_state(ctx, job_id)
            if state not in {None, "WAIT_FILE_UPLOAD"}:  # handed in, and the answer was lost
                return Done({"job_id": job_id})
            if state is None:
                job_id = None
            elif ctx.facts.get(_UPLOADED) != job_id:
                await _delete(job_id, ctx)
                job_id = None
        if job_id is None:
            job_id = await self._make(params, ctx)
        for command in ctx.facts.get(_TO_CONFIRM) or ():
            await _execute(command, job_id, ctx)
        await _execute("SUBMITVERIFYING", job_id, ctx)
        return Done({"job_id": job_id})

    async def _make(self, params: "AvatarTrainParams", ctx: StepContext) -> str:
        """A job with all of its files; nothing is created as long as one of them is missing here."""
        material = {
            name: await _material(name, path, params, ctx)
            for name in _FILES
            if (path := getattr(params, name)) is not None
        }
        row, sent = self.creating(params)
        counts = {"video_multipart_count": material["video"].parts}
        if "action_video" in material:
            counts["action_video_multipart_count"] = material["action_video"].parts
        body = row.keyed(Sent(sent.body.model_copy(update=counts)), ctx)
        created = await ctx.create(operations.create2d_model_training_job, body=body)
        job_id = created.job_id or ""
        await ctx.note({_JOB: job_id})
        addresses = {name: _addresses(name, one, created) for name, one in material.items()}
        for name, one in material.items():
            await ctx.around.transfers.send(one.path, addresses[name], _progress(name, ctx))
        confirm = [
            command for name, command in _CONFIRMS.items() if name in material and material[name].parts > 1
        ]
        await ctx.note({_UPLOADED: job_id, _TO_CONFIRM: confirm})
        return job_id

    async def cancel(self, params: "AvatarTrainParams", ctx: StepContext, correlation: str) -> str:
        """As `cancel_training`."""
        del params
        return await cancel_training(ctx, correlation)


async def _material(name: str, path: str, params: "AvatarTrainParams", ctx: StepContext) -> _Material:
    file = ctx.local_file(path)
    size = await ctx.around.transfers.size(file)
    if size == 0:
        raise StepError(f"{file.name} is empty.", hint="Give a file with content.", code="EMPTY_FILE")
    wanted = {"video": params.parts, "action_video": params.action_parts}
    if name not in wanted:
        return _Material(file, 1)
    return _Material(file, wanted[name] or ctx.around.transfers.part_count(size) or 1)


def _addresses(name: str, file: _Material, created: "Create2dModelTrainingJobResponse") -> list[str]:
    """One for each part. Raises StepError (to be tried again, with another job) when the answer has others."""
    said = getattr(created, _FILES[name])
    urls = list(said) if isinstance(said, list) else [said] if said else []
    if len(urls) != file.parts:
        raise StepError(
            f"The API gave {len(urls)} upload addresses for {file.parts} parts of the {name.replace('_', ' ')}.",
            code="BAD_ANSWER",
            retry=RetryClass.LATER,
        )
    return urls


def _progress(name: str, ctx: StepContext) -> Any:
    phase = f"uploading {name.replace('_', ' ')}"
    return lambda done, of: ctx.on_progress(phase, done, of)


async def _execute(command: Command, job_id: str, ctx: StepContext) -> None:
    """Reference 8.6: what cannot be carried out is an answer, not an error."""
    operation = operations.execute2d_model_training_command_by_user
    assert operation.request is not None
    body = operation.request(command=command)
    answer = await ctx.call(operation, path={"job_id": job_id}, body=body)
    if answer.commond_result != "EXCUTE_SUCCESS":
        raise StepError(
            f"The API does not carry out {command}: {answer.excute_failed_msg or 'it gives no reason'}.",
            hint="See the training job in the MetaStudio console.",
            code="EXCUTE_FAILED",
            retry=RetryClass.LATER,
        )


async def _delete(job_id: str, ctx: StepContext) -> None:
    ctx.on_progress("replacing", 0, 0)
    try:
        await ctx.call(operations.delete2d_model_training_job, path={"job_id": job_id})
    except NotFound:
        return


def _several(parts: object) -> bool:
    return isinstance(parts, int) and parts > 1
