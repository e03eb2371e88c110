"""What is said of a text, when, and for how long (reference 11.7, table 5-11).

Of the tags only `break` takes effect in a video (table 11-3): the others are left out and their contents spoken.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape

#: Speech runs at about so many words, or so many characters of scripts without blanks, a second (table 5-4).
_WORDS_PER_S = 2.5
_IDEOGRAPHS_PER_S = 4.5
_MIN_S = 2.0
#: A line on the screen holds about so many characters of a Latin script; an ideograph is twice as wide.
_LINE_WIDTH = 84

_ROOT = re.compile(r"\s*<speak\b")
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<break\b([^<>]*)>(?:\s*</break\s*>)?")
_TIME = re.compile(r"""\btime\s*=\s*["']\s*(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s)\s*["']""")
_STRENGTH = re.compile(r"""\bstrength\s*=\s*["']\s*([a-z-]+)""")
_STRENGTHS_S = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2}
_LONGEST_BREAK_S = 10.0
_IDEOGRAPH = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
#: A pause behind the end of a sentence is a good place to begin a line.
_SENTENCE = re.compile(r"(?<=[.!?;:])\s|(?<=[\u3002\uff01\uff1f\uff1b])")


@dataclass(frozen=True, slots=True)
class Line:
    """What is said from one time to another, in seconds from the start of the text; it fits on the screen."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken text."""

    lines: tuple[Line, ...]
    #: With the pauses before, between and after the lines.
    duration_s: float


def speech_of(text: str, speed: int = 100) -> Speech:
    """How a text is spoken; `speed` in percent, as `voice_config.speed` has it. Pauses keep their length."""
    lines: list[Line] = []
    at = 0.0
    for piece in _pieces(text):
        if isinstance(piece, float):
            at += piece
            continue
        for words in captions([piece]):
            end = at + _speaking_s(words) * 100 / speed
            lines.append(Line(words, at, end))
            at = end
    return Speech(tuple(lines), at)


def plain_text(text: str) -> str:
    """What is spoken of a text: without its tags, blanks made one."""
    return " ".join(piece for piece in _pieces(text) if isinstance(piece, str))


def speech_s(texts: Iterable[str], speed: int = 100) -> float:
    """About how long the texts take to speak, in seconds, and never less than two."""
    return max(_MIN_S, sum(speech_of(text, speed).duration_s for text in texts))


def captions(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts cut into lines that fit on the screen, in their order."""
    found: list[str] = []
    for text in texts:
        line = ""
        for sentence in _SENTENCE.split(text):
            for word in _words(sentence):
                if line and _width(line) + _width(word) > _LINE_WIDTH:
                    found.append(line.strip())
                    line = ""
                line += word
            if _width(line) > _LINE_WIDTH // 2:
                found.append(line.strip())
                line = ""
        found.append(line.strip())
    return tuple(filter(None, found))


def subtitles(speech: Speech) -> str:
    """The speech as a subtitle file, in the SubRip format."""
    entries = (
        f"{number}\n{_clock(line.start_s)} --> {_clock(line.end_s)}\n{line.text}\n"
        for number, line in enumerate(speech.lines, 1)
    )
    return "\n".join(entries)


def _pieces(text: str) -> Iterator[str | float]:
    """Words to speak and pauses in seconds, in their order. Tags count only inside `speak`."""
    if not _ROOT.match(text):
        yield from _spoken(text)
        return
    at = 0
    for tag in _BREAK.finditer(text):
        yield from _spoken(_without_tags(text[at : tag.start()]))
        yield _pause_s(tag.group(1))
        at = tag.end()
    yield from _spoken(_without_tags(text[at:]))


def _without_tags(text: str) -> str:
    return unescape(_TAG.sub(" ", text))


def _spoken(text: str) -> Iterator[str]:
    words = " ".join(text.split())
    if words:
        yield words


def _pause_s(attributes: str) -> float:
    time = _TIME.search(attributes)
    if time is not None:
        return min(_LONGEST_BREAK_S, float(time.group(1)) / (1000 if time.group(2) == "ms" else 1))
    strength = _STRENGTH.search(attributes)
    return _STRENGTHS_S.get(strength.group(1) if strength else "medium", _STRENGTHS_S["medium"])


def _speaking_s(text: str) -> float:
    ideographs = len(_IDEOGRAPH.findall(text))
    words = len(_IDEOGRAPH.sub(" ", text).split())
    return words / _WORDS_PER_S + ideographs / _IDEOGRAPHS_PER_S


def _words(text: str) -> Iterator[str]:
    """Words with the blank behind them; scripts without blanks, and words without end, are cut anywhere."""
    for word in text.split():
        chunk = ""
        for char in word:
            if _width(chunk + char) > _LINE_WIDTH // 2:
                yield chunk
                chunk = ""
            chunk += char
        yield f"{chunk} "


def _width(text: str) -> int:
    return len(text) + len(_IDEOGRAPH.findall(text))


def _clock(at_s: float) -> str:
    ms = round(at_s * 1000)
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"
