"""What is heard in a video: a murmur for each spoken line, recorded speech, music; and how far the mouth opens for it.

16-bit samples of one channel, `RATE` a second, as long as they are shorter than the longest video.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.emulator.media import RenderError, opened
from orchestrator.emulator.murmur import murmur
from orchestrator.emulator.recipe import MIN_S, Recipe, Scene
from orchestrator.emulator.speech import Line

if TYPE_CHECKING:
    import av

RATE = 16000
_BYTES = 2
#: Peaks from which on the mouth is half open, and wide open.
_HALF_OPEN, _WIDE_OPEN = 700, 4500
#: Music stays behind the voice.
_MUSIC = 0.35
_UNSUPPORTED_AUDIO = "MSS.45000008"


@dataclass(frozen=True, slots=True)
class Take:
    """A scene as it is played: how long, and its lines by the clock of the scene."""

    scene: Scene
    lines: tuple[Line, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class Soundtrack:
    """The sound of a whole video."""

    takes: tuple[Take, ...]
    samples: bytes
    #: For each frame how far the mouth is open: 0 shut, 1 half, 2 wide.
    mouth: bytes

    @property
    def duration_s(self) -> float:
        """Length of the video."""
        return len(self.samples) / _BYTES / RATE


def soundtrack(recipe: Recipe, fps: int) -> Soundtrack:
    """The sound of `recipe`, and a mouth that goes with it at `fps` frames a second.

    Raises:
        RenderError: recorded speech or the music cannot be read.
    """
    recordings = [
        _heard(scene.recording, recipe.max_s) if scene.recording else b"" for scene in recipe.scenes
    ]
    takes = _takes(recipe, recordings)
    voice = _voice(recipe, takes, recordings)
    frames = max(fps, round(len(voice) / _BYTES / RATE * fps))
    voice = voice[: frames * RATE // fps * _BYTES].ljust(frames * RATE // fps * _BYTES, b"\0")
    mouth = bytes(_openness(voice, RATE // fps))
    return Soundtrack(tuple(takes), _with_music(voice, recipe), mouth)


def _takes(recipe: Recipe, recordings: Sequence[bytes]) -> list[Take]:
    """The scenes, told faster where the longest video would not hold them all."""
    lengths = [
        len(heard) / _BYTES / RATE if heard else scene.duration_s
        for scene, heard in zip(recipe.scenes, recordings, strict=True)
    ]
    pace = min(1.0, recipe.max_s / sum(lengths))
    takes = []
    for number, (scene, length) in enumerate(zip(recipe.scenes, lengths, strict=True), 1):
        lines = tuple(Line(line.text, line.start_s * pace, line.end_s * pace) for line in scene.lines)
        left = MIN_S - sum(lengths) if number == len(lengths) else 0.0
        takes.append(Take(scene, lines, length * pace + max(0.0, left)))
    return takes


def _voice(recipe: Recipe, takes: Sequence[Take], recordings: Sequence[bytes]) -> bytes:
    spoken_s = sum(line.end_s - line.start_s for take in takes for line in take.lines)
    # One murmur for all lines: making its syllables is what costs.
    talk = b"".join(murmur(spoken_s + 1, recipe.pitch_hz, rate=RATE, loudness=recipe.loudness))
    said = 0
    sound = bytearray()
    for take, heard in zip(takes, recordings, strict=True):
        start = len(sound)
        if heard:
            sound += heard[: _place(take.duration_s)]
        for line in take.lines:
            length = _place(line.end_s - line.start_s)
            sound.extend(bytes(max(0, start + _place(line.start_s) - len(sound))))
            sound += talk[said : said + length]
            said += length
        sound.extend(bytes(max(0, start + _place(take.duration_s) - len(sound))))
    return bytes(sound)


def _place(at_s: float) -> int:
    return round(at_s * RATE) * _BYTES


def _openness(voice: bytes, step: int) -> Iterator[int]:
    samples = array("h", voice)
    for start in range(0, len(samples), step):
        peak = max(samples[start : start + step])
        yield (peak >= _HALF_OPEN) + (peak >= _WIDE_OPEN)


def _with_music(voice: bytes, recipe: Recipe) -> bytes:
    if not recipe.music or not recipe.music_volume:
        return voice
    played = array("h", _heard(recipe.music, len(voice) / _BYTES / RATE))
    if not played:
        return voice
    share = _MUSIC * recipe.music_volume
    mixed = array("h", voice)
    for index, sample in enumerate(mixed):
        # Music that is too short begins anew.
        loud = sample + int(share * played[index % len(played)])
        mixed[index] = max(-32768, min(32767, loud))
    return mixed.tobytes()


def _heard(parts: Sequence[Path], up_to_s: float) -> bytes:
    """The first seconds of a sound file, whatever its format."""
    import av  # noqa: PLC0415 - heavy, and only needed once a video is made

    wanted = _place(up_to_s)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    heard = bytearray()
    source: Any = opened(parts)
    try:
        with av.open(source) as container:
            if not container.streams.audio:
                raise RenderError("a recording holds no sound", code=_UNSUPPORTED_AUDIO)
            for frame in container.decode(container.streams.audio[0]):
                _take_in(heard, resampler.resample(frame))
                if len(heard) >= wanted:
                    break
            else:
                _take_in(heard, resampler.resample(None))
    except (av.FFmpegError, ValueError) as error:
        raise RenderError("a recording cannot be read", code=_UNSUPPORTED_AUDIO) from error
    return bytes(heard[:wanted])


def _take_in(heard: bytearray, frames: "list[av.AudioFrame]") -> None:
    for frame in frames:
        heard += bytes(frame.planes[0])[: frame.samples * _BYTES]
