"""Tables: CSV in any usual encoding and with any usual delimiter, workbooks, and JSON lines. Cells stay text, but JSON's."""

import codecs
import json
import re
from pathlib import Path
from typing import Any, Final

from orchestrator.definition.delimited import COLUMN_LIMIT, ROW_LIMIT, read_delimited, too_many_columns
from orchestrator.definition.problems import Code, DefinitionError, Problem, RowProblem
from orchestrator.definition.table import Row, Table, refuse
from orchestrator.definition.workbook import is_workbook, read_workbook

#: Bytes of a table.
SIZE_LIMIT: Final = 64 * 1024 * 1024
_LINES: Final = frozenset({".jsonl", ".ndjson"})
_CELLS: Final = frozenset({".csv", ".tsv", ".txt"})


def read_table(path: Path, sheet: str | None = None, *, label: str = "") -> Table:
    """The table at `path`, with the rows that are malformed as its problems. These call it `label`, if there is one.

    `sheet`: of a workbook, which; its first one that is not hidden if None. Raises DefinitionError, with those problems
    too, when it cannot be read as a table.
    """
    file = label or str(path)
    content = _content(path, file)
    ending = path.suffix.lower()
    if is_workbook(content, ending):
        table, problems = read_workbook(path, content, sheet, file)
    elif ending in _LINES:
        table, problems = _json_lines(file, _decoded(file, content)), []
    elif ending in _CELLS:
        table, problems = read_delimited(file, _decoded(file, content), tabs=ending == ".tsv")
    else:
        message = f"{ending or 'no ending'} is not a kind of table"
        refuse(file, Code.TABLE_FORMAT, message, "use .csv, .tsv, .xlsx or .jsonl")
    if not (problems or table.problems or table.rows):
        problems.append(Problem(file, 1, 1, Code.TABLE_HEADER, "the table has no rows"))
    if problems:
        raise DefinitionError([*problems, *table.problems])
    return table


def _content(path: Path, file: str) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device never ends
            refuse(file, Code.TABLE_UNREADABLE, "the table is not a file")
        if path.stat().st_size > SIZE_LIMIT:
            message = f"the table is larger than {SIZE_LIMIT // 1024 // 1024} MiB"
            refuse(file, Code.TABLE_UNREADABLE, message, "split it")
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        problem = Problem(file, 1, 1, Code.TABLE_UNREADABLE, f"the table cannot be read: {reason}")
        raise DefinitionError([problem]) from error


def _decoded(file: str, content: bytes) -> str:
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        message = "the encoding is not known"
        problem = Problem(file, 1, 1, Code.TABLE_UNREADABLE, message, "save the table as UTF-8")
        raise DefinitionError([problem]) from error
    if "\0" in text:
        refuse(file, Code.TABLE_UNREADABLE, "the file is not a text table", "save the table as CSV UTF-8")
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


def _json_lines(file: str, text: str) -> Table:
    problems: list[Problem] = []
    columns: dict[str, None] = {}
    rows: list[Row] = []
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        begin, start = start, start + len(line) + 1
        if not line.strip():
            continue
        if len(rows) >= ROW_LIMIT:
            message = f"more than {ROW_LIMIT:,} rows"
            problems.append(RowProblem(file, number, 1, Code.TABLE_ROW, message, "split the table"))
            break
        try:
            cells = json.loads(line, parse_constant=_refused, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            problems.append(RowProblem(file, number, error.colno, Code.TABLE_ROW, _not_json(error)))
            continue
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            problems.append(RowProblem(file, number, 1, Code.TABLE_ROW, f"not usable: {reason}"))
            continue
        if not isinstance(cells, dict):
            problems.append(
                RowProblem(file, number, 1, Code.TABLE_ROW, "each line has to be one JSON object")
            )
            continue
        columns.update(dict.fromkeys(cells))
        if len(columns) > COLUMN_LIMIT:
            said, advice = too_many_columns(len(columns))
            problems.append(RowProblem(file, number, 1, Code.TABLE_ROW, said, advice))
            break
        rows.append(Row(number, cells, begin))
    return Table(file, tuple(columns), tuple(rows), tuple(problems), 1, text, _member)


def _not_json(error: json.JSONDecodeError) -> str:
    said = error.msg[:1].lower() + error.msg[1:]
    return f"not JSON: {'a value is missing' if said == 'expecting value' else said}"


_BLANKS: Final = re.compile(r"[ \t\r\n]*")


def _member(text: str, start: int, name: str, _number: int) -> int:
    """Where the value of the member `name` begins in the JSON object at `start`; `start` if it has none."""
    decoder = json.JSONDecoder()

    def after_blanks(at: int) -> int:
        found = _BLANKS.match(text, at)
        return found.end() if found else at

    at = after_blanks(after_blanks(start) + 1)  # behind the brace
    while not text.startswith("}", at):
        key, at = decoder.raw_decode(text, at)
        at = after_blanks(after_blanks(at) + 1)  # behind the colon
        if key == name:
            return at
        _, at = decoder.raw_decode(text, at)
        at = after_blanks(at)
        if text.startswith(",", at):
            at = after_blanks(at + 1)
    return start


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
