"""Results beside a table: what is in them, and that they can be read again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from orchestrator.cli.result_tables import beside, check_target, keep_results, write_results
from orchestrator.definition.result_columns import ResultColumns, written_before
from orchestrator.definition.rows import read_table
from orchestrator.definition.table import TableForm
from orchestrator.domain.events import ErrorInfo
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus
from orchestrator.errors import UsageError
from orchestrator.server.reads import RowResult, TableResults

RUN = RunId("01a")


class Rows:
    """Rows as a reader hands them out."""

    def __init__(self, *rows: RowResult, columns: Sequence[str] = ("sku", "note")) -> None:
        self.found, self.columns = rows, columns

    async def rows(self, run_id: RunId, start: int, limit: int) -> TableResults | None:
        return TableResults(self.columns, ("video", "size"), self.found[start : start + limit])


def row(number: int, cells: Mapping[str, Any], **more: Any) -> RowResult:
    return RowResult(number, f"row-{number}", cells, **more)


def three() -> Rows:
    """One that is done, one that failed, one that has not begun."""
    outputs = {"video": "/out/1.mp4", "size": {"mib": 3}}
    error = ErrorInfo("no clay", "Buy clay.", "MSS.1", request_id="4f1c")
    return Rows(
        row(0, {"sku": "012", "note": "a;b"}, run=RunId("1"), status=RunStatus.SUCCEEDED, outputs=outputs),
        row(1, {"sku": "=1+1", "note": "x\ny"}, run=RunId("2"), status=RunStatus.FAILED, error=error),
        row(2, {"sku": "3", "note": ""}),
    )


EXPECTED = [
    ("012", "a;b", "succeeded", "", "1", "/out/1.mp4", '{"mib": 3}'),
    ("=1+1", "x\ny", "failed", "no clay [MSS.1] (request id 4f1c) Buy clay.", "2", "", ""),
    ("3", "", "not started", "", "", "", ""),
]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.xlsx"])
async def test_rows_keep_their_columns_and_get_ours(tmp_path: Path, name: str) -> None:
    """Status, error, id and each output, in the order of the table; what was a text stays one."""
    assert await write_results(three(), RUN, None, tmp_path / name) == 3
    table = read_table(tmp_path / name)
    assert table.columns == ("sku", "note", "run_status", "run_error", "run_id", "video", "size")
    assert [tuple(row.cells.values()) for row in table.rows] == EXPECTED
    assert [path.name for path in tmp_path.iterdir()] == [name]


async def test_json_lines_keep_types(tmp_path: Path) -> None:
    """Nothing is made a text."""
    await write_results(three(), RUN, None, tmp_path / "t.jsonl")
    first, _, last = read_table(tmp_path / "t.jsonl").rows
    assert (first.cells["size"], last.cells["video"]) == ({"mib": 3}, None)


async def test_a_delimited_table_keeps_its_delimiter(tmp_path: Path) -> None:
    """The spreadsheet program that wrote it opens the results as well."""
    form = TableForm(tmp_path / "t.csv", ("sku", "note, long"), ";")
    rows = Rows(row(0, {"sku": "1", "note, long": "x"}))
    await write_results(rows, RUN, form, tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_bytes().startswith(b'\xef\xbb\xbf"sku";"note, long";"run_status";')
    assert read_table(tmp_path / "r.csv").columns[:2] == ("sku", "note, long")


@pytest.mark.parametrize("start", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx"])
async def test_what_came_of_a_row_is_never_a_formula(tmp_path: Path, start: str) -> None:
    """A spreadsheet program shows it; the columns of the table stay as they were."""
    made = row(0, {"sku": start, "note": ""}, outputs={"video": start, "size": -1}, error=ErrorInfo(start))
    await write_results(Rows(made), RUN, None, tmp_path / "r.csv")
    cells = read_table(tmp_path / "r.csv").rows[0].cells
    assert (cells["sku"], cells["video"], cells["size"]) == (start, f"'{start}", "-1")
    assert not cells["run_error"].startswith(("=", "+", "-", "@", "\t", "\r"))


async def test_a_workbook_holds_texts_alone(tmp_path: Path) -> None:
    """No formulas, no numbers, characters that it cannot hold left out, cells that are too long cut."""
    cells = {"sku": "=1+1", "note": "a\x07b_x0041_\r"}
    made = row(0, cells, outputs={"video": "x" * 40_000, "size": "#N/A"})
    form = TableForm(tmp_path / "t.xlsx", ("sku", "note"), sheet="My cups")
    await write_results(Rows(made), RUN, form, tmp_path / "r.xlsx")
    read = read_table(tmp_path / "r.xlsx").rows[0].cells
    assert (read["sku"], read["note"], read["size"]) == ("=1+1", "ab_x0041_\r", "#N/A")
    assert (len(read["video"]), read["video"][-1]) == (32_767, "…")
    book = load_workbook(tmp_path / "r.xlsx")
    assert (book.sheetnames, book["My cups"]["A2"].number_format) == (["My cups"], "@")


async def test_many_rows_are_written_in_pages(tmp_path: Path) -> None:
    """All of them, once, in their order; tables of before columns were written down have those of the rows."""
    rows = Rows(*(row(number, {"sku": str(number)}) for number in range(1_100)), columns=())
    assert await write_results(rows, RUN, None, tmp_path / "r.csv") == 1_100
    assert [row.cells["sku"] for row in read_table(tmp_path / "r.csv").rows] == [str(n) for n in range(1_100)]


async def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """When writing fails half-way, nothing has changed."""

    class Broken(Rows):
        async def rows(self, run_id: RunId, start: int, limit: int) -> TableResults | None:
            if start:
                raise OSError("gone")
            return await super().rows(run_id, start, limit)

    (tmp_path / "r.csv").write_text("old")
    with pytest.raises(OSError, match="gone"):
        await write_results(Broken(*three().found), RUN, None, tmp_path / "r.csv")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("r.csv", "old")]


async def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that is all that happens."""
    form = TableForm(tmp_path / "t.csv", ("sku", "note"))
    assert await keep_results(three(), RUN, form, tmp_path / "none" / "r.csv") is None
    err = capsys.readouterr().err
    assert "none/r.csv: there is no such file or folder; --results names another file" in err


