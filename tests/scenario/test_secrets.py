"""A secret from the settings to the receiver of a webhook, and nowhere else."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator import logs
from orchestrator.app import Application, application, kind_infos
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus
from orchestrator.engine.submission import submission
from orchestrator.settings import Settings

VALUE = "unheard-of-4711/+"
PIPELINE = """
pipeline: tell
inputs:
  team_token: {type: secret}
  url: {type: string}
steps:
  tell:
    uses: notify.webhook
    foreach: [1, 2]
    with:
      url: "${{ inputs.url }}?token=${{ inputs.team_token }}"
      headers: {X-Team: "${{ inputs.team_token | default('none') }}"}
      body: {text: "${{ item }} on ${{ run.date }}", nested: {key: "k ${{ inputs.team_token }}"}}
      facts: false
    retry: {attempts: 1}
  # The path is said to be missing: an error that would quote it.
  broken:
    uses: file.upload
    needs: [tell]
    with: {asset_id: a, path: "${{ inputs.team_token }}.png", category: MAIN}
    retry: {attempts: 1}
    continue_on_error: true
"""


class Receiver:
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        self.headers: list[str] = []
        self.bodies: list[Any] = []
        self.status = 204

    async def take(self, request: web.Request) -> web.Response:
        """Any POST."""
        self.headers.append(request.headers["X-Team"])
        self.bodies.append(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given: dict[str, Any] = {
        "state": f"sqlite:///{tmp_path}/state/state.db",
        "out": str(tmp_path / "out"),
        "admin.listen": "127.0.0.1:0",
        "log.level": "debug",
    }
    return Settings.load(given, environ={"ORCHESTRATOR_SECRETS__TEAM_TOKEN": VALUE})


@pytest.fixture
def log(settings: Settings) -> Iterator[io.StringIO]:
    """All that is logged, as a process would log it."""
    root, usual, stream = logging.getLogger(), structlog.get_config(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    logs.configure("debug", "json", secrets=settings.secret_values(), stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.configure(**usual)


@pytest.fixture
async def app(settings: Settings, log: io.StringIO) -> AsyncIterator[Application]:
    async with application(settings, emulator=True, admin=True) as running:
        yield running


async def pages(app: Application, runs: list[RunId]) -> list[str]:
    """What REST answers about the runs and those below them."""
    found = []
    async with aiohttp.ClientSession() as session:
        for run in runs:
            for path in (f"runs/{run}", f"runs/{run}/rows", f"runs?parent={run}", "runs"):
                async with session.get(f"{app.admin_url}api/v1/{path}") as answer:
                    found.append(await answer.text())
    return found


async def test_the_value_reaches_the_receiver_and_nothing_else(
    app: Application, tmp_path: Path, log: io.StringIO
) -> None:
    """State, logs, REST and errors have its name."""
    receiver, web_app = Receiver(), web.Application()
    web_app.router.add_post("/hook", receiver.take)
    (tmp_path / "tell.yaml").write_text(PIPELINE)
    pipeline = load(tmp_path / "tell.yaml", kinds=kind_infos())
    runs = []
    async with TestServer(web_app) as server:
        prepared = prepare(pipeline, {"url": str(server.make_url("/hook"))}, region=app.settings.region)
        for receiver.status in (204, 403):
            runs.append((await app.engine.submit(submission(pipeline, prepared, again=True))).run_id)
            await app.engine.wait(runs[-1])
    assert receiver.headers == [VALUE] * 4
    assert [body["nested"]["key"] for body in receiver.bodies] == [f"k {VALUE}"] * 4
    assert not any("run_id" in body for body in receiver.bodies)
    summaries = [await app.store.summary(run_id) for run_id in runs]
    assert [one.status for one in summaries if one] == [RunStatus.SUCCEEDED, RunStatus.FAILED]
    shown = [*(await pages(app, runs)), log.getvalue(), repr(app.settings), str(app.settings.shown())]
    assert "«team_token»" in shown[0]
    assert all("4711" not in text for text in shown)
    files = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(b"team_token" in content for content in files)
    assert all(b"4711" not in content for content in files)
