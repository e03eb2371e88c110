"""Workbooks (.xlsx) as tables: their parts, opened with bounds, and the sheet whose rows count.

The parts are read as a stream with the parser of the standard library: openpyxl would take a row of any length into memory,
and a formula without a stored value for an empty cell. What a number format means is its word.
"""

import io
import posixpath
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers import expat

from orchestrator.definition.archives import DAMAGE, ArchiveRefusedError, check_office_file
from orchestrator.definition.problems import Code, DefinitionError, Problem
from orchestrator.definition.sheet import SheetReader
from orchestrator.definition.table import Table, refuse
from orchestrator.definition.workbook_values import Styles, TextsReader
from orchestrator.definition.workbook_xml import DamagedError, Handlers, parse
from orchestrator.domain.nearest import did_you_mean

#: Endings of the names of workbooks that are read.
WORKBOOKS: Final = frozenset({".xlsx", ".xlsm"})
#: Bytes of all parts that are read, unpacked.
UNPACKED_LIMIT: Final = 200 * 1024 * 1024
#: Bytes of a part that holds no cells: what it lists is kept as a whole.
_STRUCTURE_LIMIT: Final = 4 * 1024 * 1024
_ARCHIVES: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
_AS_CSV: Final = "open it in a spreadsheet program, save the sheet as CSV UTF-8 and give that file"


def is_workbook(content: bytes, ending: str) -> bool:
    """Whether it is to be read, or refused, as a workbook: by its beginning, or by the ending of its name."""
    return content.startswith(_ARCHIVES) or ending in WORKBOOKS | {".xls", ".xlsb", ".ods"}


def read_workbook(path: Path, content: bytes, sheet: str | None, file: str) -> tuple[Table, list[Problem]]:
    """The table in the sheet (None: the first that is not hidden), and the mistakes of its header.

    `content` is what stands at `path`, which problems call `file`. Raises DefinitionError when it cannot be read as a workbook, or has no such sheet.
    """
    try:
        _check(path)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _Book.open(file, archive).table(sheet)
    except ArchiveRefusedError as error:
        problem = Problem(file, 1, 1, Code.TABLE_FORMAT, f"the file {error}", error.suggestion)
        raise DefinitionError([problem]) from error
    except DamagedError as error:
        problem = Problem(file, error.line or 1, error.col or 1, error.code, str(error), error.suggestion)
        raise DefinitionError([problem]) from error
    except expat.ExpatError as error:
        problem = Problem(file, 1, 1, Code.TABLE_UNREADABLE, "a part of the workbook is not XML", _AS_CSV)
        raise DefinitionError([problem]) from error
    except DAMAGE as error:
        problem = Problem(file, 1, 1, Code.TABLE_UNREADABLE, "the workbook is damaged", _AS_CSV)
        raise DefinitionError([problem]) from error


def _check(path: Path) -> None:
    """Raises ArchiveRefusedError unless the file is a workbook, called so, of a usual size."""
    ending = path.suffix.lower()
    if ending not in WORKBOOKS | {".xls", ".xlsb", ".ods"}:
        raise ArchiveRefusedError(f"is a workbook or an archive, not {ending or 'a table'}", "call it .xlsx")
    check_office_file(path, what="workbook", ending="xlsx", marker="xl/workbook.xml")


@dataclass(frozen=True, slots=True)
class _Relation:
    kind: str
    part: str


@dataclass(slots=True)
class _SheetEntry:
    name: str
    relation: str
    hidden: bool


