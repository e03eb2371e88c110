"""Files that the service makes: speech to listen to, pages to look at, text."""

import array
import wave
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from orchestrator.emulator.makers import MAKERS
from orchestrator.emulator.murmur import murmur, voice_pitch_hz


def samples(path: Path) -> list[int]:
    with wave.open(str(path)) as sound:
        return list(array.array("h", sound.readframes(sound.getnframes())))


def made(tmp_path: Path, name: str, **params: Any) -> Path:
    path = tmp_path / name
    MAKERS["speech"](params, path)
    return path


def test_a_wav_is_as_long_as_asked(tmp_path: Path) -> None:
    """One channel, 16 bits, 16 kHz, to the sample."""
    with wave.open(str(made(tmp_path, "a.wav", duration_s=2.345))) as sound:
        assert sound.getparams()[:4] == (1, 2, 16000, 37520)


def test_an_mp3_is_as_long_as_asked(tmp_path: Path) -> None:
    """A decoder finds the seconds, give or take the codec's padding."""
    with av.open(str(made(tmp_path, "a.mp3", duration_s=3.0))) as sound:
        stream = sound.streams.audio[0]
        heard = sum(frame.samples for frame in sound.decode(stream)) / stream.rate
        assert (stream.codec_context.name[:3], stream.rate, round(heard, 1)) == ("mp3", 16000, 3.0)


def test_the_longest_speech_is_bounded(tmp_path: Path) -> None:
    """Ten minutes, whatever the text."""
    with wave.open(str(made(tmp_path, "a.wav", duration_s=1e9))) as sound:
        assert sound.getnframes() == 600 * 16000


def test_speech_is_heard_and_not_clipped(tmp_path: Path) -> None:
    """The loudest asked for stays below full scale, and is louder than the softest."""
    soft, loud = (
        max(samples(made(tmp_path, "a.wav", duration_s=2, loudness=loudness)))
        for loudness in (90 / 140, 240 / 140)
    )
    assert 2000 < soft < loud < 32000


@pytest.mark.parametrize("pitch", [59.0, 208.0, 416.0])
def test_speech_has_the_pitch_of_its_voice(pitch: float) -> None:
    """A syllable repeats itself after one period."""
    rate = 16000
    sound = array.array("h", next(murmur(0.25, pitch, rate=rate)))[400:2800]
    likeness = {
        lag: sum(a * b for a, b in zip(sound[lag:], sound, strict=False)) / (len(sound) - lag)
        for lag in range(25, 320)
    }
    best = max(likeness.values())
    first = min(lag for lag, value in likeness.items() if value > 0.93 * best)
    assert rate / first == pytest.approx(pitch, rel=0.06)


def test_voices_differ() -> None:
    """Men are low, women high, and two women differ a little; the same voice stays the same."""
    man, woman, other = (
        voice_pitch_hz("MALE", "a"),
        voice_pitch_hz("FEMALE", "a"),
        voice_pitch_hz("FEMALE", "b"),
    )
    unknown = voice_pitch_hz(None, "a")
    assert man < unknown < woman != other
    assert voice_pitch_hz("MALE", "a") == man


def test_the_same_speech_is_the_same_bytes(tmp_path: Path) -> None:
    """Nothing in it is left to chance."""
    first, second = (
        made(tmp_path, name, duration_s=1.5, pitch_hz=200).read_bytes() for name in ("a.wav", "b.wav")
    )
    assert first == second


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG")])
def test_a_page_is_a_picture_of_its_size(tmp_path: Path, name: str, kind: str) -> None:
    """The suffix tells the format."""
    MAKERS["page"]({"title": "Page 1", "text": "Kettle", "width": 320, "height": 180}, tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (kind, (320, 180))


def test_text_is_written_as_utf_8(tmp_path: Path) -> None:
    """Whatever its script."""
    MAKERS["text"]({"text": "你好"}, tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == "你好".encode()
