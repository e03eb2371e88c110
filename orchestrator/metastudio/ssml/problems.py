"""What can be wrong with speech: one table of codes, one shape, every mistake at its line and column."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from orchestrator.errors import UsageError

#: Problems that are listed; more than so many are one and the same mistake.
MOST_PROBLEMS: Final = 100
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class Severity(StrEnum):
    """How much a problem matters."""

    #: The text breaks a rule of the reference.
    ERROR = "error"
    #: The text may be sent, but will hardly be spoken as it was meant.
    WARNING = "warning"


class Code(StrEnum):
    """The stable codes of problems; `meaning` is one line for the reference."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    MALFORMED = "S101", "A tag is not written as a tag is: its `>`, a quote or a name is missing."
    UNCLOSED = "S102", "A tag is opened and never closed."
    MISNESTED = "S103", "Tags overlap, or an end tag has no beginning."
    UNESCAPED = "S104", "A bare `&` or `<` between tags."
    ENTITY = "S105", "An entity that is not one of `&amp; &lt; &gt; &quot; &apos;`, or no character."
    CHARACTER = "S106", "A character that cannot be sent."
    REFUSED = "S107", "A declaration, an instruction or CDATA: SSML here knows tags alone."
    TOO_DEEP = "S108", "Tags are nested deeper than any rule allows."
    ATTRIBUTE_TWICE = "S109", "The same attribute stands twice in one tag."
    COMMENT = "S110", "A comment, of which the reference does not say whether it is skipped."

    NO_SPEAK = "S201", "Tags without `<speak>` around them."
    OUTSIDE = "S202", "Something stands outside `<speak>`."
    UNKNOWN_TAG = "S203", "A tag that MetaStudio does not have."
    WRONG_PLACE = "S204", "A tag or a text stands where it may not."

    UNKNOWN_ATTRIBUTE = "S301", "The tag has no such attribute."
    MISSING_ATTRIBUTE = "S302", "A required attribute is missing."
    WRONG_VALUE = "S303", "The value of an attribute has the wrong form or range."
    PRONUNCIATION = (
        "S304",
        "The pronunciation is neither Pinyin with tones nor symbols of the CMU dictionary.",
    )
    ONE_WORD = "S305", "Text for continuous reading has blanks or punctuation."

    TOO_LONG = "S401", "Too much to speak, counted without the tags."
    TOO_LONG_WITH_TAGS = "S402", "Too long, counted with the tags."
    TOO_MANY = "S403", "More problems than are listed."

    NO_EFFECT = "S501", "The tag does nothing in an avatar video."
    VOICE_LACKS = "S502", "The voice does not support the tag."
    READ_ALOUD = "S503", "An entity in text without tags, which is read out as it stands."
    NO_TAG = "S504", "What looks like a tag in text without tags, which is read out as it stands."


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and its place in the text. Lines and columns (characters) count from 1."""

    line: int
    column: int
    code: Code
    message: str
    suggestion: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """`line:column: code message (suggestion)`."""
        return f"{self.line}:{self.column}: {self.code} {self.message}" + (
            f" ({self.suggestion})" if self.suggestion else ""
        )


class SsmlError(UsageError):
    """A text cannot be spoken as it stands."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """`problems` holds every error found; the message lists them, one a line."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class EnoughError(Exception):
    """So many problems that reading on serves nobody."""


class Notes:
    """The problems of one text as they are found."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]
        self._found: dict[tuple[int, Code, str], Problem] = {}

    def report(
        self, at: int, code: Code, message: str, suggestion: str = "", *, warning: bool = False
    ) -> None:
        """Note a problem at index `at`, once; raises EnoughError when there are too many."""
        severity = Severity.WARNING if warning else Severity.ERROR
        if len(self._found) == MOST_PROBLEMS:
            code, message = Code.TOO_MANY, "from here on there are more problems than are listed"
            suggestion = "mend those above first"
        self._found.setdefault(
            (at, code, message), Problem(*self.place(at), code, message, suggestion, severity)
        )
        if code is Code.TOO_MANY:
            raise EnoughError

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of index `at`."""
        line = bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1

    def in_order(self) -> tuple[Problem, ...]:
        """Every problem, in the order of the text; the remark that there are more comes last."""
        return tuple(
            sorted(
                self._found.values(),
                key=lambda one: (one.code is Code.TOO_MANY, one.line, one.column, one.code),
            )
        )
