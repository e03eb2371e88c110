"""What a video is to show and to say, gathered from its job: scenes, lines, pictures, the presenter's place."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from orchestrator.emulator.records import File, Job, Segment
from orchestrator.emulator.speech import Line, speech_of
from orchestrator.emulator.world import World

#: No scene and no video is shorter.
_MIN_SCENE_S = 1.0
MIN_S = 2.0
_LANDSCAPE, _PORTRAIT = (1920, 1080), (1080, 1920)
#: Volume of a voice when nothing else is said (table 5-4).
_VOLUME = 140
_COLOR = re.compile(r"^#[0-9a-fA-F]{6}$")

#: A file in storage: its parts in their order; empty where there is none.
Material: TypeAlias = tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """Position and size as shares of the picture's width and height; a size left open is the picture's own."""

    x: float
    y: float
    width: float | None = None
    height: float | None = None


_CENTRED, _STANDING = Box(0.35, 0.25, 0.3, 0.75), Box(0.1, 0.45, 0.8, 0.55)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture, the first picture of a video, or text, in front of the background."""

    box: Box
    picture: Material = ()
    text: str = ""
    color: str = "#FFFFFF"
    #: Height of the letters as a share of the picture's height.
    text_size: float = 0.05
    #: Lies over the presenter, not behind.
    in_front: bool = False
    #: Lies elsewhere, where nobody goes to fetch it: only its place is shown.
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene: what is said in it, and what is seen meanwhile."""

    duration_s: float
    lines: tuple[Line, ...] = ()
    #: Somebody's own speech; it takes as long as it is, up to `Recipe.max_s`.
    recording: Material = ()
    background: Material = ()
    background_color: str = "#DCE6F2"
    presenter: Box = _CENTRED
    overlays: tuple[Overlay, ...] = ()


@dataclass(frozen=True, slots=True)
class Subtitles:
    """How the spoken words are written into the picture (table 5-6)."""

    #: Height of the letters as a share of the picture's height.
    size: float
    #: Lower left corner of the box; None: at the lower edge.
    corner: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a rendering needs."""

    width: int
    height: int
    codec: str
    bitrate_kbps: int
    scenes: tuple[Scene, ...]
    #: Longest video made.
    max_s: float
    #: What the picture is laid out on before it is cut to size.
    canvas: tuple[int, int]
    #: Where in the canvas a cut picture begins.
    origin: tuple[int, int] = (0, 0)
    title: str = ""
    subtitles: Subtitles | None = None
    pitch_hz: float = 180.0
    loudness: float = 1.0
    music: Material = ()
    #: From 0 to 1.
    music_volume: float = 1.0

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

    def parts(file: File | None) -> Material:
        return () if file is None else tuple(path_of(file.id, segment) for segment in file.segments)

    def material(asset_id: str | None, url: str | None) -> Material:
        # The reference's own examples give an asset where it wants a URL.
        usual = next((file for key in (asset_id, url) if key and (file := world.main_file(key))), None)
        file_id = stored_at(url) if usual is None and url else None
        return parts(world.files.get(file_id) if file_id else usual)

    video: Mapping[str, Any] = job.recipe["video_config"]
    width, height = int(video["width"]), int(video["height"])
    crop = video.get("clip_mode") == "CROP"
    origin = (int(video.get("dx") or 0), int(video.get("dy") or 0)) if crop else (0, 0)
    portrait = job.recipe.get("view_mode") == "VERTICAL" if crop else width < height
    layout = _PORTRAIT if portrait else _LANDSCAPE
    voice = job.recipe.get("voice_config") or {}
    music = job.recipe.get("background_music_config") or {}
    volume = music.get("volume")
    studio = _Studio(layout, material, {key: parts(world.files.get(one)) for key, one in job.audio.items()})
    return Recipe(
        width=width,
        height=height,
        codec=str(video["codec"]),
        bitrate_kbps=int(video["bitrate"]),
        scenes=tuple(studio.scenes(job.recipe)),
        max_s=max_s,
        canvas=_canvas(layout, (origin[0] + width, origin[1] + height)) if crop else (width, height),
        origin=origin,
        title=job.asset_name,
        subtitles=_subtitles(video, layout),
        pitch_hz=job.pitch_hz * (voice.get("pitch") or 100) / 100,
        loudness=(voice.get("volume") or _VOLUME) / _VOLUME,
        music=material(music.get("music_asset_id"), None),
        music_volume=1.0 if volume is None else volume / 100,
    )


def planned_s(recipe: Mapping[str, Any], max_s: float) -> float:
    """About how long the video of a job's recipe will be; recorded speech tells its length only when it is heard."""
    speed = _speed(recipe)
    texts = (_text(item["shoot_script"]) for item in recipe["shoot_scripts"])
    return min(max_s, max(MIN_S, sum(max(_MIN_SCENE_S, speech_of(text, speed).duration_s) for text in texts)))


