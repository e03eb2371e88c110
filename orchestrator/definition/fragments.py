"""Fragments: mappings that several places share. `extends: NAME` puts one under what stands beside it.

Worked out on the tree, before anything else looks at it: what comes from a fragment keeps its place there, so a mistake in
a fragment is reported where it can be mended.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path
from typing import Final, NoReturn

from orchestrator.definition import tree
from orchestrator.definition.files import FileRefusedError, Folders
from orchestrator.definition.grammar import SECTIONS
from orchestrator.definition.problems import Code, DefinitionError, Problem
from orchestrator.definition.tree import Mapping, Node, Place, Scalar, Source
from orchestrator.domain.nearest import did_you_mean

#: The key that takes in fragments, and the section that holds them.
EXTENDS: Final = "extends"
FRAGMENTS: Final = "fragments"
#: In that section: a file with more of them.
_FROM: Final = "from"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
#: Fragments that extend fragments that extend fragments, …
_LEVELS: Final = 10


@dataclass(frozen=True, slots=True)
class _Fragment:
    place: Place
    node: Mapping
    #: Whether it stands in the definition itself.
    own: bool


def expand(source: Source, root: Mapping, folder: Path, roots: Sequence[Path]) -> Mapping:
    """The definition with every `extends` of its steps worked out and without its fragments.

    Mistakes are noted in `source`; files with fragments are looked for in `folder`, and read inside `roots`. Raises
    DefinitionError where going on could take for ever.
    """
    known = dict(_fragments(source, root, folder, roots))
    expansion = _Expansion(source, known, root.size)
    values = {name: node for name, node in root.values.items() if name != FRAGMENTS}
    for title in SECTIONS:
        if isinstance(section := values.get(title), Mapping):
            steps = {name: expansion.node(step, ()) for name, step in section.values.items()}
            values[title] = _mapping(section.place, steps, section.keys)
    for name, fragment in known.items():
        if fragment.own and name not in expansion.used:
            source.report(
                fragment.place, Code.UNUSED, f"nothing extends the fragment {name!r}", "remove it, or use it"
            )
    expanded = _mapping(root.place, values, root.keys)
    expansion.check_depth(expanded)
    return expanded


def _fragments(
    source: Source, root: Mapping, folder: Path, roots: Sequence[Path]
) -> Iterator[tuple[str, _Fragment]]:
    """Those of the definition's files first: its own ones go before them."""
    section = root.values.get(FRAGMENTS)
    if section is None or (isinstance(section, Scalar) and section.value is None):
        return
    if not isinstance(section, Mapping):
        source.report(section.place, Code.WRONG_VALUE, "fragments are a mapping", "write `name: {…}`")
        return
    named = section.values.get(_FROM)
    for node in named.items if isinstance(named, tree.Sequence) else [named] if named else []:
        if isinstance(node, Scalar) and isinstance(node.value, str) and "${{" not in node.value:
            yield from _from_file(source, node.value, node.place, folder, roots)
        else:
            source.report(
                node.place, Code.WRONG_VALUE, "has to be the path of a file with fragments, or a list of such"
            )
    yield from _named(source, section, own=True)


def _named(source: Source, section: Mapping, *, own: bool) -> Iterator[tuple[str, _Fragment]]:
    for name, node in section.values.items():
        place = section.keys[name]
        if own and name == _FROM:
            continue
        if not _NAME.fullmatch(name):
            message = f"a fragment cannot be called {name!r}"
            source.report(place, Code.WRONG_VALUE, message, "letters, digits, _ and -, a letter first")
        elif not isinstance(node, Mapping):
            source.report(
                place, Code.WRONG_VALUE, f"the fragment {name!r} is not a mapping", "write `key: value`"
            )
        else:
            yield name, _Fragment(place, node, own)


def _from_file(
    source: Source, written: str, place: Place, folder: Path, roots: Sequence[Path]
) -> Iterator[tuple[str, _Fragment]]:
    try:
        path = Path(Folders.of([folder], roots).find(written))
        with path.open("rb") as file:
            content = file.read(tree.SIZE_LIMIT + 1)
    except FileRefusedError as error:
        source.report(place, Code.FRAGMENT, f"the file {error}", error.suggestion)
        return
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        source.report(place, Code.FRAGMENT, f"the file {written!r} cannot be read: {reason}")
        return
    label = normpath(Path(source.file).parent / written)
    part, root = tree.read(label, content, part_of=source)
    source.problems += part.problems
    if root is None:
        return
    for name in root.values.keys() - {FRAGMENTS}:
        message, hint = f"a file with fragments has no key {name!r}", "it holds `fragments:` and nothing else"
        source.report(root.keys[name], Code.UNKNOWN_KEY, message, hint)
    section = root.values.get(FRAGMENTS)
    if isinstance(section, Mapping):
        yield from _named(source, section, own=False)
    else:
        source.report(
            root.place, Code.MISSING_KEY, "a file with fragments holds `fragments:`, names and mappings"
        )


