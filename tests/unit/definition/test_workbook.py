"""Workbooks as tables: what cells become, where mistakes stand, and files made to do harm."""

import random
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils.datetime import MAC_EPOCH
from openpyxl.worksheet.worksheet import Worksheet

from orchestrator.definition import sheet as sheets
from orchestrator.definition import workbook_values
from orchestrator.definition.problems import DefinitionError
from orchestrator.definition.rows import read_table
from orchestrator.definition.table import Table, cell_name

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

#: Four texts that cells share, and a cell for each.
SHARED = (
    f'<s:sst xmlns:s="{MAIN}"><s:si><s:t>a</s:t></s:si>'
    "<s:si><s:r><s:rPr><s:b/></s:rPr><s:t>bold</s:t></s:r><s:r><s:t xml:space='preserve'> and plain</s:t></s:r></s:si>"
    "<s:si><s:t>東京</s:t><s:rPh sb='0' eb='2'><s:t>トウキョウ</s:t></s:rPh></s:si>"
    "<s:si><s:t>x_x000D_y_x005F_x0041_</s:t></s:si></s:sst>"
)
SHEET = "".join(f'<row r="{n + 1}"><c r="A{n + 1}" t="s"><v>{n}</v></c></row>' for n in range(4))


def book(tmp_path: Path, fill: Callable[[Worksheet], None], name: str = "t.xlsx") -> Path:
    """A workbook whose only sheet, Sheet1, is filled by `fill`."""
    made = Workbook()
    first = made.active
    assert isinstance(first, Worksheet)
    first.title = "Sheet1"
    fill(first)
    made.save(tmp_path / name)
    return tmp_path / name


def cells(tmp_path: Path, *rows: list[Any]) -> Path:
    """A workbook with these rows."""

    def fill(sheet: Worksheet) -> None:
        for row in rows:
            sheet.append(row)

    return book(tmp_path, fill)


def parts(tmp_path: Path, sheet: str, more: Mapping[str, str | bytes] | None = None) -> Path:
    """A workbook written by hand: `sheet` is the XML between <sheetData> and its end."""
    office = f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    own = (
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        f'<Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/>'
        f'<Relationship Id="r4" Type="{OFFICE}/externalLink" Target="file:///etc/passwd" TargetMode="External"/>'
    )
    files: dict[str, str | bytes] = {
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{office}</Relationships>',
        "xl/workbook.xml": (
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{own}</Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
    }
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files | dict(more or {})).items():
            archive.writestr(name, content)
    return path


def said(tmp_path: Path, path: Path, sheet: str | None = None) -> list[str]:
    """What is wrong with the table, whether it could be read or not."""
    try:
        problems = read_table(path, sheet).problems
    except DefinitionError as error:
        problems = error.problems
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in problems]


def rows(table: Table) -> list[dict[str, Any]]:
    """The cells of each row."""
    return [dict(row.cells) for row in table.rows]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        ("012", "@", "012"),
        ("1e5", "General", "1e5"),
        (" x ", "General", " x "),
        (12, "General", "12"),
        (12.0, "0.00", "12"),
        (0.125, "0.0%", "0.125"),
        (0.1 + 0.2, "General", "0.3"),
        (1234.5, "#,##0.00 [$€-407]", "1234.5"),
        (4006381333931, "General", "4006381333931"),
        (1.5e-7, "General", "0.00000015"),
        (1e21, "General", "1000000000000000000000"),
        (-0.0, "General", "0"),
        (True, "General", "true"),
        (False, "General", "false"),
        (date(2026, 11, 22), "yyyy-mm-dd", "2026-11-22"),
        (date(2026, 11, 22), "YYYY/MM/DD", "2026-11-22"),
        (date(2026, 11, 22), '[$-407]d. mmmm yyyy;@"Tag"', "2026-11-22"),
        (datetime.fromisoformat("2026-11-22T09:30"), "dd.mm.yyyy", "2026-11-22"),
        (datetime.fromisoformat("2026-11-22T09:30"), "dd.mm.yyyy hh:mm", "2026-11-22T09:30:00"),
        (time(9, 30), "hh:mm", "09:30:00"),
        (timedelta(hours=26, minutes=5), "[h]:mm:ss", "26:05:00"),
        (2958466 * 9, "yyyy-mm-dd", "26626194"),
        ("Zeile 1\nZeile 2", "General", "Zeile 1\nZeile 2"),
    ],
)
def test_cells_become_text(tmp_path: Path, value: object, number_format: str, text: str) -> None:
    """The plain value, as CSV would have it: no `.0`, no format, dates in ISO form."""

    def fill(sheet: Worksheet) -> None:
        sheet.append(["a"])
        sheet.append([value])
        sheet["A2"].number_format = number_format

    assert rows(read_table(book(tmp_path, fill))) == [{"a": text}]


