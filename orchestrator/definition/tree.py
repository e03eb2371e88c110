"""YAML 1.2 as a tree that knows the place of every key and value.

Built from the parser's events, so that size, depth and aliases are bounded while reading, duplicate keys are seen and
plain scalars mean what YAML 1.2 says: `on`, `yes` and 12:30 are texts. A number with a leading zero stays text as well:
`012` is a label far more often than it is twelve.
"""

import bisect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from orchestrator.definition.problems import Code, DefinitionError, Problem
from orchestrator.definition.syntax import explain

#: Bytes of a definition file.
SIZE_LIMIT: Final = 1_000_000
#: Keys and values of a definition, those repeated by aliases included.
NODE_LIMIT: Final = 20_000
#: Levels of lists and mappings.
DEPTH_LIMIT: Final = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1, and the span in characters of the whole text, from 0."""

    line: int
    col: int
    start: int = 0
    end: int = 0
    #: The file with fragments that it is in; empty: the definition itself.
    file: str = ""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, true/false or null."""

    place: Place
    value: str | int | float | bool | None
    size: int = 1

    def plain(self) -> Any:
        """The value."""
        return self.value


@dataclass(slots=True)
class Sequence:
    """A list."""

    place: Place
    items: list["Node"] = field(default_factory=list)
    size: int = 1

    def plain(self) -> Any:
        """As a list of plain data."""
        return [item.plain() for item in self.items]


@dataclass(slots=True)
class Mapping:
    """A mapping; `keys` holds the place of each key."""

    place: Place
    values: dict[str, "Node"] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1

    def plain(self) -> Any:
        """As a dict of plain data."""
        return {key: value.plain() for key, value in self.values.items()}


Node = Scalar | Sequence | Mapping


class Source:
    """The text of a definition file and its problems so far."""

    def __init__(self, file: str, text: str, *, part_of: "Source | None" = None) -> None:
        """`part_of`: the definition that takes in parts of this file, so that places in it have to name it."""
        self.file = file
        self.text = text
        self.mark = "" if part_of is None else file
        self._parts: dict[str, Source] = {}
        if part_of is not None:
            part_of._parts[file] = self  # noqa: SLF001 - another one of the same class
        self.problems: list[Problem] = []
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n|[\n\r\x85\u2028\u2029]", text))]

    def report(self, place: Place, code: Code, message: str, suggestion: str = "") -> None:
        """Notes a mistake at `place`."""
        file = place.file or self.file
        self.problems.append(Problem(file, place.line, place.col, code, message, suggestion))

    def within(self, scalar: Scalar, offset: int) -> Place:
        """Where character `offset` of a scalar's text stands in the file, quotes and folded lines regarded.

        Exact inside an expression and in a scalar without quotes; elsewhere the start of the scalar.
        """
        if scalar.place.file != self.mark:
            return self._parts[scalar.place.file].within(scalar, offset)
        value = str(scalar.value)
        if self.text.startswith(value, scalar.place.start):
            return self.at(min(scalar.place.start + offset, scalar.place.end))
        at = value.rfind("${{", 0, offset + 3)
        if at < 0 or at > offset:
            return scalar.place
        index = scalar.place.start - 1
        for _ in range(value.count("${{", 0, at) + 1):
            index = self.text.find("${{", index + 1, scalar.place.end)
            if index < 0:  # written with escapes such as "\x24"
                return scalar.place
        return self.at(min(index + offset - at, scalar.place.end))

    def at(self, index: int) -> Place:
        """The place of character `index` of the whole text."""
        line = bisect.bisect_right(self._starts, index)
        return Place(line, index - self._starts[line - 1] + 1, index, index, self.mark)