class _Expansion:
    def __init__(self, source: Source, known: dict[str, _Fragment], size: int) -> None:
        self._source, self._known = source, known
        self._done: dict[str, Node] = {}
        #: Keys and values so far, those that fragments bring included.
        self._size = size
        self.used: set[str] = set()

    def node(self, node: Node, within: tuple[str, ...]) -> Node:
        """The node with its fragments; `within`: the fragments whose parts are being worked out."""
        match node:
            case Scalar():
                return node
            case tree.Sequence():
                items = [self.node(item, within) for item in node.items]
                return tree.Sequence(node.place, items, 1 + sum(item.size for item in items))
            case Mapping():
                own = {key: value for key, value in node.values.items() if key != EXTENDS}
                expanded = {key: self.node(value, within) for key, value in own.items()}
                mapping = _mapping(node.place, expanded, node.keys)
                base: Node | None = None
                for one in self._extended(node.values.get(EXTENDS), within):
                    base = one if base is None else _merged(base, one)
                return mapping if base is None else _merged(base, mapping)

    def _extended(self, named: Node | None, within: tuple[str, ...]) -> Iterator[Node]:
        if named is None:
            return
        for node in named.items if isinstance(named, tree.Sequence) else [named]:
            if not isinstance(node, Scalar) or not isinstance(node.value, str):
                hint = "write `extends: NAME`, or a list of names"
                self._source.report(node.place, Code.WRONG_VALUE, "has to be the name of a fragment", hint)
            elif "${{" in node.value:
                message = "only a fixed value may stand here"
                self._source.report(node.place, Code.NO_EXPRESSION_HERE, message)
            elif (found := self._fragment(node.value, node.place, within)) is not None:
                self._size += found.size
                if self._size > tree.NODE_LIMIT:
                    what = f"more than {tree.NODE_LIMIT:,} values, those of its fragments included"
                    self._stop(node.place, f"the definition has {what}")
                yield found

    def _fragment(self, name: str, place: Place, within: tuple[str, ...]) -> Node | None:
        self.used.add(name)
        fragment = self._known.get(name)
        if fragment is None:
            known = f"known: {', '.join(self._known) or 'none'}"
            hint = did_you_mean(name, self._known) or known
            self._source.report(place, Code.FRAGMENT, f"there is no fragment {name!r}", hint)
            return None
        if name in within:
            shown = " → ".join([*within[within.index(name) :], name])
            self._source.report(place, Code.FRAGMENT, f"fragments extend each other in a circle: {shown}")
            return None
        if len(within) == _LEVELS:
            self._stop(place, f"fragments extend fragments more than {_LEVELS} times over")
        if name not in self._done:
            done = self.node(fragment.node, (*within, name))
            self.check_depth(done)
            self._done[name] = done
        return self._done[name]

    def check_depth(self, node: Node) -> None:
        """Raises DefinitionError for what fragments have made too deep."""
        if _depth(node) > tree.DEPTH_LIMIT:
            self._stop(
                node.place, f"with its fragments, this is nested deeper than {tree.DEPTH_LIMIT} levels"
            )

    def _stop(self, place: Place, message: str) -> NoReturn:
        file = place.file or self._source.file
        raise DefinitionError([Problem(file, place.line, place.col, Code.TOO_LARGE, message)])


def _merged(base: Node, over: Node) -> Node:
    """Mappings are merged, key by key; anything else that stands over it counts alone."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    values = dict(base.values)
    for key, value in over.values.items():
        values[key] = _merged(values[key], value) if key in values else value
    return _mapping(over.place, values, {**base.keys, **over.keys})


def _mapping(place: Place, values: dict[str, Node], keys: dict[str, Place]) -> Mapping:
    kept = {key: keys[key] for key in values}
    return Mapping(place, values, kept, 1 + sum(value.size for value in values.values()))


def _depth(node: Node) -> int:
    match node:
        case Scalar():
            return 0
        case tree.Sequence():
            return 1 + max(map(_depth, node.items), default=0)
        case Mapping():
            return 1 + max(map(_depth, node.values.values()), default=0)