def test_dates_of_the_other_epoch_are_right(tmp_path: Path) -> None:
    """Workbooks of old Macs count days from 1904."""
    made = Workbook()
    made.epoch = MAC_EPOCH
    first = made.active
    assert isinstance(first, Worksheet)
    first.append(["a"])
    first.append([date(2026, 11, 22)])
    made.save(tmp_path / "t.xlsx")
    assert rows(read_table(tmp_path / "t.xlsx")) == [{"a": "2026-11-22"}]


def test_a_table_begins_at_its_first_row_with_something_in_it(tmp_path: Path) -> None:
    """Blank rows, hidden rows, merged cells, columns without a name: only what is there counts; places are the sheet's."""

    def fill(sheet: Worksheet) -> None:
        for row in ([], [None, " sku ", "title", None], [], [None, "a", "A", " "], [None, "b"], [None, " "]):
            sheet.append(row)
        sheet.append([None, "c", "C"])
        sheet.row_dimensions[7].hidden = True
        sheet.merge_cells("B4:B5")

    table = read_table(book(tmp_path, fill))
    assert table.columns == ("sku", "title")
    assert [(row.line, dict(row.cells)) for row in table.rows] == [
        (4, {"sku": "a", "title": "A"}),
        (7, {"sku": "c", "title": "C"}),
    ]


def test_the_first_sheet_that_is_shown_counts_unless_one_is_named(tmp_path: Path) -> None:
    """A hidden one may be named as well; an unknown name brings the near one."""
    made = Workbook()
    for number, title in enumerate(["Notes", "Cups", "Kettles"]):
        sheet = made.create_sheet(title)
        sheet.append(["a"])
        sheet.append([str(number)])
    made.remove(made["Sheet"])
    made["Notes"].sheet_state = "hidden"
    made.create_chartsheet("Chart", 0)
    path = tmp_path / "t.xlsx"
    made.active = 1
    made.save(path)
    assert [rows(read_table(path, name)) for name in (None, "Kettles", "Notes")] == [
        [{"a": "1"}],
        [{"a": "2"}],
        [{"a": "0"}],
    ]
    assert said(tmp_path, path, "Kettle") == [
        "t.xlsx:1:1: D601 the workbook has no sheet 'Kettle' (did you mean 'Kettles'?)"
    ]
    assert said(tmp_path, path, "Chart") == [
        "t.xlsx:1:1: D601 'Chart' is no sheet with cells (name another with `sheet`)"
    ]


@pytest.mark.parametrize(
    ("filled", "problems"),
    [
        ([], ["t.xlsx:1:1: D603 the sheet 'Sheet1' is empty (its first row names the columns)"]),
        ([["a"]], ["t.xlsx:1:1: D603 the table has no rows"]),
        (
            [["a", "b", "a"], ["1", "2", "3"]],
            ["t.xlsx:1:3: D603 Sheet1!C1: two columns are called 'a' (rename one of them)"],
        ),
        (
            [["a", None, "b"], ["1", None, "2"], ["3", "x", "4"], ["3", "y", "4", "z"]],
            [
                "t.xlsx:1:2: D603 Sheet1!B1: the column has no name, and row 3 has a value there (name the column, or empty it)",
                "t.xlsx:1:4: D603 Sheet1!D1: the column has no name, and row 4 has a value there (name the column, or empty it)",
            ],
        ),
        (
            [["a", "b"], ["1", "#REF!"], ["=1+1", "2"], ["5", "6"]],
            [
                "t.xlsx:2:2: D604 Sheet1!B2 holds the error #REF! (mend its formula, or empty the cell)",
                (
                    "t.xlsx:3:1: D604 Sheet1!A3 holds a formula whose value is not stored "
                    "(open and save it in a spreadsheet program, or put the value in its place)"
                ),
            ],
        ),
    ],
)
def test_mistakes_name_sheet_row_and_column(
    tmp_path: Path, filled: list[list[Any]], problems: list[str]
) -> None:
    """As line and column for tools, as a cell's name for people."""
    assert said(tmp_path, cells(tmp_path, *filled)) == problems