@dataclass(slots=True)
class _Book:
    """An open workbook: its sheets, and where its other parts are."""

    file: str
    archive: zipfile.ZipFile
    relations: Mapping[str, _Relation] = field(default_factory=dict)
    sheets: list[_SheetEntry] = field(default_factory=list)
    since_1904: bool = False
    unpacked: int = 0

    @classmethod
    def open(cls, file: str, archive: zipfile.ZipFile) -> "_Book":
        book = cls(file, archive)
        start = next(
            (one.part for one in book._relations_of("").values() if one.kind == "officeDocument"), ""
        )
        if not start or start not in archive.NameToInfo:
            refuse(file, Code.TABLE_FORMAT, "the archive holds no workbook", _AS_CSV)
        book.relations = book._relations_of(start)
        book._parse(start, _STRUCTURE_LIMIT, Handlers(book._workbook))
        return book

    def table(self, wanted: str | None) -> tuple[Table, list[Problem]]:
        entry = self._entry(wanted)
        relation = self.relations.get(entry.relation)
        if relation is None or relation.kind != "worksheet":
            message = f"{entry.name!r} is no sheet with cells"
            refuse(self.file, Code.TABLE_UNREADABLE, message, "name another with `sheet`")
        assert relation is not None, "refused above"
        texts = TextsReader()
        if (part := self._part("sharedStrings")) is not None:
            self._parse(part, UNPACKED_LIMIT, texts.handlers)
        styles = Styles()
        if (part := self._part("styles")) is not None:
            self._parse(part, _STRUCTURE_LIMIT, Handlers(styles.element))
        reader = SheetReader(self.file, entry.name, texts.texts, styles.kinds(), since_1904=self.since_1904)
        self._parse(relation.part, UNPACKED_LIMIT, reader.handlers, lambda: reader.full)
        return reader.table()

    def _entry(self, wanted: str | None) -> _SheetEntry:
        shown = [sheet for sheet in self.sheets if not sheet.hidden]
        if wanted is not None:
            found = next((sheet for sheet in self.sheets if sheet.name == wanted), None)
            if found is None:
                names = [sheet.name for sheet in shown]
                hint = did_you_mean(wanted, names) or f"its sheets: {', '.join(names)}"
                refuse(self.file, Code.TABLE_UNREADABLE, f"the workbook has no sheet {wanted!r}", hint)
            assert found is not None, "refused above"
            return found
        cells = [sheet for sheet in shown if self._kind(sheet) == "worksheet"]
        if not cells:
            refuse(self.file, Code.TABLE_UNREADABLE, "the workbook shows no sheet with cells", _AS_CSV)
        return cells[0]

    def _kind(self, sheet: _SheetEntry) -> str:
        relation = self.relations.get(sheet.relation)
        return relation.kind if relation else ""

    def _workbook(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sheet":
            relation = next((value for key, value in attributes.items() if key.endswith(" id")), "")
            hidden = attributes.get("state", "visible") != "visible"
            self.sheets.append(_SheetEntry(attributes.get("name", ""), relation, hidden))
        elif name == "workbookPr":
            self.since_1904 = attributes.get("date1904") in {"1", "true"}

    def _part(self, kind: str) -> str | None:
        part = next((one.part for one in self.relations.values() if one.kind == kind), None)
        return part if part in self.archive.NameToInfo else None

    def _relations_of(self, part: str) -> dict[str, _Relation]:
        """The relations of a part (empty: of the archive) inside the archive, by id. Links that lead out are left alone."""
        folder, name = posixpath.split(part)
        listing = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, _Relation] = {}

        def relation(name: str, attributes: Mapping[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = _Relation(kind, target.lstrip("/"))

        if listing in self.archive.NameToInfo:
            self._parse(listing, _STRUCTURE_LIMIT, Handlers(relation))
        return found

    def _parse(
        self, part: str, limit: int, handlers: Handlers, enough: Callable[[], bool] = lambda: False
    ) -> None:
        """Reads one part as a stream, until its end or until it is `enough`."""
        info = self.archive.NameToInfo.get(part)
        if info is None:
            raise DamagedError(f"the workbook lacks its part {part!r}", suggestion=_AS_CSV)
        # More than the archive says of a part is never unpacked.
        self.unpacked += info.file_size
        if info.file_size > limit or self.unpacked > UNPACKED_LIMIT:
            size = f"{info.file_size / 1024 / 1024:,.0f} MiB"
            message = f"the workbook's part {part!r} unpacks to {size}, more than a table may need"
            raise DamagedError(message, suggestion="split the table, or save the sheet as CSV UTF-8")
        with self.archive.open(info) as stream:
            parse(stream, handlers, enough)
