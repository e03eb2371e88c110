"""The command's outside: usage, messages, exit codes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from orchestrator.cli.samples import sample_pipeline

HEAVY = ("asyncio", "pydantic", "aiohttp", "rich", "structlog", "ruamel", "jinja2", "sqlite3")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_help_imports_nothing_heavy() -> None:
    """`--help` is quick because nothing that works is loaded for it."""
    script = (
        "import sys; from orchestrator.cli.main import run; code = run(['--help']);"
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "run",
        "runs",
        "runs list",
        "runs show",
        "runs logs",
        "runs watch",
        "runs cancel",
        "runs pause",
        "runs resume",
        "runs retry",
        "runs replay",
        "runs approve",
        "daemon",
        "validate",
        "schema",
        "emulator",
        "api",
        "api list",
        "api show",
        "api call",
        "config show",
    ],
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Usage and a sentence about what it does."""
    assert run([*command.split(), "--help"]) == 0
    assert f"Usage: orchestrator {command}" in capsys.readouterr().out


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing asked is wrong usage, kindly answered on stderr."""
    assert run([]) == 2
    out, err = capsys.readouterr()
    assert (out, "Commands:" in err) == ("", True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["runn"], "Did you mean 'run', 'runs'?"),
        (["runs", "lst"], "Did you mean 'list'?"),
        (["api", "cal"], "Did you mean 'call'?"),
        (["run", "--emulatr"], "--emulator"),
        (["run"], "Missing argument 'FILE'"),
        (["demo", "--rows", "0"], "--rows"),
        (["runs", "list", "--status", "done"], "succeeded"),
    ],
)
def test_wrong_usage_is_told_with_what_was_meant(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the mistake, and where to look."""
    assert run(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert "--help` shows how it is used" in err


@pytest.mark.parametrize("argv", [["--version"], ["version"]])
def test_the_version_can_be_asked_for(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Name and number."""
    assert run(argv) == 0
    assert capsys.readouterr().out.startswith("orchestrator 0.")


def test_the_version_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    assert run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"].startswith("0.")


def test_a_missing_state_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, with what to do."""
    assert run(["runs", "list", "--state", "sqlite:///nowhere.db"]) == 3
    assert "error: There is no state at nowhere.db." in capsys.readouterr().err


def test_wrong_settings_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the place of the setting."""
    assert run(["runs", "list", "--state", "sqlit:nowhere"]) == 2
    assert "command line: state: should be sqlite:///PATH" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["config", "show"], ["run", str(sample_pipeline()), "--emulator"]])
def test_a_rate_of_no_operation_is_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Where the settings are looked at as well as where they are used."""
    Path("orchestrator.yaml").write_text("limits: {create_asset_scrip: 2}\n")
    assert run([*command, "--config", "orchestrator.yaml"]) == 2
    assert "limits names 'create_asset_scrip', which is no operation" in capsys.readouterr().err


def test_the_system_is_quoted_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    """No numbers of errors."""
    Path("taken").touch()
    assert run(["demo", "--out", "taken"]) == 2
    assert run(["emulator", "--data", "taken"]) == 2
    assert run(["run", str(sample_pipeline()), "--emulator", "--state", "sqlite:///taken/state.db"]) == 3
    err = capsys.readouterr().err
    assert err.count("a file stands where a folder is needed.\n") == 3
    assert "Errno" not in err


def test_a_fault_plan_that_is_wrong_says_where_plans_are_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Missing or malformed."""
    Path("plan.yaml").write_text("rules: [{on: callback, do: explode}]\n")
    assert run(["emulator", "--faults", "nowhere.yaml"]) == 2
    assert run(["emulator", "--faults", "plan.yaml"]) == 2
    err = capsys.readouterr().err
    assert "error: nowhere.yaml: there is no such file or folder" in err
    assert "error: plan.yaml:1: rules.0.do: " in err
    assert err.count("docs/howto/rehearse-with-the-emulator.md") == 2


def test_a_port_in_use_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, as for the daemon."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["emulator", "--port", str(port)]) == 3
    assert f"error: Port {port} is in use.\n" in capsys.readouterr().err


def test_effective_settings_are_shown_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each value, and on request where it came from."""
    monkeypatch.setenv("ORCHESTRATOR_REGION", "cn-east-3")
    monkeypatch.setenv("ORCHESTRATOR_AUTH__AK", "not-to-be-seen-1")
    monkeypatch.setenv("ORCHESTRATOR_AUTH__SK", "not-to-be-seen-2")
    assert run(["config", "show", "--origin", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["region"] == {"value": "cn-east-3", "origin": "ORCHESTRATOR_REGION"}
    assert run(["config", "show"]) == 0
    out += capsys.readouterr().out
    assert "cn-east-3" in out
    assert "not-to-be-seen" not in out


def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    """`| head` is no error worth a traceback."""
    script = (
        "import os, sys; from orchestrator.cli.main import run;"
        "read, write = os.pipe(); os.dup2(write, 1); os.close(write); os.close(read); sys.exit(run(['version']))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", ["version", "--help", "schema", "config show", "--show-completion bash"])
def test_results_that_cannot_be_written_are_one_line(command: str) -> None:
    """Exit code 1 and no traceback, whoever writes them."""
    with Path("/dev/full").open("w") as full:
        shown = subprocess.run(
            [sys.executable, "-m", "orchestrator", *command.split()],
            env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (shown.returncode, shown.stderr) == (
        1,
        "error: The results cannot be written: the disk is full.\n hint: Make room, or send stdout elsewhere.\n",
    )


def test_a_stderr_that_nobody_reads_changes_nothing() -> None:
    """The command does what it does, and ends as it does."""
    script = (
        "import os, sys; from orchestrator.cli import output; from orchestrator.cli.main import run;"
        "read, write = os.pipe(); os.dup2(write, 2); os.close(write); os.close(read);"
        "output.note('lost'); output.note('lost'); sys.exit(run(['version']))"
    )
    shown = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    assert (shown.returncode, shown.stdout[:12]) == (0, "orchestrator")
