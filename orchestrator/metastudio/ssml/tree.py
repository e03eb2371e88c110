"""From tags to the tree that they mean, also where some are missing or overlap."""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from orchestrator.domain.nearest import did_you_mean
from orchestrator.metastudio.ssml.problems import Code, EnoughError, Notes
from orchestrator.metastudio.ssml.scan import ENTITIES, FORBIDDEN, End, Scanner, Start, Text, Value, short
from orchestrator.metastudio.ssml.tags import ROOT, TAGS, TEXT_LIMIT

#: Tags in tags; the rules never need more than three.
_DEEPEST: Final = 16
_KNOWN: Final = "|".join(TAGS)
#: What makes a text SSML: a tag of MetaStudio's that is closed by >, or one that the text begins with.
_TAG: Final = re.compile(
    rf"</?(?i:{_KNOWN})(?![\w.-])[^<>]*> | \A\ufeff?\s*<(?i:{ROOT})(?![\w.-])", re.VERBOSE
)
#: The same may be meant by a name that is none, when it is written as nobody writes anything but a tag: closed in itself,
#: closing, or with an attribute. `vector<int>` and `Press <Enter>` are plain text.
_SHAPED: Final = re.compile(
    r"""(?x) </([A-Za-z_][\w.-]*)[ \t\r\n]*> |
    <([A-Za-z_][\w.-]*)(?: [ \t\r\n]*/ | [ \t\r\n]+[\w:-]+[ \t\r\n]*=[ \t\r\n]*["'“][^<>]* )>"""
)
#: Names that are compared with MetaStudio's.
_COMPARED: Final = 100
#: A longer one is no misspelling of any.
_LONGEST: Final = 40
#: What a reader may take for a tag; `a < b`, `<3` and `R&D` are not.
_LIKE_A_TAG: Final = re.compile(
    rf"""(?x) <(?: !-- | !\[CDATA\[ | !DOCTYPE | !ENTITY | \?[A-Za-z]
    | /?((?i:{_KNOWN}))(?![\w.-])
    | /?([A-Za-z_][\w.-]*)(?: [ \t\r\n]+[\w:-]+[ \t\r\n]*=[ \t\r\n]*["'“][^<>]* | [ \t\r\n]*/?)> )"""
)
#: Warnings of a sort in one plain text: more say nothing new, and must not hide that it is too long.
_WARNINGS: Final = 20
_ENTITY: Final = re.compile(rf"&(?:{'|'.join(ENTITIES)}|#[0-9]{{1,7}}|#x[0-9A-Fa-f]{{1,6}});")


@dataclass(slots=True)
class Element:
    """One tag and what stands in it."""

    at: int
    #: As it is written.
    written: str
    attributes: dict[str, Value] = field(default_factory=dict)
    children: "list[Element | Text]" = field(default_factory=list)

    @property
    def name(self) -> str:
        """The tag that is meant: another use of capitals is a mistake, and still the same tag."""
        return self.written if self.written in TAGS else self.written.casefold()


@dataclass(frozen=True, slots=True)
class Document:
    """A text as it was read."""

    #: Whether it has tags; without, it is spoken as it stands.
    marked_up: bool
    children: "list[Element | Text]"


def read(text: str, notes: Notes) -> Document:
    """The tree of `text`; what is wrong with its form is noted. Raises EnoughError when there are too many problems.

    A text without tags is plain: `&`, `<` and entities in it stand for themselves (reference 11.7 asks for <speak> only
    where tags are used). A byte order mark in front of it is passed over.
    """
    if not _is_marked_up(text):
        _plain(text, notes)
        return Document(marked_up=False, children=[Text(0, text)])
    if len(text) > TEXT_LIMIT:
        message = f"has {len(text):,} characters with its tags, more than {TEXT_LIMIT:,}"
        notes.report(TEXT_LIMIT, Code.TOO_LONG_WITH_TAGS, message, "split the text")
        raise EnoughError
    reader = _Reader(notes)
    for token in Scanner(text, notes, len(text) - len(text.removeprefix("\ufeff"))).tokens():
        match token:
            case Text():
                reader.top.append(token)
            case Start():
                reader.start(token)
            case End():
                reader.end(token)
    reader.finish()
    return Document(marked_up=True, children=reader.children)


