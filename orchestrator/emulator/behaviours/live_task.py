"""Livestreams: start, list, show, stop (reference 6.2.1 to 6.2.4, 6.2.6)."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact, seconds, stamp
from orchestrator.emulator.behaviours.digital_asset import download_url
from orchestrator.emulator.behaviours.live_checks import check_output
from orchestrator.emulator.behaviours.live_playback import LIVE_JOBS, end, put
from orchestrator.emulator.behaviours.live_program import paragraphs, round_of
from orchestrator.emulator.behaviours.live_records import (
    ROOMS,
    SECRETS,
    LiveJob,
    LiveState,
    Paragraph,
    Room,
    find_room,
)
from orchestrator.emulator.behaviours.live_room import cover_url, last_job, room_state
from orchestrator.emulator.faults import LIVE
from orchestrator.emulator.refusals import Refusal

#: From the call to the state PROCESSING, and from there to the avatar being loaded.
WAIT_S, LOAD_S = 1.0, 2.0
#: A livestream that repeats for ever ends after a day.
LIMIT_S = 24 * 3600.0
#: How many rooms may be live at once.
MAX_LIVE = 100
#: The URL for reporting events holds so long; not divided by the speed, as other URLs aren't.
REPORT_URL_S = 24 * 3600.0
_RTC_USER_S = 24 * 3600.0
#: Below these a start warns; the reference names the warnings, not their bounds.
_FEW_PARAGRAPHS, _SHORT_S, _FEW_RULES = 3, 60.0, 1
_COMMENT = 1
_STATES = tuple(state.value for state in LiveState)


def start_smart_live(call: Call) -> dict[str, Any]:
    """Queues a livestream of a room that isn't live; what the body names goes before what the room has."""
    room = _startable(call)
    merged = {**room.body, **room.secrets, **call.raw}
    check_output(call, merged)
    script = paragraphs(merged.get("scene_scripts") or ())
    _check_script(merged, script)
    policy = merged.get("play_policy") or {}
    doom, world = call.doom(LIVE), call.world
    starts_at = call.after(WAIT_S)
    job_id = world.new_id()
    job = LiveJob(
        id=job_id,
        room_id=room.id,
        room_name=room.name,
        state=LiveState.WAITING,
        config={key: value for key, value in merged.items() if key not in SECRETS},
        secrets={key: merged[key] for key in SECRETS if key in merged},
        cover_id=room.cover_id,
        created_at=call.now,
        updated_at=call.now,
        starts_at=starts_at,
        ready_at=starts_at + timedelta(seconds=LOAD_S / call.config.speed),
        limit_at=starts_at + timedelta(seconds=LIMIT_S / call.config.speed),
        report_until=call.now + timedelta(seconds=REPORT_URL_S),
        doomed=None if doom is None or doom.stuck else doom.code or "MSS.20010138",
        stuck=doom is not None and doom.stuck,
        scripted=bool(script)
        and policy.get("auto_play_script") is not False
        and policy.get("play_mode") != "NO_PRESET",
        program=tuple(round_of(script, 0, policy, job_id)),
    )
    put(call, job)
    world[ROOMS].put(replace(room, last_job_id=job.id))
    return compact(
        {
            "job_id": job.id,
            "rtc_room_info": _rtc_room(call, job),
            "live_event_report_url": report_url(call, job),
            "live_event_callback_config": job.secrets.get("live_event_callback_config"),
            "live_warning_info": [{"warning_type": kind} for kind in _warnings(merged, script)],
        }
    )


def list_smart_live(call: Call) -> dict[str, Any]:
    """Livestreams of a room, a page of them; those of a temporary room outlive it."""
    room_id = call.path["room_id"]
    jobs = [job for job in call.world[LIVE_JOBS] if job.room_id == room_id]
    if not jobs:
        find_room(call, room_id)
    return _listed(call, jobs)


def list_smart_live_jobs(call: Call) -> dict[str, Any]:
    """All livestreams of the tenant, a page of them; `room_name` finds parts of the name."""
    name = (call.text("room_name") or "").casefold()
    return _listed(call, [job for job in call.world[LIVE_JOBS] if name in job.room_name.casefold()])


