"""What every store promises, tried on each of them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId, RunKey, StepId
from orchestrator.domain.run import RunStatus
from orchestrator.store.base import (
    Append,
    ConflictError,
    NewChild,
    Row,
    RunFilter,
    Store,
    StoreError,
    Summary,
    Wait,
)
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sqlite import SqliteStore

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = MemoryStore() if request.param == "memory" else await SqliteStore(tmp_path / "state.db").open()
    yield opened
    await opened.close()


def summary(run_id: str, seq: int, status: RunStatus = RunStatus.RUNNING, **more: Any) -> Summary:
    values: dict[str, Any] = {
        "id": RunId(run_id),
        "key": RunKey(f"key-{run_id}"),
        "name": f"name of {run_id}",
        "pipeline": "p",
        "definition": DefinitionHash("d"),
        "status": status,
        "created_at": NOW,
        "ended_at": None,
        "seq": seq,
        "steps_total": 2,
        "steps_done": 1,
        **more,
    }
    return Summary(**values)


def created(run_id: str, seq: int = 1, parent: str | None = None) -> ev.Event:
    body = ev.RunCreated(
        "n",
        "p",
        DefinitionHash("d"),
        RunKey("k"),
        {"title": "Tasse ☕"},
        parent=(parent and RunId(parent)) or None,
    )
    return ev.Event(RunId(run_id), seq, NOW, body)


def first(run_id: str, *, parent: str | None = None, rows: list[Row] | None = None, **more: Any) -> Append:
    return Append(
        RunId(run_id),
        0,
        [created(run_id, parent=parent)],
        summary(run_id, 1, parent=parent, **more),
        rows=rows or (),
    )


def ending(run_id: str, status: RunStatus) -> Append:
    body = (
        ev.RunSucceeded({"video": "a.mp4"})
        if status is RunStatus.SUCCEEDED
        else ev.RunFailed(ev.ErrorInfo("x"))
    )
    return Append(RunId(run_id), 1, [ev.Event(RunId(run_id), 2, NOW, body)], summary(run_id, 2, status))


async def test_journal_gives_back_what_was_appended(store: Store) -> None:
    """Events come back equal, in order, and from any number on."""
    await store.append(first("a"))
    more = [
        ev.Event(RunId("a"), 2, NOW, ev.StepIntended(StepId("s"), 1)),
        ev.Event(
            RunId("a"),
            3,
            NOW + timedelta(seconds=1),
            ev.StepFailed(StepId("s"), 1, ev.ErrorInfo("m", "h", "MSS.1"), NOW + timedelta(minutes=1)),
        ),
        ev.Event(RunId("a"), 4, NOW, ev.StepWaiting(StepId("s"), 2, "job", NOW)),
    ]
    await store.append(Append(RunId("a"), 1, more, summary("a", 4)))
    assert await store.journal(RunId("a")) == [created("a"), *more]
    assert await store.journal(RunId("a"), 3) == more[2:]
    assert await store.journal(RunId("nobody")) == []


async def test_two_writers_cannot_both_win(store: Store) -> None:
    """An append behind the journal's end is refused and leaves nothing."""
    await store.append(first("a"))
    event = ev.Event(RunId("a"), 2, NOW, ev.RunStarted())
    await store.append(Append(RunId("a"), 1, [event], summary("a", 2)))
    with pytest.raises(ConflictError):
        await store.append(Append(RunId("a"), 1, [event], summary("a", 2, name="loser")))
    with pytest.raises(ConflictError):
        await store.append(first("a"))
    known = await store.summary(RunId("a"))
    assert known is not None
    assert (known.seq, known.name) == (2, "name of a")


async def test_summary_follows_the_journal(store: Store) -> None:
    """A run's row is what its last append said."""
    await store.append(first("a", wake_at=NOW))
    assert await store.unfinished() == [(RunId("a"), NOW)]
    await store.append(ending("a", RunStatus.SUCCEEDED))
    known = await store.summary(RunId("a"))
    assert known is not None
    assert known.status is RunStatus.SUCCEEDED
    assert await store.unfinished() == []


async def test_runs_are_listed_newest_first_by_page(store: Store) -> None:
    """Pages follow each other by cursor; filters hold."""
    for name in "abcde":
        await store.append(first(name))
    await store.append(ending("c", RunStatus.FAILED))
    page = await store.summaries(RunFilter(), limit=2)
    assert [s.id for s in page] == ["e", "d"]
    page = await store.summaries(RunFilter(), cursor=page[-1].id, limit=9)
    assert [s.id for s in page] == ["c", "b", "a"]
    failed = RunFilter(status=frozenset({RunStatus.FAILED}))
    assert [s.id for s in await store.summaries(failed)] == ["c"]


