"""A table that has been read: its rows, the place of each cell, and the rows that could not be used."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.definition.problems import Code, DefinitionError, Problem, RowProblem
from orchestrator.domain.nearest import did_you_mean

#: Ends of lines: those of a file, not those that Unicode knows besides.
LINE_END: Final = re.compile(r"\r\n|\r|\n")
#: Names of columns in a message.
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line in which it begins, its cells by column, and where it begins in the table's text."""

    line: int
    cells: Mapping[str, Any]
    start: int


#: The index in a text of the cell of a column (its name and its number, from 0), for the row that begins at an index.
CellFinder = Callable[[str, int, str, int], int]


@dataclass(frozen=True, slots=True)
class TableForm:
    """What a table looks like, for one that is written in its likeness."""

    path: Path
    #: In their order, without those that results of an earlier run have added.
    columns: tuple[str, ...]
    #: What stands between the cells of a line; workbooks and JSON lines have none.
    delimiter: str = ""
    #: The sheet of a workbook.
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table. `file` is what problems call it; `columns` are in the order of the header; JSON lines have those of all lines."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    #: Rows that are malformed; `rows` lacks them.
    problems: tuple[Problem, ...]
    #: Line of the header.
    header: int
    text: str = field(repr=False)
    find_cell: CellFinder = field(repr=False)
    #: Of a workbook: lines are its rows, columns its columns.
    sheet: str = ""
    #: What stands between the cells of a line; workbooks and JSON lines have none.
    delimiter: str = ""

    def problem(
        self, row: Row | None, column: str, code: Code, message: str, suggestion: str = ""
    ) -> Problem:
        """A problem at a cell, or at the row's beginning without a known column; at the header without a row."""
        line, start = (row.line, row.start) if row is not None else (self.header, 0)
        at = start
        if row is not None and column in self.columns:
            at = self.find_cell(self.text, start, column, self.columns.index(column))
            if self.sheet:
                message = f"{cell_name(self.sheet, line, at + 1)}: {message}"
        elif self.sheet:
            message = f"{sheet_name(self.sheet)}, row {line}: {message}"
        line, col = place_of(self.text, line, start, at)
        if row is None:
            return Problem(self.file, line, col, code, message, suggestion)
        known = column if column in self.columns else ""
        return RowProblem(self.file, line, col, code, message, suggestion, known)

    def near(self, column: str) -> str:
        """What to say of a column that the table does not have: the one that was probably meant, or all that there are."""
        return did_you_mean(column, self.columns) or self.listed

    @property
    def listed(self) -> str:
        """`its columns: sku, title`; not more than people read."""
        named = [name for name in self.columns if name]
        more = [f"and {len(named) - _LISTED} more"] if len(named) > _LISTED else []
        return f"its columns: {', '.join([*named[:_LISTED], *more])}"

    def row_name(self, line: int) -> str:
        """How people call the row that begins in a line."""
        return f"row {line}" if self.sheet else f"the row in line {line}"


def place_of(text: str, line: int, start: int, at: int) -> tuple[int, int]:
    """Line and column of index `at`, if `line` begins at index `start`."""
    for end in LINE_END.finditer(text, start, at):
        line, start = line + 1, end.end()
    return line, at - start + 1


def cell_name(sheet: str, row: int, column: int) -> str:
    """A cell as spreadsheet programs name it: Sheet1!B7. Rows and columns count from 1."""
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{sheet_name(sheet)}!{letters}{row}"


def sheet_name(sheet: str) -> str:
    """A sheet's name as it stands before a cell: in quotes unless it is one word."""
    return sheet if re.fullmatch(r"\w+", sheet) else "'{}'".format(sheet.replace("'", "''"))


def refuse(file: str, code: Code, message: str, suggestion: str = "", *, line: int = 1, col: int = 1) -> None:
    """Raises DefinitionError: nothing of the table can be used."""
    raise DefinitionError([Problem(file, line, col, code, message, suggestion)])