def show_smart_live(call: Call) -> dict[str, Any]:
    """A livestream."""
    return job_info(call, find_job(call))


def stop_smart_live(call: Call) -> None:
    """Ends a livestream at once."""
    job = find_job(call)
    if not job.state.running:
        raise Refusal("MSS.20010099", f"{job.id} is {job.state}")
    put(call, replace(end(call, job, LiveState.SUCCEED), canceled=job.state is LiveState.WAITING))


def find_job(call: Call) -> LiveJob:
    """The livestream that the path names.

    Raises:
        Refusal: MSS.20010045 or MSS.20010046, there is no such room or livestream.
    """
    job = call.world[LIVE_JOBS].get(call.path["job_id"])
    if job is None or job.room_id != call.path["room_id"]:
        find_room(call, call.path["room_id"])
        raise Refusal("MSS.20010046", call.path["job_id"][:64])
    return job


def job_info(call: Call, job: LiveJob) -> dict[str, Any]:
    """A livestream as the API shows it (table 6-284)."""
    begun_at = None if job.state is LiveState.WAITING or job.canceled else job.starts_at
    pushed_at = None if job.stream is None else job.stream.connected_at
    error = None if job.error is None else {"error_code": job.error.code, "error_msg": job.error.message}
    blocked = job.error.message if job.error is not None and job.state is LiveState.BLOCKED else None
    return compact(
        {
            "job_id": job.id,
            "room_id": job.room_id,
            "room_name": job.room_name,
            "state": job.state.value,
            "duration": _lasted(call, job, begun_at),
            "start_time": stamp(begun_at),
            "end_time": stamp(job.finished_at),
            "error_info": error,
            "create_time": stamp(job.created_at),
            "lastupdate_time": stamp(job.updated_at),
            "rtc_room_info": _rtc_room(call, job) if job.state.running else None,
            "live_event_report_url": report_url(call, job) if job.state.running else None,
            "live_event_callback_config": job.secrets.get("live_event_callback_config"),
            "rtc_callback_config": job.config.get("rtc_callback_config"),
            "stream_duration": _lasted(call, job, pushed_at),
            "block_reason": blocked,
            "cover_url": cover_url(call, job.cover_id),
            "co_streamer_config": job.config.get("co_streamer_config"),
            "live_job_log": _log(call, job),
            "relation_live_platform_info": job.config.get("relation_live_platform_info"),
        }
    )


def report_url(call: Call, job: LiveJob) -> str:
    """Where events of the audience are reported to, with the key that stands for a login (table 6-347)."""
    path = f"v1/{call.config.project_id}/smart-live-rooms/{job.room_id}/smart-live-jobs/{job.id}"
    until = round(job.report_until.timestamp() * 1000)
    key = report_key(call, job, until)
    return f"{call.api_url}/{path}/live-event-report?auth_key={key}&expires_time={until}"


def report_key(call: Call, job: LiveJob, until_ms: int) -> str:
    """The key that is valid until `until_ms`, milliseconds of the epoch; its formula isn't published."""
    return _mac(call, f"report/{job.room_id}/{job.id}/{until_ms}")


def _startable(call: Call) -> Room:
    room = find_room(call, call.path["room_id"])
    state = room_state(call, room)
    if state["room_state"] != "ENABLE":
        raise Refusal("MSS.20010069", f"{state['room_state']}, {state['error_info']['error_msg']}")
    if room.type == "TEMPLATE":
        raise Refusal("MSS.20010069", "it is a template")
    job = last_job(call, room)
    if job is not None and job.state.running:
        raise Refusal("MSS.20010036", f"{job.id} is {job.state}")
    if sum(job.state.running for job in call.world[LIVE_JOBS]) >= MAX_LIVE:
        raise Refusal("MSS.20010035", f"{MAX_LIVE} rooms are live")
    return room


