"""The code of docs/howto/python-client.md runs against the emulator, in the page's order."""

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import Any

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer
from orchestrator.metastudio import AkSk, MetaStudio

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "python-client.md"
PROGRAM, *SNIPPETS = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


async def test_the_program_runs() -> None:
    """As a program of its own, with the variables that the emulator's first line names."""
    async with EmulatorServer(EmulatorConfig(render=False)) as server:
        config = server.config
        environ = {
            **os.environ,
            "HUAWEICLOUD_SDK_AK": config.ak,
            "HUAWEICLOUD_SDK_SK": config.sk,
            "ORCHESTRATOR_ENDPOINT": server.endpoint,
        }
        done = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", PROGRAM),
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await done.communicate()
    assert done.returncode == 0, err.decode()
    assert "0 assets" in out.decode()


async def test_the_snippets_run() -> None:
    """One after the other, as if typed inside the program's `async with`."""
    assert len(SNIPPETS) == 6
    async with EmulatorServer(EmulatorConfig(render=False)) as server:
        keys = AkSk(server.config.ak, server.config.sk)
        async with MetaStudio(keys, region=server.config.region, endpoint=server.endpoint) as api:
            names: dict[str, Any] = {"api": api, "keys": keys, "MetaStudio": MetaStudio}
            for snippet in SNIPPETS:
                await _run(snippet, names)
            assert names["asset"].asset_name == "Kettle"


def test_a_type_checker_accepts_the_code(tmp_path: Path) -> None:
    """The program, and the snippets as the inside of a function of one's own."""
    inside = "\n".join(SNIPPETS)
    page = tmp_path / "page.py"
    page.write_text(
        f"{PROGRAM.rpartition('asyncio.run')[0]}\n"
        f"async def inside(api: MetaStudio, keys: AkSk) -> None:\n{indent(inside, '    ')}",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary"),
            *(
                "--config-file",
                str(ROOT / "pyproject.toml"),
                "--cache-dir",
                str(tmp_path / "cache"),
                str(page),
            ),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


async def _run(code: str, names: dict[str, Any]) -> None:
    compiled = compile(code, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(compiled, names)
    if inspect.isawaitable(outcome):
        await outcome
