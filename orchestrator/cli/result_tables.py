"""The results of a table's rows, written as a table beside it: its own columns, then what came of each row."""

import asyncio
import csv
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestrator.cli import output
from orchestrator.cli.places import reason
from orchestrator.cli.results import error_text
from orchestrator.definition.result_columns import ResultColumns
from orchestrator.definition.table import TableForm
from orchestrator.domain.ids import RunId
from orchestrator.errors import UsageError
from orchestrator.server.reads import RowResult, TableResults

if TYPE_CHECKING:
    from openpyxl.cell import Cell

#: Rows read at once; a daemon hands out no more.
_PAGE: Final = 500
_LINES: Final = frozenset({".jsonl", ".ndjson"})
_DELIMITED: Final = frozenset({".csv", ".txt", ".tsv"})
#: A spreadsheet program takes a cell that begins so for a formula, and formulas can fetch and run things.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: Characters of a workbook's cell.
_CELL_LIMIT: Final = 32_767
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NOT_BEGUN: Final = "not started"


class RowReader(Protocol):
    """Reads what came of rows, as `server.reads.RunReader` does."""

    async def rows(self, run_id: RunId, start: int, limit: int) -> TableResults | None: ...


def beside(table: Path) -> Path:
    """Where the results of a table's rows go if nobody says: products.results.csv for products.csv."""
    ending = ".xlsx" if table.suffix.lower() == ".xlsm" else table.suffix
    return table.with_name(f"{table.stem}.results{ending}")


def check_target(target: Path, table: Path | None) -> None:
    """Raises UsageError when results cannot go there, whatever they are."""
    if target.suffix.lower() not in _LINES | _DELIMITED | {".xlsx"}:
        message = f"Results cannot be written as {target.suffix or 'a file without an ending'}."
        raise UsageError(message, hint="Give a file called .csv, .tsv, .xlsx or .jsonl.")
    if table is not None and target.resolve() == table.resolve():
        raise UsageError(f"{target} is the table itself.", hint="Give the results another name.")


async def write_results(reads: RowReader, run: RunId, form: TableForm | None, target: Path) -> int:
    """Writes what has come of the run's rows so far, in the likeness of `form`; how many rows there are.

    The file is whole or not there; an older one is replaced. Raises OSError when it cannot be written, UsageError when the
    run has no table.
    """
    pages = _pages(reads, run)
    first = await anext(pages, None)
    if first is None:
        raise UsageError("The run has no table.", hint="`orchestrator runs show RUN` shows its outputs.")
    columns = tuple(form.columns if form else first.columns or _columns_of(first.rows))
    names = ResultColumns.beside(columns, first.outputs)
    count = 0
    with _replacing(target) as path, closing(_writer(path, target.suffix.lower(), form)) as writer:
        await asyncio.to_thread(writer.header, (*columns, *names.names))
        page: TableResults | None = first
        while page is not None:
            lines = [_line(row, columns, names) for row in page.rows]
            await asyncio.to_thread(writer.rows, lines)
            count += len(lines)
            page = await anext(pages, None)
    return count


async def keep_results(reads: RowReader, run: RunId, form: TableForm, target: Path) -> Path | None:
    """As `write_results`, and tells people; when it cannot be written, that is all that happens."""
    try:
        await write_results(reads, run, form, target)
    except OSError as error:
        output.note(
            f"the results cannot be written to {target}: {reason(error)}; --results names another file"
        )
        return None
    output.note(f"results: {target}")
    return target


async def _pages(reads: RowReader, run: RunId) -> AsyncIterator[TableResults]:
    start = 0
    while (page := await reads.rows(run, start, _PAGE)) is not None and (page.rows or start == 0):
        yield page
        start += _PAGE


def _columns_of(rows: Sequence[RowResult]) -> list[str]:
    """For tables of before their order was written down."""
    return list(dict.fromkeys(name for row in rows for name in row.cells))


#: A row of the table to be written: cells of the table as they were, then ours.
_Line = tuple[dict[str, Any], dict[str, Any]]


