"""What a video is made from: checks of the avatar, the voice, the sizes, the pictures (reference 5.1.1, 5.3.1)."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.emulator.behaviours.base import Call
from orchestrator.emulator.catalog import system_assets
from orchestrator.emulator.presign import Presigner
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.refusals import Refusal
from orchestrator.emulator.world import World

#: What `clip_mode` RESIZE can give (table 5-6).
_SIZES = frozenset({(1920, 1080), (1080, 1920), (1280, 720), (720, 1280), (3840, 2160), (2160, 3840)})


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
    _check_size(recipe.get("video_config"))
    for item in recipe.get("shoot_scripts") or ():
        shoot = item["shoot_script"]
        for background in shoot.get("background_config") or ():
            _check_background(call, background)
        for layer in shoot.get("layer_config") or ():
            if layer.get("asset_id") and layer["layer_type"] in {"IMAGE", "VIDEO"}:
                _usable(call, layer["asset_id"], (layer["layer_type"],))


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


def _check_size(video: Mapping[str, Any] | None) -> None:
    if video is None:
        return
    size = (video["width"], video["height"])
    if video.get("clip_mode") == "CROP":
        if min(size) < 2 or size[0] % 2 or size[1] % 2:
            raise Refusal("MSS.20010151", "video_config: width and height have to be even and above zero")
    elif size not in _SIZES:
        listed = ", ".join(f"{width}x{height}" for width, height in sorted(_SIZES))
        raise Refusal("MSS.20010151", f"video_config: {size[0]}x{size[1]} is none of {listed}")


def _check_background(call: Call, background: Mapping[str, Any]) -> None:
    if background["background_type"] != "IMAGE":
        return
    asset_id, url = background.get("background_asset_id"), background.get("background_config")
    if asset_id:
        _usable(call, asset_id, ("IMAGE",))
    elif not url:
        raise Refusal("MSS.20010143")
    elif stored_file_id(call.world, call.links, url) is None:
        raise Refusal(
            "MSS.20010093", "background_config: no file of this service; external ones are for live only"
        )


def _usable(call: Call, asset_id: str, types: Iterable[str]) -> None:
    asset = find_material(call, asset_id)
    if asset is None or asset.state is AssetState.DELETED:
        raise Refusal("MSS.20010047", asset_id[:64])
    if asset.type not in types:
        raise Refusal("MSS.20010155", f"{asset_id[:64]} is {asset.type}, not {' or '.join(types)}")
    if asset.state is not AssetState.ACTIVED:
        raise Refusal("MSS.20010071", f"{asset_id[:64]} is {asset.state}")
