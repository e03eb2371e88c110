"""Live rooms: create, list, show, update, delete (reference 6.1.1 to 6.1.5)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact, stamp
from orchestrator.emulator.behaviours.digital_asset import download_url
from orchestrator.emulator.behaviours.live_checks import check_materials, check_room
from orchestrator.emulator.behaviours.live_playback import LIVE_JOBS
from orchestrator.emulator.behaviours.live_records import (
    ROOMS,
    SECRETS,
    LiveJob,
    LiveState,
    Room,
    drop_files,
    find_room,
)
from orchestrator.emulator.behaviours.materials import find_material
from orchestrator.emulator.records import File, FileState, Making
from orchestrator.emulator.refusals import Refusal

#: The query says SUCCESS where the answers say SUCCEED (table 6-44); NULL asks for rooms without a livestream.
_LIVE_STATES = ("WAITING", "PROCESSING", "SUCCESS", "FAILED", "CANCELED", "NULL")
#: Spelt as the service spells them.
_OWNERS = ("OWNED", "SHARED_TO_OHTERS", "SHARED_FROM_OHTERS", "PUBLIC")
_THUMBNAIL = {"LANDSCAPE": (480, 270), "VERTICAL": (270, 480)}


def create_smart_live_room(call: Call) -> dict[str, Any]:
    """Makes a room; what its scenes name has to exist."""
    _check_name(call, call.raw["room_name"])
    check_room(call, call.raw)
    room_id = call.world.new_id()
    body, secrets = _parts(call, call.raw)
    cover = _add_cover(call, room_id, body)
    call.world[ROOMS].put(
        Room(
            id=room_id,
            name=body["room_name"],
            type=body.get("room_type") or "NORMAL",
            body=body,
            secrets=secrets,
            created_at=call.now,
            updated_at=call.now,
            cover_id=cover.id,
        )
    )
    return {"room_id": room_id}


def list_smart_live_rooms(call: Call) -> dict[str, Any]:
    """Rooms that fit every filter, newest first, a page of them."""
    fits = _filter(call)
    rows = sorted(filter(fits, call.world[ROOMS]), key=lambda room: room.created_at, reverse=True)
    return {"count": len(rows), "smart_live_rooms": [_summary(call, room) for room in call.page(rows)]}


def show_smart_live_room(call: Call) -> dict[str, Any]:
    """A room with everything that it was made with."""
    return room_info(call, find_room(call, call.path["room_id"]))


def update_smart_live_room(call: Call) -> dict[str, Any]:
    """Replaces what a room is made of; a running livestream goes on with what it began with."""
    room = find_room(call, call.path["room_id"])
    _check_name(call, call.raw["room_name"], but=room.id)
    check_room(call, call.raw)
    body, secrets = _parts(call, call.raw)
    kind = body.get("room_type") or room.type
    changed = replace(
        room,
        name=body["room_name"],
        type=kind,
        body={**body, "room_type": kind},
        secrets=secrets,
        updated_at=call.now,
        blocked=None,
    )
    if (room.name, _view(room.body)) != (changed.name, _view(body)):
        drop_files(call, room.id)
        changed = replace(changed, cover_id=_add_cover(call, room.id, body).id)
    return room_info(call, call.world[ROOMS].put(changed))


def delete_smart_live_room(call: Call) -> None:
    """Deletes a room that isn't live."""
    room = find_room(call, call.path["room_id"])
    job = last_job(call, room)
    if job is not None and job.state.running:
        raise Refusal("MSS.20010036", f"the livestream is {job.state}")
    drop_files(call, room.id)
    call.world[ROOMS].drop(room.id)


def room_info(call: Call, room: Room) -> dict[str, Any]:
    """A room as the API shows it (table 6-58)."""
    cover = cover_url(call, room.cover_id)
    return compact(
        {
            **config_info(room.body, room.secrets),
            "room_type": room.type,
            "view_mode": _view(room.body),
            "room_id": room.id,
            "create_time": stamp(room.created_at),
            "update_time": stamp(room.updated_at),
            "cover_url": cover,
            "thumbnail": cover,
            **room_state(call, room),
        }
    )


