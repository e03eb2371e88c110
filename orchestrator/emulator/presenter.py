"""The presenter of emulated videos: sways a little, blinks, and moves the mouth."""

import math

from PIL import ImageDraw

#: Phases of the movement, after which it repeats.
PHASES = 8
_SUIT, _SKIN, _HAIR, _SHIRT, _MOUTH = "#26425F", "#F0C9A4", "#3B2A20", "#F7F7F2", "#9C4A44"
#: How far the mouth is open, as a share of the head, by `Soundtrack.mouth`.
_GAPES = (0.03, 0.11, 0.2)


def draw_presenter(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], phase: int, mouth: int) -> None:
    """Draws the presenter into a box of left, top, width and height."""
    left, top, width, height = box
    turn = 2 * math.pi * phase / PHASES
    left += round(math.sin(turn) * width * 0.015)
    top += round(math.sin(2 * turn) * height * 0.006)
    unit = min(width, height * 0.6)
    middle = left + width / 2
    _draw_body(draw, middle, top, unit, top + height)
    _draw_head(draw, middle, top, unit, blinks=phase == PHASES - 1, gape=_GAPES[mouth])


def _draw_body(draw: ImageDraw.ImageDraw, middle: float, top: float, unit: float, bottom: float) -> None:
    shoulders = top + unit * 0.5
    sides = (middle - unit * 0.36, shoulders, middle + unit * 0.36, max(bottom, shoulders + 1))
    draw.rounded_rectangle(sides, radius=unit * 0.16, fill=_SUIT, corners=(True, True, False, False))
    collar = (middle - unit * 0.1, shoulders), (middle + unit * 0.1, shoulders)
    draw.polygon((*collar, (middle, shoulders + unit * 0.26)), fill=_SHIRT)
    neck = (middle - unit * 0.07, top + unit * 0.22, middle + unit * 0.07, shoulders + unit * 0.03)
    draw.rectangle(neck, fill=_SKIN)


def _draw_head(
    draw: ImageDraw.ImageDraw, middle: float, top: float, unit: float, *, blinks: bool, gape: float
) -> None:
    head = unit * 0.19
    draw.ellipse((middle - head * 1.06, top, middle + head * 1.06, top + head * 2.2), fill=_HAIR)
    draw.ellipse((middle - head, top + head * 0.35, middle + head, top + head * 2.6), fill=_SKIN)
    eye_line = top + unit * 0.22
    lid = head * (0.03 if blinks else 0.1)
    for side in (-1, 1):
        x = middle + side * head * 0.38
        draw.ellipse((x - head * 0.09, eye_line - lid, x + head * 0.09, eye_line + lid), fill=_HAIR)
    lips = top + head * 2.05
    half = head * gape
    draw.ellipse((middle - head * 0.3, lips - half, middle + head * 0.3, lips + half), fill=_MOUTH)