async def test_children_are_counted_in_the_transaction_that_ends_them(store: Store) -> None:
    """A parent's counters count each child once, also those that ended before they were joined."""
    await store.append(first("old"))
    await store.append(ending("old", RunStatus.SUCCEEDED))
    rows = [
        Row(0, "r0", RunKey("k0"), {"a": "012"}, {"sku": "ü"}, RunId("old")),
        Row(1, "r1", RunKey("k1"), {}, {}),
        Row(2, "r2", RunKey("k2"), {}, {}),
    ]
    await store.append(first("p", rows=rows, rows_total=3))
    parent = await store.summary(RunId("p"))
    assert parent is not None
    assert (parent.children_succeeded, parent.children_failed) == (1, 0)
    children = [NewChild(1, first("p1", parent="p")), NewChild(2, first("p2", parent="p"))]
    event = ev.Event(RunId("p"), 2, NOW, ev.ChildrenCreated(3, created=2))
    await store.append(Append(RunId("p"), 1, [event], summary("p", 2), children=children))
    await store.append(ending("p1", RunStatus.FAILED))
    await store.append(ending("p2", RunStatus.SUCCEEDED))
    parent = await store.summary(RunId("p"))
    assert parent is not None
    assert (parent.children_succeeded, parent.children_failed, parent.children_own_over) == (2, 1, 2)
    assert [row.child for row in await store.rows(RunId("p"), 0, 9)] == ["old", "p1", "p2"]
    assert (await store.rows(RunId("p"), 0, 1))[0].inputs == {"a": "012"}
    assert await store.parents(RunId("p1")) == ["p"]
    assert {s.id for s in await store.summaries(RunFilter(parent=RunId("p")))} == {"old", "p1", "p2"}
    assert {s.id for s in await store.summaries(RunFilter(top_level=True))} == {"old", "p"}


async def test_latest_run_of_a_key_is_one_that_may_still_serve(store: Store) -> None:
    """Failed runs do not stand for their key."""
    await store.append(first("a", key=RunKey("k")))
    await store.append(first("b", key=RunKey("k")))
    await store.append(
        Append(
            RunId("b"),
            1,
            ending("b", RunStatus.FAILED).events,
            summary("b", 2, RunStatus.FAILED, key=RunKey("k")),
        )
    )
    assert (await store.latest([RunKey("k"), RunKey("other")]))[RunKey("k")].id == "a"


async def test_waits_are_polled_in_order_of_their_time(store: Store) -> None:
    """Waits appear with their step, move when postponed or hurried, and go when the step ends."""
    wait = Wait(RunId("a"), StepId("s"), "video.wait", "job", NOW, NOW + timedelta(seconds=15))
    change = Append(RunId("a"), 0, [created("a")], summary("a", 1), waits_added=[wait])
    await store.append(change)
    assert await store.next_poll_at() == wait.poll_at
    assert await store.due_waits(NOW) == []
    assert await store.due_waits(NOW + timedelta(seconds=15)) == [wait]
    later = Wait(RunId("a"), StepId("s"), "video.wait", "job", NOW, NOW + timedelta(seconds=60), polls=1)
    await store.postpone([later])
    assert await store.due_waits(NOW + timedelta(seconds=60)) == [later]
    await store.hurry(RunId("a"), NOW)
    assert await store.next_poll_at() == NOW
    await store.append(
        Append(
            RunId("a"), 1, ending("a", RunStatus.SUCCEEDED).events, summary("a", 2), waits_ended=[StepId("s")]
        )
    )
    assert await store.next_poll_at() is None
    await store.postpone([later])
    assert await store.next_poll_at() is None


async def test_definitions_are_kept_by_hash(store: Store) -> None:
    """A definition is stored once; an unknown one is a clear error."""
    await store.put_definition(DefinitionHash("h"), "{}")
    await store.put_definition(DefinitionHash("h"), "{}")
    assert await store.definition(DefinitionHash("h")) == "{}"
    with pytest.raises(StoreError, match="no definition"):
        await store.definition(DefinitionHash("x"))


async def test_a_store_belongs_to_whoever_came_first(store: Store) -> None:
    """Runs of one project are not carried on in the name of another."""
    assert await store.claim("project one") == "project one"
    assert await store.claim("project two") == "project one"
