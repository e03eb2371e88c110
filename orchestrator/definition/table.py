"""A table that has been read: its rows, the place of each cell, and the rows that could not be used."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.definition.problems import Code, DefinitionError, Problem

#: Ends of lines: those of a file, not those that Unicode knows besides.
LINE_END: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line in which it begins, its cells by column, and where it begins in the table's text."""

    line: int
    cells: Mapping[str, Any]
    start: int


#: The index in a text of the cell of a column (its name and its number, from 0), for the row that begins at an index.
CellFinder = Callable[[str, int, str, int], int]


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table. `columns` are in the order of the header; JSON lines have those of all lines."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    #: Rows that are malformed; `rows` lacks them.
    problems: tuple[Problem, ...]
    #: Line of the header.
    header: int
    text: str = field(repr=False)
    find_cell: CellFinder = field(repr=False)

    def problem(
        self, row: Row | None, column: str, code: Code, message: str, suggestion: str = ""
    ) -> Problem:
        """A problem at a cell, or at the row's beginning without a known column; at the header without a row."""
        if row is None:
            return Problem(self.file, self.header, 1, code, message, suggestion)
        at = row.start
        if column in self.columns:
            at = self.find_cell(self.text, row.start, column, self.columns.index(column))
        line, col = place_of(self.text, row.line, row.start, at)
        return Problem(self.file, line, col, code, message, suggestion)


def place_of(text: str, line: int, start: int, at: int) -> tuple[int, int]:
    """Line and column of index `at`, if `line` begins at index `start`."""
    for end in LINE_END.finditer(text, start, at):
        line, start = line + 1, end.end()
    return line, at - start + 1


def refuse(file: str, code: Code, message: str, suggestion: str = "", *, line: int = 1, col: int = 1) -> None:
    """Raises DefinitionError: nothing of the table can be used."""
    raise DefinitionError([Problem(file, line, col, code, message, suggestion)])