def test_rows_around_a_bad_one_are_read(tmp_path: Path) -> None:
    """What is wrong with one row is no reason to keep silent about the others."""
    table = read_table(cells(tmp_path, ["a"], ["1"], ["#N/A"], ["3"]))
    assert (rows(table), len(table.problems)) == ([{"a": "1"}, {"a": "3"}], 1)


def test_formulas_take_their_stored_value(tmp_path: Path) -> None:
    """Text, number, truth, and a text that is empty."""
    sheet = (
        '<row><c t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><t>b</t></is></c></row>'
        '<row><c><f>1+1</f><v>2.0</v></c><c t="str"><f>A1</f><v>x</v></c></row>'
        '<row><c t="b"><f>TRUE()</f><v>1</v></c><c t="str"><f>""</f><v></v></c></row>'
    )
    assert rows(read_table(parts(tmp_path, sheet))) == [{"a": "2", "b": "x"}, {"a": "true", "b": ""}]


def test_texts_are_read_as_they_are_shown(tmp_path: Path) -> None:
    """Runs of formatting are joined, reading aids left out, escapes undone; both flavours of the format are read."""
    strict = f'<worksheet xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"><sheetData>{SHEET}</sheetData></worksheet>'
    path = parts(tmp_path, "", {"xl/sharedStrings.xml": SHARED, "xl/worksheets/sheet1.xml": strict})
    assert [row["a"] for row in rows(read_table(path))] == ["bold and plain", "東京", "x\ry_x0041_"]


def test_dates_of_chinese_formats_are_dates(tmp_path: Path) -> None:
    """Their numbers have no format of their own in the file."""
    styles = (
        f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="31"/><xf numFmtId="0"/></cellXfs></styleSheet>'
    )
    sheet = '<row><c t="str" s="1"><v>a</v></c></row><row><c s="0"><v>46348</v></c></row>'
    assert rows(read_table(parts(tmp_path, sheet, {"xl/styles.xml": styles}))) == [{"a": "2026-11-22"}]


BOMB = '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><worksheet><row><c><v>&b;</v></c></row></worksheet>'
FETCH = '<!DOCTYPE s SYSTEM "file:///etc/passwd"><worksheet/>'
HEAD = '<row><c t="str"><v>a</v></c></row>'


@pytest.mark.parametrize(
    ("sheet", "more", "told"),
    [
        ("", {"xl/worksheets/sheet1.xml": BOMB}, "declares a document type"),
        ("", {"xl/worksheets/sheet1.xml": " " * 5000 + BOMB}, "declares entities of its own"),
        ("", {"xl/worksheets/sheet1.xml": FETCH.encode("utf-16")}, "declares a document type"),
        ("", {"xl/styles.xml": FETCH}, "declares a document type"),
        ("", {"xl/worksheets/sheet1.xml": "<worksheet><row>"}, "a part of the workbook is not XML"),
        ("", {"xl/worksheets/sheet1.xml": b"\0" * 30_000_000}, "as only a ZIP bomb does"),
        ("", {"xl/styles.xml": random.Random(1).randbytes(4_200_000)}, "unpacks to 4 MiB"),
        ("", {"xl/_rels/workbook.xml.rels": "<Relationships/>"}, "the workbook shows no sheet with cells"),
        ("", {"_rels/.rels": "<Relationships/>"}, "the archive holds no workbook"),
        (f"{HEAD}<row>{'<c/>' * 16_385}</row>", {}, "row 2 has more than 16,384 cells"),
        ('<row r="1048577"/>', {}, "row '1048577' follows row 0"),
        (f'{HEAD}<row r="1"/>', {}, "row '1' follows row 1"),
        ('<row r="²"/>', {}, "row '²' follows row 0"),
        (f'{HEAD}<row><c r="ZZZ2"/></row>', {}, "row 2 has more than"),
        (f'{HEAD}<row><c r="A9"/></row>', {}, "row 2 holds a cell called 'A9'"),
        (f'{HEAD}<row><c t="s"><v>0</v></c></row>', {}, "S!A2 names a text that the workbook does not have"),
        (f'{HEAD}<row><c s="99"><v>1_0</v></c></row>', {}, "S!A2 holds no number"),
        (
            f'{HEAD}<row><c t="str"><v>{"x" * 131_073}</v></c></row>',
            {},
            "S!A2 has more than 131,072 characters",
        ),
    ],
)
def test_workbooks_made_to_do_harm_are_refused(
    tmp_path: Path, sheet: str, more: dict[str, str | bytes], told: str
) -> None:
    """Bombs, entities, links and broken parts: one clear problem, soon, and nothing is fetched."""
    (problem,) = said(tmp_path, parts(tmp_path, sheet, more))
    assert told in problem


