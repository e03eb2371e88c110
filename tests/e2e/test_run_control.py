"""`orchestrator runs …` beside a daemon, and without one."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from orchestrator.domain import events as ev
from orchestrator.store.sqlite import SqliteStore
from tests.e2e.test_cli_commands import started, stop, wait_for
from tests.unit.cli.conftest import Book

DEFINITION = """
pipeline: cups
steps:
  begin: {uses: sleep, with: {seconds: 0}}
  rest: {uses: sleep, needs: [begin], with: {seconds: 600}}
"""


async def _done(path: Path) -> None:
    store = await SqliteStore(path).open()
    book = Book(store)
    await book.begin("01aa")
    await book.write("01aa", ev.RunSucceeded({}))
    await store.close()


def test_a_run_is_steered_from_its_wish_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wish that was written down is carried out by the daemon, which is then found and spoken to without its address."""
    monkeypatch.chdir(tmp_path)
    # Commands set logging up for their process; here that is the tests' own.
    monkeypatch.setattr("orchestrator.logs.configure", lambda *_, **__: None)
    state = tmp_path / ".orchestrator" / "state.db"
    asyncio.run(_done(state))
    (tmp_path / "cups.yaml").write_text(DEFINITION)

    def runs(command: str) -> tuple[int, str, str]:
        code = run(["runs", *command.split()])
        return (code, *capsys.readouterr())

    code, out, err = runs("replay 01aa --file cups.yaml --json")
    run_id = json.loads(out)["id"]
    assert (code, "written down" in err) == (0, True)

    with started(tmp_path, "daemon", "--emulator") as daemon:
        wait_for(daemon.stdout, "ready")
        assert runs(f"pause {run_id} --wait") == (0, f"{run_id}  cups  paused\n", "")
        code, out, _ = runs(f"show {run_id}")
        assert "paused: Somebody paused it; `orchestrator runs resume" in out
        assert runs(f"resume {run_id}") == (0, f"{run_id}  cups  running\n", "")
        code, _, err = runs("resume cups")
        assert (code, "Several runs are called cups" in err) == (2, True)
        assert runs(f"cancel {run_id} --wait --reason enough")[:2] == (0, f"{run_id}  cups  cancelled\n")
        code, out, _ = runs(f"watch {run_id}")
        assert (code, out.splitlines()[-1]) == (1, "cups: cancelled")
        code, out, _ = runs(f"logs {run_id} --follow")
        assert out.splitlines()[-1].endswith("run  cancelled")
        assert stop(daemon, signal.SIGTERM)[0] == 0

    assert not state.with_name("state.db.admin").exists()
    code, out, err = runs(f"retry {run_id}")
    assert (code, "is cancelled and cannot be retried" in err) == (2, True)
