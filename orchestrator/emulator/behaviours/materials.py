"""What a video is made from: checks of the avatar, the voice, the scenes, the pictures (reference 5.1.1, 5.3.1)."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.emulator.behaviours.base import Call
from orchestrator.emulator.catalog import system_assets
from orchestrator.emulator.presign import Presigner
from orchestrator.emulator.recipe import scene_key
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.refusals import Refusal
from orchestrator.emulator.world import World
from orchestrator.metastudio.conditions.script import AVATAR_BITRATE

#: The reference has codes for too many scenes and layers, but no numbers.
_MAX_SCENES, _MAX_LAYERS = 500, 100
#: Recorded speech of a scene is no larger (table 5-25).
_MAX_AUDIO_BYTES = 100 * 1024 * 1024


def check_recipe(call: Call, recipe: Mapping[str, Any]) -> None:
    """Passes when everything that a script names exists and fits.

    Raises:
        Refusal: with the code of what is missing or wrong.
    """
    _check_avatar(call, recipe.get("model_asset_id"))
    voice = recipe.get("voice_config")
    if voice:
        _check_voice(call, voice["voice_asset_id"])
    music = (recipe.get("background_music_config") or {}).get("music_asset_id")
    if music:
        _usable(call, music, ("MUSIC", "AUDIO"))
    _check_cut(recipe.get("video_config") or {})
    scenes = recipe.get("shoot_scripts") or ()
    if len(scenes) > _MAX_SCENES:
        raise Refusal("MSS.20010072", f"shoot_scripts: {len(scenes)}, at most {_MAX_SCENES}")
    for item in scenes:
        _check_scene(call, item["shoot_script"])


def check_video(call: Call, recipe: Mapping[str, Any], audio: Mapping[str, str]) -> None:
    """Passes when a video can be made of the recipe; `audio` names the recordings of its scenes.

    Raises:
        Refusal: with the code of what is missing or wrong.
    """
    check_recipe(call, recipe)
    avatar = find_material(call, recipe["model_asset_id"])
    assert avatar is not None, "it has just been checked"
    if avatar.type != "HUMAN_MODEL_2D":
        raise Refusal("MSS.20010098", avatar.id)
    video = recipe["video_config"]
    resolution = ((avatar.extra_meta or {}).get("human_model_2d_meta") or {}).get("model_resolution")
    if resolution == "1080P" and max(video["width"], video["height"]) > 1920:
        raise Refusal("MSS.20010085")
    low, high = AVATAR_BITRATE
    if not low <= video["bitrate"] <= high:
        raise Refusal("MSS.20010151", f"video_config.bitrate: {low} to {high} kbit/s for an avatar video")
    for item in recipe["shoot_scripts"]:
        if item["shoot_script"].get("script_type") == "AUDIO":
            _check_recording(call, audio.get(scene_key(item)), scene_key(item))


def find_material(call: Call, asset_id: str) -> Asset | None:
    """An asset of the tenant or of the platform, or None."""
    return call.world.assets.get(asset_id) or system_assets(call.config.region).get(asset_id)


def stored_file_id(world: World, links: Presigner, url: str) -> str | None:
    """The id of the file that a URL of our own storage points to, or None."""
    if not url.startswith(f"{links.base_url}/"):
        return None
    path = url.removeprefix(f"{links.base_url}/").partition("?")[0]
    file_id = path.rpartition("/")[2].partition(".")[0]
    return file_id if world.files.get(file_id) is not None else None


def _check_avatar(call: Call, asset_id: str | None) -> None:
    if not asset_id:
        return
    asset = find_material(call, asset_id)
    if asset is None or asset.type not in {"HUMAN_MODEL_2D", "HUMAN_MODEL"}:
        raise Refusal("MSS.20010050", asset_id[:64])
    if asset.state is not AssetState.ACTIVED:
        raise Refusal("MSS.20010044", asset_id[:64])


def _check_voice(call: Call, asset_id: str) -> None:
    asset = find_material(call, asset_id)
    if asset is None or asset.type != "VOICE_MODEL" or asset.state is not AssetState.ACTIVED:
        raise Refusal("MSS.20010131", f"voice_config.voice_asset_id: {asset_id[:64]}")


def _check_cut(video: Mapping[str, Any]) -> None:
    if video.get("clip_mode") != "CROP":
        return
    size = (video["width"], video["height"])
    # The encoders halve the colours of a picture in both directions.
    if min(size) < 2 or size[0] % 2 or size[1] % 2:
        raise Refusal("MSS.20010151", "video_config: width and height have to be even and above zero")


def _check_scene(call: Call, shoot: Mapping[str, Any]) -> None:
    for background in shoot.get("background_config") or ():
        _check_background(call, background)
    layers = shoot.get("layer_config") or ()
    if len(layers) > _MAX_LAYERS:
        raise Refusal("MSS.20010057", f"layer_config: {len(layers)}, at most {_MAX_LAYERS}")
    for layer in layers:
        if layer.get("asset_id") and layer["layer_type"] in {"IMAGE", "VIDEO"}:
            _usable(call, layer["asset_id"], (layer["layer_type"],))


def _check_background(call: Call, background: Mapping[str, Any]) -> None:
    if background["background_type"] != "IMAGE":
        return
    asset_id, url = background.get("background_asset_id"), background.get("background_config")
    if asset_id:
        _usable(call, asset_id, ("IMAGE",))
    elif url and "/" not in url:
        # The reference's own examples give an asset where it wants a URL.
        _usable(call, url, ("IMAGE",))
    elif url and stored_file_id(call.world, call.links, url) is None:
        raise Refusal(
            "MSS.20010093", "background_config: no file of this service; external ones are for live only"
        )


def _check_recording(call: Call, file_id: str | None, scene: str) -> None:
    file = call.world.files.get(file_id) if file_id else None
    if file is None or not file.segments:
        raise Refusal("MSS.20010026", f"no audio has been uploaded for scene {scene}")
    if file.stored_size > _MAX_AUDIO_BYTES:
        raise Refusal("MSS.20010136", f"the audio of scene {scene} exceeds 100 MB")


def _usable(call: Call, asset_id: str, types: Iterable[str]) -> None:
    asset = find_material(call, asset_id)
    if asset is None or asset.state is AssetState.DELETED:
        raise Refusal("MSS.20010047", asset_id[:64])
    if asset.type not in types:
        raise Refusal("MSS.20010155", f"{asset_id[:64]} is {asset.type}, not {' or '.join(types)}")
    if asset.state is not AssetState.ACTIVED:
        raise Refusal("MSS.20010071", f"{asset_id[:64]} is {asset.state}")
