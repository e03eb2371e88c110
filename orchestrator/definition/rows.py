"""Tables: CSV in any usual encoding and with any usual delimiter, and JSON lines. Cells of CSV stay text."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.definition.problems import Code, DefinitionError, Problem

#: Bytes and rows of a table.
SIZE_LIMIT: Final = 64 * 1024 * 1024
ROW_LIMIT: Final = 100_000
_LINES: Final = frozenset({".jsonl", ".ndjson"})
_CELLS: Final = frozenset({".csv", ".tsv", ".txt"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line in which it begins, and its cells by column."""

    line: int
    cells: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table. `columns` are in the order of the header; JSON lines have those of all lines."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def problem(
        self, row: Row | None, column: str, code: Code, message: str, suggestion: str = ""
    ) -> Problem:
        """A problem at a cell: the row's line and the column's number; the header without a row."""
        number = self.columns.index(column) + 1 if column in self.columns else 1
        return Problem(self.file, row.line if row else 1, number, code, message, suggestion)


def read_table(path: Path) -> Table:
    """The table at `path`; raises DefinitionError with every mistake of form."""
    content = _content(path)
    ending = path.suffix.lower()
    if (
        content[:4] == b"PK\x03\x04"
        or content[:4] == b"\xd0\xcf\x11\xe0"
        or ending in {".xlsx", ".xls", ".ods"}
    ):
        _refuse(
            path,
            Code.TABLE_FORMAT,
            "workbooks are not read yet",
            "save the sheet as CSV UTF-8 and give that file",
        )
    if ending not in _LINES | _CELLS:
        _refuse(
            path,
            Code.TABLE_FORMAT,
            f"{ending or 'no ending'} is not a kind of table",
            "use .csv, .tsv or .jsonl",
        )
    text = _decoded(path, content)
    table, problems = _json_lines(path, text) if ending in _LINES else _delimited(path, text)
    if not problems and not table.rows:
        problems.append(Problem(str(path), 1, 1, Code.TABLE_HEADER, "the table has no rows"))
    if problems:
        raise DefinitionError(problems)
    return table


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            _refuse(
                path,
                Code.TABLE_UNREADABLE,
                f"the table is larger than {SIZE_LIMIT // 1024 // 1024} MiB",
                "split it",
            )
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise DefinitionError(
            [Problem(str(path), 0, 0, Code.TABLE_UNREADABLE, f"the table cannot be read: {reason}")]
        ) from error


def _refuse(path: Path, code: Code, message: str, suggestion: str) -> None:
    raise DefinitionError([Problem(str(path), 1, 1, code, message, suggestion)])


def _decoded(path: Path, content: bytes) -> str:
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        problem = Problem(
            str(path), 1, 1, Code.TABLE_UNREADABLE, "the encoding is not known", "save the table as UTF-8"
        )
        raise DefinitionError([problem]) from error
    if "\0" in text:
        _refuse(path, Code.TABLE_UNREADABLE, "the file is not a text table", "save the table as CSV UTF-8")
    return text


