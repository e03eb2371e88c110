"""Starts the command again and again without waiting for its imports: a process that has made them, and forks.

As a program it reads a JSON object a line and answers each with one: `{"argv": …, "out": …, "err": …, "env": …}` starts a
command and gives its pid; `{"wait": pid}` gives its exit code (negative: the signal that ended it), `{"poll": pid}` that or null.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self


class Forks:
    """The forking process, seen from a test; its commands run in `folder`."""

    def __init__(self, folder: Path) -> None:
        environment = {
            name: text for name, text in os.environ.items() if not name.startswith("ORCHESTRATOR_")
        }
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=environment,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(
        self, argv: list[str], out: Path, errors: Path, environment: Mapping[str, str] | None = None
    ) -> int:
        """Begin a command; its pid. What it writes is added to the two files; `environment` adds to its own."""
        return int(
            self._ask({"argv": argv, "out": str(out), "err": str(errors), "env": dict(environment or {})})
        )

    def wait(self, pid: int) -> int:
        """The command's exit code, when it has ended."""
        return int(self._ask({"wait": pid}))

    def has_ended(self, pid: int) -> bool:
        """Whether it has."""
        return self._ask({"poll": pid}) is not None

    def _ask(self, wish: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def serve() -> None:
    """Fork for each wish, until nobody wishes any more."""
    # What a command needs, so that its process begins with it.
    from orchestrator import app  # noqa: F401, PLC0415 - the test itself has no use for it
    from orchestrator.cli import foreground, main  # noqa: F401, PLC0415 - as above
    from orchestrator.emulator import render  # noqa: F401, PLC0415 - as above

    ended: dict[int, int] = {}
    for line in sys.stdin:
        wish = json.loads(line)
        if "argv" in wish:
            pid = os.fork()
            if pid == 0:
                _become(wish)
            answer: int | None = pid
        else:
            answer = _code(wish.get("wait") or wish["poll"], ended, block="wait" in wish)
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer to the test


def _code(pid: int, ended: dict[int, int], *, block: bool) -> int | None:
    if pid not in ended:
        found, status = os.waitpid(pid, 0 if block else os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended.get(pid)


def _become(wish: dict[str, Any]) -> None:
    """The command itself, in a process of its own."""
    from orchestrator.cli.main import run  # noqa: PLC0415 - made before the fork

    code = 70
    try:
        os.environ.update(wish["env"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in ((1, wish["out"]), (2, wish["err"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
        code = run(wish["argv"])
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - whatever it was, this process must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
