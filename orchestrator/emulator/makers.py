"""Files that the service itself makes beside videos: speech to listen to, pages and pictures to look at.

A maker gets what `Making.params` holds and a path whose suffix tells the format. It runs in a thread of its own.
"""

import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.emulator.fetch import fetch
from orchestrator.emulator.murmur import murmur

Maker = Callable[[Mapping[str, Any], Path], None]

_RATE = 16000
_MAX_SPEECH_S = 600.0


def speech(params: Mapping[str, Any], path: Path) -> None:
    """A murmur of `duration_s` seconds around `pitch_hz`, `loudness` times the usual: WAV, or MP3 by the suffix."""
    samples = b"".join(
        murmur(
            min(float(params.get("duration_s", 1.0)), _MAX_SPEECH_S),
            float(params.get("pitch_hz", 180.0)),
            rate=_RATE,
            loudness=float(params.get("loudness", 1.0)),
        )
    )
    if path.suffix.lower() == ".wav":
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(_RATE)
            sound.writeframes(samples)
        return
    _encode(samples, path)


def page(params: Mapping[str, Any], path: Path) -> None:
    """A page with a `title` and a `text`, `width` by `height` pixels: PNG or JPEG by the suffix."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - heavy, and only needed once a page is made

    width, height = int(params.get("width", 1280)), int(params.get("height", 720))
    image = Image.new("RGB", (width, height), str(params.get("color", "#F4F6FA")))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, height // 60), fill="#26425F")
    margin = width // 16
    draw.text((margin, margin), str(params.get("title", "")), "#26425F", ImageFont.load_default(height // 14))
    draw.text(
        (margin, height // 3), str(params.get("text", "")), "#3A4A5A", ImageFont.load_default(height // 26)
    )
    image.save(path)


def text(params: Mapping[str, Any], path: Path) -> None:
    """The `text`, as UTF-8."""
    path.write_text(str(params.get("text", "")), "utf-8")


MAKERS: Mapping[str, Maker] = {"speech": speech, "page": page, "text": text, "fetch": fetch}


def _encode(samples: bytes, path: Path) -> None:
    import av  # noqa: PLC0415 - heavy, and only needed for compressed sound

    with av.open(str(path), "w") as output:
        stream = output.add_stream("mp3", rate=_RATE, layout="mono")
        step = 2 * 1152
        for start in range(0, len(samples), step):
            chunk = samples[start : start + step].ljust(step, b"\0")
            frame = av.AudioFrame(format="s16p", layout="mono", samples=1152)
            frame.planes[0].update(chunk)
            frame.sample_rate = _RATE
            frame.pts = start // 2
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
