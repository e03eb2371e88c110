"""Voice training jobs: create, list, show, submit, delete, and what was said of them (reference 9.1 to 9.8, 9.10)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact
from orchestrator.emulator.behaviours.digital_asset import download_url
from orchestrator.emulator.behaviours.voice_modeling_course import JOBS, submit
from orchestrator.emulator.behaviours.voice_modeling_records import (
    LETTER,
    PACKAGE,
    AuditError,
    Edition,
    LogEntry,
    TrainingJob,
    TrainingState,
    confirmed_sentences,
    newest,
    recordings,
    sentences,
)
from orchestrator.emulator.behaviours.voice_modeling_uploads import (
    addresses,
    close_slots,
    drop_files,
    find_job,
    find_receptive_job,
)
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal, error_facts
from orchestrator.metastudio.models.voice_modeling import CommitJobReq, CreateTrainingJobReq

_TYPES = (*(edition.value for edition in Edition), "THIRD_PARTY", "THIRD_PARTY_LJZN", "FLEXUS")
_STATES = tuple(state.value for state in TrainingState)
#: What a submission may still change (reference table 9-27).
_CHANGEABLE = ("tag", "description", "sex", "voice_name", "language", "phone", "app_user_id")
#: The name becomes an asset's, which is no longer.
_MAX_NAME = 256


def create_training_basic_job(call: Call) -> dict[str, Any]:
    """A job of 20 recorded sentences."""
    return _create(call, Edition.BASIC)


def create_training_middle_job(call: Call) -> dict[str, Any]:
    """A job of 100 recorded sentences."""
    return _create(call, Edition.MIDDLE)


def create_training_advance_job(call: Call) -> dict[str, Any]:
    """A job of one long recording."""
    return _create(call, Edition.ADVANCE)


def list_voice_training_job(call: Call) -> dict[str, Any]:
    """Jobs that fit every filter, newest first, a page of them."""
    states = call.items("state", _STATES)
    exact = {
        "id": call.text("job_id"),
        "tag": call.text("tag"),
        "edition": call.text("job_type", _TYPES),
    }
    name = (call.text("voice_name") or "").casefold()
    since, until = _time(call, "create_since"), _time(call, "create_until")
    rows = [
        job
        for job in call.world[JOBS]
        if (not states or job.state in states)
        and all(wanted is None or getattr(job, field) == wanted for field, wanted in exact.items())
        and name in job.voice_name.casefold()
        and (since is None or job.created_at >= since)
        and (until is None or job.created_at <= until)
    ]
    rows.sort(key=lambda job: job.created_at)
    rows.reverse()
    return {"count": len(rows), "jobs": [_job_info(call, job) for job in call.page(rows)]}


def show_voice_training_job(call: Call) -> dict[str, Any]:
    """A job."""
    return _job_info(call, find_job(call, call.path["job_id"]))


def commit_voice_training_job(call: Call) -> None:
    """Hands a job whose files are there to the review; one that failed its review may be handed in again."""
    body = call.body_as(CommitJobReq)
    job = find_receptive_job(call, call.path["job_id"])
    _check_files(call, job)
    changes = {name: value for name in _CHANGEABLE if (value := getattr(body, name)) is not None}
    job = replace(close_slots(call, job), **changes)
    _check_name(job.voice_name)
    call.world[JOBS].put(submit(call, job))


def delete_voice_training_job(call: Call) -> None:
    """Deletes a job and its files, unless it is being worked on; a voice that came of it stays."""
    job = find_job(call, call.path["job_id"])
    if not job.state.rests:
        raise Refusal("MSS.20020001", f"the job is {job.state}")
    drop_files(call, (file_id for ids in job.uploads.values() for file_id in ids))
    call.world[JOBS].drop(job.id)


def list_job_operation_log(call: Call) -> dict[str, Any]:
    """What was done to a job, oldest first, a page of it."""
    log = find_job(call, call.path["job_id"]).log
    return {"count": len(log), "operations": [_log_item(entry) for entry in call.page(log)]}


def show_job_audit_result(call: Call) -> dict[str, Any]:
    """What the reviews said; one that is still to come is absent."""
    job = find_job(call, call.path["job_id"])
    shown: dict[str, Any] = {}
    if job.system_audit is not None:
        errors = [_audit_error(error) for error in job.system_audit.errors]
        shown["system_audit_result"] = {"audit_time": _epoch(job.system_audit.at), "errors": errors}
    if job.admin_audit is not None:
        messages = [_reason(error.code) for error in job.admin_audit.errors]
        message = "; ".join(messages) or "Approved."
        shown["admin_audit_result"] = {"message": message, "audit_time": _epoch(job.admin_audit.at)}
    return shown


def _create(call: Call, edition: Edition) -> dict[str, Any]:
    body = call.body_as(CreateTrainingJobReq)
    create_type = body.create_type or "PACKAGE"
    if create_type == "SEGMENT" and not edition.sentences:
        raise Refusal(INVALID_PARAMETER, "create_type: one long recording comes as a PACKAGE")
    _check_name(body.voice_name)
    job = TrainingJob(
        id=call.world.new_id(),
        edition=edition,
        create_type=create_type,
        voice_name=body.voice_name,
        sex=body.sex or "FEMALE",
        language=body.language or "CN",
        state=TrainingState.CREATING,
        created_at=call.now,
        updated_at=call.now,
        tag=body.tag,
        description=body.description,
        phone=body.phone,
        dhtms_job_id=body.dhtms_job_id,
        batch_name=body.batch_name,
        app_user_id=call.app_user_id,
    )
    job = job.entering(TrainingState.CREATING, call.now).logging(call.now, "CREATE_JOB", "USER")
    job, where = addresses(call, job)
    call.world[JOBS].put(job)
    return compact(
        {
            "job_id": job.id,
            "training_data_uploading_url": where.package,
            "segment_uploading_url": where.segments,
            "authorization_letter_uploading_url": where.letter,
        }
    )


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _MAX_NAME:
        raise Refusal(INVALID_PARAMETER, f"voice_name: 1 to {_MAX_NAME} characters")


def _check_files(call: Call, job: TrainingJob) -> None:
    """Passes when everything was uploaded, and every sentence confirmed (reference 9.1)."""
    if job.create_type == "PACKAGE":
        if newest(call.world, job, PACKAGE) is None:
            raise Refusal("MSS.20020030", "the package has not been uploaded")
        return
    pairs = recordings(call.world, job)
    audio, text = (sum(file is not None for file in files) for files in zip(*pairs, strict=True))
    if audio != text:
        raise Refusal("MSS.20020040", f"{audio} audio files, {text} text files")
    if audio < sentences(job):
        raise Refusal("MSS.20020030", f"{audio} of {sentences(job)} sentences have been uploaded")
    confirmed = confirmed_sentences(call.world, job)
    missing = [index for index in range(sentences(job)) if index not in confirmed]
    if missing:
        raise Refusal(
            "MSS.20020028", f"{len(missing)} sentences are not confirmed, the first is {missing[0]}"
        )


def _job_info(call: Call, job: TrainingJob) -> dict[str, Any]:
    """A job as the API shows it (table 9-23)."""
    letter = newest(call.world, job, LETTER)
    return compact(
        {
            "job_type": job.edition.value,
            "job_id": job.id,
            "app_user_id": job.app_user_id,
            "voice_name": job.voice_name,
            "sex": job.sex,
            "language": job.language,
            "state": job.state.value,
            "reject_times": min(10, job.visits.get(job.state.value, 1)),
            "asset_id": job.asset_id,
            "job_failed_code": job.failed_code,
            "job_failed_reason": None if job.failed_code is None else _reason(job.failed_code),
            "create_time": _epoch(job.created_at),
            "lastupdate_time": _epoch(job.updated_at),
            "voice_authorization_url": None if letter is None else download_url(call, letter),
            "create_type": job.create_type,
            "tag": job.tag,
            "phone": job.phone,
            "dhtms_job_id": job.dhtms_job_id,
            "batch_name": job.batch_name,
        }
    )


def _log_item(entry: LogEntry) -> dict[str, Any]:
    external: Mapping[str, Any] = {"review_id_list": list(entry.review_ids)}
    return {
        "time": _epoch(entry.at),
        "action": entry.action,
        "operator": entry.operator,
        "external_info": external,
    }


def _audit_error(error: AuditError) -> dict[str, Any]:
    return compact(
        {
            "audio_name": error.audio,
            "text_name": error.text,
            "error_code": error.code,
            "error_message": _reason(error.code),
        }
    )


def _reason(code: str) -> str:
    facts = error_facts().get(code)
    return facts.message if facts else code


def _epoch(at: datetime) -> int:
    """A time as this category writes it: whole seconds, since milliseconds would exceed the range of table 9-23."""
    return int(at.timestamp())


def _time(call: Call, name: str) -> datetime | None:
    """A time in the query: as everywhere, or in seconds as this category's answers have it."""
    value = call.text(name) or ""
    if value.isascii() and value.isdigit() and len(value) == 10:
        return datetime.fromtimestamp(int(value), UTC)
    return call.time(name)


BEHAVIOURS = (
    create_training_basic_job,
    create_training_middle_job,
    create_training_advance_job,
    list_voice_training_job,
    show_voice_training_job,
    commit_voice_training_job,
    delete_voice_training_job,
    list_job_operation_log,
    show_job_audit_result,
)
