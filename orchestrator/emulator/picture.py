"""One picture of a video: background, overlays, the presenter in a phase of its movement, the caption."""

import math
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from orchestrator.emulator.media import RenderError
from orchestrator.emulator.recipe import Box, Overlay, Recipe

#: Fonts for scripts that the built-in one lacks, if the machine has them.
_WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-zenhei.ttc", "DejaVuSans.ttf")
_MARGIN = 0.04
#: Lines of a caption at most.
_LINES = 3
_SUIT, _SKIN, _HAIR, _SHIRT = "#26425F", "#F0C9A4", "#3B2A20", "#F7F7F2"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Painter:
    """Paints the pictures of one video; what stands still is painted once."""

    #: Phases of the presenter's movement, after which it repeats.
    phases = 8

    def __init__(self, recipe: Recipe) -> None:
        """Paints what stands still.

        Raises:
            RenderError: a picture cannot be read.
        """
        self._recipe = recipe
        self._still = self._background()
        for overlay in recipe.overlays:
            self._lay(overlay)

    @property
    def captions(self) -> int:
        """How many captions there are."""
        return len(self._recipe.captions)

    def picture(self, caption: int, phase: int) -> Image.Image:
        """The picture with a caption and the presenter in a phase."""
        image = self._still.copy()
        draw = ImageDraw.Draw(image, "RGBA")
        self._present(draw, self._recipe.presenter, phase)
        self._write_caption(draw, self._recipe.captions[caption])
        return image

    def _background(self) -> Image.Image:
        size = (self._recipe.width, self._recipe.height)
        if self._recipe.background is None:
            return Image.new("RGB", size, self._recipe.background_color)
        return ImageOps.fit(_opened(self._recipe.background, size).convert("RGB"), size)

    def _lay(self, overlay: Overlay) -> None:
        left, top, width, height = self._pixels(overlay.box)
        if overlay.picture is not None:
            size = (max(1, width), max(1, height))
            layer = _opened(overlay.picture, size).convert("RGBA").resize(size)
            self._still.paste(layer, (left, top), layer)
        else:
            font = _font(max(8, round(overlay.text_size * self._recipe.height)), overlay.text)
            ImageDraw.Draw(self._still).multiline_text(
                (left, top), overlay.text, fill=overlay.color, font=font
            )

    def _present(self, draw: ImageDraw.ImageDraw, box: Box, phase: int) -> None:
        left, top, width, height = self._pixels(box)
        turn = 2 * math.pi * phase / self.phases
        left += round(math.sin(turn) * width * 0.015)
        top += round(math.sin(2 * turn) * height * 0.006)
        unit = min(width, height * 0.6)
        middle = left + width / 2
        head = unit * 0.19
        eye_line = top + unit * 0.22
        shoulders = top + unit * 0.5
        bottom = top + height
        draw.rounded_rectangle(
            (middle - unit * 0.36, shoulders, middle + unit * 0.36, bottom + unit),
            radius=unit * 0.16,
            fill=_SUIT,
        )
        draw.polygon(
            (
                (middle - unit * 0.1, shoulders),
                (middle + unit * 0.1, shoulders),
                (middle, shoulders + unit * 0.26),
            ),
            fill=_SHIRT,
        )
        draw.rectangle(
            (middle - unit * 0.07, eye_line, middle + unit * 0.07, shoulders + unit * 0.03), fill=_SKIN
        )
        draw.ellipse((middle - head * 1.06, top, middle + head * 1.06, top + head * 2.2), fill=_HAIR)
        draw.ellipse((middle - head, top + head * 0.35, middle + head, top + head * 2.6), fill=_SKIN)
        for side in (-1, 1):
            x = middle + side * head * 0.38
            lid = head * (0.03 if phase == self.phases - 1 else 0.1)
            draw.ellipse((x - head * 0.09, eye_line - lid, x + head * 0.09, eye_line + lid), fill=_HAIR)
        gape = head * (0.05 + 0.16 * abs(math.sin(1.5 * turn)))
        mouth = top + head * 2.05
        draw.ellipse((middle - head * 0.3, mouth - gape, middle + head * 0.3, mouth + gape), fill="#9C4A44")

    def _write_caption(self, draw: ImageDraw.ImageDraw, text: str) -> None:
        if not text:
            return
        width, height = self._recipe.width, self._recipe.height
        room = width * (1 - 4 * _MARGIN)
        size = max(12, round(min(width, height) * 0.048))
        font = _font(size, text)
        lines = _wrapped(draw, text, font, room)[:_LINES]
        step = size * 1.35
        top = height * (1 - _MARGIN) - step * len(lines) - size * 0.5
        bottom = height * (1 - _MARGIN)
        draw.rectangle((width * _MARGIN, top, width * (1 - _MARGIN), bottom), fill=(16, 20, 28, 190))
        for number, line in enumerate(lines):
            x = (width - draw.textlength(line, font=font)) / 2
            draw.text((x, top + size * 0.3 + step * number), line, fill="#FFFFFF", font=font)

    def _pixels(self, box: Box) -> tuple[int, int, int, int]:
        width, height = self._recipe.width, self._recipe.height
        return (
            round(box.x * width),
            round(box.y * height),
            round(box.width * width),
            round(box.height * height),
        )


def _opened(path: Path, size: tuple[int, int]) -> Image.Image:
    try:
        image = Image.open(path)
        # A JPEG is decoded no larger than it is needed.
        image.draft("RGB", size)
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RenderError("a picture of the video cannot be read") from error


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
