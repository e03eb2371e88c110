"""Who begins when: started runs go on before new ones begin, however many there are; and how the engine stops."""

import asyncio
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.admission import Admission
from orchestrator.steps.base import Done, StepContext, StepError
from orchestrator.store.base import RunFilter
from tests.unit.engine.carried import AnyParams, Carried, failing, flow, for_ever, rows, step, table


class Room:
    """As much as the test says."""

    def __init__(self, room: int, to_go_on: int) -> None:
        self.room, self.room_to_go_on = room, to_go_on


def line(room: int, to_go_on: int) -> tuple[Admission, Any, list[RunId]]:
    begun: list[RunId] = []
    dispatcher: Any = Room(room, to_go_on)
    return Admission(dispatcher, begun.append), dispatcher, begun


def test_those_that_had_begun_go_first_then_the_oldest() -> None:
    """Whatever the order in which they came."""
    admission, _, begun = line(10, 10)
    for name, new in (("c", True), ("b", True), ("d", False), ("a", True)):
        admission.enqueue(RunId(name), new=new)
    admission.admit()
    assert begun == ["d", "a", "b", "c"]


def test_each_takes_room_until_its_turn_is_over() -> None:
    """What it will ask for is not known before."""
    admission, dispatcher, begun = line(1, 1)
    for name in "ab":
        admission.enqueue(RunId(name), new=True)
    admission.admit()
    admission.admit()
    assert begun == ["a"]
    assert admission.admitted(RunId("a"))
    assert not admission.has_room
    dispatcher.room = dispatcher.room_to_go_on = 0  # its work
    admission.begun(RunId("a"))
    admission.admit()
    assert begun == ["a"]
    dispatcher.room = 1
    admission.admit()
    assert begun == ["a", "b"]


def test_new_runs_wait_for_those_that_have_to_go_on() -> None:
    """One that had begun has room where a new one has none, and never the other way round."""
    admission, dispatcher, begun = line(0, 1)
    admission.enqueue(RunId("a"), new=True)
    admission.enqueue(RunId("b"), new=False)
    admission.admit()
    assert begun == ["b"]
    admission.stop()
    dispatcher.room = 10
    admission.admit()
    assert begun == ["b"]


async def test_started_runs_end_before_new_ones_begin(carried: Carried) -> None:
    """With room for one, each run is over before the next begins, in the order of the rows."""
    carried.concurrency = 1
    await carried.boot()
    order: list[str] = []

    async def act(params: AnyParams, ctx: StepContext) -> Done:
        order.append(f"{ctx.run_name}{ctx.step_id}")
        await asyncio.sleep(0)
        return Done()

    carried.kind.acts |= {"a": act, "b": act}
    run_id = await carried.submit(table(step("a"), step("b", "a")), rows=rows("x", "y", "z"))
    await carried.over(run_id)
    assert order == ["xa", "xb", "ya", "yb", "za", "zb"]


async def test_a_wish_does_not_let_a_run_begin_out_of_its_turn(carried: Carried) -> None:
    """A callback for a run in the line is kept, and the run stays where it is."""
    carried.concurrency = 1
    await carried.boot()
    carried.kind.acts["a"] = for_ever
    await carried.begun(flow(step("a")), "step.intended")
    run_id = await carried.submit(flow(step("b")))
    await carried.engine.callback(run_id, job_id="x", result="S", asset_id="", stale=False)
    for _ in range(10):
        await asyncio.sleep(0)
    assert await carried.types(run_id) == ["run.created", "callback.received"]


