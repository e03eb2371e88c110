"""From method and path to an operation."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from orchestrator.metastudio.operations import AnyOperation


@dataclass(frozen=True, slots=True)
class Match:
    """An operation and the values in its path, `project_id` among them."""

    operation: AnyOperation
    path: dict[str, str]


#: Segments that the reference spells otherwise than the service does (CROSSCHECK: summaries).
_SPELLINGS = {"summaries": "summarys"}


class Router:
    """Finds operations; a literal segment goes before a parameter."""

    def __init__(self, operations: Iterable[AnyOperation]) -> None:
        """Indexes the operations by method and number of segments."""
        self._table: dict[tuple[str, int], list[tuple[tuple[str, ...], AnyOperation]]] = {}
        for operation in operations:
            segments = tuple(operation.path.strip("/").split("/"))
            self._table.setdefault((operation.method, len(segments)), []).append((segments, operation))
        for rows in self._table.values():
            rows.sort(key=lambda row: [segment.startswith("{") for segment in row[0]])

    def match(self, method: str, path: str) -> Match | None:
        """The operation at this path, or None; a slash at its end stands before an empty segment, which fits nowhere."""
        sent = [unquote(segment) for segment in path.removeprefix("/").split("/")]
        sent = [
            _SPELLINGS.get(segment, segment) if number > 1 else segment for number, segment in enumerate(sent)
        ]
        for segments, operation in self._table.get((method.upper(), len(sent)), ()):
            pairs = list(zip(segments, sent, strict=True))
            if all(name == value or (name.startswith("{") and value) for name, value in pairs):
                values = {name[1:-1]: value for name, value in pairs if name.startswith("{")}
                return Match(operation, values)
        return None
