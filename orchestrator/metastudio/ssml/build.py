"""Speech from parts that are escaped and checked as they are put together.

speak("Meet Aurora. ", pause(300), "It is ", prosody("slow", rate=70), " to dim.")
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.metastudio.ssml.lint import check
from orchestrator.metastudio.ssml.tags import ROOT, TAGS, BreakStrength, EmotionType, SayAsInterpretAs

_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
#: A reader makes blanks of tabs and line ends in values.
_IN_VALUES: Final = {**_IN_TEXT, **str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})}


@dataclass(frozen=True, slots=True)
class Fragment:
    """A tag with all in it, for `speak` or for another tag."""

    name: str
    #: Fit to stand inside <speak>.
    xml: str

    def __str__(self) -> str:
        return self.xml


#: Text is escaped; give it as it is to be spoken.
Part = str | Fragment


def speak(*parts: Part) -> str:
    """The whole text for `text_config.text`, with <speak> around it; raises SsmlError when it breaks a rule.

    Reference 11.7; 10,000 characters at most without the tags, 131,072 with them.
    """
    text = f"<{ROOT}>{_joined(parts)}</{ROOT}>"
    check(text)
    return text


def pause(milliseconds: int) -> Fragment:
    """Silence of 200 to 10,000 ms; raises SsmlError for another length. Reference Table 11-9."""
    return _fragment("break", {"time": f"{milliseconds}ms"})


def rhythm(strength: BreakStrength) -> Fragment:
    """A pause as long as the rhythm of speech has it; raises SsmlError for another word. Reference Table 11-9."""
    return _fragment("break", {"strength": strength})


def phoneme(text: str, ph: str) -> Fragment:
    """`text` spoken as `ph` says: `tian1 qi4`, or `W EH1 DH AH0`; raises SsmlError without it. Reference Table 11-10."""
    return _fragment("phoneme", {"ph": ph}, text)


def say_as(text: str, interpret_as: SayAsInterpretAs) -> Fragment:
    """`text` read as a number, a date and so on; raises SsmlError for another word. Reference Table 11-11."""
    return _fragment("say-as", {"interpret-as": interpret_as}, text)


def sub(text: str, alias: str) -> Fragment:
    """`text`, for which `alias` is spoken; raises SsmlError without it. Reference Table 11-12."""
    return _fragment("sub", {"alias": alias}, text)


def prosody(text: str, rate: int) -> Fragment:
    """`text` at 50 to 200 percent of the speed; raises SsmlError for another rate. Reference Table 11-13."""
    return _fragment("prosody", {"rate": str(rate)}, text)


def word(text: str) -> Fragment:
    """`text` without blanks and punctuation, read without a pause. Reference 11.7."""
    return _fragment("word", {}, text)


def emotion(kind: EmotionType, *parts: Part) -> Fragment:
    """Whole sentences in a mood, in live rooms only; raises SsmlError for another mood. Reference Table 11-3."""
    return _fragment("emotion", {"type": kind}, *parts)


def insert_action(asset_id: str, name: str | None = None, tag: str | None = None) -> Fragment:
    """A gesture, in live rooms only: the id of an action's asset; raises SsmlError without it. Reference Table 11-3."""
    given = {"id": asset_id, "name": name, "tag": tag}
    return _fragment("insert-action", {key: value for key, value in given.items() if value is not None})


def _joined(parts: tuple[Part, ...]) -> str:
    return "".join(part.translate(_IN_TEXT) if isinstance(part, str) else part.xml for part in parts)


def _fragment(name: str, attributes: Mapping[str, str], *parts: Part) -> Fragment:
    written = "".join(f' {key}="{value.translate(_IN_VALUES)}"' for key, value in attributes.items())
    end = "/>" if TAGS[name].empty else f">{_joined(parts)}</{name}>"
    xml = f"<{name}{written}{end}"
    # Here rather than at the end, so that the error comes from where the mistake is made.
    check(f"<{ROOT}>{xml}</{ROOT}>")
    return Fragment(name, xml)
