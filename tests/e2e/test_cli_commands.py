"""The commands as a user starts them: processes, signals, exit codes, real HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from orchestrator.cli.samples import sample_pipeline, write_table

#: Patient enough for a slow machine; nothing waits for it when all is well.
PATIENCE_S = 60
_FAST = {"ORCHESTRATOR_ENGINE__POLL_FIRST_S": "2", "ORCHESTRATOR_ADMIN__LISTEN": "127.0.0.1:0"}

Process = subprocess.Popen[str]


@pytest.fixture
def one_row(tmp_path: Path) -> Path:
    """A table with one product."""
    table = tmp_path / "one.csv"
    write_table(table, 1)
    return table


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Process]:
    """The command under way in `folder`; whatever happens, it does not outlive the test."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=folder,
        env=environment | _FAST,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that ends by itself."""
    with started(folder, *arguments) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err


def wait_for(stream: IO[str] | None, text: str) -> str:
    """The first line with `text`."""
    assert stream is not None
    seen: list[str] = []
    for line in stream:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"{text!r} never came: {''.join(seen)}")


def stop(process: Process, number: int) -> tuple[int, str, str]:
    """Exit code and what remained to be read after the signal."""
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def run_arguments(table: Path, *more: str) -> tuple[str, ...]:
    return ("run", str(sample_pipeline()), "--emulator", "--rows", str(table), "--out", "videos", *more)


def totals(document: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = document["emulator"]["stats"]["totals"]
    return found


def test_a_run_ends_with_its_files_and_is_not_made_twice(tmp_path: Path, one_row: Path) -> None:
    """Outputs on stdout, progress on stderr; the same command again only says what is there."""
    code, out, err = finished(tmp_path, *run_arguments(one_row))
    video = tmp_path / "videos" / "LAMP-01.mp4"
    assert (code, out) == (0, f"LAMP-01\tvideo\t{video}\n"), err
    assert video.stat().st_size > 10_000
    assert "LAMP-01  background  succeeded\n" in err
    assert "emulator: http://127.0.0.1:" in err
    assert "emulator, all runs so far: 1 video, 1 script, 1 asset, 1 file; " in err
    assert "more than one video" not in err

    code, out, err = finished(tmp_path, *run_arguments(one_row, "--json"))
    assert "already done; --again makes it anew" in err
    document = json.loads(out)
    assert (code, document["run"]["status"], totals(document)["videos"]) == (0, "succeeded", 1)
    assert document["runs"][0]["outputs"] == {"video": str(video)}

    code, out, _ = finished(tmp_path, "runs", "show", "LAMP-01", "--json")
    assert (code, [step["status"] for step in json.loads(out)["steps"]]) == (0, ["succeeded"] * 7)


def test_ctrl_c_stops_and_the_same_command_goes_on(tmp_path: Path, one_row: Path) -> None:
    """Exit code 130, nothing lost, nothing made twice."""
    with started(tmp_path, *run_arguments(one_row)) as process:
        wait_for(process.stderr, "LAMP-01  video  succeeded")
        code, out, err = stop(process, signal.SIGINT)
    assert (code, out) == (130, ""), err
    assert "stopped; the same command goes on from here" in err
    assert "Traceback" not in err

    code, out, err = finished(tmp_path, *run_arguments(one_row, "--json"))
    document = json.loads(out)
    assert code == 0, err
    assert "goes on where it stopped" in err
    assert totals(document) == {"assets": 1, "files": 1, "scripts": 1, "videos": 1}
    assert document["emulator"]["stats"]["duplicates_total"] == 0


def test_a_failed_run_says_why_and_what_to_do(tmp_path: Path) -> None:
    """Exit code 1, the API's code, a hint, and JSON with both."""
    definition = tmp_path / "lost.yaml"
    definition.write_text(
        "pipeline: lost\nsteps:\n  wait: {uses: asset.wait, with: {asset_id: 0c0c}, timeout: 20s}\n"
    )
    code, out, err = finished(tmp_path, "run", str(definition), "--emulator", "--json")
    assert code == 1, err
    (lost,) = json.loads(out)["runs"]
    assert lost["status"] == "failed"
    assert lost["code"].startswith("MSS.")
    assert lost["code"] in lost["error"]
    assert lost["hint"]
    assert "lost  wait  failed: " in err


def test_an_api_that_cannot_be_reached_is_told_by_the_exit_code(tmp_path: Path) -> None:
    """Exit code 3 when nothing else was wrong."""
    definition = tmp_path / "lost.yaml"
    definition.write_text(
        "pipeline: lost\ndefaults: {retry: {attempts: 1}}\nsteps:\n"
        "  wait: {uses: asset.wait, with: {asset_id: 0c0c}}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"endpoint: {endpoint}\nproject_id: p\nauth: {{token: {{value: not-a-real-token}}}}\n"
    )
    code, out, err = finished(tmp_path, "run", str(definition), "--config", str(settings), "--json")
    assert code == 3, err
    assert json.loads(out)["runs"][0]["code"] == "UNREACHABLE"


