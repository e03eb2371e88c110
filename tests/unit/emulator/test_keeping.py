"""What is kept, and what goes on: full disks, faults of our own, restarts, long leaps, resets, files that fail."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from orchestrator.emulator import studio
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.control import control
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.ledger import Ledger, LedgerError
from orchestrator.emulator.records import File, FileState, LateCall, Making
from orchestrator.emulator.server import EmulatorServer
from orchestrator.emulator.wire import Request
from tests.unit.emulator.conftest import EMMA, Clock, Tenant, script_body

NEW_ASSET = {"asset_name": "A", "asset_type": "IMAGE"}
CALLBACK = {"callback_url": "http://127.0.0.1:9/x", "auth_type": "MSS_A", "key": "k"}


def reopened(tenant: Tenant, ledger: Ledger, **settings: Any) -> Tenant:
    """The same tenant with an emulator that was started again."""
    config = EmulatorConfig(**{"render": False, "limits": False, **settings})
    return Tenant(Emulator(config, ledger=ledger, clock=tenant.clock), tenant.clock)


def fill_disk(ledger: Any, *, full: bool = True) -> None:
    """Lets every write fail, or go well again."""
    ledger._db.execute(f"PRAGMA query_only = {int(full)}")


async def until(condition: Callable[[], Any]) -> None:
    """Lets the server run until `condition` holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(None)


@pytest.fixture
def kept(tenant: Tenant, ledger: Ledger) -> Tenant:
    return reopened(tenant, ledger)


# -- writing -----------------------------------------------------------------------------------------


def test_what_could_not_be_written_is_written_later(kept: Tenant, ledger: Ledger) -> None:
    """The call isn't answered, the journal has nothing of it, and no other one is carried out meanwhile."""
    before = kept.asset()
    fill_disk(ledger)
    for _ in range(2):
        with pytest.raises(LedgerError, match="cannot write"):
            kept.asset()
    assert len(kept.emulator.world.assets) == 2
    assert [entry["number"] for entry in kept.emulator.journal] == [1]
    fill_disk(ledger, full=False)
    after = kept.asset()
    again = reopened(kept, ledger)
    ids = [asset.id for asset in again.emulator.world.assets]
    assert (ids[0], ids[2], len(ids)) == (before, after, 3)
    assert [entry["number"] for entry in again.emulator.journal] == [1, 2]


def test_what_is_set_is_kept_later_too(kept: Tenant, ledger: Ledger) -> None:
    """Time, faults, and the forgetting of a reset."""
    kept.asset()
    fill_disk(ledger)
    plan = FaultPlan(rules=(FaultRule(on="list_assets", do=Fault.ERROR),))
    with pytest.raises(LedgerError):
        kept.emulator.reset()
    with pytest.raises(LedgerError):
        kept.emulator.advance(600)
    with pytest.raises(LedgerError):
        kept.emulator.set_faults(plan)
    fill_disk(ledger, full=False)
    kept.emulator.settle()
    again = reopened(kept, ledger).emulator
    assert (again.now - kept.clock.now, again.faults.plan) == (timedelta(seconds=600), plan)
    assert (len(again.world.assets), len(again.journal)) == (0, 0)


def test_a_write_that_fails_at_its_end_leaves_no_transaction_behind(tmp_path: Path) -> None:
    """The next one starts anew."""
    ledger = Ledger(tmp_path / "world.db")
    ledger._db.executescript(
        "PRAGMA foreign_keys = ON;"
        "CREATE TABLE debt (owed TEXT REFERENCES setting (name) DEFERRABLE INITIALLY DEFERRED);"
        "CREATE TRIGGER owe AFTER INSERT ON record WHEN new.id = 'bad' BEGIN INSERT INTO debt VALUES ('x'); END;"
    )
    with pytest.raises(LedgerError):
        ledger.keep([("asset", "good", b"{}"), ("asset", "bad", b"{}")])
    ledger.keep([("asset", "later", b"{}")])
    assert list(ledger.records()) == [("asset", b"{}")]
    ledger.close()