def _check_script(merged: Mapping[str, Any], script: Sequence[Paragraph]) -> None:
    scenes = merged.get("scene_scripts") or ()
    mode = (merged.get("play_policy") or {}).get("play_mode") or "TEXT"
    if not scenes or (mode != "NO_PRESET" and not script):
        raise Refusal("MSS.20010027")
    if not all(scene.get("model_asset_id") for scene in scenes):
        raise Refusal("MSS.20010096")
    items = [item for scene in scenes for item in scene["shoot_scripts"]]
    if mode == "AUDIO" and not all(item.get("audio_config") for item in items):
        raise Refusal("MSS.20010067", "play_mode AUDIO needs audio_config in each paragraph")
    if mode == "TEXT" and not all(item.get("text_config") or item.get("audio_config") for item in items):
        raise Refusal("MSS.20010086")
    modes = [(rule.get("trigger") or {}).get("reply_mode") for rule in merged.get("interaction_rules") or ()]
    if "CALLBACK" in modes and not merged.get("interaction_callback_url"):
        raise Refusal("MSS.20010087", "interaction_callback_url")


def _warnings(merged: Mapping[str, Any], script: Sequence[Paragraph]) -> list[str]:
    rules = [rule for rule in merged.get("interaction_rules") or () if rule.get("event_type") == _COMMENT]
    policy = merged.get("play_policy") or {}
    found = {
        "TOO_LESS_SCRIPT_ITEMS": len(script) < _FEW_PARAGRAPHS,
        "TOO_SHORT_SCRIPT_TIME": sum(paragraph.marks[-1] for paragraph in script) < _SHORT_S,
        "TOO_LESS_DANMAKU_RULES": len(rules) < _FEW_RULES,
        "RANDOM_PLAY_CLOSED": policy.get("random_play_mode") == "NONE",
        "ROTATION_MODEL_CLOSED": not merged.get("backup_model_asset_ids"),
    }
    return [kind for kind, warns in found.items() if warns]


def _listed(call: Call, jobs: Sequence[LiveJob]) -> dict[str, Any]:
    wanted = call.items("state", _STATES)
    since, until = call.time("create_since"), call.time("create_until")
    found = [
        job
        for job in jobs
        if (not wanted or job.state.value in wanted)
        and (since is None or job.created_at >= since)
        and (until is None or job.created_at <= until)
    ]
    rows = call.ordered(
        found,
        {
            "create_time": lambda job: job.created_at,
            "update_time": lambda job: job.updated_at,
            "asset_order": lambda job: job.created_at,
        },
    )
    return {"count": len(rows), "smart_live_jobs": [job_info(call, job) for job in call.page(rows)]}


def _lasted(call: Call, job: LiveJob, since: datetime | None) -> float | None:
    """Seconds of the livestream's own time."""
    if since is None:
        return None
    until = job.finished_at or call.now
    return seconds(max(0.0, (until - since).total_seconds()) * call.config.speed)


def _rtc_room(call: Call, job: LiveJob) -> dict[str, Any]:
    """The RTC room, and who may join it with which token (tables 6-28, 6-272)."""
    policy = job.config.get("play_policy") or {}
    kinds = ("CAPTURE", "PLAYER") if policy.get("need_independent_capture_client") else ("PLAYER",)
    until = int((job.created_at + timedelta(seconds=_RTC_USER_S)).timestamp())
    users = [
        {
            "user_type": kind,
            "user_id": f"{job.id}_{kind.lower()}",
            "signature": _mac(call, f"rtc/{job.id}/{kind}/{until}"),
            "ctime": until,
        }
        for kind in kinds
    ]
    return {"app_id": call.config.project_id[::-1], "room_id": job.id, "users": users}


def _log(call: Call, job: LiveJob) -> dict[str, str] | None:
    file = None if job.log_id is None else call.world.files.get(job.log_id)
    if file is None or not call.world.is_there(file):
        return None
    return {"interaction_records_url": download_url(call, file)}


def _mac(call: Call, text: str) -> str:
    return hmac.new(call.config.sk.encode(), f"live/{text}".encode(), hashlib.sha256).hexdigest()


BEHAVIOURS = (start_smart_live, list_smart_live, list_smart_live_jobs, show_smart_live, stop_smart_live)
