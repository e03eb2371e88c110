"""Avatar video jobs: create, show, cancel (reference 5.3.1 to 5.3.3)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from orchestrator.emulator.behaviours.base import Call, compact, seconds, stamp
from orchestrator.emulator.behaviours.digital_asset import download_url
from orchestrator.emulator.behaviours.materials import check_recipe
from orchestrator.emulator.behaviours.video_script import find_script
from orchestrator.emulator.records import CallbackTarget, Job, JobState
from orchestrator.emulator.refusals import Refusal
from orchestrator.metastudio.models.avatar_video import CallBackConfig, Create2DDigitalHumanVideoReq

JOB_TYPE = "2D_DIGITAL_HUMAN_VIDEO"
#: Parts of the recipe that a script decides when one is named.
_OF_SCRIPT = ("model_asset_id", "voice_config", "video_config", "shoot_scripts", "background_music_config")
_DEFAULT_VIDEO = {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080, "frame_rate": "25"}


def create2_d_digital_human_video(call: Call) -> dict[str, Any]:
    """Queues a job from a script, or from what the body holds itself."""
    body = call.body_as(Create2DDigitalHumanVideoReq)
    script = find_script(call, body.script_id) if body.script_id else None
    source = call.raw if script is None else {**call.raw, **script.body}
    recipe = {key: source[key] for key in _OF_SCRIPT if source.get(key) is not None}
    if not recipe.get("shoot_scripts"):
        raise Refusal("MSS.20010027")
    if not recipe.get("model_asset_id"):
        raise Refusal("MSS.20010096")
    recipe.setdefault("video_config", dict(_DEFAULT_VIDEO))
    check_recipe(call, recipe)
    target = _target(body.callback_config)
    world, config = call.world, call.config
    starts_at = call.now + timedelta(seconds=config.video_wait_s / config.speed)
    job = Job(
        id=world.new_id(),
        state=JobState.WAITING,
        script_id=None if script is None else script.id,
        recipe=recipe,
        asset_name=_output_name(body, None if script is None else script.name),
        output_asset_id=world.new_id(),
        output_video_id=world.new_id(),
        output_cover_id=world.new_id(),
        created_at=call.now,
        updated_at=call.now,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(seconds=config.video_process_s / config.speed),
        callback=target,
        doomed=call.doom(),
    )
    world.add_job(job)
    return {"job_id": job.id}


def show2_d_digital_human_video(call: Call) -> dict[str, Any]:
    """A job; with `show_script` also what it was made from."""
    job = find_job(call, call.path["job_id"])
    info = job_info(call, job)
    info["script_id"] = job.script_id
    if call.flag("show_script"):
        info.update(job.recipe)
    return compact(info) | {"error_info": info["error_info"]}


def cancel2_d_digital_human_video(call: Call) -> None:
    """Cancels a job that still waits."""
    job = find_job(call, call.path["job_id"])
    if job.state is not JobState.WAITING:
        raise Refusal("MSS.20010048", f"it is {job.state}")
    call.world.jobs.put(replace(job, state=JobState.CANCELED, updated_at=call.now, finished_at=call.now))


def find_job(call: Call, job_id: str) -> Job:
    """A job.

    Raises:
        Refusal: MSS.20010009, there is none.
    """
    job = call.world.jobs.get(job_id)
    if job is None:
        raise Refusal("MSS.20010009", job_id[:64])
    return job


def job_info(call: Call, job: Job) -> dict[str, Any]:
    """A job as the API shows it (table 5-113)."""
    error = None if job.error is None else {"error_code": job.error.code, "error_msg": job.error.message}
    begun = job.state in {JobState.PROCESSING, JobState.SUCCEED, JobState.FAILED}
    done = job.state is JobState.SUCCEED
    return {
        "job_id": job.id,
        "state": job.state.value,
        "job_type": JOB_TYPE,
        "start_time": stamp(job.starts_at) if begun else None,
        "end_time": stamp(job.finished_at) if begun else None,
        "duration": seconds(job.rendered.duration_s) if done and job.rendered else None,
        "output_asset_config": _output(call, job),
        "error_info": error,
        "create_time": stamp(job.created_at),
        "lastupdate_time": stamp(job.updated_at),
    }


def _output(call: Call, job: Job) -> dict[str, Any]:
    if job.state is not JobState.SUCCEED:
        return {"asset_name": job.asset_name}
    cover = call.world.files.get(job.output_cover_id)
    url = download_url(call, cover) if cover is not None else None
    return compact({"asset_id": job.output_asset_id, "asset_name": job.asset_name, "cover_url": url})


def _output_name(body: Create2DDigitalHumanVideoReq, script_name: str | None) -> str:
    named = body.output_asset_config.asset_name if body.output_asset_config else ""
    return named or script_name or "video"


def _target(config: CallBackConfig | None) -> CallbackTarget | None:
    if config is None:
        return None
    try:
        parts = urlsplit(config.callback_url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError as error:
        raise Refusal("MSS.20010093", "callback_config.callback_url") from error
    if not valid or not config.callback_url.isascii():
        raise Refusal("MSS.20010093", "callback_config.callback_url")
    auth_type = config.auth_type or "NONE"
    if auth_type == "MSS_A" and not config.key:
        raise Refusal("MSS.20010151", "callback_config.key is needed for MSS_A")
    return CallbackTarget(config.callback_url, auth_type, config.key or "")


BEHAVIOURS = (
    create2_d_digital_human_video,
    show2_d_digital_human_video,
    cancel2_d_digital_human_video,
)