def _encoding(content: bytes) -> str:
    """The encoding by its mark, else by what the bytes can be."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return name
    if b"\0" in content[:4096]:
        # Latin letters and delimiters have a zero byte each: before them or behind.
        return "utf-16-le" if content[1:4096:2].count(0) >= content[:4096:2].count(0) else "utf-16-be"
    for name in ("utf-8", "gb18030", "cp1252"):
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        if name == "gb18030" and _looks_western(content):
            continue
        return name
    return "utf-8"


def _looks_western(content: bytes) -> bool:
    """Whether high bytes mostly stand alone among ASCII, as accented letters do; Chinese ones come in pairs."""
    runs = re.findall(rb"[\x80-\xff]+", content[: 1024 * 1024])
    return 2 * sum(len(run) == 1 for run in runs) > len(runs)


def _delimited(path: Path, text: str) -> tuple[Table, list[Problem]]:
    file = str(path)
    delimiter, skipped, text = _delimiter(path, text)
    problems: list[Problem] = []
    columns: tuple[str, ...] = ()
    rows: list[Row] = []
    try:
        for line, record in _records(text, delimiter, skipped):
            if not columns:
                columns = _header(file, line, record, problems)
            elif len(record) > len(columns) and any(map(str.strip, record[len(columns) :])):
                message = f"the row has {len(record)} cells, the header {len(columns)}"
                hint = (
                    f"put quotes around a cell that holds {'a tab' if delimiter == chr(9) else delimiter!r}"
                )
                problems.append(Problem(file, line, len(columns) + 1, Code.TABLE_ROW, message, hint))
            elif len(rows) >= ROW_LIMIT:
                problems.append(
                    Problem(file, line, 1, Code.TABLE_ROW, f"more than {ROW_LIMIT:,} rows", "split the table")
                )
                break
            else:
                cells = [*record, *[""] * (len(columns) - len(record))]
                rows.append(
                    Row(line, {name: cell for name, cell in zip(columns, cells, strict=False) if name})
                )
    except _MalformedError as error:
        problems.append(Problem(file, error.line, 1, Code.TABLE_ROW, str(error)))
    if not columns:
        problems.append(
            Problem(file, 1, 1, Code.TABLE_HEADER, "the table is empty", "its first line names the columns")
        )
    return Table(file, columns, tuple(rows)), problems


class _MalformedError(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def _records(text: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of every record that is not blank. Raises _MalformedError."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1 + skipped
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _MalformedError(line, str(error)) from error
        if any(map(str.strip, record)):
            yield line, record


def _header(file: str, line: int, record: list[str], problems: list[Problem]) -> tuple[str, ...]:
    names = [name.strip() for name in record]
    while names and not names[-1]:  # spreadsheets like to leave empty columns at the end
        names.pop()
    for at, name in enumerate(names):
        if not name:
            problems.append(Problem(file, line, at + 1, Code.TABLE_HEADER, f"column {at + 1} has no name"))
        elif name in names[:at]:
            message = f"two columns are called {name!r}"
            problems.append(Problem(file, line, at + 1, Code.TABLE_HEADER, message, "rename one of them"))
    return tuple(names)


def _delimiter(path: Path, text: str) -> tuple[str, int, str]:
    """The delimiter, lines to skip, and the text without them."""
    first, _, rest = text.partition("\n")
    if declared := re.fullmatch(r"sep=([,;\t|])\r?", first):  # a spreadsheet's own hint
        return declared[1], 1, rest
    if path.suffix.lower() == ".tsv":
        return "\t", 0, text
    head = next((line for line in text.splitlines() if line.strip()), "")
    outside = re.sub(r'"(?:[^"]|"")*"', "", head)
    return max(",;\t|", key=outside.count), 0, text


def _json_lines(path: Path, text: str) -> tuple[Table, list[Problem]]:
    file = str(path)
    problems: list[Problem] = []
    columns: dict[str, None] = {}
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(rows) >= ROW_LIMIT:
            problems.append(
                Problem(file, number, 1, Code.TABLE_ROW, f"more than {ROW_LIMIT:,} rows", "split the table")
            )
            break
        try:
            cells = json.loads(line, parse_constant=_refused, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            problems.append(Problem(file, number, error.colno, Code.TABLE_ROW, f"not JSON: {error.msg}"))
            continue
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            problems.append(Problem(file, number, 1, Code.TABLE_ROW, f"not usable: {reason}"))
            continue
        if not isinstance(cells, dict):
            problems.append(Problem(file, number, 1, Code.TABLE_ROW, "each line has to be one JSON object"))
            continue
        columns.update(dict.fromkeys(cells))
        rows.append(Row(number, cells))
    return Table(file, tuple(columns), tuple(rows)), problems


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
