"""Subtitles of scenes put on the clock of their video, and written as SRT and WebVTT.

The service makes one SRT file a scene. The reference does not say on which clock its times are, and reserves the fields
for where a scene begins, so what is known decides: those fields if they are filled in; else the lengths of the scenes
against the length of the video.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import structlog

from orchestrator.metastudio.ssml.problems import EnoughError, Notes
from orchestrator.metastudio.ssml.scan import Text
from orchestrator.metastudio.ssml.tree import Element, read
from orchestrator.steps.base import StepError

if TYPE_CHECKING:
    from pysubs2 import SSAFile

log = structlog.get_logger(__name__)

#: A scene may be so much longer than its words and known pauses, or shorter, in seconds.
_SLACK_S: Final = 0.5
_MARKUP: Final = re.compile(r"</?(?:b|i|u|s|font)\b[^<>]*>", re.IGNORECASE)
_BLANK_LINES: Final = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Cue:
    """Words and when they are shown, in seconds."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class SceneCues:
    """What is known of one scene."""

    cues: tuple[Cue, ...] = ()
    #: Pause after the last words, in seconds.
    pause_s: float = 0.0
    #: Where it begins in the video, if the service says so.
    start_s: float | None = None
    #: Nothing tells how long it is, as of recorded speech without subtitles.
    unknown: bool = False

    @property
    def length_s(self) -> float:
        """As long as its words and known pauses; 0 for an unknown one."""
        return 0.0 if self.unknown else max((cue.end_s for cue in self.cues), default=0.0) + self.pause_s


def read_srt(content: bytes) -> tuple[Cue, ...]:
    """The cues of an SRT file in the order of their times. Raises StepError when it has none."""
    from pysubs2 import SSAFile  # noqa: PLC0415 - only needed once subtitles are there

    text = _decoded(content)
    try:
        file = SSAFile.from_string(text, format_="srt", keep_html_tags=True)
    except (ValueError, UnicodeError, OverflowError) as error:
        raise _unreadable() from error
    cues = [
        Cue(event.start / 1000, max(event.start, event.end) / 1000, event.text.replace(r"\N", "\n").strip())
        for event in file.events
    ]
    if not cues and text.strip():
        raise _unreadable()
    return tuple(sorted((cue for cue in cues if cue.text), key=lambda cue: cue.start_s))


def pause_after(text: str) -> float:
    """Seconds of silence after the last word of a speech, as far as they have a length."""
    try:
        children = read(text, Notes(text)).children
    except EnoughError:
        return 0.0
    return _pause_after(children)[0]


def on_video(scenes: Sequence[SceneCues], video_s: float | None) -> tuple[Cue, ...]:
    """All cues on the clock of the video that the scenes make one after the other.

    `video_s` is the length of the video, if it is known; what would come after its end is left out. Raises StepError when
    nothing tells where a scene begins.
    """
    starts = _starts(scenes, video_s)
    moved = [
        replace(cue, start_s=cue.start_s + start, end_s=cue.end_s + start)
        for scene, start in zip(scenes, starts, strict=True)
        for cue in scene.cues
    ]
    if video_s is not None:
        moved = [replace(cue, end_s=min(cue.end_s, video_s)) for cue in moved if cue.start_s < video_s]
    return tuple(moved)


def _starts(scenes: Sequence[SceneCues], video_s: float | None) -> list[float]:
    told = [scene.start_s for scene in scenes if scene.start_s is not None]
    # All zero is a field that nobody has filled in.
    if len(told) == len(scenes) and all(before < after for before, after in pairwise(told)):
        return told
    total = sum(scene.length_s for scene in scenes)
    if video_s is None:
        return [0.0] * len(scenes) if _follow(scenes) else _one_after_the_other(scenes, 0.0)
    slack_s = _SLACK_S * len(scenes)
    if total <= video_s + slack_s:
        return _one_after_the_other(scenes, video_s - total)
    if _follow(scenes) and max(cue.end_s for scene in scenes for cue in scene.cues) <= video_s + slack_s:
        return [0.0] * len(scenes)
    log.warning("subtitles.longer_than_video", subtitles_s=round(total, 1), video_s=video_s)
    return _one_after_the_other(scenes, 0.0)


def _follow(scenes: Sequence[SceneCues]) -> bool:
    """Whether the times of each scene go on where those of the one before have ended."""
    spoken = [scene.cues for scene in scenes if scene.cues]
    goes_on = all(before[-1].end_s <= after[0].start_s for before, after in pairwise(spoken))
    return goes_on and len(spoken) > 1


def _one_after_the_other(scenes: Sequence[SceneCues], rest_s: float) -> list[float]:
    """Where each scene begins. The rest goes to the scene whose length nothing tells, else to all alike."""
    unknown = [scene for scene in scenes if scene.unknown]
    if len(unknown) > 1 and any(scene.cues for scene in scenes[scenes.index(unknown[0]) :]):
        raise StepError(
            f"Nothing tells how long {len(unknown)} scenes of recorded speech are, so subtitles after them have no time.",
            hint="Upload subtitles for the recorded scenes (subtitle_file_upload_url of the script).",
            code="NO_TIMES",
        )
    share = rest_s / (len(unknown) or len(scenes) or 1)
    lengths = [
        max(0.0, scene.length_s + (share if scene.unknown or not unknown else 0.0)) for scene in scenes
    ]
    return [0.0, *accumulate(lengths[:-1])][: len(scenes)]


# -- writing -----------------------------------------------------------------------------------------


def as_srt(cues: Iterable[Cue]) -> str:
    """A SubRip file."""
    return _file(cues).to_string("srt", keep_ssa_tags=True)


def as_vtt(cues: Iterable[Cue]) -> str:
    """A WebVTT file: without markup, with what WebVTT wants to be escaped."""
    plain = (replace(cue, text=html.escape(_MARKUP.sub("", cue.text), quote=False)) for cue in cues)
    return _file(plain).to_string("vtt", keep_ssa_tags=True)


def _file(cues: Iterable[Cue]) -> "SSAFile":
    from pysubs2 import SSAEvent, SSAFile  # noqa: PLC0415 - as above

    file = SSAFile()
    for cue in cues:
        # A blank line would end the cue.
        text = _BLANK_LINES.sub("\n", cue.text).replace("\n", r"\N")
        file.append(SSAEvent(start=round(cue.start_s * 1000), end=round(cue.end_s * 1000), text=text))
    return file


# -- reading -----------------------------------------------------------------------------------------


def _decoded(content: bytes) -> str:
    """UTF-8 with or without a mark, UTF-16 with one, else GB18030, in which every sequence of bytes can be read."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


def _unreadable() -> StepError:
    return StepError(
        "The service's subtitles are no SRT file.",
        hint="Try again; if it stays so, ask the provider.",
        code="BAD_SUBTITLES",
    )


def _pause_after(children: "Sequence[Element | Text]") -> tuple[float, bool]:
    """Seconds of pauses at the end, and whether something is said before them."""
    from orchestrator.metastudio.ssml.duration import seconds  # noqa: PLC0415 - kept beside its only use

    pause_s = 0.0
    for child in reversed(children):
        if isinstance(child, Text):
            if child.text.strip():
                return pause_s, True
            continue
        if child.name == "break":
            pause_s += seconds([child])[1]
            continue
        inner_s, spoken = _pause_after(child.children)
        pause_s += inner_s
        if spoken or child.name == "sub":
            return pause_s, True
    return pause_s, False