def numbered(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The scenes of a script, each with a number: those without one get what is free from their place on."""
    scenes = [dict(item) for item in items]
    taken = {item["sequence_no"] for item in scenes if item.get("sequence_no") is not None}
    for index, item in enumerate(scenes):
        if item.get("sequence_no") is None:
            item["sequence_no"] = next(number for number in count(index) if number not in taken)
            taken.add(item["sequence_no"])
    return scenes


def scene_key(item: Mapping[str, Any]) -> str:
    """What a numbered scene is known by."""
    return str(item["sequence_no"])


@dataclass(frozen=True, slots=True)
class _Studio:
    """Turns the scenes of a script into those of a recipe."""

    layout: tuple[int, int]
    material: Callable[[str | None, str | None], Material]
    recordings: Mapping[str, Material]

    def scenes(self, recipe: Mapping[str, Any]) -> Iterable[Scene]:
        """The scenes in the order of their numbers."""
        for item in sorted(recipe["shoot_scripts"], key=lambda item: int(item["sequence_no"])):
            shoot: Mapping[str, Any] = item["shoot_script"]
            speech = speech_of(_text(shoot), _speed(recipe))
            background: Mapping[str, Any] = next(iter(shoot.get("background_config") or ()), {})
            layers = shoot.get("layer_config") or ()
            human = next((layer for layer in layers if layer["layer_type"] == "HUMAN"), None)
            plain = background.get("background_type") == "COLOR"
            yield Scene(
                duration_s=max(_MIN_SCENE_S, speech.duration_s),
                lines=speech.lines,
                recording=self.recordings.get(scene_key(item), ())
                if shoot.get("script_type") == "AUDIO"
                else (),
                background=()
                if plain
                else self.material(
                    background.get("background_asset_id"), background.get("background_config")
                ),
                background_color=_color(
                    background.get("background_color_config"), "#FFFFFF" if plain else "#DCE6F2"
                ),
                presenter=self._presenter(human),
                overlays=tuple(self._overlays(layers, _rank(human) if human else 0)),
            )

    def _presenter(self, human: Mapping[str, Any] | None) -> Box:
        usual = _STANDING if self.layout == _PORTRAIT else _CENTRED
        if human is None:
            return usual
        box = _box(human, self.layout, usual)
        # The presenter is as tall as its size says, or as wide; what is left open is as usual.
        return Box(box.x, box.y, box.width or usual.width, box.height or usual.height)

    def _overlays(self, layers: Iterable[Mapping[str, Any]], human: int) -> Iterable[Overlay]:
        for layer in sorted(layers, key=_rank):
            kind = layer["layer_type"]
            if kind == "HUMAN":
                continue
            box = _box(layer, self.layout, Box(0.05, 0.05))
            in_front = _rank(layer) > human
            if kind == "TEXT":
                text = layer.get("text_config") or {}
                yield Overlay(
                    box,
                    text=_decoded(text.get("text_context") or ""),
                    color=_color(text.get("font_color"), "#FFFFFF"),
                    text_size=(text.get("font_size") or 16) / self.layout[1],
                    in_front=in_front,
                )
                continue
            config = layer.get(f"{kind.lower()}_config") or {}
            picture = self.material(layer.get("asset_id"), config.get(f"{kind.lower()}_url"))
            yield Overlay(box, picture=picture, in_front=in_front, absent=not picture)


def _text(shoot: Mapping[str, Any]) -> str:
    spoken = shoot.get("script_type") != "AUDIO"
    return str((shoot.get("text_config") or {}).get("text", "")) if spoken else ""


def _speed(recipe: Mapping[str, Any]) -> int:
    return (recipe.get("voice_config") or {}).get("speed") or 100


def _canvas(layout: tuple[int, int], end: tuple[int, int]) -> tuple[int, int]:
    """A cut that reaches beyond the usual layout is one of a picture in 4K, twice as large."""
    factor = 2 if end[0] > layout[0] or end[1] > layout[1] else 1
    return layout[0] * factor, layout[1] * factor


def _subtitles(video: Mapping[str, Any], layout: tuple[int, int]) -> Subtitles | None:
    if not video.get("is_subtitle_enable"):
        return None
    style = video.get("subtitle_config") or {}
    size = max(4, style.get("font_size") or 54) / layout[1]
    if style.get("dx") is None and style.get("dy") is None:
        return Subtitles(size)
    corner = ((style.get("dx") or 0) / layout[0], (style.get("dy") or layout[1]) / layout[1])
    return Subtitles(size, corner)


def _rank(layer: Mapping[str, Any]) -> int:
    return int((layer.get("position") or {}).get("layer_index", 100))


def _box(layer: Mapping[str, Any], layout: tuple[int, int], usual: Box) -> Box:
    position, size = layer.get("position") or {}, layer.get("size") or {}
    width, height = size.get("width"), size.get("height")
    return Box(
        position.get("dx", usual.x * layout[0]) / layout[0],
        position.get("dy", usual.y * layout[1]) / layout[1],
        width / layout[0] if width else None,
        height / layout[1] if height else None,
    )


def _color(value: str | None, default: str) -> str:
    return value if value and _COLOR.match(value) else default


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        # The reference wants Base64; what isn't is shown as it is.
        return text
