"""Runs steered through the admin listener of a living engine, and through the commands' own client."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import Application, application, kind_infos
from orchestrator.cli.daemon_client import DaemonClient
from orchestrator.cli.runs_following import settled
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.control import ControlError
from orchestrator.engine.submission import submission
from orchestrator.server.replay_changes import Definition
from orchestrator.settings import Settings

WAITS = """
pipeline: cups
inputs: {pause: {type: number, default: 600}}
steps:
  begin: {uses: sleep, with: {seconds: 0}}
  rest: {uses: sleep, needs: [begin], with: {seconds: "${{ inputs.pause }}"}}
finally:
  end: {uses: sleep, with: {seconds: 0}}
"""
APPROVES = """
pipeline: plates
steps:
  look: {uses: approve}
  go: {uses: sleep, needs: [look], with: {seconds: 0}}
"""


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    given: dict[str, Any] = {
        "state": f"sqlite:///{tmp_path}/state.db",
        "out": str(tmp_path / "out"),
        "admin.listen": "127.0.0.1:0",
        "engine.quiet_time_s": "1",
    }
    async with application(Settings.load(given, environ={}), emulator=True, admin=True) as running:
        yield running


@pytest.fixture
async def client(app: Application) -> AsyncIterator[DaemonClient]:
    assert app.admin_url is not None
    async with DaemonClient.at(app.admin_url) as client:
        yield client


async def begun(app: Application, tmp_path: Path, text: str, waiting: str) -> RunId:
    """A run of the definition whose step `waiting` waits."""
    path = tmp_path / "definition.yaml"
    path.write_text(text)
    pipeline = load(path, kinds=kind_infos())
    with app.engine.live.watch() as events:
        prepared = prepare(pipeline, {}, None, region=app.settings.region)
        run_id = (await app.engine.submit(submission(pipeline, prepared))).run_id
        while (event := await events.get()).body.TYPE != "step.waiting" or event.step != waiting:
            pass
    return run_id


async def test_a_run_is_paused_resumed_cancelled_and_replayed(
    app: Application, client: DaemonClient, tmp_path: Path
) -> None:
    """Each verb does what it says, and says no where it does not fit; a replay keeps what was done."""
    run_id = await begun(app, tmp_path, WAITS, "rest")
    paused = await client.pause(run_id, reason="lunch")
    assert (paused.status, paused.reason) == (
        RunStatus.PAUSED,
        f"paused: lunch; `orchestrator runs resume {run_id}`",
    )
    assert (await client.resume(run_id)).status is RunStatus.RUNNING
    with pytest.raises(ControlError, match="cannot be resumed"):
        await client.resume(run_id)
    await client.cancel(run_id, reason="wrong glaze")
    assert await settled(client, run_id, frozenset()) is RunStatus.CANCELLED
    detail = await client.run(run_id)
    assert detail is not None
    assert [step.status for step in detail.steps] == [
        StepStatus.SUCCEEDED,
        StepStatus.CANCELLED,
        StepStatus.SUCCEEDED,
    ]
    with pytest.raises(ControlError, match="cannot be paused"):
        await client.pause(run_id)

    mended = Definition(WAITS.replace('"${{ inputs.pause }}"', "0"))
    for inputs, definition in (({"pause": "0"}, None), ({}, mended)):
        new = await client.replay(run_id, inputs=inputs, definition=definition, first=None)
        assert new.replays == run_id
        assert await settled(client, new.id, frozenset()) is RunStatus.SUCCEEDED
        kinds = [event.type for event in await client.events(new.id, 0) if event.step == "begin"]
        assert kinds == ["step.reused"]


async def test_a_run_waits_for_approval(app: Application, client: DaemonClient, tmp_path: Path) -> None:
    """It says how to give it, and goes on when it is given."""
    run_id = await begun(app, tmp_path, APPROVES, "look")
    detail = await client.run(run_id)
    assert detail is not None
    command = f"`orchestrator runs approve {run_id} --step look`"
    assert command in detail.steps[0].waiting_for
    assert command in detail.summary.reason
    assert detail.steps[1].waiting_for == "step look"
    await client.approve(run_id, StepId("look"), approved=True, by="Ann", comment="blue enough")
    assert await settled(client, run_id, frozenset()) is RunStatus.SUCCEEDED
    detail = await client.run(run_id)
    assert detail is not None
    assert dict(detail.steps[0].outputs)["by"] == "Ann"
