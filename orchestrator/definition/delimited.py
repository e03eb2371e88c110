"""CSV and its relatives: the delimiter, the records and the places of their cells. Cells stay text."""

import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.definition.problems import Code, Problem, RowProblem
from orchestrator.definition.table import Row, Table, place_of

#: Rows of a table.
ROW_LIMIT: Final = 100_000
#: Columns of a table, as many as a spreadsheet has.
COLUMN_LIMIT: Final = 16_384
#: Cells of a table: its rows times its columns.
CELLS_LIMIT: Final = 10_000_000
_QUOTED: Final = re.compile(r'"[^"]*(?:""[^"]*)*"')


def read_delimited(file: str, text: str, *, tabs: bool) -> tuple[Table, list[Problem]]:
    """The table in `text`, and the mistakes of its header; those of its rows are the table's.

    With `tabs` the delimiter is a tab, whatever the header looks like.
    """
    return _Reading(file, *_delimiter(text, tabs=tabs)).run()


@dataclass(slots=True)
class _Record:
    """A record of the file: the line and the index at which it begins, and its cells, or why it has none."""

    line: int
    start: int
    cells: list[str]
    mistake: csv.Error | None = None


@dataclass(slots=True)
class _Reading:
    file: str
    delimiter: str
    #: Lines before those of `text`.
    skipped: int
    text: str
    columns: tuple[str, ...] = ()
    header: int = 1
    header_problems: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def run(self) -> tuple[Table, list[Problem]]:
        for record in self._records():
            if record.mistake is not None:
                self._malformed(record, record.mistake)
                if not self.columns:  # what the columns are called is not known
                    self.header_problems, self.problems = self.problems, []
                    break
            elif not self.columns:
                self._header(record)
                if len(self.columns) > COLUMN_LIMIT:
                    break
            elif len(self.rows) >= ROW_LIMIT:
                self._report(record, record.start, f"more than {ROW_LIMIT:,} rows", "split the table")
                break
            elif len(self.columns) * len(self.rows) >= CELLS_LIMIT:
                self._report(record, record.start, f"more than {CELLS_LIMIT:,} cells", "split the table")
                break
            else:
                self._row(record)
        if not self.columns and not self.header_problems:
            message, hint = "the table is empty", "its first line names the columns"
            self.header_problems.append(Problem(self.file, 1, 1, Code.TABLE_HEADER, message, hint))
        table = Table(
            self.file,
            self.columns,
            tuple(self.rows),
            tuple(self.problems),
            self.header,
            self.text,
            lambda text, start, _, number: _cell(text, start, number, self.delimiter),
            delimiter=self.delimiter,
        )
        return table, self.header_problems

    def _records(self) -> Iterator[_Record]:
        """Every record that is not blank."""
        starts: list[int] = []

        def lines() -> Iterator[str]:
            at = 0
            for line in io.StringIO(self.text, newline=""):
                starts.append(at)
                at += len(line)
                yield line

        reader = csv.reader(lines(), delimiter=self.delimiter, strict=True)
        while True:
            before = reader.line_num
            line = before + 1 + self.skipped
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _Record(line, starts[before], [], error)
                if "field larger" in str(error):
                    return  # what follows is the rest of that cell
                continue
            if any(map(str.strip, cells)):
                yield _Record(line, starts[before], cells)

    def _header(self, record: _Record) -> None:
        names = [name.strip() for name in record.cells]
        while names and not names[-1]:  # spreadsheets like to leave empty columns at the end
            names.pop()
        self.columns, self.header = tuple(names), record.line
        begins = [
            begin
            for begin, _ in itertools.islice(
                _cells(self.text, record.start, self.delimiter), COLUMN_LIMIT + 1
            )
        ]
        if len(names) > COLUMN_LIMIT:
            self._mistake(record, begins[COLUMN_LIMIT], *too_many_columns(len(names)))
            return
        seen: set[str] = set()
        for at, name in enumerate(names):
            if not name:
                self._mistake(record, begins[at], f"column {at + 1} has no name")
            elif name in seen:
                self._mistake(record, begins[at], f"two columns are called {name!r}", "rename one of them")
            seen.add(name)

    def _mistake(self, record: _Record, at: int, message: str, hint: str = "") -> None:
        place = self._place(record, at)
        self.header_problems.append(Problem(self.file, *place, Code.TABLE_HEADER, message, hint))

    def _row(self, record: _Record) -> None:
        excess = next(
            (at for at, cell in enumerate(record.cells) if at >= len(self.columns) and cell.strip()), None
        )
        if excess is not None:
            message = f"the row has {len(record.cells)} cells, the header {len(self.columns)}"
            shown = "a tab" if self.delimiter == "\t" else repr(self.delimiter)
            at = _cell(self.text, record.start, excess, self.delimiter)
            self._report(record, at, message, f"put quotes around a cell that holds {shown}")
            return
        cells = [*record.cells, *[""] * (len(self.columns) - len(record.cells))]
        named = {name: cell for name, cell in zip(self.columns, cells, strict=False) if name}
        self.rows.append(Row(record.line, named, record.start))

    def _malformed(self, record: _Record, error: csv.Error) -> None:
        said = str(error)
        *_, (begin, end) = _cells(self.text, record.start, self.delimiter)
        if "unexpected end of data" in said:
            hint = 'end the cell with ", and write a quote inside a cell twice: ""'
            self._report(record, begin, "a quote is not closed", hint)
        elif "expected after" in said:
            opened, line = self._place(record, begin)[0], self._place(record, end)[0]
            close = f"close the one that opens in line {opened}"
            hint = close if opened < line else 'write a quote inside a cell twice: ""'
            self._report(record, end, "text stands behind a closing quote", hint)
        elif "field larger" in said:
            message = f"a cell has more than {csv.field_size_limit():,} characters"
            self._report(record, record.start, message, "is a quote not closed?")
        else:
            self._report(record, record.start, "the row cannot be read", "save the table as CSV UTF-8")

    def _report(self, record: _Record, at: int, message: str, hint: str) -> None:
        self.problems.append(RowProblem(self.file, *self._place(record, at), Code.TABLE_ROW, message, hint))

    def _place(self, record: _Record, at: int) -> tuple[int, int]:
        return place_of(self.text, record.line, record.start, at)


