"""The XML of workbooks, read as a stream: elements are told, none is kept, and nothing is fetched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Final
from xml.parsers import expat

from orchestrator.definition.problems import Code

_CHUNK: Final = 256 * 1024
#: Called with an element's name (without its namespace) and its attributes.
OnElement = Callable[[str, Mapping[str, str]], None]


class DamagedError(ValueError):
    """A part of the workbook cannot be used."""

    def __init__(
        self,
        message: str,
        line: int = 0,
        col: int = 0,
        suggestion: str = "",
        code: Code = Code.TABLE_UNREADABLE,
    ) -> None:
        """`line`, `col`: row and column of the sheet, if it is about a cell."""
        self.line, self.col, self.suggestion, self.code = line, col, suggestion, code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Handlers:
    """What is told of a part: beginnings of elements, their ends, and text."""

    begin: OnElement
    end: Callable[[str], None] | None = None
    text: Callable[[str], None] | None = None


def parse(stream: IO[bytes], handlers: Handlers, enough: Callable[[], bool] = lambda: False) -> None:
    """Reads XML until its end or until it is `enough`. Raises ExpatError, and DamagedError for a document type.

    No document type: it alone could define entities, which grow or fetch. A workbook has none.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    begin, end = handlers.begin, handlers.end
    # One text for each name, found instead of cut: most elements of a table are the same few.
    local: dict[str, str] = {}

    def short(name: str) -> str:
        found = local.get(name)
        if found is None:
            if len(local) > 1_000:
                local.clear()
            found = local[name] = name.rpartition(" ")[2]
        return found

    def refuse_doctype(*_: object) -> None:
        raise DamagedError("the workbook declares entities of its own, which no spreadsheet program does")

    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = lambda name, attributes: begin(short(name), attributes)
    if end is not None:
        parser.EndElementHandler = lambda name: end(short(name))
    if handlers.text is not None:
        parser.CharacterDataHandler = handlers.text
    while chunk := stream.read(_CHUNK):
        parser.Parse(chunk, False)
        if enough():
            return
    parser.Parse(b"", True)
