"""What is known of a value before its run: inputs, cells and the run's name are, outputs of steps are not."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from orchestrator.domain import expressions
from orchestrator.domain.expressions import ExpressionError, Reference

#: Members of `run` that are settled when it is made, and those that say whether all went well, where that is supposed.
_OF_RUN: Final = frozenset({"name", "failed", "cancelled"})


class Unknown:
    """Stands for what only the run will know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
#: Stands for an output that nobody knows beside others that are foreseen, where a list of such outputs is handed on whole.
HOLE: Final = "\ue000"
#: Nothing is decided here by what is not known, it only stands somewhere in the outcome.
_HANDED_ON: Final = re.compile(r"\$\{\{\s*steps\.\w+\.results\s*\|\s*scenes\b[^|]*\}\}\s*", re.ASCII)


@dataclass(slots=True)
class Scope:
    """What expressions may use of one run, as far as it is known; notes what was used."""

    #: By root and member: `{"inputs": {…}, "row": {…}, "run": {"name": …}, "steps": {…}}`, of steps the outputs that are
    #: foreseen; `item` and `index` where they are known.
    values: Mapping[str, Any]
    #: Inputs of a sub-pipeline that get the outputs of a step.
    unknown_inputs: frozenset[str] = frozenset()
    used: set[tuple[str, ...]] = field(default_factory=set)
    #: Take what other steps bring also where HOLEs are in it.
    with_holes: bool = False

    def knows(self, reference: Reference) -> bool:
        """Whether what a name stands for is settled."""
        first = reference.path[0] if reference.path else None
        match reference.root:
            case "inputs":
                return first not in self.unknown_inputs if first else not self.unknown_inputs
            case "run":
                return first in _OF_RUN and first in self.values.get("run", ())
            case "steps":
                return self._foresees(reference.path)
            case root:
                return root in self.values

    def _foresees(self, path: tuple[str, ...]) -> bool:
        foreseen = self.values.get("steps", {}).get(path[0], {}) if path else {}
        if len(path) < 2 or path[1] not in foreseen:
            return False
        return self.with_holes or HOLE not in repr(foreseen[path[1]])

    def scenes(self, written: Any) -> Any:
        """As `value`, for scenes: they may hold HOLEs where they are made of what other steps bring."""
        if isinstance(written, str) and _HANDED_ON.fullmatch(written):
            return Scope(self.values, self.unknown_inputs, self.used, with_holes=True).value(written)
        return self.value(written)

    def value(self, written: Any) -> Any:
        """`written` with its templates worked out; UNKNOWN stands wherever something is not known, or has no value."""
        if isinstance(written, str):
            return self._text(written)
        if isinstance(written, Mapping):
            return {key: self.value(item) for key, item in written.items()}
        if isinstance(written, list | tuple):
            return [self.value(item) for item in written]
        return written

    def truth(self, condition: str) -> bool | None:
        """Whether an `if` holds; None: not known."""
        try:
            parts = expressions.condition(condition).expressions
            names = [name for part in parts for name in part.references()]
            if not self._all_known(names):
                return None
            return expressions.truth(condition, self.values)
        except ExpressionError:
            return None

    def _text(self, written: str) -> Any:
        if "${{" not in written:
            return written
        try:
            return expressions.render(written, self.values) if self._all_known(names_in(written)) else UNKNOWN
        except ExpressionError:
            return UNKNOWN

    def _all_known(self, names: Iterable[Reference]) -> bool:
        known = True
        for name in names:
            self.used.add((name.root, *name.path[:1]))
            known = known and self.knows(name)
        return known


def pick(values: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    """What a place that `Scope.used` has noted holds."""
    value: Any = values
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def is_known(value: Any) -> bool:
    """Whether no part of a value is UNKNOWN."""
    match value:
        case Unknown():
            return False
        case Mapping():
            return all(map(is_known, value.values()))
        case list():
            return all(map(is_known, value))
        case _:
            return True


@lru_cache(maxsize=4096)
def names_in(written: str) -> frozenset[Reference]:
    """Every name that the templates of a text use. Raises ExpressionError."""
    return frozenset(expressions.references(written))


def steps_in(written: Any) -> frozenset[str]:
    """The steps whose outputs a value uses."""
    return frozenset(
        name.path[0] for name in expressions.references(written) if name.root == "steps" and name.path
    )


class Given(Mapping[str, Any]):
    """The parameters of a step without those that are UNKNOWN, each worked out when somebody asks for it."""

    def __init__(self, written: Mapping[str, Any], scope: Scope) -> None:
        self._written, self._scope = written, scope
        self._found: dict[str, Any] = {}

    def partly(self, name: str) -> Any:
        """The parameter, perhaps UNKNOWN or with UNKNOWN inside; None: it is not given."""
        if name not in self._written:
            return None
        if name not in self._found:
            self._found[name] = self._scope.value(self._written[name])
        return self._found[name]

    def __getitem__(self, name: str) -> Any:
        if name not in self._written or (value := self.partly(name)) is UNKNOWN:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._written if self.partly(name) is not UNKNOWN)

    def __len__(self) -> int:
        return sum(1 for _ in self)
