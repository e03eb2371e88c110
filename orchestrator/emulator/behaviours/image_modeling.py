"""Avatar training jobs: create, list, show, delete, update (reference 8.1 to 8.5)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from orchestrator.emulator.behaviours import image_modeling_files as job_files
from orchestrator.emulator.behaviours.base import Call, compact, stamp
from orchestrator.emulator.behaviours.image_modeling_records import (
    DELETABLE,
    UPDATABLE,
    Comment,
    LogEntry,
    TrainingJob,
    TrainingState,
)
from orchestrator.emulator.behaviours.image_modeling_stages import RESOLUTION, TRAINING_JOBS, with_log
from orchestrator.emulator.records import AssetState, FileState
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.metastudio.models.image_modeling import (
    ActionBasicSampleInfo,
    Create2dModelTrainingJobReq,
    Update2dModelTrainingJobReq,
)

#: Values of `command_message` that are about the video for choreography.
ACTION_MESSAGES = frozenset({"CONFIRM_ACTION_VIDEO", "GET_ACTION_VIDEO_MULTIPART"})


def create2d_model_training_job(call: Call) -> dict[str, Any]:
    """Makes a job that waits for its files, and the URLs to upload them."""
    body = call.body_as(Create2dModelTrainingJobReq)
    _check_name(body.name)
    if body.model_version == "V2":
        raise Refusal(INVALID_PARAMETER, "model_version: V2 is no longer trained")
    job = TrainingJob(
        id=call.world.new_id(),
        name=body.name,
        state=TrainingState.WAIT_FILE_UPLOAD,
        asset_id=call.world.new_id(),
        created_at=call.now,
        touched_at=call.now,
        contact=body.contact,
        batch_name=body.batch_name,
        tags=tuple(body.tags or ()),
        model_version=body.model_version or "V3.2",
        is_flexus=bool(body.is_flexus),
        is_background_replacement=body.is_background_replacement is not False,
        audio_source_type=body.audio_source_type or "VIDEO",
        supported_service=_services(body.supported_service),
        app_user_id=call.app_user_id,
    )
    job = call.world[TRAINING_JOBS].put(with_log(job, call.now, "USER_CREATE_JOD", "USER"))
    return {"job_id": job.id, **_upload_urls(call, job, body)}


def list2d_model_training_job(call: Call) -> dict[str, Any]:
    """Jobs that fit every filter, a page of them."""
    rows = call.ordered(
        filter(_filter(call), call.world[TRAINING_JOBS]),
        {
            "create_time": lambda job: job.created_at,
            "update_time": lambda job: job.touched_at,
            # Avatars have no order before they exist.
            "asset_order": lambda job: job.created_at,
        },
    )
    return {"count": len(rows), "jobs": [compact(_basics(call, job)) for job in call.page(rows)]}


def show2d_model_training_job(call: Call) -> dict[str, Any]:
    """A job with its files, its log and what was said of it."""
    job = find_training_job(call)
    return compact(
        {
            **_basics(call, job),
            "training_video_download_url": job_files.link(call, job.id, job_files.TRAINING_VIDEO),
            "id_card_image1_download_url": job_files.link(call, job.id, job_files.ID_CARD_FRONT),
            "id_card_image2_download_url": job_files.link(call, job.id, job_files.ID_CARD_BACK),
            "grant_file_download_url": job_files.link(call, job.id, job_files.GRANT),
            "action_video_download_url": job_files.link(call, job.id, job_files.ACTION_VIDEO),
            "audio_file_download_url": job_files.link(call, job.id, job_files.AUDIO),
            "operation_logs": [_log(entry) for entry in job.logs],
            "comment_logs": [_comment(call, comment) for comment in job.comments],
            "samples": list(job.samples) or None,
            "is_mask_file_uploaded": False,
            "is_background_replacement": job.is_background_replacement,
            "flexus_retry_count": job.retries_left if job.is_flexus else None,
            "audio_source_type": job.audio_source_type,
            "supported_service": list(job.supported_service),
        }
    )


def delete2d_model_training_job(call: Call) -> None:
    """Deletes a job with its files, and the avatar that came of it."""
    job = find_training_job(call)
    if job.state not in DELETABLE:
        raise Refusal("MSS.41000018", f"it is {job.state}")
    call.world[TRAINING_JOBS].drop(job.id)
    avatar = call.world.assets.get(job.asset_id)
    if avatar is not None:
        call.world.assets.put(replace(avatar, state=AssetState.DELETED, updated_at=call.now))
    for file in (*call.world.files_of(job.id), *call.world.files_of(job.asset_id)):
        call.world.files.put(replace(file, state=FileState.DELETED, updated_at=call.now))


def update2d_model_training_job(call: Call) -> dict[str, Any]:
    """Changes a job that failed its review, and gives new URLs; a file that isn't sent again stays."""
    body = call.body_as(Update2dModelTrainingJobReq)
    job = find_training_job(call)
    if job.state not in UPDATABLE:
        raise Refusal("MSS.41000001", f"it is {job.state}")
    if body.name is not None:
        _check_name(body.name)
    replacing = body.is_background_replacement
    changed = replace(
        job,
        name=job.name if body.name is None else body.name,
        contact=job.contact if body.contact is None else body.contact,
        batch_name=job.batch_name if body.batch_name is None else body.batch_name,
        tags=job.tags if body.tags is None else tuple(body.tags),
        is_background_replacement=job.is_background_replacement if replacing is None else replacing,
        audio_source_type=body.audio_source_type or job.audio_source_type,
        supported_service=(
            job.supported_service if body.supported_service is None else _services(body.supported_service)
        ),
        samples=_with_samples(job, body.samples_basic_info or ()),
        touched_at=call.now,
    )
    job = call.world[TRAINING_JOBS].put(with_log(changed, call.now, "USER_UPDATE_VIDEO", "USER"))
    return {"job_id": job.id, **_upload_urls(call, job, body)}


