"""Videos and their covers: real, playable, cheap (PyAV and Pillow).

A picture is painted once per line of words, phase of the presenter's movement and opening of the mouth; the frames in
between are the same picture again, which costs an encoder next to nothing.
"""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.emulator.media import RenderStoppedError
from orchestrator.emulator.recipe import Recipe
from orchestrator.emulator.records import Segment
from orchestrator.emulator.soundtrack import RATE, Soundtrack, Take, soundtrack

if TYPE_CHECKING:
    from PIL.Image import Image

FPS = 25
#: The presenter moves every so many frames.
_HOLD = 3
_COVER_WIDTH = 640
_AUDIO_RATE = 48000
_AUDIO_BITRATE = 64000
#: Painted pictures are kept for the next frames up to this size.
_KEPT_BYTES = 160 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rendering:
    """What was made: two files, and how long the video is."""

    video: Segment
    cover: Segment
    duration_s: float


def render(recipe: Recipe, video: Path, cover: Path, stop: threading.Event) -> Rendering:
    """Writes the video and its cover; runs in a thread of its own.

    Raises:
        RenderError: a picture or a sound cannot be read.
        RenderStoppedError: `stop` was set on the way.
    """
    import av  # noqa: PLC0415 - heavy, and only needed once a video is made

    sound = soundtrack(recipe, FPS)
    frames = _Frames(recipe, sound, cover)
    with av.open(str(video), "w", format=recipe.container, options=_muxer_options(recipe)) as output:
        stream = _video_stream(output, recipe)
        voice = _Voice(output, recipe, sound)
        for number in range(len(sound.mouth)):
            if stop.is_set():
                raise RenderStoppedError
            if number % FPS == 0:
                voice.play(number // FPS)
            frame = frames.at(number)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        voice.end()
    return Rendering(segment_of(video), segment_of(cover), len(sound.mouth) / FPS)


class _Frames:
    """The frames of a video, one after the other."""

    def __init__(self, recipe: Recipe, sound: Soundtrack, cover: Path) -> None:
        """The first picture becomes the cover."""
        self._recipe = recipe
        self._sound = sound
        self._cover: Path | None = cover
        self._acts = _acts(sound.takes)
        self._painter: Any = None
        self._take: Take | None = None
        self._words: str | None = None
        self._painted: dict[tuple[int, int], Any] = {}
        self._room = max(4, _KEPT_BYTES * 2 // (3 * recipe.width * recipe.height))

    def at(self, number: int) -> Any:
        """The frame of this number; numbers only grow."""
        from av.video.frame import PictureType  # noqa: PLC0415 - heavy, and only needed once a video is made

        from orchestrator.emulator.picture import Painter  # noqa: PLC0415 - needs Pillow, as PyAV heavy
        from orchestrator.emulator.presenter import PHASES  # noqa: PLC0415 - as above

        act = next((act for act in reversed(self._acts) if act.first <= number), self._acts[0])
        begins = act.take is not self._take
        if begins:
            self._take, self._painter, self._words = act.take, Painter(self._recipe, act.take.scene), None
        if act.words != self._words:
            self._words = act.words
            self._painted.clear()
        pose = number // _HOLD % PHASES, self._sound.mouth[number]
        if pose not in self._painted:
            if len(self._painted) >= self._room:
                self._painted.pop(next(iter(self._painted)))
            self._painted[pose] = self._paint(act.words, *pose)
        frame = self._painted[pose]
        # A scene begins with a whole picture: its colours would bleed from the one before.
        frame.pict_type = PictureType.I if begins else PictureType.NONE
        return frame

    def _paint(self, words: str, phase: int, mouth: int) -> Any:
        import av  # noqa: PLC0415 - as above

        image = self._painter.picture(words, phase, mouth)
        if self._cover is not None:
            _write_cover(image, self._cover)
            self._cover = None
        return av.VideoFrame.from_image(image).reformat(  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
            format="yuv420p"
        )


@dataclass(frozen=True, slots=True)
class _Act:
    """From which frame on which words are shown in which scene."""

    first: int
    take: Take
    words: str


def _acts(takes: tuple[Take, ...]) -> list[_Act]:
    acts, start_s = [], 0.0
    for take in takes:
        first_line = take.lines[0].text if take.lines else ""
        # A scene begins with its first words: its cover is to say what it is about.
        acts.append(_Act(round(start_s * FPS), take, first_line))
        acts.extend(_Act(round((start_s + line.start_s) * FPS), take, line.text) for line in take.lines[1:])
        start_s += take.duration_s
    return acts


class _Voice:
    """The sound of a video on its way into the file."""

    def __init__(self, output: Any, recipe: Recipe, sound: Soundtrack) -> None:
        """Adds the stream."""
        import av  # noqa: PLC0415 - as above

        codec = "libopus" if recipe.codec == "VP8" else "aac"
        self._output = output
        self._samples = sound.samples
        self._stream = output.add_stream(codec, rate=_AUDIO_RATE, layout="mono")
        self._stream.bit_rate = _AUDIO_BITRATE
        context = self._stream.codec_context
        context.open(strict=False)
        self._resampler = av.AudioResampler(
            format=context.format.name, layout="mono", rate=_AUDIO_RATE, frame_size=context.frame_size or 1024
        )

    def play(self, second: int) -> None:
        """Writes the sound of one second."""
        import av  # noqa: PLC0415 - as above

        chunk = self._samples[second * RATE * 2 : (second + 1) * RATE * 2]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(chunk) // 2)
        frame.planes[0].update(chunk.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = RATE
        frame.pts = second * RATE
        self._write(frame)

    def end(self) -> None:
        """Writes what is still held back."""
        self._write(None)
        self._output.mux(self._stream.encode())

    def _write(self, frame: Any) -> None:
        for packet in self._resampler.resample(frame):
            self._output.mux(self._stream.encode(packet))


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


def _muxer_options(recipe: Recipe) -> dict[str, str]:
    return {"movflags": "+faststart"} if recipe.container == "mp4" else {}


def _write_cover(picture: "Image", path: Path) -> None:
    width = min(_COVER_WIDTH, picture.width)
    height = max(1, round(picture.height * width / picture.width))
    picture.resize((width, height)).save(path, "PNG", compress_level=3)


def segment_of(path: Path) -> Segment:
    """A whole file as the one part of an object."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    return Segment(1, path.stat().st_size, digest)