def too_many_columns(number: int) -> tuple[str, str]:
    """What is said of a table with so many, and the advice."""
    said = f"the table has {number:,} columns, more than {COLUMN_LIMIT:,}"
    return said, "is this the table that you mean? Leave out columns that nothing uses"


def _delimiter(text: str, *, tabs: bool) -> tuple[str, int, str]:
    """The delimiter, lines to skip, and the text without them."""
    first, _, rest = text.partition("\n")
    if declared := re.fullmatch(r"sep=([,;\t|])\r?", first):  # a spreadsheet's own hint
        return declared[1], 1, rest
    if tabs:
        return "\t", 0, text
    head = next((line for line in text.splitlines() if line.strip()), "")
    outside = re.sub(r'"(?:[^"]|"")*"', "", head)
    return max(",;\t|", key=outside.count), 0, text


def _cells(text: str, start: int, delimiter: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each cell of the record at `start`, as far as it is well-formed."""
    bare = re.compile(f"[^{re.escape(delimiter)}\r\n]*")
    at = start
    while True:
        cell = (_QUOTED if text.startswith('"', at) else bare).match(text, at)
        end = cell.end() if cell else at
        yield at, end
        if not text.startswith(delimiter, end):
            return
        at = end + 1


def _cell(text: str, start: int, number: int, delimiter: str) -> int:
    """Where the cell begins; the end of a record that has fewer."""
    cells = list(itertools.islice(_cells(text, start, delimiter), number + 1))
    begin, end = cells[-1]
    return begin if len(cells) == number + 1 else end
