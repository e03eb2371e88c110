"""The sheet of a workbook whose rows count, read as a stream. Cells become text.

What a cell holds, ISO/IEC 29500-1: 18.3.1.4 (c), 18.18.11 (its types).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.definition.delimited import CELLS_LIMIT, COLUMN_LIMIT, ROW_LIMIT
from orchestrator.definition.problems import Code, Problem, RowProblem
from orchestrator.definition.table import Row, Table, cell_name
from orchestrator.definition.workbook_values import VALUE_LIMIT, Kind, dated, plain, unescaped
from orchestrator.definition.workbook_xml import DamagedError, Handlers

#: Characters of a cell; a spreadsheet program writes 32,767 at most.
CELL_LIMIT: Final = 131_072
#: Rows of a sheet, as spreadsheet programs have them.
_SHEET_ROWS: Final = 1_048_576
_NUMBER: Final = re.compile(
    r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|[+-]?\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?"
)
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


@dataclass(slots=True)
class _Cell:
    """The cell that is being read."""

    column: int = 0
    kind: str = "n"
    style: int = 0
    formula: bool = False
    length: int = 0
    parts: list[str] = field(default_factory=list)


class SheetReader:
    """Builds the table from the events of a sheet's XML."""

    def __init__(
        self, file: str, sheet: str, texts: Sequence[str], kinds: Sequence[Kind], *, since_1904: bool
    ) -> None:
        self.handlers = Handlers(self._begin, self._end, self._text)
        #: Whether nothing more is to be read.
        self.full = False
        self._file, self._sheet, self._texts, self._kinds = file, sheet, texts, kinds
        self._since_1904 = since_1904
        #: Columns of the header, by their number from 1.
        self._columns: dict[int, str] = {}
        self._header = 0
        self._header_problems: list[Problem] = []
        self._problems: list[Problem] = []
        self._rows: list[Row] = []
        self._nameless: set[int] = set()
        self._number = 0
        self._values: dict[int, str] = {}
        self._count = 0
        self._row_is_bad = False
        self._cell: _Cell | None = None
        self._column = 0
        self._cells = 0
        self._heard = False
        self._aid = False

    def table(self) -> tuple[Table, list[Problem]]:
        """What has been read, and the mistakes of the header."""
        if not self._header:
            message, hint = f"the sheet {self._sheet!r} is empty", "its first row names the columns"
            self._header_problems.append(Problem(self._file, 1, 1, Code.TABLE_HEADER, message, hint))
        places = {name: number for number, name in self._columns.items()}
        table = Table(
            self._file,
            tuple(self._columns.values()),
            tuple(self._rows),
            tuple(self._problems),
            max(1, self._header),
            "",
            lambda _, start, name, __: start + places[name] - 1,
            self._sheet,
        )
        return table, self._header_problems

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._begin_cell(attributes)
        elif name in {"v", "t"}:
            self._heard = self._cell is not None and not self._aid
        elif name == "row":
            self._begin_row(attributes.get("r"))
        elif name == "f" and self._cell is not None:
            self._cell.formula = True
        elif name == "rPh":
            self._aid = True

    def _end(self, name: str) -> None:
        if name in {"v", "t"}:
            self._heard = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._aid = False

    def _text(self, text: str) -> None:
        if not self._heard or self._cell is None:
            return
        self._cell.length += len(text)
        if self._cell.length > CELL_LIMIT:
            message = f"{self._name(self._column)} has more than {CELL_LIMIT:,} characters"
            raise DamagedError(message, self._number, self._column, code=Code.TABLE_ROW)
        self._cell.parts.append(text)

    def _begin_row(self, written: str | None) -> None:
        number = self._number + 1
        if written is not None:
            number = int(written) if re.fullmatch(r"[0-9]{1,7}", written, re.ASCII) else 0
        if not self._number < number <= _SHEET_ROWS:
            raise DamagedError(f"row {(written or str(number))[:20]!r} follows row {self._number}")
        self._number, self._column, self._cells = number, 0, 0
        self._values, self._row_is_bad = {}, False

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        column = self._column + 1
        if (reference := attributes.get("r")) is not None:
            found = _REFERENCE.fullmatch(reference)
            if found is None or int(found[2]) != self._number:
                raise DamagedError(f"row {self._number} holds a cell called {reference[:20]!r}")
            column = column_number(found[1])
        self._cells += 1
        if max(column, self._cells) > COLUMN_LIMIT:
            raise DamagedError(f"row {self._number} has more than {COLUMN_LIMIT:,} cells")
        style = attributes.get("s", "0")
        self._column = column
        self._cell = _Cell(
            column, attributes.get("t", "n"), int(style) if style.isascii() and style.isdigit() else 0
        )

    def _end_cell(self) -> None:
        cell, self._cell = self._cell, None
        if cell is None:
            return
        if (
            cell.formula and not cell.parts and cell.kind != "str"
        ):  # the value of a formula may be an empty text
            message = "holds a formula whose value is not stored"
            hint = "open and save it in a spreadsheet program, or put the value in its place"
            self._report(cell.column, message, hint)
            return
        if not cell.parts:
            return
        value = self._value(cell, "".join(cell.parts))
        if value:
            self._values[cell.column] = value

    def _value(self, cell: _Cell, text: str) -> str:
        match cell.kind:
            case "s":
                at = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
                if not 0 <= at < len(self._texts):
                    raise DamagedError(
                        f"{self._name(cell.column)} names a text that the workbook does not have"
                    )
                return self._texts[at]
            case "inlineStr" | "str":
                return unescaped(text)
            case "b":
                return "true" if text.strip() in {"1", "true"} else "false"
            case "e":
                self._report(
                    cell.column, f"holds the error {text[:20]}", "mend its formula, or empty the cell"
                )
                return ""
        return self._number_text(cell, text.strip())

    def _number_text(self, cell: _Cell, text: str) -> str:
        kind = self._kinds[cell.style] if cell.style < len(self._kinds) else "number"
        if kind == "number" and text.isascii() and text.isdigit():
            return text
        if cell.kind == "d":
            return text[:10] if kind == "date" else text
        if not _NUMBER.fullmatch(text):
            raise DamagedError(f"{self._name(cell.column)} holds no number, although it says so")
        return plain(text) if kind == "number" else dated(text, kind, since_1904=self._since_1904)

    def _end_row(self) -> None:
        if self.full or self._row_is_bad or not any(map(str.strip, self._values.values())):
            return
        if not self._header:
            self._take_header()
        elif len(self._rows) >= ROW_LIMIT:
            message, hint = f"more than {ROW_LIMIT:,} rows", "split the table"
            self._problems.append(Problem(self._file, self._number, 1, Code.TABLE_ROW, message, hint))
            self.full = True
        else:
            self._take_row()

    def _take_header(self) -> None:
        self._header = self._number
        seen: set[str] = set()
        for column, text in self._values.items():
            name = text.strip()
            if not name:
                continue
            if name in seen:
                message = f"{self._name(column)}: two columns are called {name!r}"
                place = (self._number, column)
                problem = Problem(self._file, *place, Code.TABLE_HEADER, message, "rename one of them")
                self._header_problems.append(problem)
            seen.add(name)
            self._columns[column] = name

    def _take_row(self) -> None:
        values = self._values
        self._count += len(values)
        if self._count > VALUE_LIMIT or len(self._columns) * len(self._rows) >= CELLS_LIMIT:
            limit = VALUE_LIMIT if self._count > VALUE_LIMIT else CELLS_LIMIT
            raise DamagedError(
                f"the sheet has more than {limit:,} cells",
                self._number,
                1,
                suggestion="split the table",
            )
        cells = {name: values.get(column, "") for column, name in self._columns.items()}
        if len(values) > sum(map(bool, cells.values())):
            for column in values.keys() - self._columns.keys() - self._nameless:
                if values[column].strip():
                    self._without_name(column)
        self._rows.append(Row(self._number, cells, 0))

    def _without_name(self, column: int) -> None:
        self._nameless.add(column)
        at = cell_name(self._sheet, self._header, column)
        message = f"{at}: the column has no name, and row {self._number} has a value there"
        place = (self._header, column)
        hint = "name the column, or empty it"
        self._header_problems.append(Problem(self._file, *place, Code.TABLE_HEADER, message, hint))

    def _report(self, column: int, message: str, hint: str) -> None:
        self._row_is_bad = True
        said = f"{self._name(column)} {message}"
        named = self._columns.get(column, "")
        problem = RowProblem(self._file, self._number, column, Code.TABLE_ROW, said, hint, named)
        if self._header:
            self._problems.append(problem)
        else:  # what the columns are called is not known
            self._header_problems.append(problem)
            self._header, self.full = self._number, True

    def _name(self, column: int) -> str:
        return cell_name(self._sheet, self._number, column)


def column_number(letters: str) -> int:
    """The number of a column, from 1: 28 for AB."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
