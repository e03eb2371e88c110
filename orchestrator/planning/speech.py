"""How long speech is: of a text by its words, of a recording by its file.

The reference has no formula. `ssml` estimates 150 words a minute, or 250 characters of scripts without blanks, at normal
speed (tables 5-4 and 10-3). In a video `voice_config.speed` changes that, a `break` with a `time` adds to it, and no
other tag takes effect (table 11-3).
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from orchestrator.metastudio import ssml
from orchestrator.planning.known import HOLE, UNKNOWN

#: What a recording's name ends in (reference 5.1.1).
RECORDINGS: Final = (".mp3", ".wav", ".m4a")
_NORMAL_SPEED: Final = 100


@lru_cache(maxsize=100_000)
def text_s(text: str, speed: int = _NORMAL_SPEED) -> float:
    """About how long a text takes to speak in a video, in seconds; `speed` in percent."""
    speech = ssml.lint(text)
    speaking_s = speech.speaking_s
    if "<prosody" in text:
        # It does nothing in a video, so what is spoken counts as it stands there.
        speaking_s = ssml.lint(speech.spoken.replace("&", " ").replace("<", " ")).speaking_s
    return speaking_s * _NORMAL_SPEED / speed + speech.pauses_s


def characters(text: str) -> int:
    """Spoken characters of a text, without its tags."""
    return len(ssml.lint(text).spoken)


def speed_of(voice_config: Any) -> int:
    """The speed that a `voice_config` asks for, in percent."""
    speed = voice_config.get("speed") if isinstance(voice_config, Mapping) else None
    return int(speed) if isinstance(speed, int | float) and speed > 0 else _NORMAL_SPEED


def scenes_s(shoot_scripts: Any, speed: int) -> tuple[float | None, bool]:
    """Seconds of the written speech of a script's scenes, None if any is not known; and whether any is recorded."""
    if not isinstance(shoot_scripts, list):
        return None, False
    total_s: float | None = 0.0
    recorded = False
    for scene in map(_scene, shoot_scripts):
        if scene.get("script_type") == "AUDIO":
            recorded = True
            continue
        text = _text(scene)
        total_s = None if text is None or total_s is None else total_s + text_s(text, speed)
    return total_s, recorded


def _scene(item: Any) -> Mapping[str, Any]:
    scene = item.get("shoot_script") if isinstance(item, Mapping) else None
    return scene if isinstance(scene, Mapping) else {"text_config": UNKNOWN}


def _text(scene: Mapping[str, Any]) -> str | None:
    config = scene.get("text_config")
    if config is None:
        return ""  # a scene that is only looked at
    text = config.get("text") if isinstance(config, Mapping) else None
    return text if isinstance(text, str) and HOLE not in text else None


def recordings_in(value: Any) -> Iterator[str]:
    """The names of recordings among parameters that are known."""
    match value:
        case str() if value.lower().endswith(RECORDINGS):
            yield value
        case Mapping():
            for item in value.values():
                yield from recordings_in(item)
        case list():
            for item in value:
                yield from recordings_in(item)


@lru_cache(maxsize=4096)
def recording_s(path: Path) -> float | None:
    """Length of a sound file in seconds; None when it cannot be told, for example because PyAV is not installed."""
    try:
        import av  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        return None
    with suppress(av.FFmpegError, OSError, ValueError), av.open(str(path)) as container:
        return container.duration / av.time_base if container.duration else None
    return None
