"""The shape of the facts about tags; `tags` holds the facts themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: The only tags that do something in an avatar video (reference Table 11-3), and the one that holds them.
VIDEO_TAGS: Final = frozenset({"speak", "break", "phoneme"})


class Form(StrEnum):
    """What the value of an attribute is."""

    TEXT = "string"
    CHOICE = "enum"
    INTEGER = "integer"
    #: A number with the unit ms or s.
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a tag."""

    form: Form
    required: bool = False
    #: The values of a choice.
    values: tuple[str, ...] = ()
    #: Bounds of a number; of a duration in milliseconds.
    least: int | None = None
    most: int | None = None
    #: Of a number.
    unit: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag, and what may stand in it."""

    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    #: Tags that may stand directly in it.
    children: tuple[str, ...] = ()
    #: Whether text may stand directly in it.
    text: bool = False
    #: Fields of the voice's capabilities (VoiceCapability, reference Table 4-40): for the tag under "", else by
    #: attribute (break) or by the language of the pronunciation (phoneme).
    capabilities: Mapping[str, str] = field(default_factory=dict)
    #: Whether its text has to do without punctuation and blanks.
    one_word: bool = False
    #: The reference shows these by example, without stating them: a breach is no more than suspicious.
    children_inferred: bool = False
    required_inferred: bool = False
    #: Where the reference describes it.
    section: str = "11.7"

    @property
    def empty(self) -> bool:
        """Whether nothing may stand in it: it is written `<name/>`."""
        return not self.text and not self.children