async def test_thousands_of_new_rows_hold_little_memory(carried: Carried) -> None:
    """A run that has not begun is a row in the store and an entry in a heap, after a restart as before."""
    carried.concurrency = 5
    carried.kind.acts["a"] = for_ever
    await carried.boot()
    run_id = await carried.begun(table(step("a")), "step.intended", rows=rows(*map(str, range(5_000))))
    await carried.engine._turns.idle()
    assert len(carried.engine._admission._line) == 4_995
    assert len(carried.engine._turns._states) < 20
    tracemalloc.start()
    await carried.boot()
    await carried.engine._turns.idle()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(carried.engine._admission._line) == 4_995
    assert len(carried.engine._turns._states) < 20
    assert held < 5_000_000
    counts = await carried.store.counts()
    assert counts == {RunStatus.CREATED: 4_995, RunStatus.RUNNING: 6}
    assert (await carried.state(run_id)).children_created == 5_000


@pytest.mark.parametrize("verb", ["retry", "resume"])
async def test_many_that_are_to_go_on_do_so_while_there_is_room(carried: Carried, verb: str) -> None:
    """A table of failed rows, or of paused ones, holds no more of them in memory than there is room for."""
    carried.concurrency = 2
    await carried.boot()
    if verb == "retry":
        carried.kind.acts["a"] = failing(*(StepError("no") for _ in range(300)))
    else:
        carried.kind.acts["a"] = for_ever
    names = [str(n) for n in range(300)]
    run_id = await carried.begun(table(step("a")), "step.intended", rows=rows(*names))
    if verb == "retry":
        await carried.over(run_id)
    else:
        await carried.engine.pause(run_id)
        await carried.boot()
    most = 0

    async def watch(params: AnyParams, ctx: StepContext) -> Done:
        nonlocal most
        most = max(most, len(carried.engine._turns._states))
        await asyncio.sleep(0)
        return Done()

    carried.kind.acts["a"] = watch
    await getattr(carried.engine, verb)(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert most <= 20 + 100 + 5  # what may be under way, a chunk of rows, and some whose turn is ending


# The end


async def test_short_steps_end_and_are_journaled(carried: Carried) -> None:
    """What ends within the grace counts; nothing begins after it, and the next process goes on behind it."""
    carried.grace_s = 10.0
    await carried.boot()
    gate = asyncio.Event()

    async def short(params: AnyParams, ctx: StepContext) -> Done:
        await gate.wait()
        return Done({"value": 1})

    carried.kind.acts["a"] = short
    run_id = await carried.begun(flow(step("a"), step("b", "a")), "step.intended")
    stopping = asyncio.ensure_future(carried.end())
    await asyncio.sleep(0)
    gate.set()
    await asyncio.wait_for(stopping, 5)
    state = await carried.state(run_id)
    assert state.steps[StepId("a")].status is StepStatus.SUCCEEDED
    assert carried.kind.ran == ["a"]
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["a", "b"]


async def test_long_steps_are_left_to_the_next_process(carried: Carried) -> None:
    """Past the grace they are dropped; what they noted before counts."""
    carried.kind.acts["a"] = for_ever
    run_id = await carried.begun(flow(step("a")), "step.intended")
    await asyncio.sleep(0)
    carried.kind.acts.clear()
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["a", "a"]


async def test_a_run_that_is_asked_for_at_the_end_is_kept(carried: Carried) -> None:
    """Written down, begun by the next process."""
    await carried.end_later()
    run_id = await carried.submit(flow(step("a")))
    await carried.boot()
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED


async def test_a_restart_takes_up_the_oldest_first(carried: Carried) -> None:
    """Also thousands of runs with something to do, without holding them all."""
    carried.concurrency = 3
    carried.now = datetime(2026, 1, 1, tzinfo=UTC)
    await carried.boot()
    carried.kind.acts["a"] = for_ever
    await carried.begun(table(step("a")), "step.intended", rows=rows(*"abcdef"), times=3)
    carried.kind.acts.clear()
    carried.kind.ran.clear()
    order: list[str] = []

    async def note(params: AnyParams, ctx: StepContext) -> Done:
        order.append(ctx.run_name)
        return Done()

    carried.kind.acts["a"] = note
    await carried.boot()
    for run in await carried.store.summaries(RunFilter(top_level=True)):
        await carried.over(run.id)
    assert order == list("abcdef")
