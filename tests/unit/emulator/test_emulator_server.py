"""The emulator over HTTP: faults on the wire, callbacks, restarts, kills."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.server import EmulatorServer
from orchestrator.errors import UsageError

AVATAR = "0c7798664ee7178b3dba3bbef57c32e7"
SCRIPT = {
    "script_name": "Kettle",
    "model_asset_id": AVATAR,
    "shoot_scripts": [{"shoot_script": {"text_config": {"text": "Hello"}}}],
}


@asynccontextmanager
async def receiver(*statuses: int) -> AsyncIterator[tuple[str, asyncio.Queue[Any]]]:
    """A callback receiver that answers with `statuses`, then 204."""
    got: asyncio.Queue[Any] = asyncio.Queue()
    left = list(statuses)

    async def take(request: web.Request) -> web.Response:
        got.put_nowait((dict(request.query), await request.json()))
        return web.Response(status=left.pop(0) if left else 204)

    app = web.Application()
    app.router.add_post("/cb", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/cb", got
    await runner.cleanup()


async def video(tenant: Any, url: str = "", auth_type: str = "MSS_A") -> str:
    script = await tenant.ok("POST", "/digital-human-video-scripts", SCRIPT)
    callback = {"callback_config": {"callback_url": url, "auth_type": auth_type, "key": "k"}} if url else {}
    made = await tenant.ok("POST", "/2d-digital-human-videos", {"script_id": script["script_id"], **callback})
    return str(made["job_id"])


async def test_hello_tells_all_that_a_caller_needs(connect: Any) -> None:
    """Endpoint, key, secret, project and a token that works."""
    tenant = await connect(seed=5)
    assert list(tenant.server.hello) == ["endpoint", "ak", "sk", "project_id", "token"]
    assert (await tenant.send("GET", "/digital-assets"))[0] == 200


@pytest.mark.parametrize(
    ("do", "made"), [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1), (Fault.TRUNCATE, 1), (Fault.LATE, 0)]
)
async def test_a_connection_that_is_cut(connect: Any, do: Fault, made: int) -> None:
    """The caller gets no answer; whether the work was done depends."""
    rule = FaultRule(on="create_digital_asset", do=do, nth=1, seconds=86400)
    tenant = await connect(faults=FaultPlan(rules=(rule,)))
    with pytest.raises(aiohttp.ClientError):
        await tenant.send("POST", "/digital-assets", {"asset_name": "A", "asset_type": "IMAGE"})
    assert (await tenant.ok("GET", "/digital-assets"))["count"] == made


async def test_a_request_that_hangs_ends_with_its_caller_or_the_server(connect: Any) -> None:
    """The work is done, the caller gives up; another one is let go when the server stops."""
    rule = FaultRule(on="create_digital_asset", do=Fault.HANG)
    tenant = await connect(faults=FaultPlan(rules=(rule,)))
    body = {"asset_name": "A", "asset_type": "IMAGE"}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await tenant.send("POST", "/digital-assets", body)
    hanging = asyncio.create_task(tenant.send("POST", "/digital-assets", body))
    while (await tenant.ok("GET", "/digital-assets"))["count"] < 2:
        pass
    await tenant.server.stop()
    with pytest.raises(aiohttp.ClientError):
        await hanging


async def test_a_callback_is_sent_until_it_is_taken(connect: Any) -> None:
    """Refused twice, taken the third time; signed anew each time."""
    async with receiver(500, 302) as (url, got):
        tenant = await connect(speed=100.0)
        job_id = await video(tenant, url)
        calls = [await asyncio.wait_for(got.get(), 10) for _ in range(3)]
    assert {call[1]["job_id"] for call in calls} == {job_id}
    assert all(set(query) == {"secret", "time_stamp"} for query, _ in calls)
    stats = await tenant.control("GET", "stats")
    assert (stats["callbacks"]["refused"], stats["callbacks"]["pending"]) == (2, 0)


async def test_a_receiver_that_is_away_is_tried_again(connect: Any) -> None:
    """A refused connection counts as not taken, and nothing else breaks."""
    tenant = await connect(speed=1000.0, callback_tries=3)
    job_id = await video(tenant, "http://127.0.0.1:1/nobody")
    assert (await tenant.ended(job_id))["state"] == "SUCCEED"
    while (await tenant.control("GET", "stats"))["callbacks"]["pending"]:
        await tenant.control("POST", "advance", {"seconds": 10})
    assert (await tenant.control("GET", "stats"))["callbacks"]["refused"] == 3


async def test_everything_acknowledged_survives_a_restart(connect: Any, tmp_path: Path) -> None:
    """Assets, bytes, scripts, jobs, callbacks, counters, journal, ports and time are as they were."""
    first = await connect(data_dir=tmp_path, video_wait_s=1000)
    asset_id = await first.uploaded(b"bytes that stay")
    _, _, url = await first.file(b"abc")
    async with receiver() as (callback, got):
        job_id = await video(first, callback)
        await first.control("POST", "advance", {"seconds": 500})
        before = await first.control("GET", "stats")
        await first.server.stop()

        second = await connect(data_dir=tmp_path)
        assert second.server.endpoint == first.server.endpoint
        stats = await second.control("GET", "stats")
        assert stats["operations"] == before["operations"]
        assert stats["totals"] == before["totals"] == {"assets": 2, "files": 2, "scripts": 1, "videos": 1}
        shown = await second.ok("GET", f"/digital-assets/{asset_id}")
        async with second.session.get(shown["files"][0]["download_url"]) as answer:
            assert await answer.read() == b"bytes that stay"
        assert (await second.put(url, b"abc"))[0] == 200
        await second.control("POST", "advance", {"seconds": 499})
        assert (await second.ok("GET", f"/2d-digital-human-videos/{job_id}"))["state"] == "WAITING"
        assert (await second.ended(job_id))["state"] == "SUCCEED"
        assert (await asyncio.wait_for(got.get(), 10))[1]["job_id"] == job_id
        journal = await second.control("GET", "journal?operation=create2_d_digital_human_video")
        assert journal["count"] == 1


async def test_fault_counters_survive_a_restart(connect: Any, tmp_path: Path) -> None:
    """A fault that was spent stays spent; one planned for the third request hits the third."""
    rules = (FaultRule(on="list_assets", do=Fault.ERROR, nth=3),)
    statuses = []
    for _ in range(2):
        tenant = await connect(data_dir=tmp_path, faults=FaultPlan(rules=rules))
        statuses += [(await tenant.send("GET", "/digital-assets"))[0] for _ in range(2)]
        await tenant.server.stop()
    assert statuses == [200, 200, 500, 200]


async def test_a_killed_emulator_knows_what_it_acknowledged(tmp_path: Path) -> None:
    """SIGKILL in the midst of creations: every id that was answered is there after the restart."""
    settings = {"data_dir": str(tmp_path), "render": False, "limits": False}
    known: list[str] = []
    for _ in range(3):
        process, hello = await _spawn(settings)
        async with aiohttp.ClientSession(headers={"X-Auth-Token": hello["token"]}) as session:
            url = f"{hello['endpoint']}/v1/{hello['project_id']}/digital-assets"

            enough, target = asyncio.Event(), len(known) + 40
            tasks = [
                asyncio.create_task(_create_for_ever(session, url, known, target, enough)) for _ in range(4)
            ]
            await enough.wait()

            process.send_signal(signal.SIGKILL)
            await process.wait()
            await asyncio.gather(*tasks)
    async with EmulatorServer(EmulatorConfig(data_dir=tmp_path, render=False)) as server:
        there = {asset.id for asset in server.emulator.world.assets}
    assert len(known) == len(set(known))
    assert set(known) <= there


async def _create_for_ever(
    session: aiohttp.ClientSession, url: str, known: list[str], target: int, enough: asyncio.Event
) -> None:
    with suppress(aiohttp.ClientError, OSError):
        while True:
            async with session.post(url, json={"asset_name": "A", "asset_type": "IMAGE"}) as answer:
                known.append((await answer.json())["asset_id"])
            if len(known) >= target:
                enough.set()


async def _spawn(settings: dict[str, Any]) -> tuple[asyncio.subprocess.Process, dict[str, str]]:
    program = """
