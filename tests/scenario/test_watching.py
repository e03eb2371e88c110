"""The admin listener over a living engine: what a watcher sees of a run, while it goes on and afterwards."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.app import Application, application, kind_infos
from orchestrator.definition.loader import load
from orchestrator.definition.prepare import prepare
from orchestrator.engine.submission import submission
from orchestrator.errors import UsageError
from orchestrator.settings import Settings

SAMPLE = Path("pipelines/product-video.yaml")


def settings(tmp_path: Path, **flags: Any) -> Settings:
    given = {
        "state": f"sqlite:///{tmp_path}/state.db",
        "out": str(tmp_path / "out"),
        "admin.listen": "127.0.0.1:0",
        **flags,
    }
    return Settings.load(given, environ={})


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    async with application(settings(tmp_path), emulator=True, admin=True) as running:
        yield running


async def sample(app: Application) -> str:
    pipeline = load(SAMPLE, kinds=kind_infos())
    prepared = prepare(pipeline, {}, None, region=app.settings.region)
    return (await app.engine.submit(submission(pipeline, prepared))).run_id


async def test_a_run_can_be_watched_to_its_end(app: Application) -> None:
    """Events stream as they are committed, the run's page says why it waits, and its film can be fetched."""
    async with aiohttp.ClientSession(base_url=app.admin_url) as session:
        async with session.get("/events") as stream:
            assert stream.status == 200
            parent = await sample(app)
            child = ""
            waiting: dict[str, Any] = {}
            async for line in stream.content:
                if not line.startswith(b"data:"):
                    continue
                event = json.loads(line.removeprefix(b"data:"))
                if event["type"] == "step.waiting" and not waiting:
                    child = event["run_id"]
                    async with session.get(f"/api/v1/runs/{child}") as answer:
                        waiting = await answer.json()
                if event["type"] == "run.succeeded" and event["run_id"] == parent:
                    break
        (wait,) = [step for step in waiting["steps"] if step["id"] == "finished"]
        assert wait["status"] == "waiting"
        assert "at most until" in wait["waiting_for"]
        async with session.get(f"/api/v1/runs/{child}") as answer:
            done = await answer.json()
        assert done["summary"]["parent"] == parent
        assert {step["status"] for step in done["steps"]} == {"succeeded"}
        async with session.get(f"/api/v1/runs/{child}/files/save") as film:
            assert film.status == 200
            assert (await film.read())[4:8] == b"ftyp"
        async with session.get("/api/v1/runs", params={"parent": parent, "limit": "2"}) as answer:
            page = await answer.json()
        assert len(page["runs"]) == 2
        assert page["next_cursor"]
        async with session.get("/api/v1/limits") as answer:
            operations = {bucket["operation"] for bucket in (await answer.json())["limits"]}
        assert "create2_d_digital_human_video" in operations


async def test_a_state_of_the_emulator_is_not_taken_to_the_service(tmp_path: Path) -> None:
    """Rehearsed runs are never carried on where they would cost money."""
    async with application(settings(tmp_path), emulator=True):
        pass
    real = settings(tmp_path, **{"project_id": "0123456789abcdef", "auth.ak": "AK", "auth.sk": "secret"})
    with pytest.raises(UsageError, match="holds runs of"):
        async with application(real):
            pass


async def test_what_is_missing_is_named_before_anything_starts(tmp_path: Path) -> None:
    """No credentials, a limit for nothing, a fleet's database: each says what to do."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "no credentials"),
        ({"limits": {"create_asset": 3}}, "no operation of the API"),
        ({"state": "postgresql://db/x"}, "SQLite only"),
    ]
    for number, (flags, words) in enumerate(cases):
        with pytest.raises(UsageError, match=words) as caught:
            async with application(settings(tmp_path / str(number), **flags)):
                pass
        assert caught.value.hint
