"""What a video shows and says: its size, backgrounds, layers, texts (reference 5.1, 5.3, 6.1)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from orchestrator.metastudio.conditions.base import Unmet, holds_for

if TYPE_CHECKING:
    from orchestrator.metastudio.models.common import (
        BackgroundConfigInfo,
        LayerConfig,
        VideoConfig,
    )
    from orchestrator.metastudio.models.live_room import SmartLayerConfig
    from orchestrator.metastudio.models.video_script import BackgroundConfigInfoBasic, VideoConfigBasic

#: Width and height that RESIZE can give, in pixels.
RESIZED: Final = ((1920, 1080), (1080, 1920), (1280, 720), (720, 1280), (3840, 2160), (2160, 3840))

_LAYER_CONFIGS: Final = {"IMAGE": "image_config", "VIDEO": "video_config", "TEXT": "text_config"}


@holds_for("VideoConfig", "VideoConfigBasic")
def size_can_be_resized_to(video: "VideoConfig | VideoConfigBasic") -> Iterator[Unmet]:
    """Without CROP, only six sizes are there. Tables 5-5, 5-43, 5-71, 5-124, 6-29, 6-126, 6-263."""
    if video.clip_mode != "CROP" and (video.width, video.height) not in RESIZED:
        sizes = ", ".join(f"{width}x{height}" for width, height in RESIZED)
        yield Unmet(
            ("width",),
            f"width and height are {video.width}x{video.height}; clip_mode RESIZE, the default, gives {sizes}",
        )


@holds_for("VideoConfig", "VideoConfigBasic")
def origin_is_of_a_crop(video: "VideoConfig | VideoConfigBasic") -> Iterator[Unmet]:
    """An origin other than 0, 0 takes effect with CROP alone. Tables 5-5, 5-43, 5-71, 5-124, 6-29, 6-126, 6-263."""
    if video.clip_mode == "CROP":
        return
    for name in ("dx", "dy"):
        if getattr(video, name):
            yield Unmet((name,), f"{name} takes effect only when clip_mode is CROP")


@holds_for("BackgroundConfigInfo", "BackgroundConfigInfoBasic")
def background_is_given(
    background: "BackgroundConfigInfo | BackgroundConfigInfoBasic",
) -> Iterator[Unmet]:
    """IMAGE needs a picture, by its URL or its asset id; COLOR a colour. Tables 5-13, 5-51, 5-79, 5-131, 6-5."""
    if background.background_type == "IMAGE":
        if not (background.background_config or background.background_asset_id):
            yield Unmet(
                ("background_config",),
                "background_type IMAGE needs background_config (a URL) or background_asset_id",
                "MSS.20010143",
            )
    elif background.background_color_config is None:
        yield Unmet(
            ("background_color_config",),
            "background_type COLOR needs background_color_config, such as #FFFFFF",
        )


@holds_for("LayerConfig", "SmartLayerConfig")
def layer_is_of_its_type(layer: "LayerConfig | SmartLayerConfig") -> Iterator[Unmet]:
    """A layer's configuration is that of its type. Tables 5-14, 5-52, 5-80, 5-135, 6-8, 6-23."""
    for kind, name in _LAYER_CONFIGS.items():
        if getattr(layer, name) is not None and layer.layer_type != kind:
            yield Unmet((name,), f"{name} belongs to layer_type {kind}, not to {layer.layer_type}")


@holds_for("LayerConfig", "SmartLayerConfig")
def layer_has_a_source(layer: "LayerConfig | SmartLayerConfig") -> Iterator[Unmet]:
    """Only material from elsewhere goes without an asset id, so it needs a URL. Tables 5-14 to 5-18, 6-23 to 6-25."""
    if layer.asset_id:
        return
    if layer.layer_type == "IMAGE" and not (layer.image_config and layer.image_config.image_url):
        yield Unmet(("asset_id",), "layer_type IMAGE needs asset_id or image_config.image_url")
    if layer.layer_type == "VIDEO" and not (layer.video_config and layer.video_config.video_url):
        yield Unmet(("asset_id",), "layer_type VIDEO needs asset_id or video_config.video_url")