def _line(row: RowResult, columns: Sequence[str], names: ResultColumns) -> _Line:
    said = ""
    if row.error is not None:
        said = f"{error_text(row.error)} {row.error.hint}".strip()
    status = row.status.value if row.status else _NOT_BEGUN
    ours: dict[str, Any] = {names.status: status, names.error: said, names.run_id: row.run or ""}
    ours |= {column: row.outputs.get(name) for name, column in names.outputs}
    return {name: row.cells.get(name) for name in columns}, ours


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A new file that takes the target's place when the block ends well, and is gone when it does not."""
    path = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield path
        path.replace(target)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


class _Writer(Protocol):
    """Writes a table. Nothing of it is at the path before `close`, or it is not whole."""

    def header(self, names: Sequence[str]) -> None: ...

    def rows(self, lines: Sequence[_Line]) -> None: ...

    def close(self) -> None: ...


def _writer(path: Path, ending: str, form: TableForm | None) -> _Writer:
    if ending == ".xlsx":
        return _Workbook(path, form.sheet if form else "")
    if ending in _LINES:
        return _JsonLines(path)
    own = form.delimiter if form else ""
    return _Delimited(path, "\t" if ending == ".tsv" else own or ",")


class _Delimited:
    def __init__(self, path: Path, delimiter: str) -> None:
        # The mark tells spreadsheet programs that it is UTF-8.
        self._file = path.open("x", encoding="utf-8-sig", errors="replace", newline="")
        self._delimiter = delimiter

    def header(self, names: Sequence[str]) -> None:
        # A name with another delimiter in it must not be taken for the header's own.
        csv.writer(self._file, delimiter=self._delimiter, quoting=csv.QUOTE_ALL).writerow(names)

    def rows(self, lines: Sequence[_Line]) -> None:
        csv.writer(self._file, delimiter=self._delimiter).writerows(
            [*map(_text, theirs.values()), *map(_harmless, ours.values())] for theirs, ours in lines
        )

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", errors="replace", newline="")

    def header(self, names: Sequence[str]) -> None:
        """Each line names its own."""

    def rows(self, lines: Sequence[_Line]) -> None:
        self._file.writelines(
            f"{json.dumps({**theirs, **ours}, ensure_ascii=False)}\n" for theirs, ours in lines
        )

    def close(self) -> None:
        self._file.close()


class _Workbook:
    """Every cell is a text and formatted as one, so that 012 stays what it is, whoever edits it."""

    def __init__(self, path: Path, sheet: str) -> None:
        from openpyxl import Workbook

        self._path = path
        # What cannot be written is to be known before all the work.
        path.touch(exist_ok=False)
        self._book = Workbook(write_only=True)
        self._sheet = self._book.create_sheet(sheet or "Results")

    def header(self, names: Sequence[str]) -> None:
        self._sheet.freeze_panes = "A2"
        self._sheet.append(self._cells(names))

    def rows(self, lines: Sequence[_Line]) -> None:
        for theirs, ours in lines:
            self._sheet.append(self._cells([*map(_text, theirs.values()), *map(_text, ours.values())]))

    def close(self) -> None:
        self._book.save(self._path)

    def _cells(self, texts: Sequence[str]) -> list["Cell | None"]:
        return [self._cell(text) if text else None for text in texts]

    def _cell(self, text: str) -> "Cell":
        from openpyxl.cell import WriteOnlyCell

        cell = WriteOnlyCell(self._sheet, _as_shown(text))
        # A text that begins with = would become a formula, one like #N/A an error.
        cell.data_type = "s"
        cell.number_format = "@"
        return cell


def _as_shown(text: str) -> str:
    """The text as a workbook has to hold it, so that it is shown as it is; cut where a cell is full."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if len(text) > _CELL_LIMIT:
        text = f"{text[: _CELL_LIMIT - 1]}…"
    text = ILLEGAL_CHARACTERS_RE.sub("", text)
    return _ESCAPED.sub(r"_x005F_x\1_", text).replace("\r", "_x000D_")


def _text(value: Any) -> str:
    """A cell: texts as they are, nothing as an empty one, everything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _harmless(value: Any) -> str:
    """A cell of ours that no spreadsheet program takes for a formula."""
    text = _text(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