def find_training_job(call: Call) -> TrainingJob:
    """The job that the path names.

    Raises:
        Refusal: MSS.41000003, there is none.
    """
    job_id = call.path["job_id"]
    job = call.world[TRAINING_JOBS].get(job_id)
    if job is None:
        raise Refusal("MSS.41000003", job_id[:64])
    return job


# -- what goes in ----------------------------------------------------------------------------------


def _check_name(name: str) -> None:
    if not name.strip():
        raise Refusal("MSS.41000002")


def _services(asked: list[Any] | None) -> tuple[str, ...]:
    return tuple(asked) if asked else ("VIDEO_2D", "LIVE_2D")


def _with_samples(job: TrainingJob, changes: Iterable[ActionBasicSampleInfo]) -> tuple[Any, ...]:
    samples = {str(sample["action_tag"]): sample for sample in job.samples}
    for change in changes:
        before = samples.get(change.action_tag, {"is_selected": True})
        samples[change.action_tag] = {**before, **change.model_dump(exclude_none=True)}
    return tuple(samples.values())


def _upload_urls(
    call: Call, job: TrainingJob, body: Create2dModelTrainingJobReq | Update2dModelTrainingJobReq
) -> dict[str, Any]:
    """URLs for every file that the job may take; for the choreography only when it is asked for."""
    action_parts = body.action_video_multipart_count
    choreography = action_parts is not None or body.command_message in ACTION_MESSAGES

    def one(role: job_files.Role) -> str:
        return job_files.add_file(call, job.id, role)[0]

    urls: dict[str, Any] = {
        "training_video_upload_url": job_files.add_file(
            call, job.id, job_files.TRAINING_VIDEO, body.video_multipart_count or 1
        ),
        "cover_upload_url": one(job_files.COVER),
        "id_card_image1_upload_url": one(job_files.ID_CARD_FRONT),
        "id_card_image2_upload_url": one(job_files.ID_CARD_BACK),
        "grant_file_upload_url": one(job_files.GRANT),
    }
    if choreography:
        urls["action_video_upload_url"] = job_files.add_file(
            call, job.id, job_files.ACTION_VIDEO, action_parts or 1
        )
    if job.audio_source_type == "AUDIO":
        urls["audio_upload_url"] = one(job_files.AUDIO)
    return urls


# -- what comes out --------------------------------------------------------------------------------


def _filter(call: Call) -> Callable[[TrainingJob], bool]:
    # The reference's own example asks for states that aren't listed: unknown ones fit nothing.
    states, ids, tags = call.items("state"), call.items("job_id"), set(call.items("tag"))
    since, until = call.time("create_since"), call.time("create_until")
    project = call.text("query_project_id") or call.config.project_id
    batch, resolution = call.text("batch_name"), call.text("model_resolution")
    name = (call.text("name") or "").casefold()
    flexus = call.flag("is_flexus")

    def fits(job: TrainingJob) -> bool:
        return (
            project == call.config.project_id
            and (not states or job.state in states)
            and (not ids or job.id in ids)
            and (not tags or not tags.isdisjoint(job.tags))
            and (since is None or job.created_at >= since)
            and (until is None or job.created_at <= until)
            and (batch is None or job.batch_name == batch)
            and resolution in {None, RESOLUTION}
            and name in job.name.casefold()
            and (flexus is None or job.is_flexus == flexus)
        )

    return fits


def _basics(call: Call, job: TrainingJob) -> dict[str, Any]:
    """A job as the list shows it (table 8-14)."""
    return {
        "job_id": job.id,
        "name": job.name,
        "state": job.state.value,
        "asset_id": None if call.world.assets.get(job.asset_id) is None else job.asset_id,
        "project_id": call.config.project_id,
        "cover_download_url": job_files.link(call, job.id, job_files.COVER),
        "last_update_time": stamp(job.touched_at),
        "create_time": stamp(job.created_at),
        "contact": job.contact,
        "batch_name": job.batch_name,
        "tags": list(job.tags),
        "model_version": job.model_version,
        "matting_type": "AI",
        "model_resolution": RESOLUTION,
        "app_user_id": job.app_user_id,
        "is_flexus": job.is_flexus,
    }


def _log(entry: LogEntry) -> dict[str, Any]:
    return compact(
        {
            "operate_time": stamp(entry.at),
            "log_type": entry.type,
            "log_description": entry.description,
            "operate_user": entry.by,
        }
    )


def _comment(call: Call, comment: Comment) -> dict[str, Any]:
    return compact(
        {
            "operate_time": stamp(comment.at),
            "comment_type": comment.type,
            "comment_title": comment.title,
            "comment_message": comment.message,
            "attachment_download_url": job_files.attachment_links(call, comment.attachments) or None,
        }
    )


BEHAVIOURS = (
    create2d_model_training_job,
    list2d_model_training_job,
    show2d_model_training_job,
    delete2d_model_training_job,
    update2d_model_training_job,
)