def test_results_stand_beside_their_table() -> None:
    """Called after it; a workbook with macros gets one without."""
    assert [beside(Path("d", name)).name for name in ("t.csv", "t.xlsm", "t.results.csv")] == [
        "t.results.csv",
        "t.results.xlsx",
        "t.results.results.csv",
    ]


def test_the_table_itself_is_never_written(tmp_path: Path) -> None:
    """Nor is a file of a kind that is not written."""
    (tmp_path / "t.csv").touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    with pytest.raises(UsageError, match="is the table itself"):
        check_target(tmp_path / "link.csv", tmp_path / "t.csv")
    with pytest.raises(UsageError, match=r"cannot be written as \.pdf"):
        check_target(tmp_path / "r.pdf", None)


def test_columns_of_results_leave_others_their_names() -> None:
    """An output that is called as a column of the table gets another name."""
    names = ResultColumns.beside(["sku", "video", "run_id", "output_size", "size"], ["video", "size"])
    assert names.names == ("run_status", "run_error", "run_id_2", "output_video", "size_2")


def test_columns_of_an_earlier_run_are_recognised() -> None:
    """Where they stand together, with the outputs right behind them; nothing else is taken for them."""
    ours = ("run_status", "run_error", "run_id")
    assert written_before(["sku", *ours, "video", "output_a", "mine"], ["video", "a"]) == {
        *ours,
        "video",
        "output_a",
    }
    assert written_before(["video", *ours, "mine", "size"], ["video", "size"]) == set(ours)
    assert written_before(["run_status", "sku", "run_error", "run_id", "video"], ["video"]) == set()
