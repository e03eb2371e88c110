"""Concurrency groups: runs that share places begin one after the other, first come, first served."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import RunId
from orchestrator.domain.pipeline import GroupSpec, Pipeline, RowsSpec
from orchestrator.domain.run import RunStatus
from orchestrator.domain.secrets import placeholder
from orchestrator.engine.groups import GroupNameError, group_of
from orchestrator.engine.offline import Offline
from orchestrator.engine.reception import RowInput
from orchestrator.engine.run_ids import RunIds
from orchestrator.server.state_reads import StateReads
from orchestrator.steps.base import Done, StepError
from orchestrator.store.base import Store
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sqlite import SqliteStore
from tests.unit.engine.carried import Carried, failing, step, wait_for_job

ROOM = "${{ inputs.room }}"


def live(*, limit: int = 1, name: str = "p", group: str = ROOM, **more: Any) -> Pipeline:
    """A pipeline whose runs wait for a job, as many at once as a room has places."""
    return Pipeline(name, steps=(step("job"),), group=GroupSpec(group, limit), **more)


@pytest.fixture(params=["memory", "sqlite"])
async def carried(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """On each store: the line is kept there."""
    store: Store = MemoryStore() if request.param == "memory" else await SqliteStore(tmp_path / "s.db").open()
    one = Carried(store)
    one.kind.acts["job"] = wait_for_job
    await one.boot()
    yield one
    await one.end()
    await store.close()


async def submit(carried: Carried, pipeline: Pipeline, room: str = "1", number: int = 0) -> RunId:
    run_id = await carried.submit(pipeline, inputs={"room": room}, content=str(number))
    await settled(carried)
    return run_id


async def settled(carried: Carried) -> None:
    """Nobody has a turn, and nobody is being called."""
    for _ in range(3):
        while looks := list(carried.engine._groups._looks.values()):
            await asyncio.wait(looks)
        await carried.settled()


async def status(carried: Carried, run_id: RunId) -> RunStatus:
    summary = await carried.store.summary(run_id)
    assert summary is not None
    return summary.status


async def finish(carried: Carried, run_id: RunId) -> None:
    """The run's job is over."""
    carried.kind.checks = lambda _: Done({})
    await carried.engine.callback(run_id, job_id="job-r-job", result="SUCCEED", asset_id="", stale=False)
    await carried.over(run_id)
    carried.kind.checks = lambda _: None
    await settled(carried)


async def test_one_begins_when_another_is_over(carried: Carried) -> None:
    """The first runs; the others wait as created, say why, and follow in the order in which they came."""
    first, second, third = [await submit(carried, live(), number=number) for number in range(3)]
    assert [await status(carried, one) for one in (first, second, third)] == ["running", "created", "created"]
    shown = await StateReads(carried.store).run(second)
    assert shown is not None
    assert shown.summary.reason == "its turn in group 1: 1 of 1 running"
    await finish(carried, first)
    assert [await status(carried, one) for one in (second, third)] == ["running", "created"]
    await finish(carried, second)
    assert await status(carried, third) == "running"


async def test_a_group_is_of_all_pipelines_and_others_are_free(carried: Carried) -> None:
    """What counts is the group's name; each run brings how many it lets be under way."""
    first = await submit(carried, live())
    other = await submit(carried, live(name="q"))
    elsewhere = await submit(carried, live(), room="2")
    roomy = await submit(carried, live(name="r", limit=3))
    assert await status(carried, first) == await status(carried, elsewhere) == "running"
    # It would have room beside the first, but is behind somebody in line.
    assert await status(carried, other) == await status(carried, roomy) == "created"
    await finish(carried, first)
    assert await status(carried, other) == await status(carried, roomy) == "running"


async def test_rows_queue_each_for_their_own_group(carried: Carried) -> None:
    """The name may use the row; a table has no limit of its own then."""
    pipeline = live(group="${{ row.room }}", rows=RowsSpec())
    rows = [RowInput(f"r{n}", {}, {"room": f"room {n % 2}"}) for n in range(4)]
    run_id = await carried.submit(pipeline, rows)
    await settled(carried)
    assert await carried.statuses(run_id) == {
        "r0": "running",
        "r1": "running",
        "r2": "created",
        "r3": "created",
    }
    await carried.engine.cancel(run_id)
    await carried.over(run_id)
    assert set((await carried.statuses(run_id)).values()) == {"cancelled"}


