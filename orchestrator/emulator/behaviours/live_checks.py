"""What live rooms, their rules and livestreams name, and whether it is there (tables 6-3 to 6-37, 6-262 to 6-269).

What the fields have to be among themselves is checked with the body's model already.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.emulator.behaviours.base import Call, is_url
from orchestrator.emulator.behaviours.live_patterns import PatternError, pattern
from orchestrator.emulator.behaviours.live_records import RULE_GROUPS
from orchestrator.emulator.behaviours.materials import check_recipe, find_material
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal

_INVALID = "MSS.20010151"


def check_room(call: Call, body: Mapping[str, Any]) -> None:
    """Passes when a room can be made from `body`.

    Raises:
        Refusal: with the code of what is missing or wrong.
    """
    shared = body.get("shared_config") or {}
    if body.get("room_type", "NORMAL") != "TEMPLATE" and shared.get("shared_type", "PRIVATE") != "PRIVATE":
        raise Refusal(_INVALID, "shared_config: only templates are shared")
    if shared.get("shared_type") == "PUBLIC":
        raise Refusal(_INVALID, "shared_config: only templates of the platform are PUBLIC")
    check_scenes(call, body.get("scene_scripts") or ())
    check_rules(call, body.get("interaction_rules") or ())
    check_output(call, body)
    for asset_id in body.get("backup_model_asset_ids") or ():
        check_recipe(call, {"model_asset_id": asset_id})


def check_output(call: Call, body: Mapping[str, Any]) -> None:
    """Passes when the co-streamer, the stream and the callbacks of a livestream can be used.

    Raises:
        Refusal: with the code of what is wrong.
    """
    check_recipe(call, {"voice_config": (body.get("co_streamer_config") or {}).get("voice_config")})
    check_stream(body)
    callback = body.get("live_event_callback_config") or {}
    for name, url in (
        ("interaction_callback_url", body.get("interaction_callback_url")),
        ("live_event_type_callback_url", callback.get("live_event_type_callback_url")),
    ):
        if url and not is_url(url, {"http", "https"}):
            raise Refusal("MSS.20010093", name)


def check_stream(body: Mapping[str, Any]) -> None:
    """Passes when the addresses to push to are RTMP ones, with no more keys than addresses.

    Raises:
        Refusal: MSS.20010093, MSS.20010151.
    """
    urls, keys = body.get("output_urls") or [], body.get("stream_keys") or []
    if not all(isinstance(url, str) and is_url(url, {"rtmp", "rtmps"}) for url in urls):
        raise Refusal("MSS.20010093", "output_urls: addresses such as rtmp://host/app")
    if len(keys) > len(urls):
        raise Refusal(_INVALID, "stream_keys belong to output_urls: there are more of them")


def check_scenes(call: Call, scenes: Iterable[Mapping[str, Any]]) -> None:
    """Passes when the avatars, voices and pictures of the scenes exist, and each paragraph has a number of its own.

    Raises:
        Refusal: with the code of what is missing or wrong.
    """
    for scene in scenes:
        check_materials(call, scene)
        items = scene["shoot_scripts"]
        numbers = [item["sequence_no"] for item in items if item.get("sequence_no") is not None]
        if len(numbers) != len(set(numbers)):
            raise Refusal(INVALID_PARAMETER, "shoot_scripts: sequence_no has to be unique in a scene")


def check_materials(call: Call, scene: Mapping[str, Any]) -> None:
    """Passes when what a scene names exists and can be used now.

    Raises:
        Refusal: with the code of what is missing or wrong.
    """
    layers = {"shoot_script": {"layer_config": scene.get("layer_config") or ()}}
    named = {key: scene.get(key) for key in ("model_asset_id", "voice_config")}
    check_recipe(call, {**named, "shoot_scripts": [layers]})
    for item in scene["shoot_scripts"]:
        audio = (item.get("audio_config") or {}).get("asset_id")
        asset = find_material(call, audio) if audio else None
        if audio and (asset is None or asset.state.value != "ACTIVED"):
            raise Refusal("MSS.20010111", audio[:64])
    for background in scene.get("background_config") or ():
        image = background.get("background_asset_id")
        if image and background["background_type"] == "IMAGE":
            layer = {"shoot_script": {"layer_config": [{"layer_type": "IMAGE", "asset_id": image}]}}
            check_recipe(call, {"shoot_scripts": [layer]})


def check_rules(call: Call, rules: Iterable[Mapping[str, Any]]) -> None:
    """Passes when interaction rules can be followed.

    Raises:
        Refusal: MSS.20010110 with the rule, MSS.20010083 for a library that isn't there.
    """
    for number, rule in enumerate(rules, 1):
        group_id = rule.get("group_id")
        if group_id and call.world[RULE_GROUPS].get(group_id) is None:
            raise Refusal("MSS.20010083", group_id[:64])
        wrong = _wrong_in_condition(rule.get("hit_condition") or {})
        if wrong:
            raise Refusal("MSS.20010110", f"{rule.get('rule_name') or number}: {wrong}")


def _wrong_in_condition(condition: Mapping[str, Any]) -> str:
    for tag in condition.get("tags") or ():
        match, value = tag.get("match") or "", tag.get("value") or ""
        try:
            if match == "REGEX":
                pattern(value)
            elif match.startswith("MATH_"):
                float(value)
        except PatternError as error:
            return f"value {value[:40]!r}: {error}"
        except ValueError:
            return f"value {value[:40]!r} does not fit {match}"
    return ""
