"""What a video is to show, gathered from its job: sizes, captions, pictures, the presenter's place."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from orchestrator.emulator.records import File, Job, Segment
from orchestrator.emulator.world import World

#: Speech runs at about so many words, or so many characters of scripts without blanks, a second.
_WORDS_PER_S = 2.5
_IDEOGRAPHS_PER_S = 4.5
_MIN_S = 2.0
#: A caption holds about so many characters of a Latin script.
_CAPTION_CHARS = 84

_TAG = re.compile(r"<[^<>]*>")
_IDEOGRAPH = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_COLOR = re.compile(r"^#[0-9a-fA-F]{6}$")


@dataclass(frozen=True, slots=True)
class Box:
    """Position and size as shares of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float


_CENTRED, _STANDING = Box(0.35, 0.25, 0.3, 0.75), Box(0.1, 0.45, 0.8, 0.55)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture or a line of text on top of the background."""

    box: Box
    picture: Path | None = None
    text: str = ""
    color: str = "#FFFFFF"
    #: Height of the letters as a share of the picture's height.
    text_size: float = 0.05


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a rendering needs."""

    width: int
    height: int
    codec: str
    bitrate_kbps: int
    captions: tuple[str, ...]
    duration_s: float
    background: Path | None
    background_color: str
    presenter: Box
    overlays: tuple[Overlay, ...] = ()

    @property
    def container(self) -> str:
        """The format of the file."""
        return "webm" if self.codec == "VP8" else "mp4"


def recipe_of(
    job: Job,
    world: World,
    *,
    path_of: Callable[[str, Segment], Path],
    stored_at: Callable[[str], str | None],
    max_s: float,
) -> Recipe:
    """The recipe of a job.

    `path_of` tells where a file lies, `stored_at` which file a URL of our storage points to; `max_s` bounds the
    video's length.
    """
    video: Mapping[str, Any] = job.recipe["video_config"]
    shoots = [item["shoot_script"] for item in job.recipe["shoot_scripts"]]
    texts = [plain_text((shoot.get("text_config") or {}).get("text", "")) for shoot in shoots]
    width, height = int(video["width"]), int(video["height"])
    layout = (1920, 1080) if width >= height else (1080, 1920)

    def picture(asset_id: str | None, url: str | None) -> Path | None:
        file = world.main_file(asset_id) if asset_id else None
        if file is None and url and (file_id := stored_at(url)) is not None:
            file = world.files.get(file_id)
        return _usable_picture(file, path_of)

    first: Mapping[str, Any] = shoots[0]
    background: Mapping[str, Any] = next(iter(first.get("background_config") or ()), {})
    layers = first.get("layer_config") or ()
    human = next((layer for layer in layers if layer["layer_type"] == "HUMAN"), None)
    speed = (job.recipe.get("voice_config") or {}).get("speed") or 100
    return Recipe(
        width=width,
        height=height,
        codec=str(video["codec"]),
        bitrate_kbps=int(video["bitrate"]),
        captions=captions(texts),
        duration_s=min(max_s, speech_s(texts) * 100 / speed),
        background=picture(background.get("background_asset_id"), background.get("background_config")),
        background_color=_color(background.get("background_color_config"), "#DCE6F2"),
        presenter=_box(human, layout, _STANDING if width < height else _CENTRED),
        overlays=tuple(_overlays(layers, layout, picture)),
    )


def plain_text(text: str) -> str:
    """What is spoken of a text: without its SSML tags, blanks made one."""
    return " ".join(unescape(_TAG.sub(" ", text)).split())


def speech_s(texts: Iterable[str]) -> float:
    """About how long the texts take to speak, in seconds."""
    total = 0.0
    for text in texts:
        ideographs = len(_IDEOGRAPH.findall(text))
        words = len(_IDEOGRAPH.sub(" ", text).split())
        total += words / _WORDS_PER_S + ideographs / _IDEOGRAPHS_PER_S
    return max(_MIN_S, total)


def captions(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts cut into pieces that fit on the screen, in their order; at least one, perhaps empty."""
    pieces: list[str] = []
    for text in texts:
        line = ""
        for word in _words(text):
            if line and len(line) + len(word) > _CAPTION_CHARS:
                pieces.append(line.strip())
                line = ""
            line += word
        if line.strip():
            pieces.append(line.strip())
    return tuple(pieces) or ("",)


def _words(text: str) -> Iterable[str]:
    for word in text.split(" "):
        # Scripts without blanks, and words without end, are cut anywhere.
        for start in range(0, len(word), _CAPTION_CHARS // 2):
            chunk = word[start : start + _CAPTION_CHARS // 2]
            yield chunk if start + len(chunk) < len(word) else chunk + " "


def _usable_picture(file: File | None, path_of: Callable[[str, Segment], Path]) -> Path | None:
    return path_of(file.id, file.segments[0]) if file is not None and len(file.segments) == 1 else None


def _overlays(
    layers: Iterable[Mapping[str, Any]],
    layout: tuple[int, int],
    picture: Callable[[str | None, str | None], Path | None],
) -> Iterable[Overlay]:
    ranked = sorted(layers, key=lambda layer: (layer.get("position") or {}).get("layer_index", 100))
    for layer in ranked:
        box = _box(layer, layout, Box(0.05, 0.05, 0.3, 0.3))
        image = layer.get("image_config") or {}
        text = layer.get("text_config") or {}
        if layer["layer_type"] == "IMAGE":
            path = picture(layer.get("asset_id"), image.get("image_url"))
            if path is not None:
                yield Overlay(box, picture=path)
        elif layer["layer_type"] == "TEXT":
            size = (text.get("font_size") or 16) / layout[1]
            yield Overlay(
                box,
                text=_decoded(text.get("text_context") or ""),
                color=_color(text.get("font_color"), "#FFFFFF"),
                text_size=size,
            )


def _box(layer: Mapping[str, Any] | None, layout: tuple[int, int], default: Box) -> Box:
    if layer is None:
        return default
    position, size = layer.get("position") or {}, layer.get("size") or {}
    width, height = layout
    return Box(
        position.get("dx", default.x * width) / width,
        position.get("dy", default.y * height) / height,
        size.get("width", default.width * width) / width,
        size.get("height", default.height * height) / height,
    )


def _color(value: str | None, default: str) -> str:
    return value if value and _COLOR.match(value) else default


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        # The reference wants Base64; what isn't is shown as it is.
        return text
