"""Tables: encodings, delimiters and what is wrong with them."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.definition import delimited
from orchestrator.definition.problems import Code, DefinitionError
from orchestrator.definition.rows import read_table
from orchestrator.definition.table import Table


def table(tmp_path: Path, content: bytes, name: str = "t.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(content)
    return read_table(path)


def said(tmp_path: Path, content: bytes, name: str = "t.csv") -> list[str]:
    """What is wrong with the table, whether it could be read or not."""
    try:
        problems = table(tmp_path, content, name).problems
    except DefinitionError as error:
        problems = error.problems
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in problems]


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
                "t.csv:1:3: D603 column 2 has no name",
                "t.csv:1:4: D603 two columns are called 'a' (rename one of them)",
                "t.csv:3:7: D604 the row has 4 cells, the header 3 (put quotes around a cell that holds ',')",
            ],
        ),
        (
            b'a,b\n1,"x\n2,y\n',
            "t.csv",
            [
                't.csv:2:3: D604 a quote is not closed (end the cell with ", and write a quote inside a cell twice: "")'
            ],
        ),
        (
            b'a,b\n1,"x"y\n2,"z\n3,"w"\n',
            "t.csv",
            [
                't.csv:2:6: D604 text stands behind a closing quote (write a quote inside a cell twice: "")',
                "t.csv:4:4: D604 text stands behind a closing quote (close the one that opens in line 3)",
            ],
        ),
        (
            b"a\n" + b"x" * 131_073 + b"\n",
            "t.csv",
            ["t.csv:2:1: D604 a cell has more than 131,072 characters (is a quote not closed?)"],
        ),
        (
            b'"a\n1\n',
            "t.csv",
            [
                't.csv:1:1: D604 a quote is not closed (end the cell with ", and write a quote inside a cell twice: "")'
            ],
        ),
        (
            b"a\n\0\n\x80\xff\n",
            "t.csv",
            ["t.csv:1:1: D601 the encoding is not known (save the table as UTF-8)"],
        ),
        (
            b"a\n1\n",
            "t.parquet",
            ["t.parquet:1:1: D602 .parquet is not a kind of table (use .csv, .tsv, .xlsx or .jsonl)"],
        ),
        (
            b'{"a": 1}\n[1]\n{"a": NaN}\n{"a": \n{"a": 1, "a": 2}\n',
            "t.jsonl",
            [
                "t.jsonl:2:1: D604 each line has to be one JSON object",
                "t.jsonl:3:1: D604 not usable: NaN is not JSON",
                "t.jsonl:4:7: D604 not JSON: a value is missing",
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
    with pytest.raises(DefinitionError, match=r"none.csv:1:1: D601 the table cannot be read: no such file"):
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


def test_rows_around_a_malformed_one_are_read(tmp_path: Path) -> None:
    """What is wrong with one row is no reason to keep silent about the others."""
    read = table(tmp_path, b'a,b\n1,2\n1,2,3\n4,"5"6\n7,8\n')
    assert [row.cells for row in read.rows] == [{"a": "1", "b": "2"}, {"a": "7", "b": "8"}]
    assert [(problem.line, problem.col) for problem in read.problems] == [(3, 5), (4, 6)]


@pytest.mark.parametrize(
    ("content", "name", "column", "place"),
    [
        (b"a,b,c\n1,2,3\n", "t.csv", "c", (2, 5)),
        (b'a;b;c\r\n"x;""y";;3\r\n', "t.csv", "c", (2, 10)),
        (b'a,b,c\n1,"x\r\ny",3\n', "t.csv", "c", (3, 4)),
        (b"\nsep,b\n\n1\n", "t.csv", "b", (4, 2)),
        (b"sep=;\na;b\n1;2\n", "t.csv", "b", (3, 3)),
        (b"a\tb\n1\t2\n", "t.tsv", "b", (2, 3)),
        ("ä,b\nö中,2\n".encode(), "t.csv", "b", (2, 4)),
        (b'{"x": {"b": 1}, "a": "b", "b": 2}\n', "t.jsonl", "b", (1, 32)),
        (b'\n {"b":[1] , "c" : 3}\n', "t.jsonl", "c", (2, 19)),
        (b"a,b\n1,2\n", "t.csv", "none", (2, 1)),
    ],
)
def test_a_problem_stands_at_the_character_of_its_cell(
    tmp_path: Path, content: bytes, name: str, column: str, place: tuple[int, int]
) -> None:
    """An editor that jumps to line and column lands on the cell, in quotes and over several lines too."""
    read = table(tmp_path, content, name)
    problem = read.problem(read.rows[0], column, Code.WRONG_INPUT, "wrong")
    assert (problem.line, problem.col) == place


def test_a_problem_of_the_header_stands_there(tmp_path: Path) -> None:
    """Blank lines before it count."""
    read = table(tmp_path, b"\n\na,b\n1,2\n")
    assert read.problem(None, "", Code.UNKNOWN_COLUMN, "none").line == 3


def test_a_table_has_only_so_many_columns(tmp_path: Path) -> None:
    """Far more are refused at once, with one problem at the first too many."""
    names = [f"c{number}" for number in range(200_000)]
    told = "the table has 200,000 columns, more than 16,384"
    (problem,) = said(tmp_path, (",".join(names) + "\n1\n").encode())
    assert problem.startswith(f"t.csv:1:{len(','.join(names[:16_384])) + 2}: D603 {told}")
    (problem,) = said(tmp_path, json.dumps(dict.fromkeys(names, 1)).encode(), "t.jsonl")
    assert problem.startswith(f"t.jsonl:1:1: D604 {told}")


def test_each_of_many_equal_columns_is_a_mistake(tmp_path: Path) -> None:
    """Where it stands."""
    found = said(tmp_path, b",".join([b"c"] * 10_000) + b"\n1\n")
    assert len(found) == 9_999
    assert found[-1] == "t.csv:1:19999: D603 two columns are called 'c' (rename one of them)"


def test_rows_times_columns_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where most cells are empty."""
    monkeypatch.setattr(delimited, "CELLS_LIMIT", 6)
    assert said(tmp_path, b"a,b,c\n1\n2\n3\n") == ["t.csv:4:1: D604 more than 6 cells (split the table)"]
    assert said(tmp_path, b"a,b,c\n1\n2\n") == []


@given(st.binary(max_size=120) | st.text(alphabet='ab,;"\n\r\t{}:1', max_size=80).map(str.encode))
def test_any_bytes_are_a_table_or_problems(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No file crashes the reading, and every cell has a place inside the text."""
    folder = tmp_path_factory.mktemp("t")
    for name in ("t.csv", "t.jsonl"):
        try:
            read = table(folder, content, name)
        except DefinitionError:
            continue
        for row in read.rows:
            for column in read.columns:
                problem = read.problem(row, column, Code.WRONG_INPUT, "wrong")
                assert problem.line >= row.line
                assert problem.col >= 1
