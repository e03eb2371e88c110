"""Videos and their covers: real, playable, cheap (PyAV and Pillow).

The picture is drawn once per caption and phase of the presenter's movement; the frames in between are the same picture
again, which costs an encoder next to nothing.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.emulator.media import RenderStoppedError
from orchestrator.emulator.recipe import Recipe
from orchestrator.emulator.records import Segment

if TYPE_CHECKING:
    from PIL.Image import Image

FPS = 25
#: The presenter moves every so many frames.
_HOLD = 3
_COVER_WIDTH = 640
_AUDIO_RATE = 48000


@dataclass(frozen=True, slots=True)
class Rendering:
    """What was made: two files, and how long the video is."""

    video: Segment
    cover: Segment
    duration_s: float


def render(recipe: Recipe, video: Path, cover: Path, stop: threading.Event) -> Rendering:
    """Writes the video and its cover; runs in a thread of its own.

    Raises:
        RenderError: a picture cannot be read.
        RenderStoppedError: `stop` was set on the way.
    """
    import av  # noqa: PLC0415 - heavy, and only needed once a video is made

    from orchestrator.emulator.picture import Painter  # noqa: PLC0415 - needs Pillow, as above

    painter = Painter(recipe)
    total = max(FPS, round(recipe.duration_s * FPS))
    with av.open(str(video), "w", format=recipe.container, options=_muxer_options(recipe)) as output:
        stream = _video_stream(output, recipe)
        audio = _audio_stream(output, recipe)
        for number, frame in enumerate(_frames(painter, total)):
            if stop.is_set():
                raise RenderStoppedError
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        for packet in _silence(audio, total / FPS):
            output.mux(packet)
    _write_cover(painter.picture(0, 0), cover)
    return Rendering(_segment(video), _segment(cover), total / FPS)


def _frames(painter: Any, total: int) -> Iterator[Any]:
    """`total` frames: one caption after the other, the presenter moving through its phases."""
    import av  # noqa: PLC0415 - as above

    captions = painter.captions
    shown, phases = -1, dict[int, Any]()
    for number in range(total):
        caption = min(number * captions // total, captions - 1)
        if caption != shown:
            shown, phases = caption, {}
        phase = number // _HOLD % painter.phases
        if phase not in phases:
            image = painter.picture(caption, phase)
            phases[phase] = av.VideoFrame.from_image(image).reformat(  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
                format="yuv420p"
            )
        yield phases[phase]


def _video_stream(output: Any, recipe: Recipe) -> Any:
    if recipe.codec == "VP8":
        stream = output.add_stream("libvpx", rate=FPS)
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
    else:
        stream = output.add_stream("libx264", rate=FPS)
        stream.options = {"preset": "ultrafast", "tune": "stillimage"}
    stream.width, stream.height = recipe.width, recipe.height
    stream.pix_fmt = "yuv420p"
    stream.bit_rate = recipe.bitrate_kbps * 1000
    # One core is enough, and leaves the others to whoever uses the emulator.
    stream.codec_context.thread_count = 1
    return stream


def _audio_stream(output: Any, recipe: Recipe) -> Any:
    codec = "libopus" if recipe.codec == "VP8" else "aac"
    stream = output.add_stream(codec, rate=_AUDIO_RATE, layout="mono")
    stream.bit_rate = 32000
    return stream


def _silence(stream: Any, duration_s: float) -> Iterator[Any]:
    import av  # noqa: PLC0415 - as above

    context = stream.codec_context
    context.open(strict=False)
    size = context.frame_size or 1024
    done, wanted = 0, int(duration_s * _AUDIO_RATE)
    while done < wanted:
        frame = av.AudioFrame(format=context.format.name, layout="mono", samples=size)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = _AUDIO_RATE
        frame.pts = done
        done += size
        yield from stream.encode(frame)
    yield from stream.encode()


def _muxer_options(recipe: Recipe) -> dict[str, str]:
    return {"movflags": "+faststart"} if recipe.container == "mp4" else {}


def _write_cover(picture: "Image", path: Path) -> None:
    width = min(_COVER_WIDTH, picture.width)
    height = max(1, round(picture.height * width / picture.width))
    picture.resize((width, height)).save(path, "PNG", compress_level=3)


def _segment(path: Path) -> Segment:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    return Segment(1, path.stat().st_size, digest)