async def test_a_server_outlives_a_full_disk(
    connect: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """500 meanwhile; the time goes on, it is told once, and what was begun ends well."""
    tenant = await connect(data_dir=tmp_path, speed=50.0)
    script_id = (await tenant.ok("POST", "/digital-human-video-scripts", script_body()))["script_id"]
    job_id = (await tenant.ok("POST", "/2d-digital-human-videos", {"script_id": script_id}))["job_id"]
    fill_disk(tenant.server.emulator._ledger)
    assert (await tenant.send("POST", "/digital-assets", NEW_ASSET))[0] == 500
    await until(lambda: "goes on after a fault" in caplog.text)
    fill_disk(tenant.server.emulator._ledger, full=False)
    assert (await tenant.ended(job_id))["state"] == "SUCCEED"
    assert caplog.text.count("goes on after a fault") == 1
    await tenant.server.stop()
    again = await connect(data_dir=tmp_path)
    assert len(again.server.emulator.world.assets) >= 1
    assert (await again.ended(job_id))["state"] == "SUCCEED"


async def test_what_fails_by_itself_does_not_stop_the_world(connect: Any) -> None:
    """A fault of ours is over with the one thing that had it; callbacks and videos go on."""
    tenant = await connect()
    emulator = tenant.server.emulator
    late = LateCall(id="x", due_at=emulator.now, operation="gone", path={}, query=(), body={})
    emulator.world.add_late(late)
    tenant.server._wake.set()
    await until(lambda: not list(emulator.world.late_calls))
    script_id = (await tenant.ok("POST", "/digital-human-video-scripts", script_body()))["script_id"]
    job_id = (await tenant.ok("POST", "/2d-digital-human-videos", {"script_id": script_id}))["job_id"]
    assert (await tenant.ended(job_id))["state"] == "SUCCEED"


# -- what is no text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "headers"),
    [("/digital-assets", {"X-App-UserId": "\udcff"}), ("/digital-assets?name=\udcff", {}), ("/\udcff", {})],
)
def test_bytes_that_are_no_text_are_refused(
    kept: Tenant, ledger: Ledger, target: str, headers: dict[str, str]
) -> None:
    """400 MSS.00000003; nothing of them comes into the records, and the journal can be shown."""
    config = kept.emulator.config
    headers = {"X-Auth-Token": config.token, **headers}
    request = Request("POST", f"/v1/{config.project_id}{target}", headers, json.dumps(NEW_ASSET).encode())
    answer = kept.emulator.handle(request)
    assert (answer.status, answer.json()["error_code"]) == (400, "MSS.00000003")
    asset_id = kept.asset()
    assert control(kept.emulator, Request("GET", "/_emulator/journal")).json()["count"] == 2
    assert [asset.id for asset in reopened(kept, ledger).emulator.world.assets] == [asset_id]


async def test_bytes_that_are_no_text_come_over_the_wire(connect: Any, tmp_path: Path) -> None:
    """The request is refused in the API's own form, and keeping goes on."""
    tenant = await connect(data_dir=tmp_path)
    config, body = tenant.server.config, json.dumps(NEW_ASSET).encode()
    head = (
        f"POST /v1/{config.project_id}/digital-assets HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {config.token}\r\n"
        f"Content-Length: {len(body)}\r\nX-App-UserId: "
    )
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(tenant.server.endpoint.rpartition(":")[2])
    )
    writer.write(head.encode() + b"\xff\r\nConnection: close\r\n\r\n" + body)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"MSS.00000003" in answer
    await tenant.ok("POST", "/digital-assets", NEW_ASSET)
    assert (await tenant.control("GET", "journal"))["count"] == 2


# -- starting again ----------------------------------------------------------------------------------


def test_records_keep_their_order(kept: Tenant, ledger: Ledger) -> None:
    """In every table, for records of the same time too; one that is changed keeps its place."""
    scripts = [kept.script() for _ in range(12)]
    for script_id in scripts:
        kept.video(script_id, callback_config=CALLBACK)
    for _ in range(3):
        asset_id = kept.asset()
        kept.upload(asset_id)
        kept.upload(asset_id, "b.png", "COVER")
    kept.ok("PUT", f"/digital-human-video-scripts/{scripts[3]}", {"script_name": "Teapot"})
    kept.emulator.advance(60)
    before = kept.emulator.world
    after = reopened(kept, ledger).emulator.world
    assert [len(before.posts), len(before.files)] == [12, 30]
    for mine, theirs in zip(before.tables, after.tables, strict=True):
        assert list(mine) == list(theirs)
    assert [post.id for post in before.pending_posts()] == [post.id for post in after.pending_posts()]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE setting SET value = '0' WHERE name = 'format'",
        "DELETE FROM setting WHERE name = 'format'",
        "DROP TABLE request",
        "UPDATE record SET kind = 'unheard'",
        "UPDATE record SET body = '{}'",
        "UPDATE record SET body = x'ff'",
        "UPDATE setting SET value = '[' WHERE name = 'offset_s'",
        "UPDATE setting SET value = '{\"rules\": 1}' WHERE name = 'offset_s'",
        "UPDATE setting SET value = '7' WHERE name = 'ports'",
    ],
)
async def test_data_that_do_not_fit_are_named(connect: Any, tmp_path: Path, damage: str) -> None:
    """Of another version or damaged: the folder, and what can be done."""
    tenant = await connect(data_dir=tmp_path)
    await tenant.ok("POST", "/digital-assets", NEW_ASSET)
    await tenant.server.stop()
    with sqlite3.connect(tmp_path / "emulator.db") as db:
        db.execute(damage)
    db.close()
    with pytest.raises(LedgerError) as caught:
        await EmulatorServer(EmulatorConfig(data_dir=tmp_path, render=False)).start()
    assert str(tmp_path) in str(caught.value)
    assert "--data" in str(caught.value.hint)


