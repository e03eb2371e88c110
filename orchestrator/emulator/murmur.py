"""A murmur that stands for speech, in previews and wherever else somebody talks.

Vowels one after the other in syllables, with a melody, and a rest after each phrase; the same voice always sounds the
same. 16-bit samples of one channel, little-endian.
"""

import math
import struct
from collections.abc import Iterator

SYLLABLES_PER_S = 4.0

#: Where the two lowest formants of a vowel lie, in Hz, for a low voice.
_VOWELS = ((800, 1150), (500, 1800), (320, 2300), (500, 900), (320, 800))
#: The melody: the pitch of one syllable after the other, as shares of the voice's own.
_MELODY = (1.0, 1.08, 1.0, 1.08, 0.93, 1.0, 0.93)
#: Every so many syllables one is silent.
_PHRASE = 12
#: How much of a syllable is voiced.
_VOICED = 0.8
_PEAK = 9000
#: Louder would be clipped.
_MAX_LOUDNESS = 3.0
_TABLE = 256
_MAX_HARMONIC_HZ = 4000.0
_PITCH_HZ = {"MALE": 118.0, "FEMALE": 208.0}
_NEUTRAL_HZ = 160.0


def voice_pitch_hz(sex: str | None, voice_id: str) -> float:
    """The pitch of a voice: low for MALE, high for FEMALE, and a little different for each id."""
    shade = sum(voice_id.encode()) % 9 - 4
    return _PITCH_HZ.get(sex or "", _NEUTRAL_HZ) * (1 + 0.025 * shade)


def murmur(
    duration_s: float, pitch_hz: float, *, rate: int = 16000, loudness: float = 1.0
) -> Iterator[bytes]:
    """`duration_s` seconds of murmur in chunks of a syllable, `rate` samples a second."""
    length = int(rate / SYLLABLES_PER_S)
    total = max(1, round(duration_s * rate))
    rest = bytes(2 * length)
    spoken: dict[tuple[int, float], bytes] = {}
    for number, start in enumerate(range(0, total, length)):
        sound = rest
        if number % _PHRASE != _PHRASE - 1:
            key = number % len(_VOWELS), _MELODY[number % len(_MELODY)]
            if key not in spoken:
                wave = _one_period(_VOWELS[key[0]], pitch_hz, rate)
                spoken[key] = _syllable(wave, length, pitch_hz * key[1] / rate, min(loudness, _MAX_LOUDNESS))
            sound = spoken[key]
        yield sound[: 2 * min(length, total - start)]


def _one_period(formants: tuple[int, int], pitch_hz: float, rate: int) -> list[float]:
    """One period of a vowel, between -1 and 1: its overtones, strongest where they meet a formant."""
    # A high voice has a shorter throat.
    stretch = 1.0 if pitch_hz < _NEUTRAL_HZ else 1.15
    highest = max(1, int(min(_MAX_HARMONIC_HZ, 0.45 * rate) / pitch_hz))
    strengths = [
        0.06 / order
        + sum(
            weight / (1 + ((order * pitch_hz - stretch * formant) / 130) ** 2)
            for weight, formant in zip((1.0, 0.5), formants, strict=True)
        )
        for order in range(1, highest + 1)
    ]
    wave = [
        sum(
            strength * math.sin(2 * math.pi * order * position / _TABLE)
            for order, strength in enumerate(strengths, 1)
        )
        for position in range(_TABLE)
    ]
    peak = max(abs(value) for value in wave) or 1.0
    return [value / peak for value in wave]


def _syllable(wave: list[float], length: int, cycles_per_sample: float, loudness: float) -> bytes:
    """The vowel swelling and fading, and a pause."""
    voiced = int(length * _VOICED)
    step = cycles_per_sample * _TABLE
    samples = [
        round(_PEAK * loudness * math.sin(math.pi * n / voiced) * wave[int(n * step) % _TABLE])
        for n in range(voiced)
    ]
    return struct.pack(f"<{voiced}h", *samples).ljust(2 * length, b"\0")