import asyncio, json, sys
from pathlib import Path
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.server import EmulatorServer

async def main():
    settings = json.loads(sys.argv[1])
    settings["data_dir"] = Path(settings["data_dir"])
    async with EmulatorServer(EmulatorConfig(**settings)) as server:
        print(json.dumps(server.hello), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        json.dumps(settings),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    return process, json.loads(await process.stdout.readline())


async def test_a_data_folder_is_used_by_one_emulator(connect: Any, tmp_path: Path) -> None:
    """The second says so."""
    await connect(data_dir=tmp_path)
    with pytest.raises(UsageError, match="another emulator"):
        await EmulatorServer(EmulatorConfig(data_dir=tmp_path, render=False)).start()


async def test_a_taken_port_is_a_usage_error(connect: Any) -> None:
    """The message names the port, and nothing stays open."""
    tenant = await connect()
    port = int(tenant.server.endpoint.rpartition(":")[2])
    with pytest.raises(UsageError, match=str(port)):
        await EmulatorServer(EmulatorConfig(port=port, render=False)).start()


async def test_requests_are_numbered_on_after_a_restart(connect: Any, tmp_path: Path) -> None:
    """A journal that was emptied by a reset does not count from one again."""
    first = await connect(data_dir=tmp_path)
    for _ in range(2):
        await first.send("GET", "/digital-assets")
    await first.control("POST", "reset")
    await first.server.stop()
    second = await connect(data_dir=tmp_path)
    await second.send("GET", "/digital-assets")
    journal = await second.control("GET", "journal?since=2")
    assert (journal["requests"][0]["number"], journal["complete"]) == (4, False)


@pytest.mark.parametrize("name", ["reset", "reset/", "reset?really=yes"])
async def test_a_reset_empties_storage_too(connect: Any, tmp_path: Path, name: str) -> None:
    """Nothing can be downloaded any more, nor does it take up room, however the order is written."""
    tenant = await connect(data_dir=tmp_path)
    asset_id = await tenant.uploaded(b"abc")
    url = (await tenant.ok("GET", f"/digital-assets/{asset_id}"))["files"][0]["download_url"]
    await tenant.control("POST", name)
    async with tenant.session.get(url) as answer:
        assert answer.status == 404
    assert list((tmp_path / "objects").iterdir()) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /%00%ff%2f..%2f HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //v1//x?&&=&a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
        b"POST /_emulator/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{",
        b"GET /v1/x/digital-assets HTTP/1.1\r\nHost: x\r\nX-Auth-Token: \xff\xfe\r\n\r\n",
        b"GET /v1/x/digital-assets HTTP/1.1\r\nHost: x\r\nAuthorization: SDK-HMAC-SHA256 \xff\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /a?Expires=1&Signature=\xff&AccessKeyId=x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/x/digital-assets HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"\x16\x03\x01 nonsense\r\n\r\n",
    ],
)
async def test_nonsense_on_the_wire_is_the_callers_fault(connect: Any, raw: bytes) -> None:
    """Both listeners answer with a 4xx or end the connection, and go on."""
    tenant = await connect()
    for endpoint in (tenant.server.endpoint, tenant.server.storage_endpoint):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(endpoint.rpartition(":")[2]))
        writer.write(raw)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer
        writer.close()
        await writer.wait_closed()
    assert (await tenant.send("GET", "/digital-assets"))[0] == 200


async def test_missing_media_support_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it; without rendering nothing is needed."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r"pip install \"metastudio-orchestrator\[media\]\""):
        await EmulatorServer(EmulatorConfig()).start()
    async with EmulatorServer(EmulatorConfig(render=False)) as server:
        assert server.endpoint


async def test_a_start_takes_less_than_a_second(tmp_path: Path) -> None:
    """From the construction to an endpoint that answers."""
    begun = asyncio.get_running_loop().time()
    async with EmulatorServer(EmulatorConfig(data_dir=tmp_path)):
        assert asyncio.get_running_loop().time() - begun < 1