# -- long leaps --------------------------------------------------------------------------------------


def busy(emulator: Emulator, count: int, gap_s: float = 1.0) -> None:
    """Plans as many calls that are carried out by themselves, one after the other."""
    for number in range(count):
        emulator.world.add_late(
            LateCall(
                id=f"{number:05}",
                due_at=emulator.now + timedelta(seconds=gap_s * (number + 1)),
                operation="create_digital_asset",
                path={"project_id": emulator.config.project_id},
                query=(),
                body=NEW_ASSET,
            )
        )


def test_a_leap_in_slices_ends_as_one_at_once(make_tenant: Callable[..., Any], clock: Clock) -> None:
    """On its way the world is whole at the time that it has come to; in the end it is the same."""
    config = EmulatorConfig(render=False, limits=False)
    slowly, at_once = Emulator(config, clock=clock, in_slices=True), Emulator(config, clock=clock)
    for emulator in (slowly, at_once):
        busy(emulator, 10)
        emulator.advance(60)
    assert (slowly.advancing, at_once.advancing) == (True, False)
    assert slowly.go_on(at_most=3)
    assert (slowly.now - clock.now, len(slowly.world.assets)) == (timedelta(seconds=3), 3)
    tenant = Tenant(slowly, clock)
    assert tenant.ok("GET", "/digital-assets")["count"] == 3
    while slowly.go_on(at_most=3):
        pass
    assert slowly.now == at_once.now == clock.now + timedelta(seconds=60)
    assert list(slowly.world.assets) == list(at_once.world.assets)


def test_what_happens_in_a_leap_happens_at_its_time(tenant: Tenant) -> None:
    """Not at the end of the leap."""
    start = tenant.emulator.now
    busy(tenant.emulator, 2, gap_s=100)
    tenant.emulator.advance(3600)
    made = [asset.created_at - start for asset in tenant.emulator.world.assets]
    assert made == [timedelta(seconds=100), timedelta(seconds=200)]


def test_leaps_add_up_and_end_with_a_reset(clock: Clock) -> None:
    """Two orders at once go as far as one after the other; a world that begins anew stays where it is."""
    emulator = Emulator(EmulatorConfig(render=False), clock=clock, in_slices=True)
    emulator.advance(10)
    emulator.advance(20)
    assert not emulator.go_on()
    assert emulator.now - clock.now == timedelta(seconds=30)
    emulator.advance(10)
    emulator.reset()
    assert (emulator.advancing, emulator.now) == (False, clock.now)


async def test_a_long_leap_leaves_room_for_requests(connect: Any) -> None:
    """A request that comes after the order is answered before it, which is answered at its end."""
    tenant = await connect()
    emulator = tenant.server.emulator
    busy(emulator, 4000)
    answered = []

    async def leap() -> None:
        await tenant.control("POST", "advance", {"seconds": 7200})
        assert len(emulator.world.assets) == 4000
        answered.append("leap")

    async def look() -> None:
        await until(lambda: emulator.advancing)
        await tenant.ok("GET", "/digital-assets")
        answered.append("look")

    await asyncio.gather(leap(), look())
    assert answered == ["look", "leap"]


async def test_a_start_catches_up_before_it_answers(connect: Any, tmp_path: Path) -> None:
    """What fell due while nothing ran has happened, at its time, when the first request comes."""
    ledger = Ledger(tmp_path / "emulator.db")
    then = Clock()
    then.now -= timedelta(days=300)
    emulator = Emulator(EmulatorConfig(render=False), ledger=ledger, clock=then)
    busy(emulator, 200)
    emulator.keep()
    ledger.close()
    tenant = await connect(data_dir=tmp_path)
    assert (await tenant.ok("GET", "/digital-assets"))["count"] == 200


# -- what the service makes itself -------------------------------------------------------------------