def read(file: str, content: bytes, *, part_of: Source | None = None) -> tuple[Source, Mapping | None]:
    """The tree of a definition; None (and problems in the source) when there is none.

    `part_of`: the definition that takes in parts of the file.
    """
    source = Source(file, "", part_of=part_of)
    start = Place(1, 1)
    if len(content) > SIZE_LIMIT:
        source.report(start, Code.TOO_LARGE, f"the file has more than {SIZE_LIMIT:,} bytes")
        return source, None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        source.report(
            place, Code.ENCODING, f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8"
        )
        return source, None
    source = Source(file, text, part_of=part_of)
    try:
        root = _Builder(source).build()
    except DefinitionError as error:
        source.problems.extend(error.problems)
        return source, None
    if isinstance(root, Mapping):
        return source, root
    if root is None or (isinstance(root, Scalar) and root.value is None):
        source.report(
            start, Code.EMPTY, "the file holds no definition", "a definition begins with `pipeline: name`"
        )
    else:
        source.report(
            root.place, Code.WRONG_VALUE, "a definition is a mapping", "it begins with `pipeline: name`"
        )
    return source, None


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read."""

    node: Sequence | Mapping
    anchor: str | None
    key: str | None = None
    key_place: Place | None = None


class _Builder:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._root: Node | None = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._count = 0
        self._documents = 0

    def build(self) -> Node | None:
        """The root node; raises DefinitionError for what cannot be read any further."""
        for event in self._events():
            self._take(event)
        return self._root

    def _events(self) -> Iterator[Event]:
        place = Place(1, 1)
        try:
            yield from YAML(typ="safe", pure=True).parse(self._source.text)
        except MarkedYAMLError as error:
            found = explain(error, self._source.text)
            self._stop(Place(found.line, found.col), Code.SYNTAX, found.message, found.suggestion)
        except (YAMLError, ValueError) as error:
            # A character that YAML does not allow carries its position; nothing else is known of the others.
            position = getattr(error, "position", None)
            if isinstance(position, int):
                place = self._source.at(position)
            self._stop(place, Code.SYNTAX, "a character that YAML does not allow", "")

    def _take(self, event: Event) -> None:
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(
                        self._place(event),
                        Code.YAML_FEATURE,
                        "a file holds one definition",
                        "remove the second `---`",
                    )
            case MappingStartEvent() | SequenceStartEvent():
                self._untagged(event)
                node = (
                    Mapping(self._place(event))
                    if isinstance(event, MappingStartEvent)
                    else Sequence(self._place(event))
                )
                if self._expects_key():
                    self._stop(
                        node.place,
                        Code.YAML_FEATURE,
                        "a key has to be text",
                        "quote a text that begins with { or [",
                    )
                if len(self._stack) >= DEPTH_LIMIT:
                    self._stop(node.place, Code.TOO_LARGE, f"nested deeper than {DEPTH_LIMIT} levels", "")
                self._count_in(node)
                self._stack.append(_Open(node, event.anchor))
            case MappingEndEvent() | SequenceEndEvent():
                done = self._stack.pop()
                self._finish(done.node, done.anchor)
            case ScalarEvent():
                self._scalar(event)
            case AliasEvent():
                self._alias(event)
            case _:
                return

    def _scalar(self, event: ScalarEvent) -> None:
        place = self._place(event)
        if self._expects_key():
            self._key(str(event.value), place)
            return
        self._untagged(event)
        value = _resolve(event.value) if event.style is None and not event.ctag else event.value
        node = Scalar(place, value)
        self._count_in(node)
        self._finish(node, event.anchor)

    def _alias(self, event: AliasEvent) -> None:
        place = self._place(event)
        if self._expects_key():
            self._stop(place, Code.YAML_FEATURE, "a key has to be text", "")
        node = self._anchors.get(event.anchor)
        if node is None:
            self._stop(
                place,
                Code.SYNTAX,
                f"the alias *{event.anchor} has no finished anchor &{event.anchor} before it",
                "",
            )
        self._count_in(node, place)
        self._finish(node, None)

    def _key(self, key: str, place: Place) -> None:
        top = self._stack[-1]
        assert isinstance(top.node, Mapping)
        if key in top.node.keys:
            first = top.node.keys[key].line
            self._source.report(
                place, Code.DUPLICATE_KEY, f"{key!r} stands here a second time (first in line {first})"
            )
        if key == "<<":
            self._source.report(
                place, Code.YAML_FEATURE, "merge keys (`<<`) are not part of YAML 1.2", "write the keys out"
            )
        top.key, top.key_place = key, place

    def _finish(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        top.node.size += node.size
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key is not None and top.key_place is not None:
            if top.key not in top.node.values and top.key != "<<":
                top.node.values[top.key] = node
                top.node.keys[top.key] = top.key_place
            top.key = None

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None

    def _count_in(self, node: Node, place: Place | None = None) -> None:
        self._count += node.size
        if self._count > NODE_LIMIT:
            what = "values, those that its aliases repeat included" if self._anchors else "values"
            self._stop(
                place or node.place, Code.TOO_LARGE, f"the definition has more than {NODE_LIMIT:,} {what}", ""
            )

    def _untagged(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        tag = str(event.ctag) if event.ctag else ""
        if tag and not (isinstance(event, ScalarEvent) and tag in {"tag:yaml.org,2002:str", "!"}):
            self._source.report(
                self._place(event),
                Code.YAML_FEATURE,
                f"the tag {tag} is not used in definitions",
                "remove it",
            )

    def _stop(self, place: Place, code: Code, message: str, suggestion: str) -> NoReturn:
        raise DefinitionError([Problem(self._source.file, place.line, place.col, code, message, suggestion)])

    def _place(self, event: Event) -> Place:
        start, end = event.start_mark, event.end_mark
        return Place(start.line + 1, start.column + 1, start.index, end.index, self._source.mark)


_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
#: More digits than a 64-bit number surely holds are an identifier and stay text.
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_BASED: Final = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")


def _resolve(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)) and not text.lstrip("+-").isdigit():
        return float(text)
    return text
