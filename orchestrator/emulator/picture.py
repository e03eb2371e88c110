"""One picture of a video: background, layers, the presenter in a phase of its movement, the words."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from orchestrator.emulator.media import RenderError, opened
from orchestrator.emulator.presenter import draw_presenter
from orchestrator.emulator.recipe import Box, Overlay, Recipe, Scene

#: Fonts for scripts that the built-in one lacks, if the machine has them.
_WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-zenhei.ttc", "DejaVuSans.ttf")
_MARGIN = 0.04
#: Share of the width that subtitles take (table 5-6).
_SUBTITLES_WIDTH = 0.8
#: Lines of words at most.
_LINES = 3
_SHADE = (16, 20, 28, 190)
_FAINT = (16, 20, 28, 120)
_UNSUPPORTED_VIDEO, _BAD_PICTURE = "MSS.45000003", "MSS.45000014"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Painter:
    """Paints the pictures of one scene; what stands still is painted once."""

    def __init__(self, recipe: Recipe, scene: Scene) -> None:
        """Paints what stands still.

        Raises:
            RenderError: a picture cannot be read.
        """
        self._recipe = recipe
        self._scene = scene
        self._size = recipe.canvas
        self._behind = self._background()
        self._write_title()
        self._in_front: Image.Image | None = None
        for overlay in scene.overlays:
            if overlay.in_front and self._in_front is None:
                self._in_front = Image.new("RGBA", self._size)
            front = self._in_front if overlay.in_front else None
            self._lay(overlay, self._behind if front is None else front)

    def picture(self, words: str, phase: int, mouth: int) -> Image.Image:
        """The picture with these words and the presenter in a phase, cut to the size of the video."""
        image = self._behind.copy()
        draw = ImageDraw.Draw(image, "RGBA")
        draw_presenter(draw, self._pixels(self._scene.presenter, (1, 1)), phase, mouth)
        if self._in_front is not None:
            image.paste(self._in_front, (0, 0), self._in_front)
        self._write_words(draw, words)
        left, top = self._recipe.origin
        size = (self._recipe.width, self._recipe.height)
        if (left, top) == (0, 0) and size == self._size:
            return image
        return image.crop((left, top, left + size[0], top + size[1]))

    def _background(self) -> Image.Image:
        if not self._scene.background:
            return Image.new("RGB", self._size, self._scene.background_color)
        return ImageOps.fit(_image(self._scene.background, self._size).convert("RGB"), self._size)

    def _write_title(self) -> None:
        """The video's name, behind everything that is asked for: it tells one emulated video from another."""
        if not self._recipe.title:
            return
        size = max(10, round(min(self._size) * 0.03))
        font = _font(size, self._recipe.title)
        draw = ImageDraw.Draw(self._behind, "RGBA")
        (title, *_) = _wrapped(draw, self._recipe.title, font, self._size[0] * (1 - 2 * _MARGIN))
        left, top = round(self._size[0] * _MARGIN), round(self._size[1] * _MARGIN)
        right = left + draw.textlength(title, font=font) + size
        draw.rectangle((left, top, right, top + size * 1.6), fill=_FAINT)
        draw.text((left + size / 2, top + size * 0.2), title, fill="#FFFFFF", font=font)

    def _lay(self, overlay: Overlay, image: Image.Image) -> None:
        if overlay.text:
            left, top, _, _ = self._pixels(overlay.box, (1, 1))
            font = _font(max(4, round(overlay.text_size * self._size[1])), overlay.text)
            ImageDraw.Draw(image).multiline_text((left, top), overlay.text, fill=overlay.color, font=font)
        elif overlay.absent:
            left, top, width, height = self._pixels(overlay.box, (480, 270))
            sides = (left, top, left + width, top + height)
            ImageDraw.Draw(image, "RGBA").rectangle(sides, fill=_FAINT, outline="#FFFFFF")
        elif overlay.picture:
            layer = _image(overlay.picture, self._size).convert("RGBA")
            left, top, width, height = self._pixels(overlay.box, layer.size)
            layer = layer.resize((max(1, width), max(1, height)))
            if image.mode == "RGBA":
                image.alpha_composite(_reach(layer, (left, top), self._size))
            else:
                image.paste(layer, (left, top), layer)

    def _write_words(self, draw: ImageDraw.ImageDraw, words: str) -> None:
        """Subtitles where they are wanted; else small, because nobody understands the murmur that is heard."""
        if not words:
            return
        width, height = self._size
        style = self._recipe.subtitles
        size = max(10, round(min(width, height) * 0.03 if style is None else height * style.size))
        box_width = width * _SUBTITLES_WIDTH
        left, bottom = width * (1 - _SUBTITLES_WIDTH) / 2, height * (1 - _MARGIN)
        if style is not None and style.corner is not None:
            left, bottom = style.corner[0] * width, style.corner[1] * height
        font = _font(size, words)
        lines = _wrapped(draw, words, font, box_width - size)[:_LINES]
        step = size * 1.35
        top = bottom - step * len(lines) - size * 0.4
        draw.rectangle((left, top, left + box_width, bottom), fill=_FAINT if style is None else _SHADE)
        for number, line in enumerate(lines):
            x = left + (box_width - draw.textlength(line, font=font)) / 2
            draw.text((x, top + size * 0.2 + step * number), line, fill="#FFFFFF", font=font)

    def _pixels(self, box: Box, own: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, width and height; a size left open follows from the other one and the picture's own."""
        scale = min(self._size) / 1080
        width = None if box.width is None else box.width * self._size[0]
        height = None if box.height is None else box.height * self._size[1]
        if width is None:
            width = own[0] * scale if height is None else height * own[0] / own[1]
        if height is None:
            height = width * own[1] / own[0]
        return round(box.x * self._size[0]), round(box.y * self._size[1]), round(width), round(height)


def _reach(layer: Image.Image, at: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """The layer on an empty picture of `size`; `alpha_composite` knows no places outside."""
    placed = Image.new("RGBA", size)
    placed.paste(layer, at)
    return placed


def _image(parts: Sequence[Path], size: tuple[int, int]) -> Image.Image:
    """A picture, or the first one of a video; a JPEG is decoded no larger than `size`."""
    source = opened(parts)
    try:
        image = Image.open(source)
    except UnidentifiedImageError:
        return _first_of_video(parts)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RenderError("a picture of the video cannot be read", code=_BAD_PICTURE) from error
    try:
        image.draft("RGB", size)
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RenderError("a picture of the video cannot be read", code=_BAD_PICTURE) from error


def _first_of_video(parts: Sequence[Path]) -> Image.Image:
    import av  # noqa: PLC0415 - heavy, and only needed for layers that are videos

    source: Any = opened(parts)
    try:
        with av.open(source) as container:
            for frame in container.decode(video=0):
                picture: Image.Image = frame.to_image()
                return picture
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise RenderError("a picture or video cannot be read", code=_BAD_PICTURE) from error
    raise RenderError("a layer holds no picture", code=_UNSUPPORTED_VIDEO)


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font, room: float) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font=font) <= room:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for char in word:
            if lines[-1] and draw.textlength(lines[-1] + char, font=font) > room:
                lines.append("")
            lines[-1] += char
    return lines


def _font(size: int, text: str) -> Font:
    latin = all(ord(char) < 0x250 or 0x2000 <= ord(char) < 0x2100 for char in text)
    return _default_font(size) if latin else _wide_font(size)


@cache
def _default_font(size: int) -> Font:
    return ImageFont.load_default(size)


@cache
def _wide_font(size: int) -> Font:
    for name in _WIDE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return _default_font(size)