def _is_marked_up(text: str) -> bool:
    if _TAG.search(text):
        return True
    names: set[str] = set()
    for found in _SHAPED.finditer(text):
        name = found[found.lastindex or 0]
        if len(name) <= _LONGEST and name not in names:
            names.add(name)
            if did_you_mean(name, TAGS):
                return True
            if len(names) == _COMPARED:
                break
    return False


def _plain(text: str, notes: Notes) -> None:
    for found in FORBIDDEN.finditer(text):
        half = "\ud800" <= found[0] <= "\udfff"
        what = "half a character" if half else f"the character U+{ord(found[0]):04X}"
        notes.report(found.start(), Code.CHARACTER, f"{what} cannot be sent", "leave it out")
    for entity in islice(_ENTITY.finditer(text), _WARNINGS):
        message = f"{entity[0]} is read out as it stands: the text has no tags"
        hint = "write the character itself, or put the text inside <speak>…</speak>"
        notes.report(entity.start(), Code.READ_ALOUD, message, hint, warning=True)
    for found in islice(_LIKE_A_TAG.finditer(text), _WARNINGS):
        near = did_you_mean(found[2], TAGS) if found[2] and len(found[2]) <= _LONGEST else ""
        message = f"{short(found[0])} is no tag here, it is read out as it stands"
        close = "close it with > and " if found[1] else ""
        hint = near or f"{close}put the text inside <speak>…</speak> if it is meant to be one"
        notes.report(found.start(), Code.NO_TAG, message, hint, warning=True)


class _Reader:
    def __init__(self, notes: Notes) -> None:
        self.children: list[Element | Text] = []
        self._notes = notes
        self._open: list[Element] = []
        #: Tags that an end tag around them closed too: their own end tags come late.
        self._late: Counter[str] = Counter()

    @property
    def top(self) -> "list[Element | Text]":
        """Where the next part belongs."""
        return self._open[-1].children if self._open else self.children

    def start(self, token: Start) -> None:
        element = Element(token.at, token.name, token.attributes)
        self.top.append(element)
        if token.closed:
            return
        if len(self._open) == _DEEPEST:
            message = f"more than {_DEEPEST} tags are open here"
            self._notes.report(token.at, Code.TOO_DEEP, message, "close them, or write empty ones as <name/>")
            raise EnoughError
        self._open.append(element)

    def end(self, token: End) -> None:
        names = [element.written for element in self._open]
        if token.name in names:
            while (element := self._open.pop()).written != token.name:
                self._overlapped(element, token)
            return
        if self._late[token.name]:
            self._late[token.name] -= 1
            return
        near = did_you_mean(token.name, names[-1:]) if len(token.name) <= 40 else ""
        message = f"</{short(token.name)}> ends a tag that is not open"
        self._notes.report(token.at, Code.MISNESTED, message, near)
        if near:
            self._open.pop()

    def _overlapped(self, element: Element, token: End) -> None:
        if self._void(element):
            return
        line, column = self._notes.place(element.at)
        name = short(element.written)
        message = (
            f"</{short(token.name)}> stands where <{name}> of line {line}, column {column} is still open"
        )
        self._notes.report(token.at, Code.MISNESTED, message, f"write </{name}> before it")
        self._late[element.written] += 1

    def _void(self, element: Element) -> bool:
        """Whether the open `element` is an empty tag without its slash; what follows stands beside it."""
        tag = TAGS.get(element.name)
        if tag is None or not tag.empty:
            return False
        message = f"<{element.written}> is not closed"
        self._notes.report(element.at, Code.UNCLOSED, message, f"write <{element.written} …/>")
        self.top.extend(element.children)
        element.children.clear()
        return True

    def finish(self) -> None:
        """What is still open at the end is noted where it begins."""
        while self._open:
            element = self._open.pop()
            if not self._void(element):
                name = short(element.written)
                self._notes.report(
                    element.at, Code.UNCLOSED, f"<{name}> is never closed", f"write </{name}> behind its text"
                )
