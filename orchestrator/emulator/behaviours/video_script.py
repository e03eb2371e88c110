"""Video scripts: create, list, show (reference 5.1.1 to 5.1.3)."""

from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact, stamp
from orchestrator.emulator.behaviours.materials import check_recipe
from orchestrator.emulator.records import Script
from orchestrator.emulator.refusals import INVALID_PARAMETER, NOT_EMULATED, Refusal
from orchestrator.metastudio.models.video_script import CreateVideoScriptsReq


def create_video_scripts(call: Call) -> dict[str, Any]:
    """Makes a script; what it names has to exist."""
    body = call.body_as(CreateVideoScriptsReq)
    if not body.shoot_scripts:
        raise Refusal("MSS.20010027")
    numbers = [item.sequence_no for item in body.shoot_scripts if item.sequence_no is not None]
    if len(numbers) != len(set(numbers)):
        raise Refusal(INVALID_PARAMETER, "shoot_scripts: sequence_no has to be unique")
    for item in body.shoot_scripts:
        if item.shoot_script.script_type == "AUDIO":
            raise Refusal(NOT_EMULATED, "scripts of recorded speech are not emulated yet", status=501)
        if item.shoot_script.text_config is None:
            raise Refusal("MSS.20010086")
    check_recipe(call, call.raw)
    script = Script(
        id=call.world.new_id(),
        body=dict(call.raw),
        created_at=call.now,
        updated_at=call.now,
        app_user_id=call.app_user_id,
    )
    call.world.scripts.put(script)
    return {"script_id": script.id}


def list_video_scripts(call: Call) -> dict[str, Any]:
    """Scripts whose name contains `name`, newest first, a page of them."""
    catalog = call.text("script_catalog", ("VIDEO_DRAFT", "SYSTEM_VIDEO_TEMPLET"))
    name = (call.text("name") or "").casefold()
    view = call.text("view_mode", ("LANDSCAPE", "VERTICAL"))
    rows = [
        script
        for script in call.world.scripts
        if catalog != "SYSTEM_VIDEO_TEMPLET"
        and name in script.name.casefold()
        and (view is None or script.body.get("view_mode", "LANDSCAPE") == view)
    ]
    rows.sort(key=lambda script: script.created_at, reverse=True)
    return {"count": len(rows), "video_scripts": [_summary(script) for script in call.page(rows)]}


def show_video_script(call: Call) -> dict[str, Any]:
    """A script with everything that it was made with, `priv_data` included."""
    script = find_script(call, call.path["script_id"])
    return {
        "view_mode": "LANDSCAPE",
        **script.body,
        "script_id": script.id,
        "create_time": stamp(script.created_at),
        "update_time": stamp(script.updated_at),
    }


def find_script(call: Call, script_id: str) -> Script:
    """A script.

    Raises:
        Refusal: MSS.20010079, there is none.
    """
    script = call.world.scripts.get(script_id)
    if script is None:
        raise Refusal("MSS.20010079", f"script_id: {script_id[:64]}")
    return script


def _summary(script: Script) -> dict[str, Any]:
    shoots = [item["shoot_script"] for item in script.body.get("shoot_scripts") or ()]
    texts = [(shoot.get("text_config") or {}).get("text") for shoot in shoots]
    return compact(
        {
            "script_id": script.id,
            "script_name": script.name,
            "script_description": script.body.get("script_description"),
            "model_asset_id": script.body.get("model_asset_id"),
            "model_asset_type": script.body.get("model_asset_type"),
            "script_type": (shoots[0].get("script_type") or "TEXT") if shoots else "TEXT",
            "text": next((text for text in texts if text), None),
            "create_time": stamp(script.created_at),
            "update_time": stamp(script.updated_at),
        }
    )


BEHAVIOURS = (create_video_scripts, list_video_scripts, show_video_script)
