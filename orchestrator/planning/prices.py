"""What things cost: a file that the user writes, because only the user knows the contract."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.definition import tree
from orchestrator.definition.problems import Code, DefinitionError, Problem
from orchestrator.domain.nearest import did_you_mean
from orchestrator.metastudio.catalog import resource_types
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.planning.charges import CHARGES

_KEYS: Final = ("currency", "resources", "paid_with", "calls")
_CURRENCY_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of one unit each, in one currency."""

    currency: str
    #: By the code of a resource type.
    resources: Mapping[str, float] = field(default_factory=dict)
    #: The resource type that pays for a charge, where it is another than the usual one.
    paid_with: Mapping[str, str] = field(default_factory=dict)
    #: By operation.
    calls: Mapping[str, float] = field(default_factory=dict)

    def code_of(self, charge: str) -> str:
        """The resource type that pays for a charge."""
        return self.paid_with.get(charge, CHARGES[charge].code)


def read_prices(path: Path) -> Prices:
    """The prices that a YAML file holds. Raises DefinitionError with every mistake and its place."""
    try:
        with path.open("rb") as file:
            content = file.read(tree.SIZE_LIMIT + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        message = f"the price file cannot be read: {reason}"
        raise DefinitionError([Problem(str(path), 0, 0, Code.UNREADABLE, message)]) from error
    source, root = tree.read(str(path), content)
    prices = _Reader(source).prices(root) if root is not None else Prices("")
    if source.problems:
        raise DefinitionError(sorted(source.problems, key=lambda one: (one.line, one.col, one.code)))
    return prices


class _Reader:
    def __init__(self, source: tree.Source) -> None:
        self._source = source

    def prices(self, root: tree.Mapping) -> Prices:
        for key, place in root.keys.items():
            if key not in _KEYS:
                hint = did_you_mean(key, _KEYS) or f"known: {', '.join(_KEYS)}"
                self._source.report(place, Code.UNKNOWN_KEY, f"a price file has no {key!r}", hint)
        codes = [one.code for one in resource_types()]
        return Prices(
            self._currency(root),
            self._prices(root, "resources", codes, "resource type"),
            self._paid_with(root, codes),
            self._prices(root, "calls", list(OPERATIONS), "operation"),
        )

    def _currency(self, root: tree.Mapping) -> str:
        node = root.values.get("currency")
        if node is None:
            self._source.report(
                tree.Place(1, 1),
                Code.MISSING_KEY,
                "currency is missing",
                "write `currency: EUR`, for example",
            )
            return ""
        value = node.value if isinstance(node, tree.Scalar) else None
        if not isinstance(value, str) or not 0 < len(value) <= _CURRENCY_LENGTH:
            self._source.report(node.place, Code.WRONG_VALUE, "currency is a short text, such as EUR")
            return ""
        return value

    def _prices(self, root: tree.Mapping, section: str, known: list[str], what: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for key, node in self._members(root, section, known, what).items():
            value = node.value if isinstance(node, tree.Scalar) else None
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                self._source.report(node.place, Code.WRONG_VALUE, f"the price of {key} is a number from 0 on")
            else:
                found[key] = float(value)
        return found

    def _paid_with(self, root: tree.Mapping, codes: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, node in self._members(root, "paid_with", list(CHARGES), "charge").items():
            value = node.value if isinstance(node, tree.Scalar) else None
            if not isinstance(value, str) or value not in codes:
                hint = did_you_mean(str(value), codes) or "`docs/reference/catalog.md` lists them"
                self._source.report(node.place, Code.WRONG_VALUE, "this is no resource type", hint)
            else:
                found[key] = value
        return found

    def _members(self, root: tree.Mapping, section: str, known: list[str], what: str) -> dict[str, tree.Node]:
        node = root.values.get(section)
        if node is None or (isinstance(node, tree.Scalar) and node.value is None):
            return {}
        if not isinstance(node, tree.Mapping):
            self._source.report(node.place, Code.WRONG_VALUE, f"{section} is a mapping")
            return {}
        for key, place in node.keys.items():
            if key not in known:
                hint = did_you_mean(key, known) or ""
                self._source.report(place, Code.UNKNOWN_KEY, f"there is no {what} {key!r}", hint)
        return {key: value for key, value in node.values.items() if key in known}
