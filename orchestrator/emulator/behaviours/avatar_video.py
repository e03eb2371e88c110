"""Avatar video jobs: create, show, cancel (reference 5.3.1 to 5.3.3)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact, is_url, seconds, stamp
from orchestrator.emulator.behaviours.digital_asset import download_url
from orchestrator.emulator.behaviours.materials import check_video, find_material
from orchestrator.emulator.behaviours.video_script import find_script, is_plain
from orchestrator.emulator.faults import VIDEO
from orchestrator.emulator.murmur import voice_pitch_hz
from orchestrator.emulator.recipe import numbered, planned_s
from orchestrator.emulator.records import CallbackTarget, Job, JobState, Script
from orchestrator.emulator.refusals import Refusal
from orchestrator.metastudio.models.avatar_video import CallBackConfig, Create2DDigitalHumanVideoReq

JOB_TYPE = "2D_DIGITAL_HUMAN_VIDEO"
#: Parts of the recipe that a script decides when one is named, all of them shown with `show_script`.
_OF_SCRIPT = ("model_asset_id", "voice_config", "video_config", "shoot_scripts", "background_music_config")
_DEFAULT_VIDEO = {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080, "frame_rate": "25"}
_FAILED = "MSS.45001006"
_BEGUN = frozenset({JobState.PROCESSING, JobState.SUCCEED, JobState.FAILED, JobState.BLOCK})


def create2_d_digital_human_video(call: Call) -> dict[str, Any]:
    """Queues a job from a script, or from what the body holds itself."""
    body = call.body_as(Create2DDigitalHumanVideoReq)
    script = find_script(call, body.script_id) if body.script_id else None
    recipe, audio = _recipe(call, script), {} if script is None else dict(script.audio)
    check_video(call, recipe, audio)
    name = _output_name(body, None if script is None else script.name)
    if not is_plain(name):
        raise Refusal("MSS.20010019", "output_asset_config.asset_name")
    target = _target(body.callback_config)
    doom = call.doom(VIDEO)
    world, config = call.world, call.config
    starts_at = call.after(config.video_wait_s)
    job = Job(
        id=world.new_id(),
        state=JobState.WAITING,
        script_id=None if script is None else script.id,
        recipe=recipe,
        asset_name=name,
        output_asset_id=world.new_id(),
        output_video_id=world.new_id(),
        output_cover_id=world.new_id(),
        created_at=call.now,
        updated_at=call.now,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(seconds=config.video_process_s / config.speed),
        planned_s=planned_s(recipe, config.video_max_s),
        pitch_hz=_pitch_hz(call, recipe),
        audio=audio,
        callback=target,
        doomed=None if doom is None or doom.stuck else doom.code or _FAILED,
        stuck=doom is not None and doom.stuck,
    )
    world.add_job(job)
    return {"job_id": job.id}


def show2_d_digital_human_video(call: Call) -> dict[str, Any]:
    """A job; with `show_script` also what it was made from."""
    job = find_job(call, call.path["job_id"])
    info = job_info(call, job)
    info["script_id"] = job.script_id
    if call.flag("show_script"):
        info.update({key: job.recipe.get(key) for key in _OF_SCRIPT})
    return compact(info)


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
    begun = job.state in _BEGUN
    duration_s = job.rendered.duration_s if job.rendered else job.planned_s
    return {
        "job_id": job.id,
        "state": job.state.value,
        "job_type": JOB_TYPE,
        "start_time": stamp(job.starts_at) if begun else None,
        "end_time": stamp(job.finished_at) if begun else None,
        "duration": seconds(duration_s) if job.state is JobState.SUCCEED else None,
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


def _recipe(call: Call, script: Script | None) -> dict[str, Any]:
    """What the video is made from: a script outweighs the body (table 5-122)."""
    source = call.raw if script is None else {**call.raw, **script.body}
    recipe = {key: source[key] for key in (*_OF_SCRIPT, "view_mode") if source.get(key) is not None}
    if not recipe.get("shoot_scripts"):
        raise Refusal("MSS.20010027")
    if not recipe.get("model_asset_id"):
        raise Refusal("MSS.20010096")
    recipe.setdefault("video_config", dict(_DEFAULT_VIDEO))
    recipe["shoot_scripts"] = numbered(recipe["shoot_scripts"])
    return recipe


def _output_name(body: Create2DDigitalHumanVideoReq, script_name: str | None) -> str:
    named = body.output_asset_config.asset_name if body.output_asset_config else ""
    return named or script_name or "video"


def _pitch_hz(call: Call, recipe: dict[str, Any]) -> float:
    voice_id = (recipe.get("voice_config") or {}).get("voice_asset_id", "")
    voice = find_material(call, voice_id)
    meta = (voice.extra_meta or {} if voice else {}).get("voice_model_meta") or {}
    return voice_pitch_hz(meta.get("sex"), voice_id)


def _target(config: CallBackConfig | None) -> CallbackTarget | None:
    if config is None:
        return None
    if not is_url(config.callback_url, {"http", "https"}):
        raise Refusal("MSS.20010093", "callback_config.callback_url")
    return CallbackTarget(config.callback_url, config.auth_type or "NONE", config.key or "")


BEHAVIOURS = (
    create2_d_digital_human_video,
    show2_d_digital_human_video,
    cancel2_d_digital_human_video,
)
