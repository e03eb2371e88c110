"""From a text to its tags and what stands between them, each with its index; mistakes are noted and stepped over.

Not an XML parser, which stops at the first mistake and knows entities that grow: what is legal here is a small part of
XML, and every construct costs time in proportion to its own length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.nearest import did_you_mean
from orchestrator.metastudio.ssml.problems import Code, Notes

ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

_NAME: Final = re.compile(r"[^\s<>/=\"'&]+")
_ATTRIBUTE: Final = re.compile(
    r"[ \t\r\n]+([A-Za-z_:][\w:.-]*)[ \t\r\n]*=[ \t\r\n]*(?:\"([^\"<]*)\"|'([^'<]*)')"
)
_TAG_END: Final = re.compile(r"[ \t\r\n]*(/?)>")
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_ENTITY: Final = re.compile(r"&(?:#([0-9]{1,10})|#x([0-9A-Fa-f]{1,8})|([A-Za-z][\w.-]{0,40}));", re.ASCII)
#: What XML 1.0 has no place for, and no speech either.
FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = {"&": "write & as &amp;", "<": "write < as &lt;"}


@dataclass(frozen=True, slots=True)
class Text:
    """What stands between tags, entities resolved."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """The value of an attribute, entities resolved, with the index of it and of its name."""

    at: int
    name_at: int
    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """A tag that begins something, or is all of it when `closed`."""

    at: int
    name: str
    attributes: dict[str, Value]
    closed: bool


@dataclass(frozen=True, slots=True)
class End:
    """A tag that ends something."""

    at: int
    name: str


Token = Text | Start | End


def short(name: str) -> str:
    """A name as messages show it."""
    return name if len(name) <= 40 else f"{name[:39]}…"


class Scanner:
    """Reads one text from index `at` to its end."""

    def __init__(self, text: str, notes: Notes, at: int = 0) -> None:
        self._text = text
        self._notes = notes
        self._at = at

    def tokens(self) -> Iterator[Token]:
        """Every tag and every text between them, in order."""
        while self._at < len(self._text):
            start = self._at
            tag = self._text.find("<", start)
            self._at = len(self._text) if tag < 0 else tag
            if self._at > start:
                yield Text(start, self._content(start, self._at))
            if tag >= 0:
                yield from self._markup(tag)

    def _markup(self, at: int) -> Iterator[Token]:
        text = self._text
        if text.startswith("<!--", at):
            self._comment(at)
        elif text.startswith(("<!", "<?"), at):
            self._refused(at)
        elif text.startswith("</", at):
            yield from self._end(at)
        elif _NAME.match(text, at + 1) and (text[at + 1].isalpha() or text[at + 1] in "_:"):
            yield self._start(at)
        else:
            self._notes.report(at, Code.UNESCAPED, "< begins no tag", _ESCAPES["<"])
            self._at = at + 1
            yield Text(at, "<")

    def _comment(self, at: int) -> None:
        end = self._text.find("-->", at + 4)
        self._at = len(self._text) if end < 0 else end + 3
        body = self._text[at + 4 : self._at - 3]
        if end < 0:
            self._notes.report(at, Code.UNCLOSED, "the comment is not closed", "end it with -->")
        elif "--" in body or body.endswith("-"):
            self._notes.report(at, Code.MALFORMED, "a comment cannot hold --")
        else:
            message = "it is not said whether MetaStudio skips comments"
            self._notes.report(at, Code.COMMENT, message, "leave it out", warning=True)
        self._characters(body, at + 4)

    def _refused(self, at: int) -> None:
        text = self._text
        if text.startswith("<![CDATA[", at):
            what, close, instead = "CDATA", "]]>", "write & as &amp; and < as &lt;"
        elif text.startswith("<?", at):
            what, close, instead = "an instruction", "?>", "begin with <speak>"
        else:
            what, close, instead = "a declaration", ">", "begin with <speak>"
            # Those of a document type stand in brackets, each with a > of its own.
            bracket = text.find("[", at)
            if text.startswith("<!DOCTYPE", at) and -1 < bracket < text.find(">", at):
                close = "]>"
        end = text.find(close, at)
        self._at = len(text) if end < 0 else end + len(close)
        self._notes.report(at, Code.REFUSED, f"{what} has no place in SSML; it knows tags alone", instead)

    def _end(self, at: int) -> Iterator[End]:
        name = _NAME.match(self._text, at + 2)
        close = _TAG_END.match(self._text, name.end()) if name else None
        if name and close and not close[1]:
            self._at = close.end()
            yield End(at, name[0])
            return
        written = f"</{short(name[0])}>" if name else "an end tag"
        self._notes.report(at, Code.MALFORMED, f"{written} is not closed by > or has more than a name")
        self._skip(at + 2)
        if name:
            yield End(at, name[0])

    def _start(self, at: int) -> Start:
        name = _NAME.match(self._text, at + 1)
        assert name is not None
        attributes: dict[str, Value] = {}
        here = name.end()
        while found := _ATTRIBUTE.match(self._text, here):
            group = 2 if found[2] is not None else 3
            if found[1] in attributes:
                message = f"<{short(name[0])}> has the attribute {short(found[1])!r} twice"
                self._notes.report(found.start(1), Code.ATTRIBUTE_TWICE, message)
            text = re.sub(r"\r\n|[\t\r\n]", " ", found[group])
            at_value = found.start(group)
            attributes[found[1]] = Value(at_value, found.start(1), self._resolved(text, at_value))
            here = found.end()
        close = _TAG_END.match(self._text, here)
        if close is None:
            self._malformed(name[0], here)
            self._skip(here)
            return Start(at, name[0], attributes, self._text[self._at - 2 : self._at] == "/>")
        self._at = close.end()
        return Start(at, name[0], attributes, bool(close[1]))

    def _malformed(self, tag: str, here: int) -> None:
        blanks = _BLANKS.match(self._text, here)
        at = blanks.end() if blanks else here
        name = _NAME.match(self._text, at)
        after = _BLANKS.match(self._text, name.end()) if name else None
        if at == len(self._text) or self._text[at] == "<":
            message, hint = f"<{short(tag)}> has no > at its end", ""
        elif name and at == here:
            message, hint = f"a blank is missing before {short(name[0])!r} in <{short(tag)}>", ""
        elif name and after and self._text.startswith("=", after.end()):
            message = f"the value of {short(name[0])!r} in <{short(tag)}> does not stand between two straight quotes"
            hint = f'write {short(name[0])}="…"'
        elif name:
            message = f"the attribute {short(name[0])!r} of <{short(tag)}> has no value"
            hint = f'write {short(name[0])}="…"'
        else:
            message, hint = f"{self._text[at]!r} has no place here in <{short(tag)}>", ""
        self._notes.report(min(at, len(self._text) - 1), Code.MALFORMED, message, hint)

    def _skip(self, here: int) -> None:
        """To the end of a tag that cannot be read, or to the next one."""
        close, following = self._text.find(">", here), self._text.find("<", here)
        ends = [close + 1] if close >= 0 else []
        self._at = min([*ends, *([following] if following >= 0 else []), len(self._text)])

    def _content(self, start: int, end: int) -> str:
        raw = self._text[start:end]
        if "]]>" in raw:
            self._notes.report(start + raw.index("]]>"), Code.MALFORMED, "]]> cannot stand in a text")
        return self._resolved(raw, start)

    def _resolved(self, raw: str, start: int) -> str:
        """`raw` with its entities resolved; `start` is its index."""
        self._characters(raw, start)
        if "&" not in raw:
            return raw
        parts, done = [], 0
        while (at := raw.find("&", done)) >= 0:
            parts.append(raw[done:at])
            entity = _ENTITY.match(raw, at)
            done = entity.end() if entity else at + 1
            parts.append(self._entity(entity, start + at))
        return "".join([*parts, raw[done:]])

    def _entity(self, entity: "re.Match[str] | None", at: int) -> str:
        if entity is None:
            self._notes.report(at, Code.UNESCAPED, "& begins no entity", _ESCAPES["&"])
            return "&"
        decimal, hexadecimal, name = entity.groups()
        if name is None:
            number = int(decimal) if decimal else int(hexadecimal, 16)
            if number <= 0x10FFFF and not FORBIDDEN.match(chr(number)):
                return chr(number)
            self._notes.report(at, Code.ENTITY, f"{entity[0]} is no character")
        elif name in ENTITIES:
            return ENTITIES[name]
        else:
            near = did_you_mean(name, ENTITIES) or "write the character itself, or & as &amp;"
            self._notes.report(at, Code.ENTITY, f"there is no entity {entity[0]}", near)
        return entity[0]

    def _characters(self, raw: str, start: int) -> None:
        for found in FORBIDDEN.finditer(raw):
            message = f"the character U+{ord(found[0]):04X} cannot stand in SSML"
            self._notes.report(start + found.start(), Code.CHARACTER, message, "leave it out")
