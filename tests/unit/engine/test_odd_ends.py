"""Runs at odd ends: asked for twice, dropped and asked for again, damaged, gone before their turn."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.domain.run import RunStatus
from orchestrator.engine.control import ControlError
from orchestrator.engine.submission import content_of
from orchestrator.engine.turns import StuckRunError
from orchestrator.steps.base import Done, StepError
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sqlite import SqliteStore
from tests.unit.engine.carried import Carried, failing, flow, for_ever, rows, step, table, wait_for_job


@pytest.fixture(params=["memory", "sqlite"])
async def carried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Carried]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore(tmp_path / "state.db").open()
    carried = Carried(store)
    await carried.boot()
    yield carried
    await carried.end()
    await store.close()


async def test_a_replay_that_is_asked_for_twice_is_one(carried: Carried) -> None:
    """At once or one after the other: what is under way is not paid twice."""
    carried.kind.acts["b"] = failing(StepError("no"))
    run_id = await carried.submit(flow(step("a"), step("b", "a")))
    await carried.over(run_id)
    carried.kind.acts["b"] = for_ever
    one, two = await asyncio.gather(carried.engine.replay(run_id), carried.engine.replay(run_id))
    assert one == two
    assert await carried.engine.replay(run_id) == one
    assert [run.id for run in [await carried.store.summary(one)] if run] == [one]


async def test_a_row_that_was_cancelled_is_made_after_all_by_its_replay(carried: Carried) -> None:
    """The table alone leaves it cancelled; once it was replayed, the table takes that run, and is done."""
    carried.kind.acts["a"] = wait_for_job
    asked = table(step("a"))
    given = [replace(row, content=content_of(asked, row.inputs)) for row in rows("x", "y")]
    run_id = await carried.begun(asked, rows=given, times=2)
    await carried.settled()
    children = await carried.children(run_id)
    await carried.engine.cancel(children["x"].id)
    await carried.over(children["x"].id)
    carried.kind.checks = lambda _: Done({})
    await carried.engine.callback(
        children["y"].id, job_id="job-y-a", result="SUCCEED", asset_id="", stale=False
    )
    failed = await carried.over(run_id)
    assert failed.error is not None
    assert failed.error.message == "1 of 2 rows failed or were cancelled."
    carried.kind.acts.clear()
    carried.kind.ran.clear()
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.FAILED
    assert carried.kind.ran == []
    await carried.over(await carried.engine.replay(children["x"].id))
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == ["a"]
    summary = await carried.store.summary(run_id)
    assert summary is not None
    assert (summary.children_succeeded, summary.children_failed, summary.children_own_over) == (2, 0, 1)
    assert (await carried.children(run_id))["y"].id == children["y"].id


async def test_a_failed_row_that_was_replayed_is_not_made_again(carried: Carried) -> None:
    """Neither by its own retry nor by its table's, which takes the replay instead."""
    asked = table(step("a"), step("b", "a"))
    given = [replace(row, content=content_of(asked, row.inputs)) for row in rows("x", "y")]
    carried.kind.acts["b"] = failing(StepError("no"))
    run_id = await carried.submit(asked, rows=given)
    assert (await carried.over(run_id)).status is RunStatus.FAILED
    (bad,) = (one for one in (await carried.children(run_id)).values() if one.status is RunStatus.FAILED)
    carried.kind.acts["b"] = wait_for_job
    again = await carried.engine.replay(bad.id)
    with pytest.raises(ControlError, match="has been replayed"):
        await carried.engine.retry(bad.id)
    carried.kind.checks = lambda _: Done({})
    await carried.until("step.waiting", lambda: asyncio.sleep(0), step="b")
    await carried.engine.callback(
        again, job_id=f"job-{bad.name}-b", result="SUCCEED", asset_id="", stale=False
    )
    assert (await carried.over(again)).status is RunStatus.SUCCEEDED
    carried.kind.ran.clear()
    await carried.engine.retry(run_id)
    assert (await carried.over(run_id)).status is RunStatus.SUCCEEDED
    assert carried.kind.ran == []


async def test_a_table_with_a_damaged_row_does_not_wait_for_it_for_ever() -> None:
    """Whoever waits for the table learns of the damage once nothing else of it is under way."""
    carried = Carried()
    await carried.boot()
    carried.kind.acts["a"] = wait_for_job
    run_id = await carried.begun(table(step("a")), rows=rows("x", "y"), times=2)
    await carried.settled()
    children = await carried.children(run_id)
    carried.damage(children["x"].id)
    await carried.boot()
    carried.engine.poke(children["x"].id)
    carried.kind.checks = lambda _: Done({})
    resting = asyncio.ensure_future(carried.rest(run_id))
    await carried.engine.callback(
        children["y"].id, job_id="job-y-a", result="SUCCEED", asset_id="", stale=False
    )
    with pytest.raises(StuckRunError, match="cannot go on"):
        await resting
    await carried.end()


async def test_a_run_that_was_forgotten_in_line_takes_nobodys_place(carried: Carried) -> None:
    """Cancelled while it stood in line and pruned before its turn: others begin all the same."""
    carried.concurrency = 1
    await carried.boot()
    carried.kind.acts["a"] = for_ever
    first = await carried.begun(flow(step("a", value=1)), "step.intended")
    gone = await carried.submit(flow(step("a", value=2)))
    await carried.engine.cancel(gone)
    await carried.over(gone)
    assert (await carried.store.prune(carried.clock() + timedelta(days=1))).runs == 1
    carried.kind.acts.clear()
    last = await carried.submit(flow(step("a", value=3)))
    await carried.engine.cancel(first)
    assert (await carried.over(last)).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("failure", "told"),
    [([StepError("no clay")], "failed a no clay"), ([], "succeeded  ")],
    ids=["failed", "succeeded"],
)
async def test_the_last_steps_know_how_it_went(carried: Carried, failure: list[StepError], told: str) -> None:
    """In `finally` a run tells how it ends, and what failed and why."""
    if failure:
        carried.kind.acts["a"] = failing(*failure)
    word = step("z", value="${{ run.status }} ${{ run.failed_step }} ${{ run.error }}")
    await carried.over(await carried.submit(flow(step("a"), finally_=(word,))))
    assert carried.kind.ran == ["a", f"z:{told}"]
