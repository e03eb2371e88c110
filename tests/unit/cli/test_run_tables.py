"""Tables through the command line: results beside them, known rows, results as a table again."""

import asyncio
import json
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from orchestrator.app import application
from orchestrator.cli.foreground import prepared
from orchestrator.cli.main import run
from orchestrator.cli.run_here import carry_and_keep
from orchestrator.definition.rows import read_table
from orchestrator.domain import events as ev
from orchestrator.settings import Settings

NAPS = """\
pipeline: naps
inputs:
  nap: {type: number}
  note: {type: string, required: false}
rows: {name: "${{ row.sku }}"}
steps:
  nap: {uses: sleep, with: {seconds: "${{ inputs.nap }}"}}
outputs: {slept: "${{ inputs.nap }}"}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of a test works in the same folder, with the same state."""
    monkeypatch.chdir(tmp_path)
    Path("naps.yaml").write_text(NAPS)


def workbook(*rows: tuple[object, ...], name: str = "naps.xlsx") -> None:
    made = Workbook()
    sheet = made.active
    assert isinstance(sheet, Worksheet)
    for row in (("sku", "nap", "note"), *rows):
        sheet.append(list(row))
    sheet["A2"].number_format = "@"
    made.save(name)


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of results."""
    return [dict(row.cells) for row in read_table(Path(name)).rows]


def test_a_workbook_gets_its_results_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    """And again as input, grown by a row: what is known is not done again, and the summary says so."""
    workbook(("012", 0, "first"), ("013", 0.01, None))
    assert run(["run", "naps.yaml", "--emulator", "--rows", "naps.xlsx"]) == 0
    assert "results: naps.results.xlsx\n" in capsys.readouterr().err
    first = rows("naps.results.xlsx")
    assert [(row["sku"], row["nap"], row["run_status"], row["slept"]) for row in first] == [
        ("012", "0", "succeeded", "0.0"),
        ("013", "0.01", "succeeded", "0.01"),
    ]

    grown = Path("grown.csv")
    grown.write_text(
        "".join(f"{','.join(line)}\n" for line in [first[0], *(row.values() for row in first), ("014", "0")])
    )
    command = ["run", "naps.yaml", "--emulator", "--rows", "grown.csv", "--results", "grown.xlsx"]
    assert run([*command, "--json"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (document["rows_known"], document["results"]) == (2, "grown.xlsx")
    again = rows("grown.xlsx")
    assert list(again[0]) == ["sku", "nap", "note", "run_status", "run_error", "run_id", "slept"]
    assert [row["run_id"] for row in again[:2]] == [row["run_id"] for row in first]

    assert run([*command, "--again"]) == 0
    assert "3 of 3 succeeded in " in capsys.readouterr().err
    assert rows("grown.xlsx")[0]["run_id"] != first[0]["run_id"]
    assert run(command) == 0
    assert "; 3 known before\n" in capsys.readouterr().err


def test_results_can_be_asked_for_later(capsys: pytest.CaptureFixture[str]) -> None:
    """From the state, in the order of the table's columns, wherever they are wanted."""
    Path("t.csv").write_text("sku;nap;a;z;b\n1;0;;;x\n2;0;;;y\n")
    assert run(["run", "naps.yaml", "--emulator", "--rows", "t.csv", "--no-results"]) == 0
    assert not Path("t.results.csv").exists()
    capsys.readouterr()
    assert run(["runs", "results", "naps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": "naps.results.csv", "rows": 2}
    assert [(row["sku"], row["b"], row["run_status"]) for row in rows("naps.results.csv")] == [
        ("1", "x", "succeeded"),
        ("2", "y", "succeeded"),
    ]
    assert list(rows("naps.results.csv")[0])[:5] == ["sku", "nap", "a", "z", "b"]
    assert run(["runs", "results", "naps", "--out", "none/r.csv"]) == 2
    assert run(["runs", "results", "1"]) == 2
    err = capsys.readouterr().err
    assert "The results cannot be written to none/r.csv: there is no such file or folder." in err
    assert "The run has no table." in err


def test_mistakes_of_a_workbook_name_its_cells(capsys: pytest.CaptureFixture[str]) -> None:
    """For people by the cell's name, for tools as row and column; and a results file that cannot be is refused before."""
    workbook(("1", "long", None), ("1", 0, None))
    assert run(["run", "naps.yaml", "--emulator", "--rows", "naps.xlsx"]) == 2
    err = capsys.readouterr().err
    assert 'naps.xlsx:2:2: D504 Sheet!B2: nap: "long" is not a number\n' in err
    assert "naps.xlsx:3:1: D605 Sheet!A3: the name '1' is taken by row 2" in err
    workbook(("1", 0, None))
    for results in ("naps.xlsx", "r.pdf"):
        assert run(["run", "naps.yaml", "--emulator", "--rows", "naps.xlsx", "--results", results]) == 2
    Path("alone.yaml").write_text(NAPS.replace('rows: {name: "${{ row.sku }}"}\n', ""))
    assert run(["run", "alone.yaml", "--emulator", "-i", "nap=0", "--results", "r.csv"]) == 2
    assert "--results needs a table." in capsys.readouterr().err


def test_results_that_cannot_be_written_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The run is told as it is, with its exit code."""
    workbook(("1", 0, None))
    Path("naps.results.xlsx").mkdir()
    assert run(["run", "naps.yaml", "--emulator", "--rows", "naps.xlsx", "--json"]) == 0
    told = capsys.readouterr()
    assert "the results cannot be written to naps.results.xlsx: it is a folder" in told.err
    assert json.loads(told.out)["results"] is None


async def test_who_stops_a_run_finds_what_there_is() -> None:
    """Rows that are done, under way and not begun."""
    Path("naps.yaml").write_text(NAPS + "concurrency: {limit: 2}\n")
    workbook(("1", 0, None), ("2", 600, None), ("3", 0, None), ("4", 600, None), ("5", 0, None))
    settings = Settings.load({"state": "sqlite:///state.db", "out": "out"}, environ={})
    wanted = await asyncio.to_thread(prepared, Path("naps.yaml"), {}, Path("naps.xlsx"), settings)
    async with application(settings, emulator=True) as app:
        with app.engine.live.watch() as events:
            running = asyncio.create_task(carry_and_keep(app, wanted, Path("r.csv")))
            begun = 0
            while begun < 4:  # the rows
                body = (await asyncio.wait_for(events.get(), 20)).body
                begun += isinstance(body, ev.StepWaiting)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert [row["run_status"] for row in rows("r.csv")] == [
        "succeeded",
        "running",
        "succeeded",
        "running",
        "not started",
    ]