async def test_a_rendering_that_a_reset_overtakes_leaves_nothing(connect: Any, tmp_path: Path) -> None:
    """Nor does a preview; and the next video is made."""
    tenant = await connect(data_dir=tmp_path, render=True, render_concurrency=2, video_wait_s=0)
    script = script_body(shoot_scripts=[{"shoot_script": {"text_config": {"text": "One two three. " * 40}}}])

    async def video() -> str:
        script_id = (await tenant.ok("POST", "/digital-human-video-scripts", script))["script_id"]
        return str((await tenant.ok("POST", "/2d-digital-human-videos", {"script_id": script_id}))["job_id"])

    await video()
    await tenant.ok("POST", "/ttsc/audition", {"text": "Hello there.", "emotion": EMMA})
    making = tenant.server._studio._tasks
    await until(lambda: any(task.get_name().startswith("render") for task in making))
    await tenant.control("POST", "reset")
    await until(lambda: not making)
    assert list((tmp_path / "objects").iterdir()) == []
    assert (await tenant.ended(await video()))["state"] == "SUCCEED"


@asynccontextmanager
async def origin(*statuses: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A place to fetch a file from, which answers with `statuses`, then 200; and what it has answered."""
    answered: list[int] = []

    async def give(_: web.Request) -> web.Response:
        status = statuses[len(answered)] if len(answered) < len(statuses) else 200
        answered.append(status)
        return web.Response(status=status, body=b"bytes")

    app = web.Application()
    app.router.add_get("/f", give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/f", answered
    await runner.cleanup()


@pytest.mark.parametrize(
    ("statuses", "state"),
    [((), FileState.CREATED), ((500, 404), FileState.CREATED), ((500,) * 9, FileState.FAILED)],
)
async def test_a_file_is_tried_a_few_times(
    connect: Any, monkeypatch: pytest.MonkeyPatch, statuses: tuple[int, ...], state: FileState
) -> None:
    """Then it has failed, also after a restart: it isn't begun again."""
    monkeypatch.setattr(studio, "_TRIED_AFTER_S", (0.0, 0.0, 0.0))
    tenant = await connect(render=True)
    world, now = tenant.server.emulator.world, tenant.server.emulator.now
    async with origin(*statuses) as (url, answered):
        making = Making("fetch", {"url": url})
        kind: dict[str, Any] = {"name": "a.png", "type": "png", "category": "MAIN", "make": making}
        state_of: dict[str, Any] = {"state": FileState.CREATED, "created_at": now, "updated_at": now}
        world.add_file(File(id="f", asset_id="a", **kind, **state_of))
        tenant.server._wake.set()
        await until(lambda: world.files.get("f").segments or world.files.get("f").state is FileState.FAILED)
    file = world.files.get("f")
    assert (file.state, world.is_there(file)) == (state, state is FileState.CREATED)
    assert len(answered) == min(len(statuses) + 1, 3)
    assert world.take_files_to_make() == []


def failed(tenant: Tenant, owner: str) -> None:
    """Nothing that the service wants to make for `owner` can be made."""
    for file in tenant.emulator.world.files_of(owner):
        if file.make is not None:
            tenant.emulator.making_failed(file.id, "out of order")


def test_a_preview_whose_file_failed_says_so(make_tenant: Callable[..., Any]) -> None:
    """It has a message instead of waiting for ever."""
    tenant = make_tenant(render=True)
    job_id = tenant.ok("POST", "/ttsc/audition", {"text": "Hello.", "emotion": EMMA})["job_id"]
    failed(tenant, job_id)
    shown = tenant.ok("GET", f"/ttsc/audition-file/{job_id}")
    assert (shown["is_file_complete"], shown["files"]) == (False, [])
    assert shown["message"].startswith("MSS.")


def test_a_copy_whose_file_failed_has_failed(make_tenant: Callable[..., Any], clock: Clock) -> None:
    """As soon as it is known."""
    here, there = make_tenant(), make_tenant(region="cn-east-3", render=True)
    asset_id = here.asset()
    here.upload(asset_id)
    there.ok(
        "POST",
        "/digital-assets-by-replication-info",
        here.ok("GET", f"/digital-assets/{asset_id}/replication-info"),
    )
    failed(there, asset_id)
    clock.pass_s(2)
    assert there.shown_asset(asset_id)["asset_state"] == "FAILED"


def test_a_presentation_whose_page_failed_is_not_parsed(
    make_tenant: Callable[..., Any], clock: Clock
) -> None:
    """Its parsing has failed."""
    tenant = make_tenant(render=True)
    asset_id = tenant.asset(asset_type="PPT", asset_extra_meta={"ppt_meta": {"auto_analysis": True}})
    tenant.upload(asset_id, "deck.pptx")
    clock.pass_s(60)
    tenant.emulator.settle()
    failed(tenant, asset_id)
    meta = tenant.shown_asset(asset_id)["asset_extra_meta"]["ppt_meta"]
    assert meta["ppt_analysis_status"] == "FAILED"
