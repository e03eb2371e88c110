"""Peers are measured in the same run, each in a process and an environment of its own."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[3]
#: Made by `make bench-peers` from requirements-bench.lock.
PYTHON: Final = ROOT / ".venv-bench" / "bin" / "python"
FOLDER: Final = ROOT / "tests" / "bench" / "peers"
ABSENT: Final = "not installed: make bench-peers"


@dataclass(frozen=True, slots=True)
class Missing:
    """There are no figures of a peer, and why."""

    why: str


def peer(script: str, *arguments: object, timeout_s: float = 600.0) -> Mapping[str, Any] | Missing:
    """The JSON object that a script of `peers/` prints as its last line, run in a folder that is removed afterwards."""
    if not PYTHON.is_file():
        return Missing(ABSENT)
    with tempfile.TemporaryDirectory() as folder:
        # Nothing of the user's own settings of a peer, and no word to anybody outside of this machine.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": folder,
            "PREFECT_HOME": folder,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        try:
            done = subprocess.run(
                [PYTHON, FOLDER / script, *map(str, arguments)],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Missing(f"not done within {timeout_s:.0f} s")
    if done.returncode != 0 or not done.stdout.strip():
        return Missing(f"failed: {(done.stderr.strip().splitlines() or ['no output'])[-1][:120]}")
    found: Mapping[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
