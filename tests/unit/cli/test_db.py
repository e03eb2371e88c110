"""`orchestrator db`, from the command line to its exit code."""

import json
import sqlite3
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from orchestrator.domain import events as ev
from orchestrator.store.sqlite import SqliteStore
from orchestrator.store.sqlite_file import latest_version
from tests.unit.cli.conftest import Book


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A state with a run that is over and one that is not."""
    store = await SqliteStore(tmp_path / "state.db").open()
    book = Book(store)
    await book.begin("01aa")
    await book.write("01aa", ev.RunSucceeded({}))
    await book.begin("02bb")
    await store.close()
    return tmp_path / "state.db"


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_check_says_that_all_is_well(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In words and as JSON, with exit code 0."""
    state = ["--state", f"sqlite:///{path}"]
    assert run(["db", "check", *state]) == 0
    assert capsys.readouterr().out == f"{path}: 2 runs, 5 events: all is well\n"
    assert run(["db", "check", *state, "--json"]) == 0
    assert said(capsys) == {"state": str(path), "ok": True, "runs": 2, "events": 5, "problems": []}


def test_check_prints_each_problem_with_its_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 1."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET seq=9 WHERE id='01aa'")
    connection.commit()
    connection.close()
    state = ["--state", f"sqlite:///{path}"]
    assert run(["db", "check", *state]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == "01aa: its journal has 3 events, should have 9"
    assert printed.out.splitlines()[-1] == f"{path}: 2 runs, 5 events: 1 problem"
    assert "restore a backup" in printed.err
    assert run(["db", "check", *state, "--json"]) == 1
    problem = {"run": "01aa", "problem": "its journal has 3 events, should have 9"}
    assert said(capsys)["problems"] == [problem]


def test_upgrade_says_from_where_to_where(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to do is no mistake."""
    state, version = ["--state", f"sqlite:///{path}"], latest_version()
    assert run(["db", "upgrade", *state]) == 0
    assert capsys.readouterr().out == f"{path} has schema version {version}: nothing to do\n"
    assert run(["db", "upgrade", *state, "--json"]) == 0
    assert said(capsys) == {"state": str(path), "from": version, "to": version, "backup": None}


def test_backup_makes_a_new_file_and_never_replaces_one(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy passes the check."""
    target = tmp_path / "copy.db"
    arguments = ["db", "backup", str(target), "--state", f"sqlite:///{path}"]
    assert run([*arguments, "--json"]) == 0
    assert said(capsys) == {"state": str(path), "backup": str(target), "bytes": target.stat().st_size}
    assert run(["db", "check", "--state", f"sqlite:///{target}"]) == 0
    assert run(arguments) == 2
    assert "is there already" in capsys.readouterr().err


def test_prune_forgets_what_ended_long_ago(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run only counts; a duration that is none is refused."""
    prune = ["db", "prune", "--state", f"sqlite:///{path}", "--older-than"]
    assert run([*prune, "soon"]) == 2
    assert "30d" in capsys.readouterr().err
    assert run([*prune, "100h", "--dry-run"]) == 0
    assert capsys.readouterr().out == "1 run would be forgotten\n"
    assert run([*prune, "100h", "--json"]) == 0
    assert said(capsys)["runs"] == 1
    assert run([*prune, "100h"]) == 0
    assert capsys.readouterr().out == "0 runs forgotten\n"


def test_a_state_that_is_not_there_is_no_new_one(tmp_path: Path) -> None:
    """Exit code 3, and nothing is made."""
    for verb in (
        ["upgrade"],
        ["check"],
        ["backup", str(tmp_path / "copy.db")],
        ["prune", "--older-than", "1d"],
    ):
        assert run(["db", *verb, "--state", f"sqlite:///{tmp_path}/none.db"]) == 3
    assert list(tmp_path.iterdir()) == []