def test_a_reader_that_leaves_does_not_stop_the_run(tmp_path: Path, one_row: Path) -> None:
    """With both ends of its output closed the run still makes its video."""
    with started(tmp_path, *run_arguments(one_row)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        wait_for(process.stderr, "LAMP-01  started")
        process.stdout.close()
        process.stderr.close()
        assert process.wait(PATIENCE_S) == 141
    assert (tmp_path / "videos" / "LAMP-01.mp4").stat().st_size > 10_000
    code, out, _ = finished(tmp_path, "runs", "list", "--json")
    assert (code, json.loads(out)["status"]) == (0, "succeeded")


def test_a_state_in_use_is_out_of_reach(tmp_path: Path, one_row: Path) -> None:
    """A second command on the same state is refused with exit code 3; reading it is not."""
    with started(tmp_path, "daemon", "--emulator", "--json") as daemon:
        wait_for(daemon.stdout, "dashboard")
        code, _, err = finished(tmp_path, *run_arguments(one_row))
        assert (code, "Another process is working on" in err) == (3, True)
        assert finished(tmp_path, "runs", "list")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_serves_until_it_is_told_to_stop(tmp_path: Path, number: int) -> None:
    """The first line has its addresses; being stopped is its proper end."""
    with started(tmp_path, "daemon", "--emulator", "--json") as process:
        ready = json.loads(wait_for(process.stdout, "dashboard"))
        with urllib.request.urlopen(
            f"{ready['dashboard'].rstrip('/')}/healthz", timeout=PATIENCE_S
        ) as answer:
            assert answer.status == 200
        code, _, err = stop(process, number)
    assert (code, "Traceback" in err) == (0, False), err


def test_a_daemon_takes_up_what_a_run_left(tmp_path: Path, one_row: Path) -> None:
    """An interrupted run goes on wherever its state is opened."""
    with started(tmp_path, *run_arguments(one_row)) as process:
        wait_for(process.stderr, "LAMP-01  script  succeeded")
        stop(process, signal.SIGTERM)
    with started(tmp_path, "daemon", "--emulator", "--json") as process:
        assert json.loads(wait_for(process.stdout, "dashboard"))["resumed"] == 2
        assert stop(process, signal.SIGTERM)[0] == 0


def test_the_emulator_says_hello_first(tmp_path: Path) -> None:
    """One JSON line, flushed; its control answers; SIGTERM is its proper end."""
    hex_time = ("--callback-time", "hex")
    with started(tmp_path, "emulator", "--seed", "7", "--no-limits", *hex_time) as process:
        hello = json.loads(wait_for(process.stdout, "endpoint"))
        assert set(hello) == {"endpoint", "ak", "sk", "project_id", "token"}
        with urllib.request.urlopen(f"{hello['endpoint']}/_emulator/stats", timeout=PATIENCE_S) as answer:
            stats = json.load(answer)
            assert stats["totals"]["videos"] == 0
            assert stats["world"]["callback_time"] == "hex"
        code, out, err = stop(process, signal.SIGTERM)
    assert (code, out, "Traceback" in err) == (0, "", False)


def test_a_fault_plan_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Exit code 2 and the file's name."""
    code, out, err = finished(tmp_path, "emulator", "--faults", "nowhere.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error: nowhere.yaml: ")


def test_the_demo_ends_with_playable_files(tmp_path: Path) -> None:
    """Exit code 0, the paths and the dashboard's address, no state left behind."""
    code, out, err = finished(tmp_path, "demo", "--rows", "2")
    assert code == 0, err
    first, second, dashboard = out.splitlines()
    assert first.startswith(f"{tmp_path / 'demo-output' / 'LAMP-01.mp4'}  1920x1080 h264, ")
    assert second.startswith(f"{tmp_path / 'demo-output' / 'BOTTLE-02.mp4'}  1920x1080 h264, ")
    assert dashboard.startswith("dashboard: http://127.0.0.1:")
    assert sorted(path.name for path in (tmp_path / "demo-output").iterdir()) == [
        "BOTTLE-02.mp4",
        "LAMP-01.mp4",
    ]


def test_a_kept_demo_serves_until_ctrl_c(tmp_path: Path) -> None:
    """The dashboard stays, and so does the state."""
    with started(tmp_path, "demo", "--rows", "1", "--keep", "--json") as process:
        wait_for(process.stderr, "kept until Ctrl-C")
        code, out, err = stop(process, signal.SIGINT)
    document = json.loads(out)
    assert (code, document["videos"][0]["codec"]) == (0, "h264"), err
    assert [path.name for path in (tmp_path / "demo-output").glob("state-*/state.db")] == ["state.db"]
