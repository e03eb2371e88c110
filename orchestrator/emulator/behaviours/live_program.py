"""What a livestream speaks, and how long that takes: paragraphs, sentences, rounds (reference tables 6-4, 6-28)."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from orchestrator.emulator.behaviours.live_records import Paragraph
from orchestrator.emulator.speech import plain_text, speech_s

T = TypeVar("T")

#: Recorded sound is not listened to: it counts as so long.
AUDIO_S = 5.0
_SENTENCE = re.compile(r"[^.!?;。！？；…]+[.!?;。！？；…]*")  # noqa: RUF001 - Chinese sentences end so


def text_s(text: str, voice: Mapping[str, Any] | None) -> float:
    """About how long a voice takes for a text, in seconds."""
    return speech_s([text], _speed(voice))


def paragraphs(scenes: Iterable[Mapping[str, Any]]) -> list[Paragraph]:
    """The script in its order: by `sequence_no` within each scene."""
    found = []
    for scene in scenes:
        items = list(enumerate(scene["shoot_scripts"], 1))
        rows = [_paragraph(scene, item, number) for number, item in items]
        found.extend(sorted(rows, key=lambda row: row.number))
    return found


def round_of(
    script: Sequence[Paragraph], number: int, policy: Mapping[str, Any], seed: str
) -> list[Paragraph]:
    """The script as one round speaks it: the first (0) in order, later ones by `random_play_mode`.

    The same `seed` gives the same orders.
    """
    mode = policy.get("random_play_mode") or "SCRIPT_ITEM"
    scenes = [list(rows) for _, rows in itertools.groupby(script, key=lambda row: row.scene)]
    if number == 0 or mode == "NONE":
        return [row for rows in scenes for row in rows]
    if mode in {"SCENE", "SCENE_AND_SCRIPT_ITEM"}:
        scenes = _mixed(scenes, f"{seed}/{number}")
    if mode in {"SCRIPT_ITEM", "SCENE_AND_SCRIPT_ITEM"}:
        scenes = [_mixed(rows, f"{seed}/{number}/{index}") for index, rows in enumerate(scenes)]
    return [row for rows in scenes for row in rows]


def has_round(number: int, policy: Mapping[str, Any]) -> bool:
    """Whether there is a round `number`, counted from 0."""
    repeats = policy.get("repeat_count") or 0
    return repeats < 0 or number <= repeats


def _paragraph(scene: Mapping[str, Any], item: Mapping[str, Any], place: int) -> Paragraph:
    text = (item.get("text_config") or {}).get("text", "")
    number = item.get("sequence_no")
    plain, marks = _measured(text, _speed(scene.get("voice_config"))) if text else ("", (AUDIO_S,))
    return Paragraph(
        scene=scene["script_name"],
        model_asset_id=scene.get("model_asset_id"),
        number=place if number is None else number,
        title=item.get("title"),
        text=plain,
        marks=marks,
        product=dict(item.get("relation_product") or {}),
    )


def _speed(voice: Mapping[str, Any] | None) -> int:
    return (voice or {}).get("speed") or 100


@lru_cache(maxsize=1024)
def _measured(text: str, speed: int) -> tuple[str, tuple[float, ...]]:
    """What is spoken, and when each sentence ends: the text's time shared out by length.

    A script is spoken round after round, and measured once.
    """
    plain = plain_text(text)
    sentences = _SENTENCE.findall(plain) or [text]
    ends = list(itertools.accumulate(max(1, len(sentence.strip())) for sentence in sentences))
    total_s = speech_s([text], speed)
    return plain, tuple(total_s * end / ends[-1] for end in ends)


def _mixed(rows: Sequence[T], seed: str) -> list[T]:
    def key(place: int) -> bytes:
        return hashlib.blake2b(f"{seed}/{place}".encode(), digest_size=8).digest()

    return [rows[place] for place in sorted(range(len(rows)), key=key)]
