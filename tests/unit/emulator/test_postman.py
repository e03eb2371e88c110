"""Callbacks on their way: signatures, order, repetition, faults."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.ledger import Ledger
from orchestrator.emulator.postman import IN_LINE, LINES, MAX_IN_LINE, MAX_WAIT_S, SWAP_S
from orchestrator.emulator.records import CallbackTarget
from orchestrator.metastudio.callbacks import AuthType, Verdict, verify_live
from tests.unit.emulator.live import callback, room_body, short

URL = "https://example.com/live?run=7"
TARGET = CallbackTarget(URL, "MSS_A", "live-key", "live")


def faulty(make_tenant: Callable[..., Any], do: Fault, **rule: Any) -> Any:
    rules = (FaultRule(on="callback", do=do, **{"nth": 1, **rule}),)
    return make_tenant(faults=FaultPlan(rules=rules)).emulator


def send(
    emulator: Any, clock: Any, *numbers: int, target: CallbackTarget = TARGET, job_id: str = "j"
) -> None:
    for number in numbers:
        emulator.postman.send(target, job_id, {"number": number}, clock.now)


def due(emulator: Any, clock: Any) -> list[int]:
    return [post.body["number"] for post in emulator.postman.due(clock.now)]


def delivered(emulator: Any, clock: Any) -> list[int]:
    """Everything due, taken in its order."""
    emulator.settle()
    found = []
    while posts := emulator.postman.due(clock.now):
        found.append(posts[0].body["number"])
        emulator.postman.tried(posts[0].id, clock.now, taken=True)
    return found


@pytest.mark.parametrize("reading", ["decimal", "hex"])
@pytest.mark.parametrize("auth_type", ["MSS_A", "MSS_A_HEAD"])
def test_live_events_are_signed(
    make_tenant: Callable[..., Any], clock: Any, auth_type: str, reading: str
) -> None:
    """In the query or in headers, by either reading of the time; a forged one is told from it."""
    emulator = make_tenant(callback_time=reading).emulator
    send(emulator, clock, 1, target=CallbackTarget(URL, auth_type, "live-key", "live"))
    (post,) = emulator.postman.due(clock.now)
    letter = emulator.postman.letter(post, clock.now)
    query = [pair for pair in parse_qsl(urlsplit(letter.url).query) if pair[0] != "run"]
    headers = letter.headers.items()
    now_ms = int(clock.now.timestamp() * 1000)
    assert verify_live(AuthType(auth_type), URL, query, headers, ["live-key"], now_ms) is Verdict.VALID
    assert verify_live(AuthType(auth_type), URL, query, headers, ["other"], now_ms) is Verdict.FORGED
    assert bool(query) == (auth_type == "MSS_A")
    assert bool(headers) == (auth_type == "MSS_A_HEAD")
    assert "live-key" not in repr(post) + repr(letter)


def test_without_authentication_nothing_is_added(tenant: Any, clock: Any) -> None:
    """NONE: the registered URL has to be proof enough."""
    send(tenant.emulator, clock, 1, target=CallbackTarget(URL, "NONE", "", "live"))
    (post,) = tenant.emulator.postman.due(clock.now)
    letter = tenant.emulator.postman.letter(post, clock.now)
    assert (letter.url, letter.headers) == (URL, {})


def test_events_of_a_livestream_wait_for_each_other(tenant: Any, clock: Any) -> None:
    """The next one goes when the first was taken, or given up; those of another livestream go beside."""
    emulator = tenant.emulator
    send(emulator, clock, 1, 2, 3)
    send(emulator, clock, 9, job_id="other")
    assert due(emulator, clock) == [1, 9]
    first = emulator.postman.due(clock.now)[0]
    emulator.postman.tried(first.id, clock.now, taken=False)
    assert due(emulator, clock) == [9]
    clock.pass_s(1)
    assert due(emulator, clock) == [1, 9]
    for _ in range(emulator.config.callback_tries - 1):
        clock.pass_s(100)
        emulator.postman.tried(first.id, clock.now, taken=False)
    assert due(emulator, clock) == [9, 2]
    assert delivered(emulator, clock) == [9, 2, 3]


def give_up(emulator: Any, clock: Any) -> None:
    """Refuses what is on its way until it is given up."""
    (post,) = emulator.postman.due(clock.now)
    for _ in range(emulator.config.callback_tries):
        emulator.postman.tried(post.id, clock.now, taken=False)


def lost(emulator: Any) -> int:
    counter = emulator.world.counters.get("callbacks/lost")
    return 0 if counter is None else int(counter.value)


def test_a_line_has_an_end(tenant: Any, clock: Any) -> None:
    """When it is full the oldest that isn't on its way is lost and counted; another job's line is its own."""
    emulator = tenant.emulator
    send(emulator, clock, *range(MAX_IN_LINE + 4))
    send(emulator, clock, 9, job_id="other")
    assert len(emulator.world[IN_LINE]) == MAX_IN_LINE
    assert lost(emulator) == 3
    assert delivered(emulator, clock) == [0, 9, *range(4, MAX_IN_LINE + 4)]
    assert len(emulator.world[LINES]) == len(emulator.world[IN_LINE]) == 0
    send(emulator, clock, 7)
    assert delivered(emulator, clock) == [7]


def test_a_line_ends_an_hour_after_its_job(tenant: Any, clock: Any) -> None:
    """What has waited so long when another one is given up is lost with it; a receiver that takes them gets all."""
    emulator = tenant.emulator
    send(emulator, clock, 1, 2)
    clock.pass_s(MAX_WAIT_S)
    send(emulator, clock, 3)
    give_up(emulator, clock)
    assert lost(emulator) == 1
    assert due(emulator, clock) == [3]
    send(emulator, clock, 4, 5)
    clock.pass_s(MAX_WAIT_S)
    assert delivered(emulator, clock) == [3, 4, 5]
    send(emulator, clock, 6, 7)
    clock.pass_s(MAX_WAIT_S)
    give_up(emulator, clock)
    assert emulator.next_due() is None
    assert len(emulator.world[LINES]) == len(emulator.world[IN_LINE]) == 0
    assert lost(emulator) == 2


def test_a_line_goes_on_after_a_kill(clock: Any, tmp_path: Path) -> None:
    """In its order, with the one that was on its way first."""
    path = tmp_path / "emulator.db"
    ledger = Ledger(path)
    config = EmulatorConfig(render=False)
    emulator = Emulator(config, clock=clock, ledger=ledger)
    send(emulator, clock, *range(12))
    (post,) = emulator.postman.due(clock.now)
    emulator.postman.tried(post.id, clock.now, taken=True)
    emulator.keep()
    ledger.close()
    again = Emulator(config, clock=clock, ledger=Ledger(path))
    send(again, clock, 12)
    assert delivered(again, clock) == list(range(1, 13))


def test_a_reset_empties_the_lines(tenant: Any, clock: Any) -> None:
    """The next job begins a line of its own, even under the same id."""
    send(tenant.emulator, clock, 1, 2, 3)
    tenant.emulator.reset()
    send(tenant.emulator, clock, 4, 5)
    assert delivered(tenant.emulator, clock) == [4, 5]


def test_lines_of_others_cost_nothing(make_tenant: Callable[..., Any], clock: Any) -> None:
    """Events take as long beside twenty full lines as alone."""

    def cost_s(emulator: Any) -> float:
        begin = time.process_time()
        for number in range(300):
            send(emulator, clock, number, job_id="mine")
            post = next(post for post in emulator.postman.due(clock.now) if post.job_id == "mine")
            emulator.postman.tried(post.id, clock.now, taken=True)
        return time.process_time() - begin

    alone, beside = make_tenant().emulator, make_tenant().emulator
    for job in range(20):
        send(beside, clock, *range(MAX_IN_LINE), job_id=f"{job}")
    assert cost_s(beside) < 10 * cost_s(alone)


def test_two_events_change_places(make_tenant: Callable[..., Any], clock: Any) -> None:
    """The first waits for the second; all others keep their order."""
    emulator = faulty(make_tenant, Fault.REORDER, nth=2)
    send(emulator, clock, 1, 2)
    assert delivered(emulator, clock) == [1]
    send(emulator, clock, 9, job_id="other")
    assert delivered(emulator, clock) == [9]
    clock.pass_s(5)
    send(emulator, clock, 3, 4)
    assert delivered(emulator, clock) == [3, 2, 4]


def test_an_event_that_finds_none_to_change_with_is_late(make_tenant: Callable[..., Any], clock: Any) -> None:
    """After a minute it goes alone, also one of a video."""
    for target in (TARGET, CallbackTarget(URL, "NONE")):
        emulator = faulty(make_tenant, Fault.REORDER)
        send(emulator, clock, 1, target=target)
        clock.pass_s(SWAP_S - 1)
        assert delivered(emulator, clock) == []
        clock.pass_s(1)
        assert delivered(emulator, clock) == [1]
        assert emulator.next_due() is None


@pytest.mark.parametrize(
    ("do", "first", "later"),
    [
        (Fault.LOST, [2], []),
        (Fault.DOUBLE, [1, 1, 2], []),
        (Fault.LATE, [2], [1]),
        (Fault.FORGE, [1, 1, 2], []),
    ],
)
def test_faults_of_live_events(
    make_tenant: Callable[..., Any], clock: Any, do: Fault, first: list[int], later: list[int]
) -> None:
    """What is lost or late holds nothing up."""
    emulator = faulty(make_tenant, do, seconds=30)
    send(emulator, clock, 1, 2)
    assert delivered(emulator, clock) == first
    clock.pass_s(30)
    assert delivered(emulator, clock) == later


async def test_events_arrive_in_their_order_with_their_headers(connect: Any) -> None:
    """Over HTTP, also when the first try is refused."""
    got: asyncio.Queue[tuple[set[str], str]] = asyncio.Queue()
    statuses = [500]

    async def take(request: web.Request) -> web.Response:
        got.put_nowait(({name.lower() for name in request.headers}, short(await request.json())))
        return web.Response(status=statuses.pop() if statuses else 204)

    app = web.Application()
    app.router.add_post("/live", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/live"
    config = callback(live_event_type_callback_url=url, auth_type="MSS_A_HEAD", key="k")
    tenant = await connect(speed=100.0)
    made = await tenant.ok("POST", "/smart-live-rooms", room_body(live_event_callback_config=config))
    await tenant.send("POST", f"/smart-live-rooms/{made['room_id']}/smart-live-jobs", {})
    calls = [await asyncio.wait_for(got.get(), 10) for _ in range(3)]
    await runner.cleanup()
    assert [call[1] for call in calls] == ["Kettle 1", "Kettle 1", "Kettle 2"]
    assert all({"x-hw-mss-secret", "x-hw-mss-time"} <= call[0] for call in calls)
