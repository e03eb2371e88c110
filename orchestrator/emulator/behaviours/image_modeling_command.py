"""Commands that a tenant gives to an avatar training job (reference 8.6).

A command that the job's state doesn't allow is refused; one that is allowed and can't be carried out, for want of a
file, is answered with EXCUTE_FAILED.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from orchestrator.emulator.behaviours import image_modeling_files as job_files
from orchestrator.emulator.behaviours.base import Call, compact
from orchestrator.emulator.behaviours.image_modeling import ACTION_MESSAGES, find_training_job
from orchestrator.emulator.behaviours.image_modeling_records import (
    UPLOADING,
    Comment,
    TrainingJob,
    TrainingState,
)
from orchestrator.emulator.behaviours.image_modeling_stages import TRAINING_JOBS, accept, submit, train_again
from orchestrator.emulator.records import File
from orchestrator.emulator.refusals import Refusal
from orchestrator.metastudio.models.image_modeling import CommentData, Execute2dModelTrainingCommandByUserReq

S = TrainingState


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a command; `failed` says why it could not be carried out."""

    failed: str | None = None
    attachment_urls: list[str] = field(default_factory=list)
    parts: list[dict[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class _Command:
    """A command, and in which states it may be given."""

    states: frozenset[TrainingState]
    run: Callable[[Call, TrainingJob, Execute2dModelTrainingCommandByUserReq], _Result]
    #: Only for whitelisted NA users.
    na_only: bool = False


def execute2d_model_training_command_by_user(call: Call) -> dict[str, Any]:
    """Carries out a command, and answers in the spelling of the service."""
    body = call.body_as(Execute2dModelTrainingCommandByUserReq)
    job = find_training_job(call)
    command = _COMMANDS[body.command]
    if command.na_only and not job.of_na_user:
        raise Refusal("MSS.00024001", f"{body.command} is for NA users")
    if job.state not in command.states:
        raise Refusal("MSS.41000001", f"{body.command} while it is {job.state}")
    result = command.run(call, job, body)
    return compact(
        {
            "commond_result": "EXCUTE_SUCCESS" if result.failed is None else "EXCUTE_FAILED",
            "attachment_upload_url": result.attachment_urls or None,
            "multipart_data": result.parts,
            "excute_failed_msg": result.failed,
        }
    )


def _submit(call: Call, job: TrainingJob, _: Execute2dModelTrainingCommandByUserReq) -> _Result:
    videos = {job_files.TRAINING_VIDEO: "training video", job_files.ACTION_VIDEO: "action video"}
    for role, meaning in videos.items():
        if job_files.unconfirmed(call.world, job.id, role):
            return _Result(f"the parts of the {meaning} are not confirmed")
    if job_files.uploaded(call.world, job.id, job_files.TRAINING_VIDEO) is None:
        return _Result("the training video is not uploaded")
    needed = {} if job.of_na_user else dict(job_files.PROOFS)
    if job.audio_source_type == "AUDIO":
        needed[job_files.AUDIO] = "audio"
    missing = [
        meaning for role, meaning in needed.items() if job_files.uploaded(call.world, job.id, role) is None
    ]
    for role in (*videos, *job_files.PROOFS, job_files.AUDIO, job_files.COVER):
        job_files.settle(call, job.id, role)
    choreography = job_files.uploaded(call.world, job.id, job_files.ACTION_VIDEO) is not None
    submit(call, replace(job, with_actions=choreography), missing)
    return _Result()


def _list_parts(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    file = _video(call, job, body)
    parts = () if file is None else file.segments
    return _Result(parts=[{"part_number": str(s.part), "etag": f'"{s.md5_hex}"'} for s in parts])


def _confirm_parts(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    file = _video(call, job, body)
    if file is None:
        return _Result("no upload was asked for")
    if not file.complete:
        return _Result(f"{len(file.segments)} of {file.parts or 1} parts are there")
    job_files.confirm(call, file)
    return _Result()


def _video(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> File | None:
    """The video that the command is about: of the choreography if the command or its message says so."""
    choreography = "_ACTION_VIDEO_" in body.command or body.command_message in ACTION_MESSAGES
    role = job_files.ACTION_VIDEO if choreography else job_files.TRAINING_VIDEO
    return job_files.newest(call.world, job.id, role)


def _accept(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    commented, urls = _comment(call, job, body.comment_data, "USER_COMMENT")
    accept(call, commented)
    return _Result(attachment_urls=urls)


def _reject(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    commented, urls = _comment(call, job, body.comment_data or CommentData(), "USER_REJECT")
    call.world[TRAINING_JOBS].put(replace(commented, state=S.JOB_REJECT))
    return _Result(attachment_urls=urls)


def _answer(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    commented, urls = _comment(call, job, body.comment_data or CommentData(), "USER_COMMENT")
    call.world[TRAINING_JOBS].put(commented)
    return _Result(attachment_urls=urls)


def _suspend(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    commented, urls = _comment(call, job, body.comment_data, "USER_COMMENT")
    call.world[TRAINING_JOBS].put(replace(commented, state=S.JOB_PENDING, suspended_in=job.state))
    return _Result(attachment_urls=urls)


def _resume(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    commented, urls = _comment(call, job, body.comment_data, "USER_COMMENT")
    state = job.suspended_in or S.WAIT_USER_CONFIRM
    call.world[TRAINING_JOBS].put(replace(commented, state=state, suspended_in=None))
    return _Result(attachment_urls=urls)


def _repair(call: Call, job: TrainingJob, body: Execute2dModelTrainingCommandByUserReq) -> _Result:
    if job.is_flexus and not job.retries_left:
        return _Result("no retraining is left")
    commented, urls = _comment(call, job, body.comment_data, "USER_COMMENT")
    train_again(call, replace(commented, retries_left=max(0, job.retries_left - 1)))
    return _Result(attachment_urls=urls)


def _comment(
    call: Call, job: TrainingJob, data: CommentData | None, kind: Literal["USER_REJECT", "USER_COMMENT"]
) -> tuple[TrainingJob, list[str]]:
    """The job with the comment that came with a command, and the URLs for its attachments."""
    if data is None:
        return job, []
    files, urls = job_files.add_attachments(call, job.id, data.attachment_name or ())
    comment = Comment(
        at=call.now, type=kind, title=data.comment_title, message=data.comment_message, attachments=files
    )
    return replace(job, comments=(*job.comments, comment)), urls


# Where the reference doesn't say from which states a command leads, those are taken in which it makes sense.
_COMMANDS: Mapping[str, _Command] = {
    "SUBMITVERIFYING": _Command(UPLOADING, _submit),
    "GET_MULTIPART_UPLOADED": _Command(UPLOADING, _list_parts),
    "CONFIRM_MULTIPART_UPLOADED": _Command(UPLOADING, _confirm_parts),
    "GET_ACTION_VIDEO_MULTIPART_UPLOADED": _Command(UPLOADING, _list_parts),
    "CONFIRM_ACTION_VIDEO_MULTIPART_UPLOADED": _Command(UPLOADING, _confirm_parts),
    "CONFIRM_ACCEPT": _Command(frozenset({S.WAIT_USER_CONFIRM}), _accept, na_only=True),
    "CONFIRM_REJECT": _Command(frozenset({S.WAIT_USER_CONFIRM}), _reject, na_only=True),
    "CONFIRM_ANSWER": _Command(
        frozenset({S.WAIT_USER_CONFIRM, S.JOB_REJECT, S.JOB_PENDING}), _answer, na_only=True
    ),
    "CONFIRM_PENDING": _Command(frozenset({S.WAIT_USER_CONFIRM, S.JOB_REJECT}), _suspend, na_only=True),
    "CONFIRM_ACTIVE": _Command(frozenset({S.JOB_PENDING}), _resume, na_only=True),
    "CONFIRM_REPAIR": _Command(frozenset({S.JOB_SUCCESS, S.JOB_REJECT}), _repair),
}

BEHAVIOURS = (execute2d_model_training_command_by_user,)