def test_more_rows_than_a_table_may_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first one too many; so are more cells and texts than memory is meant for."""
    path = cells(tmp_path, ["a", "b"], *(["1", "2"] for _ in range(9)))
    monkeypatch.setattr(sheets, "ROW_LIMIT", 5)
    assert said(tmp_path, path) == ["t.xlsx:7:1: D604 more than 5 rows (split the table)"]
    monkeypatch.setattr(sheets, "VALUE_LIMIT", 6)
    assert said(tmp_path, path) == ["t.xlsx:5:1: D601 the sheet has more than 6 cells (split the table)"]
    monkeypatch.setattr(sheets, "CELLS_LIMIT", 4)  # with those that are empty
    assert said(tmp_path, path) == ["t.xlsx:4:1: D601 the sheet has more than 4 cells (split the table)"]
    path = parts(tmp_path, SHEET, {"xl/sharedStrings.xml": SHARED})
    monkeypatch.setattr(workbook_values, "VALUE_LIMIT", 2)
    assert said(tmp_path, path) == ["t.xlsx:1:1: D601 the workbook has more than 2 texts (split it)"]


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (b"anything", "t.xlsx", "the file is not a workbook, or is damaged"),
        (b"PK\x03\x04rest", "t.csv", "the file is a workbook or an archive, not .csv"),
        (b"PK\x03\x04rest", "t.xlsx", "the file is not a workbook, or is damaged"),
        (b"PK\x05\x06".ljust(22, b"\0"), "t.xlsx", "the file is not a workbook"),
        (b"PK\x05\x06".ljust(22, b"\x7f"), "t.xlsx", "the file has too many parts for a workbook"),
        (
            b"PK\x05\x06" + bytes(8) + b"\xff\xff" + bytes(8),
            "t.xlsx",
            "the file is not a workbook, or is damaged",
        ),
        (b"PK\x05\x06".ljust(22, b"\0"), "t.ods", "the file is not a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "t.xls", "the file is a workbook of before 2007"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "t.xlsx",
            "the file is protected by a password",
        ),
    ],
)
def test_what_is_no_workbook_of_ours_is_refused_with_words(
    tmp_path: Path, content: bytes, name: str, problem: str
) -> None:
    """Other kinds, other names, cut files: what it is and what to do."""
    (tmp_path / name).write_bytes(content)
    (told,) = said(tmp_path, tmp_path / name)
    assert told.startswith(f"{name}:1:1: D602 {problem} (")


@given(st.data())
def test_a_damaged_workbook_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any byte of it changed: a table, or a problem."""
    folder = tmp_path_factory.mktemp("t")
    path = parts(folder, SHEET, {"xl/sharedStrings.xml": SHARED})
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    said(folder, path)


_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12).filter(
    lambda text: (
        not ILLEGAL_CHARACTERS_RE.search(text) and "_x" not in text and not text.startswith(("=", "#"))
    )
)


@given(st.lists(st.tuples(_TEXTS, _TEXTS), min_size=1, max_size=4))
def test_what_a_workbook_library_writes_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    """As that library reads it itself."""
    path = cells(tmp_path_factory.mktemp("t"), ["a", "b"], *map(list, texts))
    sheet = load_workbook(path).worksheets[0]
    theirs = [[cell or "" for cell in row] for row in sheet.iter_rows(min_row=2, max_col=2, values_only=True)]
    expected = [row for row in theirs if any(str(cell).strip() for cell in row)]
    if expected:
        assert [list(row.values()) for row in rows(read_table(path))] == expected


def test_cells_are_called_as_spreadsheet_programs_call_them() -> None:
    """Letters for columns; quotes around a name that is not one word."""
    assert [cell_name("S", 7, column) for column in (2, 26, 27, 702, 703)] == [
        "S!B7",
        "S!Z7",
        "S!AA7",
        "S!ZZ7",
        "S!AAA7",
    ]
    assert cell_name("Mum's list", 1, 1) == "'Mum''s list'!A1"