def config_info(body: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """What a room or a livestream is made of, in the fields that a room is shown with."""
    shown = {key: value for key, value in secrets.items() if key != "interaction_callback_url"}
    return {**body, **shown}


def room_state(call: Call, room: Room) -> dict[str, Any]:
    """`room_state`, and in `error_info` why a room can't be used: it was blocked, or lacks an asset."""
    if room.blocked is not None:
        cause = {"error_code": room.blocked.code, "error_msg": room.blocked.message}
        return {"room_state": "BLOCKED", "error_info": cause}
    try:
        for scene in room.body.get("scene_scripts") or ():
            check_materials(call, scene)
    except Refusal as refusal:
        cause = {"error_code": refusal.code, "error_msg": refusal.message}
        return {"room_state": "DISABLE", "error_info": cause}
    return {"room_state": "ENABLE"}


def last_job(call: Call, room: Room) -> LiveJob | None:
    """The room's latest livestream."""
    return None if room.last_job_id is None else call.world[LIVE_JOBS].get(room.last_job_id)


def cover_url(call: Call, file_id: str) -> str | None:
    """Where the picture of a room is found, once it is painted."""
    file = call.world.files.get(file_id)
    there = file is not None and file.state is FileState.CREATED and call.world.is_there(file)
    return download_url(call, file) if file is not None and there else None


def with_rule_indexes(call: Call, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules with an index each, by which replies name them; the caller needn't give one (table 6-19)."""
    return [{**rule, "rule_index": rule.get("rule_index") or call.world.new_id()} for rule in rules]


def _check_name(call: Call, name: str, but: str | None = None) -> None:
    if any(room.name == name and room.id != but for room in call.world[ROOMS]):
        raise Refusal("MSS.20010031", name[:64])


def _parts(call: Call, raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a room is made from, open and secret."""
    body = {key: value for key, value in raw.items() if key not in SECRETS}
    if scenes := body.get("scene_scripts"):
        body["scene_scripts"] = [
            {**scene, "script_id": scene.get("script_id") or call.world.new_id()} for scene in scenes
        ]
    if rules := body.get("interaction_rules"):
        body["interaction_rules"] = with_rule_indexes(call, rules)
    return body, {key: raw[key] for key in SECRETS if key in raw}


def _view(body: Mapping[str, Any]) -> str:
    """LANDSCAPE or VERTICAL: by the picture's size where it is given (table 6-3)."""
    if video := body.get("video_config"):
        return "LANDSCAPE" if video["width"] > video["height"] else "VERTICAL"
    return str(body.get("view_mode") or "VERTICAL")


def _add_cover(call: Call, room_id: str, body: Mapping[str, Any]) -> File:
    width, height = _THUMBNAIL[_view(body)]
    text = str(body.get("room_description") or "")[:40]
    look = {"title": body["room_name"][:24], "text": text, "width": width, "height": height}
    return call.world.add_file(
        File(
            id=call.world.new_id(),
            asset_id=room_id,
            name="cover.png",
            type="png",
            category="COVER",
            state=FileState.CREATED,
            created_at=call.now,
            updated_at=call.now,
            make=Making("page", look),
        )
    )


def _models(call: Call, room: Room) -> list[dict[str, Any]]:
    scenes = room.body.get("scene_scripts") or ()
    ids = dict.fromkeys(scene["model_asset_id"] for scene in scenes if scene.get("model_asset_id"))
    backups = room.body.get("backup_model_asset_ids") or None
    rows = []
    for asset_id in ids:
        asset = find_material(call, asset_id)
        name = None if asset is None else asset.name
        rows.append(
            compact({"model_asset_id": asset_id, "asset_name": name, "backup_model_asset_ids": backups})
        )
    return rows


def _summary(call: Call, room: Room) -> dict[str, Any]:
    job = last_job(call, room)
    cover = cover_url(call, room.cover_id)
    shown = ("room_name", "room_description", "priv_data", *(("shared_config",) * (room.type == "TEMPLATE")))
    return compact(
        {
            **{key: room.body.get(key) for key in shown},
            "room_id": room.id,
            "project_id": call.config.project_id,
            "room_type": room.type,
            "view_mode": _view(room.body),
            "cover_url": cover,
            "thumbnail": cover,
            "model_infos": _models(call, room),
            "create_time": stamp(room.created_at),
            "update_time": stamp(room.updated_at),
            "last_job_start_time": stamp(job.starts_at)
            if job and job.state is not LiveState.WAITING
            else None,
            "last_job_end_time": stamp(job.finished_at) if job else None,
            "last_job_status": _job_status(job) if job else None,
            **room_state(call, room),
        }
    )


def _job_status(job: LiveJob) -> str:
    return "CANCELED" if job.canceled else job.state.value


def _filter(call: Call) -> Callable[[Room], bool]:
    name, model = (call.text("room_name") or "").casefold(), (call.text("model_name") or "").casefold()
    dh_id, kind = call.text("dh_id"), call.text("room_type", ("NORMAL", "TEMP", "TEMPLATE"))
    states = {"SUCCEED" if s == "SUCCESS" else s for s in call.items("live_state", _LIVE_STATES)}
    since, until = call.time("start_time"), call.time("end_time")
    owner = call.text("template_own_type", _OWNERS)

    def fits(room: Room) -> bool:
        job = last_job(call, room)
        scenes = room.body.get("scene_scripts") or ()
        return (
            name in room.name.casefold()
            and kind in {None, room.type}
            and (dh_id is None or any(scene.get("dh_id") == dh_id for scene in scenes))
            and (
                not model or any(model in row.get("asset_name", "").casefold() for row in _models(call, room))
            )
            and (not states or (_job_status(job) if job else "NULL") in states)
            and (since is None or (job is not None and job.starts_at >= since))
            and (until is None or (job is not None and job.starts_at <= until))
            and (owner is None or _is_owned(room, owner))
        )

    return fits


def _is_owned(room: Room, owner: str) -> bool:
    """Whether a template is the tenant's alone or shared; those of others and of the platform there are none."""
    shared = (room.body.get("shared_config") or {}).get("shared_type") == "SHARED"
    return room.type == "TEMPLATE" and owner == ("SHARED_TO_OHTERS" if shared else "OWNED")


BEHAVIOURS = (
    create_smart_live_room,
    list_smart_live_rooms,
    show_smart_live_room,
    update_smart_live_room,
    delete_smart_live_room,
)
