"""From what an input says to what it means on this machine: files that are there, tables that are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.definition.files import Folders
from orchestrator.definition.globs import find_all
from orchestrator.definition.input_base import InputError
from orchestrator.definition.input_collections import FilesInput, ItemsError, TableInput, read_item
from orchestrator.definition.inputs import input_of, is_absent
from orchestrator.definition.places import near_here
from orchestrator.definition.problems import Code, DefinitionError, Problem
from orchestrator.definition.rows import read_table
from orchestrator.definition.table import Row, Table
from orchestrator.domain import secrets
from orchestrator.domain.expressions import ExpressionError
from orchestrator.domain.pipeline import InputSpec
from orchestrator.domain.values import RESULT_LIMIT, Budget, plain

#: Problems of a table that are told where it is only an input.
_TOLD = 20

Find = Callable[[str, bool], str]


def located(
    spec: InputSpec, value: Any, folders: Folders, region: str | None, find: Find | None = None
) -> Any:
    """The value of an input that names files, as a run has it; any other as it is. Raises InputError.

    `find` is `folders.find`, or knows what it has found before.
    """
    # Where any file will do, its name promises nothing.
    pictures = bool(spec.options.get("accept"))
    match spec.type:
        case "file":
            return find(value, pictures) if find else folders.find(value, pictures=pictures)
        case "files":
            declared = input_of(spec)
            assert isinstance(declared, FilesInput)
            found = (path for written in value for path in find_all(written, folders, pictures=pictures))
            return declared.check(list(dict.fromkeys(found)))
        case "table":
            declared = input_of(spec)
            assert isinstance(declared, TableInput)
            return _rows(declared, folders.find(value), region)
        case _:
            return value


def _rows(declared: TableInput, path: str, region: str | None) -> list[dict[str, Any]]:
    try:
        table = read_table(Path(path), declared.sheet, label=near_here(Path(path)))
    except DefinitionError as error:
        raise _told(error.problems) from error
    if table.problems:
        raise _told(table.problems)
    problems = _missing_columns(declared, table)
    rows = []
    for row in table.rows if not problems else ():
        cells = {name: cell for name, cell in row.cells.items() if name}
        for name, kind in (declared.columns or {}).items():
            try:
                cells[name] = _cell(kind, row, name, region)
            except InputError as error:
                message = str(error).removeprefix(": ")
                problems.append(table.problem(row, name, error.code, message, error.suggestion))
        if secrets.marked(cells):
            message = "the row holds characters (U+FDD0, U+FDD1) that no text may hold"
            problems.append(table.problem(row, "", Code.TABLE_ROW, message, "take them out"))
        rows.append(cells)
    if problems:
        raise _told(problems)
    declared.count(len(rows), "rows")
    try:
        plain(rows, Budget())
    except ExpressionError as error:
        message = f"the rows are more than an input can hold ({RESULT_LIMIT:,} characters)"
        raise InputError(message, "give the table with `rows`, whose rows are not held together") from error
    return rows


def _cell(kind: str, row: Row, name: str, region: str | None) -> Any:
    cell = row.cells.get(name)
    return None if is_absent(cell) else read_item(kind, cell, region, name)


def _missing_columns(declared: TableInput, table: Table) -> list[Problem]:
    problems = []
    for name in declared.columns or {}:
        if name not in table.columns:
            message = f"the table has no column {name!r}"
            problems.append(table.problem(None, "", Code.UNKNOWN_COLUMN, message, table.near(name)))
    return problems


def _told(problems: "tuple[Problem, ...] | list[Problem]") -> InputError:
    faults = [
        InputError(_one_line(problem), problem.suggestion, problem.code) for problem in problems[:_TOLD]
    ]
    if len(problems) > _TOLD:
        faults.append(InputError(f"and {len(problems) - _TOLD:,} more like these", "", problems[0].code))
    return ItemsError(faults)


def _one_line(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}:{problem.col}: {problem.message}"
