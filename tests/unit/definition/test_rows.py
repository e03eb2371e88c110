"""Tables: encodings, delimiters and what is wrong with them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.definition.problems import DefinitionError
from orchestrator.definition.rows import Table, read_table


def table(tmp_path: Path, content: bytes, name: str = "t.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(content)
    return read_table(path)


def said(tmp_path: Path, content: bytes, name: str = "t.csv") -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        table(tmp_path, content, name)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("sku,title\n1,Größe é\n", "utf-8"),
        ("sku,title\n1,Größe 中文\n", "utf-8-sig"),
        ("sku,title\n1,Größe 中文\n", "utf-16"),
        ("sku,title\n1,Größe 中文\n", "utf-16-le"),
        ("sku,title\n1,Größe 中文\n", "utf-16-be"),
        ("sku,title\n1,产品介绍视频\n", "gb18030"),
        ("sku,title\n1,智能台灯护眼又省电\n", "gb18030"),
        ("sku,title\n1,café élan Größe\n", "cp1252"),
        ("sku,title\n1,élan vital naïve\n", "cp1252"),
    ],
)
def test_usual_encodings_are_recognised(tmp_path: Path, text: str, encoding: str) -> None:
    """What spreadsheets save is read without being told how."""
    read = table(tmp_path, text.encode(encoding))
    assert read.columns == ("sku", "title")
    assert read.rows[0].cells["title"] == text.splitlines()[1].split(",")[1]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"a,b\n1,x y\n", "t.csv"),
        (b"a;b\r\n1;x y\r\n", "t.csv"),
        (b"a\tb\n1\tx y\n", "t.tsv"),
        (b"a\tb\n1\tx y\n", "t.txt"),
        (b"a|b\n1|x y\n", "t.csv"),
        (b"sep=;\na;b\n1;x y\n", "t.csv"),
        (b"\n\na , b,,\n1,x y,,\n\n", "t.csv"),
        (b'"a;1,";b\n'.replace(b";1,", b"") + b'"1";"x y"\n', "t.csv"),
    ],
)
def test_usual_delimiters_are_recognised(tmp_path: Path, content: bytes, name: str) -> None:
    """The header tells the delimiter; blank lines and empty columns at the end do not count."""
    read = table(tmp_path, content, name)
    assert read.columns == ("a", "b")
    assert [row.cells for row in read.rows] == [{"a": "1", "b": "x y"}]


def test_cells_stay_text(tmp_path: Path) -> None:
    """`012`, `1e5`, `true` and blanks are what they look like; short rows end in empty cells."""
    read = table(tmp_path, b"a,b,c,d,e\n012,1e5,true, x \n")
    assert read.rows[0].cells == {"a": "012", "b": "1e5", "c": "true", "d": " x ", "e": ""}


def test_only_line_ends_end_a_row(tmp_path: Path) -> None:
    """Other characters that break lines elsewhere are part of a cell."""
    read = table(tmp_path, "a,b\n1,x\u2028y\x85z\n2,w\n".encode())
    assert [(row.line, row.cells["b"]) for row in read.rows] == [(2, "x\u2028y\x85z"), (3, "w")]


def test_rows_know_the_line_in_which_they_begin(tmp_path: Path) -> None:
    """Cells of several lines and blank lines do not shift the numbers."""
    read = table(tmp_path, b'a,b\n1,"x\ny"\n\n2,z\n')
    assert [row.line for row in read.rows] == [2, 5]


@pytest.mark.parametrize(
    ("content", "name", "problems"),
    [
        (b"", "t.csv", ["t.csv:1:1: D603 the table is empty (its first line names the columns)"]),
        (b"a,b\n", "t.csv", ["t.csv:1:1: D603 the table has no rows"]),
        (
            b"a,,a\n1,2,3\n1,2,3,4\n",
            "t.csv",
            [
                "t.csv:1:2: D603 column 2 has no name",
                "t.csv:1:3: D603 two columns are called 'a' (rename one of them)",
                "t.csv:3:4: D604 the row has 4 cells, the header 3 (put quotes around a cell that holds ',')",
            ],
        ),
        (b'a\n"x\n', "t.csv", ["t.csv:2:1: D604 unexpected end of data"]),
        (
            b"a\n\0\n\x80\xff\n",
            "t.csv",
            ["t.csv:1:1: D601 the encoding is not known (save the table as UTF-8)"],
        ),
        (
            b"PK\x03\x04rest",
            "t.csv",
            ["t.csv:1:1: D602 workbooks are not read yet (save the sheet as CSV UTF-8 and give that file)"],
        ),
        (
            b"anything",
            "t.xlsx",
            ["t.xlsx:1:1: D602 workbooks are not read yet (save the sheet as CSV UTF-8 and give that file)"],
        ),
        (
            b"a\n1\n",
            "t.parquet",
            ["t.parquet:1:1: D602 .parquet is not a kind of table (use .csv, .tsv or .jsonl)"],
        ),
        (
            b'{"a": 1}\n[1]\n{"a": NaN}\n{"a": \n{"a": 1, "a": 2}\n',
            "t.jsonl",
            [
                "t.jsonl:2:1: D604 each line has to be one JSON object",
                "t.jsonl:3:1: D604 not usable: NaN is not JSON",
                "t.jsonl:4:7: D604 not JSON: Expecting value",
                "t.jsonl:5:1: D604 not usable: a key stands twice in one object",
            ],
        ),
        (b"[" * 100_000 + b"\n", "t.jsonl", ["t.jsonl:1:1: D604 not usable: nested too deeply"]),
    ],
)
def test_mistakes_of_form_are_all_reported(
    tmp_path: Path, content: bytes, name: str, problems: list[str]
) -> None:
    """A table that cannot be used says why, where and what to do."""
    assert said(tmp_path, content, name) == problems


def test_a_missing_table_is_a_problem(tmp_path: Path) -> None:
    """The path and the reason are named."""
    with pytest.raises(DefinitionError, match=r"none.csv: D601 the table cannot be read: no such file"):
        read_table(tmp_path / "none.csv")


def test_json_lines_keep_types(tmp_path: Path) -> None:
    """A line's values stay what they are; columns are those of all lines."""
    read = table(tmp_path, b'{"a": 1, "b": [true]}\n\n{"c": "x"}\n', "t.jsonl")
    assert read.columns == ("a", "b", "c")
    assert [(row.line, row.cells) for row in read.rows] == [(1, {"a": 1, "b": [True]}), (3, {"c": "x"})]


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12
)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_what_a_writer_writes_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    """Any text in quotes survives the way through a file; rows of nothing but blanks are left out."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("left", "right"), *rows])
    expected = [row for row in rows if any(map(str.strip, row))]
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes(out.getvalue().encode("utf-8-sig"))
    if expected:
        assert [tuple(row.cells.values()) for row in read_table(path).rows] == expected
