"""`orchestrator api` as a process: over HTTP against `orchestrator emulator`, and stopped by a signal."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE_S = 60


def command(*arguments: str, **environment: str) -> dict[str, Any]:
    """What `Popen` is to be called with."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ORCHESTRATOR_", "HUAWEICLOUD_"))
    }
    return {
        "args": [sys.executable, "-m", "orchestrator", *arguments],
        "env": kept | environment,
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "encoding": "utf-8",
    }


def account(endpoint: str, ak: str, sk: str, project_id: str) -> dict[str, str]:
    return {
        "ORCHESTRATOR_ENDPOINT": endpoint,
        "ORCHESTRATOR_AUTH__AK": ak,
        "ORCHESTRATOR_AUTH__SK": sk,
        "ORCHESTRATOR_PROJECT_ID": project_id,
    }


def finished(folder: Path, *arguments: str, text: str = "", **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that is given `text` on stdin."""
    with subprocess.Popen(**command(*arguments, **environment), cwd=folder) as process:
        out, err = process.communicate(text, timeout=PATIENCE_S)
        return process.returncode, out, err


def test_an_emulator_is_called_with_its_own_account(tmp_path: Path) -> None:
    """The body from stdin, the answer on stdout, no other word."""
    with subprocess.Popen(**command("emulator"), cwd=tmp_path) as emulator:
        try:
            assert emulator.stdout is not None
            hello = json.loads(emulator.stdout.readline())
            own = account(hello["endpoint"], hello["ak"], hello["sk"], hello["project_id"])
            body = json.dumps({"asset_name": "Tasse ☕", "asset_type": "IMAGE"})
            code, out, err = finished(
                tmp_path, "api", "call", "create_digital_asset", "--body", "-", text=body, **own
            )
            assert (code, err) == (0, "")
            made = json.loads(out)["asset_id"]

            code, out, err = finished(tmp_path, "api", "call", "list_assets", "--all-pages", **own)
            found = [json.loads(line) for line in out.splitlines()]
            assert (code, err) == (0, "")
            assert {"asset_id": made, "asset_name": "Tasse ☕"}.items() <= found[0].items()

            code, out, err = finished(
                tmp_path, "api", "call", "list_assets", **own | {"ORCHESTRATOR_AUTH__SK": "not-the-secret"}
            )
            assert (code, out) == (1, "")
            assert "HTTP 401" in err
            assert "not-the-secret" not in err
        finally:
            emulator.kill()


def test_ctrl_c_ends_a_call_that_is_not_answered(tmp_path: Path) -> None:
    """Exit code 130; what may have been done is said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        own = account(f"http://127.0.0.1:{listener.getsockname()[1]}", "AK", "SK", "p")
        arguments = ("api", "call", "create_product", "-p", "name=a")
        with subprocess.Popen(**command(*arguments, **own), cwd=tmp_path) as process:
            try:
                connection, _ = listener.accept()
                with connection:
                    assert connection.recv(65536).startswith(b"POST /v1/p/products ")
                    process.send_signal(signal.SIGINT)
                    out, err = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
    assert (process.returncode, out) == (130, "")
    assert "create_product may have been carried out all the same" in err
    assert "Traceback" not in err