async def test_a_paused_run_keeps_its_place_and_a_failed_one_does_not(carried: Carried) -> None:
    """One that is retried after its failure queues again, behind those that came meanwhile."""
    carried.kind.acts["job"] = failing(StepError("boom"))
    failed = await submit(carried, live(), number=0)
    assert (await carried.over(failed)).status is RunStatus.FAILED
    carried.kind.acts["job"] = wait_for_job
    first, second = [await submit(carried, live(), number=number) for number in (1, 2)]
    await carried.engine.pause(first)
    await carried.engine.retry(failed)
    await settled(carried)
    assert [await status(carried, one) for one in (first, second, failed)] == ["paused", "created", "created"]
    await carried.engine.resume(first)
    await finish(carried, first)
    assert [await status(carried, one) for one in (second, failed)] == ["running", "created"]


async def test_whoever_leaves_the_line_is_passed_over(carried: Carried) -> None:
    """Cancelled or paused before its turn; a paused one stands in line again once it is resumed."""
    first, gone, rests, last = [await submit(carried, live(), number=number) for number in range(4)]
    await carried.engine.cancel(gone)
    assert (await carried.over(gone)).status is RunStatus.CANCELLED
    await carried.engine.pause(rests)
    await finish(carried, first)
    assert [await status(carried, one) for one in (rests, last)] == ["paused", "running"]
    await carried.engine.resume(rests)
    await settled(carried)
    assert await status(carried, rests) == "created"
    await finish(carried, last)
    assert await status(carried, rests) == "running"


async def test_a_later_process_knows_the_line(carried: Carried) -> None:
    """After a crash those with a place go on, those in line are not woken, and the next one is called in its time."""
    first, second = [await submit(carried, live(), number=number) for number in range(2)]
    await carried.boot()
    await settled(carried)
    assert [await status(carried, one) for one in (first, second)] == ["running", "created"]
    assert second not in {run_id for run_id, _, _ in await carried.store.due()}
    await finish(carried, first)
    assert await status(carried, second) == "running"


async def test_a_place_that_got_free_unseen_is_given_away(carried: Carried) -> None:
    """What was cancelled while nobody carried the runs, and what was called when the process ended."""
    first, second, third = [await submit(carried, live(), number=number) for number in range(3)]
    await carried.end()
    control = Offline(carried.store, clock=carried.clock, new_id=RunIds(carried.clock), leaves=lambda _: None)
    await control.cancel(second)
    await control.cancel(first)
    await carried.boot()
    await carried.over(first)
    await settled(carried)
    assert await status(carried, third) == "running"


async def test_a_process_for_some_runs_respects_the_others(carried: Carried) -> None:
    """Places that runs of an earlier process have stay theirs; those in line whom nobody carries are passed over."""
    first, _ = [await submit(carried, live(), number=number) for number in range(2)]
    await carried.boot(everything=False)
    mine = await submit(carried, live(), number=2)
    assert await status(carried, mine) == "created"
    await submit(carried, live(), number=0)
    await finish(carried, first)
    assert await status(carried, mine) == "running"


async def test_a_group_needs_a_name(carried: Carried) -> None:
    """A run whose group comes to nothing is not begun at all."""
    values: list[Any] = [None, "", [], True, "x" * 201, placeholder("token")]
    for value in values:
        with pytest.raises(GroupNameError, match="concurrency"):
            await carried.submit(live(), inputs={"room": value})


@pytest.mark.parametrize("group", [ROOM, "g-${{ inputs.room }}", "\ud800${{ inputs.room }}", "g\udfff"])
async def test_a_group_is_named_with_whole_characters(group: str) -> None:
    """Half a surrogate pair could not be written down, wherever it comes from."""
    room = "1" if "\ud800" in group else "\ud83d"
    with pytest.raises(GroupNameError, match="half a character"):
        group_of(live(group=group), {"room": room})
