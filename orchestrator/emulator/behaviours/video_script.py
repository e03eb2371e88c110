"""Video scripts: create, list, show, update, delete, copy (reference 5.1)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact, stamp
from orchestrator.emulator.behaviours.materials import check_recipe
from orchestrator.emulator.behaviours.video_script_files import (
    audio_downloads,
    audio_uploads,
    cover_url,
    delete_files,
    is_recorded,
    make_subtitles,
    preview_info,
    subtitle_info,
    text_of,
    thumbnail_url,
    with_audio_files,
)
from orchestrator.emulator.behaviours.video_template import system_scripts
from orchestrator.emulator.recipe import numbered
from orchestrator.emulator.records import Script
from orchestrator.emulator.refusals import Refusal

_MAX_NAME = 256
_SPECIAL_NAME = "MSS.20010001"


def create_video_scripts(call: Call) -> dict[str, Any]:
    """Makes a script; what it names has to exist. Names need not be unique (table 5-3 has no constraint)."""
    body = dict(call.raw)
    _check(call, body)
    script = Script(
        id=call.world.new_id(),
        body={**body, "shoot_scripts": numbered(body["shoot_scripts"])},
        created_at=call.now,
        updated_at=call.now,
        app_user_id=call.app_user_id,
    )
    return _put(call, with_audio_files(call, script))


def list_video_scripts(call: Call) -> dict[str, Any]:
    """Drafts in landscape whose name contains `name`, or what is asked for instead; newest first, a page of them."""
    catalog = call.text("script_catalog", ("VIDEO_DRAFT", "SYSTEM_VIDEO_TEMPLET")) or "VIDEO_DRAFT"
    view = call.text("view_mode", ("LANDSCAPE", "VERTICAL")) or "LANDSCAPE"
    name = (call.text("name") or "").casefold()
    templates = system_scripts(call.config.region).values()
    rows = [
        script
        for script in (call.world.scripts if catalog == "VIDEO_DRAFT" else templates)
        if name in script.name.casefold() and script.body.get("view_mode", "LANDSCAPE") == view
    ]
    rows.reverse()
    rows.sort(key=lambda script: script.created_at, reverse=True)
    return {"count": len(rows), "video_scripts": [_summary(call, script) for script in call.page(rows)]}


def show_video_script(call: Call) -> dict[str, Any]:
    """A script with everything that it was made with, `priv_data` included, and the files around it."""
    script = find_script(call, call.path["script_id"])
    return compact(
        {
            "view_mode": "LANDSCAPE",
            **script.body,
            "shoot_scripts": [_shown(call, script, item) for item in script.body["shoot_scripts"]],
            "script_id": script.id,
            "create_time": stamp(script.created_at),
            "update_time": stamp(script.updated_at),
            "audio_files": audio_downloads(call, script),
            "script_cover_url": cover_url(call, script),
        }
    )


def update_video_script(call: Call) -> dict[str, Any]:
    """Replaces the parts of a script that the body names; jobs made from it before keep what they have."""
    script = find_own_script(call, call.path["script_id"])
    body = {**script.body, **call.raw}
    _check(call, body)
    body["shoot_scripts"] = numbered(body["shoot_scripts"])
    changed = replace(script, body=body, updated_at=call.now)
    return _put(call, with_audio_files(call, changed) if "shoot_scripts" in call.raw else changed)


def delete_video_script(call: Call) -> None:
    """Deletes a script and its files; jobs made from it go on."""
    script = find_own_script(call, call.path["script_id"])
    delete_files(call, script)
    call.world.scripts.drop(script.id)


def copy_video_scripts(call: Call) -> dict[str, Any]:
    """A second script like the first, also of a template, under a name of its own."""
    script = find_script(call, call.path["script_id"])
    taken = {other.name for other in call.world.scripts}
    copy = Script(
        id=call.world.new_id(),
        body={**script.body, "script_name": next(name for name in _names(script.name) if name not in taken)},
        created_at=call.now,
        updated_at=call.now,
        app_user_id=call.app_user_id,
        audio=script.audio,
    )
    _put(call, copy)
    return {"script_id": copy.id}


def find_script(call: Call, script_id: str) -> Script:
    """A script of the tenant or a template.

    Raises:
        Refusal: MSS.20010079, there is none.
    """
    script = call.world.scripts.get(script_id) or system_scripts(call.config.region).get(script_id)
    if script is None:
        raise Refusal("MSS.20010079", f"script_id: {script_id[:64]}")
    return script


def find_own_script(call: Call, script_id: str) -> Script:
    """A script of the tenant.

    Raises:
        Refusal: MSS.20010079 there is none, MSS.20010082 it is a template of the platform.
    """
    script = find_script(call, script_id)
    if script_id in system_scripts(call.config.region):
        raise Refusal("MSS.20010082", script.name)
    return script


def is_plain(name: str) -> bool:
    """Whether a name holds nothing that cannot be printed."""
    return all(char.isprintable() for char in name)


def _check(call: Call, body: Mapping[str, Any]) -> None:
    if not body.get("shoot_scripts"):
        raise Refusal("MSS.20010027")
    if not is_plain(str(body.get("script_name", ""))):
        raise Refusal(_SPECIAL_NAME, "script_name")
    check_recipe(call, body)


def _put(call: Call, script: Script) -> dict[str, Any]:
    call.world.scripts.put(script)
    make_subtitles(call, script)
    return compact({"script_id": script.id, "audio_files": audio_uploads(call, script)})


def _names(name: str) -> Iterator[str]:
    for number in count(1):
        suffix = "_copy" if number == 1 else f"_copy{number}"
        yield name[: _MAX_NAME - len(suffix)] + suffix


def _shown(call: Call, script: Script, item: Mapping[str, Any]) -> dict[str, Any]:
    """A scene as the API shows it (table 5-47)."""
    shoot = {**item["shoot_script"], "thumbnail_url": thumbnail_url(call, script, item)}
    return compact(
        {
            "sequence_no": item["sequence_no"],
            "shoot_script": compact(shoot),
            "subtitle_file_info": subtitle_info(call, script, item),
            "preview_info": preview_info(call, script, item),
        }
    )


def _summary(call: Call, script: Script) -> dict[str, Any]:
    """A script in the list (table 5-34)."""
    scenes = script.body["shoot_scripts"]
    return compact(
        {
            "script_id": script.id,
            "script_name": script.name,
            "script_description": script.body.get("script_description"),
            "model_asset_id": script.body.get("model_asset_id"),
            "model_asset_type": script.body.get("model_asset_type"),
            "script_cover_url": cover_url(call, script),
            "script_type": "AUDIO" if is_recorded(scenes[0]) else "TEXT",
            "text": next((text for item in scenes if (text := text_of(item))), None),
            "create_time": stamp(script.created_at),
            "update_time": stamp(script.updated_at),
        }
    )


BEHAVIOURS = (
    create_video_scripts,
    list_video_scripts,
    show_video_script,
    update_video_script,
    delete_video_script,
    copy_video_scripts,
)
