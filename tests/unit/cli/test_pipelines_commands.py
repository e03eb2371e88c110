"""`validate`, `schema`, and what `run` refuses before it calls anything."""

import json
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from orchestrator.cli.samples import sample_pipeline

BAD = """\
pipeline: cups
inputs:
  title: {type: strin}
steps:
  make:
    uses: asset.creat
    with: {asset_name: "${{ inputs.titel }}"}
"""
TABLE = """\
pipeline: cups
inputs:
  title: {type: string}
  image: {type: file}
rows: {from: cups.csv, name: "${{ row.title }}"}
steps:
  make:
    uses: asset.create
    with: {asset_name: "${{ inputs.title }}", asset_type: IMAGE}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_mistakes_are_told_with_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each on stdout, exit code 2."""
    Path("bad.yaml").write_text(BAD)
    assert run(["validate", "bad.yaml"]) == 2
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == [
        "bad.yaml:3:17:",
        "bad.yaml:6:11:",
        "bad.yaml:7:29:",
    ]
    assert "did you mean 'asset.create'?" in out
    assert err == "1 file: 3 problems\n"


def test_the_sample_is_valid_with_its_table_and_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    """What is shipped passes its own check."""
    assert run(["validate", str(sample_pipeline())]) == 0
    assert capsys.readouterr() == ("", "1 file: no problems\n")


def test_a_missing_picture_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The table's rows and files are part of the check."""
    Path("cups.yaml").write_text(TABLE)
    Path("cups.csv").write_text("title,image\nblue,blue.png\n")
    assert run(["validate", "cups.yaml"]) == 2
    assert "cups.csv:2:6: D505 image: 'blue.png' does not exist" in capsys.readouterr().out


def test_problems_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One document with every file."""
    Path("bad.yaml").write_text(BAD)
    assert run(["validate", "bad.yaml", str(sample_pipeline()), "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["valid"] is False
    first, second = document["files"]
    assert (len(first["problems"]), second["problems"]) == (3, [])
    assert first["problems"][1]["suggestion"] == "did you mean 'asset.create'?"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("title", "-i 'title' is not KEY=VALUE"),
        ("=x", "is not KEY=VALUE"),
        ("titel=x", "did you mean 'title'?"),
    ],
)
def test_a_wrong_input_is_told(argument: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Form and name are checked."""
    assert run(["validate", str(sample_pipeline()), "-i", argument]) == 2
    assert message in "".join(capsys.readouterr())


def test_an_input_may_be_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Twice is a mistake rather than a choice."""
    assert run(["validate", str(sample_pipeline()), "-i", "voice=Emma", "-i", "voice=Emma"]) == 2
    assert "-i voice is given twice" in capsys.readouterr().err


def test_run_refuses_what_validate_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    """All mistakes at once on stderr, nothing on stdout, no state left behind."""
    Path("bad.yaml").write_text(BAD)
    assert run(["run", "bad.yaml", "--emulator"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "error: 3 problems; nothing was called."
    assert [path.name for path in Path().iterdir()] == ["bad.yaml"]


def test_run_tells_programs_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the mistakes are the document that `validate --json` prints."""
    Path("bad.yaml").write_text(BAD)
    assert run(["run", "bad.yaml", "--emulator", "--json"]) == 2
    told = capsys.readouterr().out
    assert run(["validate", "bad.yaml", "--json"]) == 2
    assert told == capsys.readouterr().out


@pytest.mark.parametrize("out", ["taken", "taken/below"])
def test_an_output_folder_that_cannot_be_is_refused_first(
    out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 before anything is opened or called."""
    Path("taken").touch()
    assert run(["run", str(sample_pipeline()), "--emulator", "--out", out]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert (
        error == f"error: The output folder {out} cannot be written: a file stands where a folder is needed."
    )
    assert hint == " hint: Choose another --out."
    assert [path.name for path in Path().iterdir()] == ["taken"]


def test_run_without_credentials_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the name of a setting."""
    assert run(["run", str(sample_pipeline())]) == 2
    err = capsys.readouterr().err
    assert "error: There " in err
    assert "ORCHESTRATOR_" in err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Draft-07, as editors expect it."""
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"] == "http://json-schema.org/draft-07/schema#"
