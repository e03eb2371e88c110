"""What every store promises, tried on each of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
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
    DefinitionLostError,
    NewChild,
    Queued,
    Row,
    RunFilter,
    Store,
    Summary,
    Wait,
    WaitLine,
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
    assert await store.due() == [("a", NOW.timestamp(), RunStatus.RUNNING)]
    await store.append(ending("a", RunStatus.SUCCEEDED))
    known = await store.summary(RunId("a"))
    assert known is not None
    assert known.status is RunStatus.SUCCEEDED
    assert await store.due() == []


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


def wait(run: str, *, since_s: float = 0.0, poll_s: float = 15.0, **more: Any) -> Wait:
    """A run's wait that began so many seconds after NOW and is due so many after NOW."""
    kind, job = more.pop("kind", "video.wait"), more.pop("job", f"job-{run}")
    since_at, poll_at = NOW + timedelta(seconds=since_s), NOW + timedelta(seconds=poll_s)
    return Wait(RunId(run), StepId("s"), kind, job, since_at, poll_at, **more)


async def waiting(store: Store, *waits: Wait) -> None:
    for one in waits:
        run = one.run_id
        await store.append(Append(run, 0, [created(run)], summary(run, 1), waits_added=[one]))


async def due(store: Store, seconds: float, *, within_s: float = 60.0, limit: int = 100) -> list[Wait]:
    until = NOW + timedelta(seconds=seconds)
    return await store.due_waits("video.wait", until, within_s=within_s, limit=limit)


async def test_waits_come_move_and_go(store: Store) -> None:
    """Waits appear with their step, move when postponed or hurried, and go when the step ends."""
    first = wait("a")
    await waiting(store, first)
    assert await store.wait_lines() == [WaitLine("video.wait", first.poll_at, first.since_at)]
    assert await due(store, 0) == []
    assert await due(store, 15) == [first]
    later = wait("a", poll_s=60, polls=1)
    await store.postpone([later, wait("gone")])
    assert await due(store, 60) == [later]
    await store.hurry(RunId("a"), NOW)
    assert [line.poll_at for line in await store.wait_lines()] == [NOW]
    await store.append(
        Append(
            RunId("a"), 1, ending("a", RunStatus.SUCCEEDED).events, summary("a", 2), waits_ended=[StepId("s")]
        )
    )
    assert await store.wait_lines() == []
    await store.postpone([later])
    assert await store.wait_lines() == []


async def test_waits_are_asked_for_with_those_that_began_beside_them(store: Store) -> None:
    """From the one that is due longest on, in the order in which they began; not those of another kind."""
    early, longest, beside, resting = (
        wait("a", since_s=0, poll_s=40),
        wait("b", since_s=10, poll_s=20),
        wait("c", since_s=20, poll_s=50),
        wait("d", since_s=30, poll_s=99),
    )
    far, other = wait("e", since_s=100, poll_s=45), wait("f", since_s=15, poll_s=1, kind="other.wait")
    await waiting(store, far, resting, beside, other, longest, early)
    assert await due(store, 10) == []
    assert await due(store, 60) == [longest, beside]
    assert await due(store, 60, within_s=90) == [longest, beside, far]
    assert await due(store, 60, within_s=90, limit=2) == [longest, beside]
    assert await store.wait_lines() == [
        WaitLine("other.wait", other.poll_at, other.since_at),
        WaitLine("video.wait", longest.poll_at, early.since_at),
    ]


async def test_waits_that_began_at_once_take_turns(store: Store) -> None:
    """Of more waits than are asked for together, those come first that are due longest."""
    waits = [wait(name, poll_s=poll_s) for name, poll_s in (("a", 50), ("b", 20), ("c", 30))]
    await waiting(store, *waits)
    assert await due(store, 60, limit=2) == [waits[1], waits[2]]


async def test_waits_are_found_by_what_they_wait_for(store: Store) -> None:
    """Of the kind alone; several runs may wait for one thing."""
    waits = [
        wait("a", job="x"),
        wait("b", job="x"),
        wait("c", job="y"),
        wait("d", job="x", kind="other.wait"),
    ]
    await waiting(store, *waits)
    found = await store.waits_by_correlation("video.wait", ["x", "nobody's", 'odd"\ud83d'])
    assert sorted(one.run_id for one in found) == ["a", "b"]
    assert await store.waits_by_correlation("video.wait", []) == []


async def test_definitions_are_kept_by_hash(store: Store) -> None:
    """A definition is stored once; an unknown one is a clear error."""
    await store.put_definition(DefinitionHash("h"), "{}")
    await store.put_definition(DefinitionHash("h"), "{}")
    assert await store.definition(DefinitionHash("h")) == "{}"
    with pytest.raises(DefinitionLostError):
        await store.definition(DefinitionHash("x"))


async def test_a_store_belongs_to_whoever_came_first(store: Store) -> None:
    """Runs of one project are not carried on in the name of another."""
    assert await store.claim("project one") == "project one"
    assert await store.claim("project two") == "project one"


def changing(run_id: str, seq: int, status: RunStatus, **more: Any) -> Append:
    """The run's next event, whatever it is, and the status that it leads to."""
    event = ev.Event(RunId(run_id), seq, NOW, ev.RunStarted())
    return Append(RunId(run_id), seq - 1, [event], summary(run_id, seq, status, **more))


async def known(store: Store, run_id: str) -> Summary:
    found = await store.summary(RunId(run_id))
    assert found is not None
    return found


async def test_runs_that_are_due_come_earliest_first(store: Store) -> None:
    """Who has no time to wake, or is over, is not listed; who is to be looked at once comes first."""
    await store.append(first("later", wake_at=NOW))
    await store.append(first("waiting"))
    await store.append(first("paused", status=RunStatus.PAUSED, wake_at=NOW + timedelta(days=9)))
    await store.append(first("over", status=RunStatus.CANCELLED, wake_at=NOW))
    await store.append(first("now", status=RunStatus.CREATED, wake_at=datetime.fromtimestamp(0, UTC)))
    assert await store.due() == [
        ("now", 0.0, RunStatus.CREATED),
        ("later", NOW.timestamp(), RunStatus.RUNNING),
        ("paused", NOW.timestamp() + 9 * 86400, RunStatus.PAUSED),
    ]
    await store.append(changing("later", 2, RunStatus.RUNNING, wake_at=None))
    assert [run_id for run_id, _, _ in await store.due()] == ["now", "paused"]


async def test_runs_are_counted_by_status(store: Store) -> None:
    """Counts follow every change; child runs can be left out."""
    assert await store.counts() == {}
    for name in "ab":
        await store.append(first(name))
    await store.append(first("c", parent="a"))
    assert await store.counts() == {RunStatus.RUNNING: 3}
    assert await store.counts(top_level=True) == {RunStatus.RUNNING: 2}
    await store.append(ending("c", RunStatus.SUCCEEDED))
    await store.append(changing("b", 2, RunStatus.PAUSED))
    assert await store.counts() == {RunStatus.RUNNING: 1, RunStatus.PAUSED: 1, RunStatus.SUCCEEDED: 1}
    assert await store.counts(top_level=True) == {RunStatus.RUNNING: 1, RunStatus.PAUSED: 1}


async def test_a_paused_child_counts_until_it_goes_on(store: Store) -> None:
    """Every run that has it among its rows knows of it, also one that joins it while it is paused."""
    await store.append(first("p", rows=[Row(0, "r", RunKey("k"), {}, {})], rows_total=1))
    event = ev.Event(RunId("p"), 2, NOW, ev.ChildrenCreated(1, created=1))
    child = NewChild(0, first("p1", parent="p"))
    await store.append(Append(RunId("p"), 1, [event], summary("p", 2), children=[child]))

    async def counts(run_id: str) -> tuple[int, int, int, int]:
        found = await known(store, run_id)
        over = (found.children_succeeded, found.children_failed, found.children_own_over)
        return found.children_paused, *over

    await store.append(changing("p1", 2, RunStatus.PAUSED, reason="Quota"))
    assert await counts("p") == (1, 0, 0, 0)
    rows = [Row(0, "r", RunKey("k"), {}, {}, RunId("p1")), Row(1, "r", RunKey("k"), {}, {})]
    await store.append(first("q", rows=rows, rows_total=2))
    assert await counts("q") == (1, 0, 0, 0)
    event = ev.Event(RunId("q"), 2, NOW, ev.ChildrenCreated(2, created=0))
    await store.append(Append(RunId("q"), 1, [event], summary("q", 2), joined=[(1, RunId("p1"))]))
    assert await counts("q") == (2, 0, 0, 0)
    assert await store.parents(RunId("p1")) == ["p", "q"]
    await store.append(changing("p1", 3, RunStatus.RUNNING))
    assert (await counts("p"), await counts("q")) == ((0, 0, 0, 0), (0, 0, 0, 0))
    await store.append(changing("p1", 4, RunStatus.CANCELLED))
    assert (await counts("p"), await counts("q")) == ((0, 0, 1, 1), (0, 0, 2, 0))
    await store.append(changing("p1", 5, RunStatus.SUCCEEDED))
    assert (await counts("p"), await counts("q")) == ((0, 1, 0, 1), (0, 2, 0, 0))


async def test_a_reason_comes_and_goes_and_a_replay_keeps_its_origin(store: Store) -> None:
    """What a run was made with stays; why it is paused is told as long as it is."""
    await store.append(first("a", replays=RunId("old")))
    await store.append(changing("a", 2, RunStatus.PAUSED, reason="Buy more.", name="other"))
    found = await known(store, "a")
    assert (found.reason, found.replays, found.name) == ("Buy more.", "old", "name of a")
    event = ev.Event(RunId("a"), 3, NOW, ev.RunPaused("Ask support."))
    still = summary("a", 3, RunStatus.PAUSED, reason="Ask support.")
    await store.append(Append(RunId("a"), 2, [event], still, was=RunStatus.PAUSED))
    assert (await known(store, "a")).reason == "Ask support."
    await store.append(changing("a", 4, RunStatus.RUNNING))
    found = await known(store, "a")
    assert (found.reason, found.replays) == ("", "old")


async def test_a_run_that_goes_on_moves_its_progress_only(store: Store) -> None:
    """Steps done, time to wake and number of the last event are written with every change."""
    await store.append(first("a"))
    event = ev.Event(RunId("a"), 2, NOW, ev.StepIntended(StepId("s"), 1))
    progress = summary("a", 2, steps_done=2, wake_at=NOW)
    await store.append(Append(RunId("a"), 1, [event], progress, was=RunStatus.RUNNING))
    assert await store.summary(RunId("a")) == progress


async def test_a_child_that_exists_takes_its_parent_s_change_back(store: Store) -> None:
    """All of an append or nothing, child runs included."""
    await store.append(first("x"))
    await store.append(first("p", rows=[Row(0, "r", RunKey("k"), {}, {})], rows_total=1))
    event = ev.Event(RunId("p"), 2, NOW, ev.ChildrenCreated(1, created=1))
    change = Append(RunId("p"), 1, [event], summary("p", 2), children=[NewChild(0, first("x"))])
    with pytest.raises(ConflictError):
        await store.append(change)
    assert (await known(store, "p")).seq == 1
    assert len(await store.journal(RunId("p"))) == 1
    assert [row.child for row in await store.rows(RunId("p"), 0, 9)] == [None]


async def test_a_run_that_was_forgotten_is_not_joined(store: Store) -> None:
    """Who found it before has to look again; nothing of the change is left."""
    row = Row(0, "r", RunKey("k"), {}, {})
    with pytest.raises(ConflictError):
        await store.append(first("p", rows=[replace(row, child=RunId("gone"))], rows_total=1))
    assert await store.summary(RunId("p")) is None
    await store.append(first("p", rows=[row], rows_total=1))
    event = ev.Event(RunId("p"), 2, NOW, ev.ChildrenCreated(1, created=0))
    with pytest.raises(ConflictError):
        await store.append(Append(RunId("p"), 1, [event], summary("p", 2), joined=[(0, RunId("gone"))]))
    assert (await known(store, "p")).seq == 1
    assert await store.rows(RunId("p"), 0, 9) == [row]


async def prune(store: Store, before: datetime) -> int:
    """Rounds until one forgets nothing, a run or two at a look."""
    total = 0
    while True:
        in_round, after = 0, None
        while True:
            found = await store.prune(before, after=after, limit=2)
            in_round, after = in_round + found.runs, found.after
            if after is None:
                break
        total += in_round
        if not in_round:
            return total


async def left(store: Store) -> set[str]:
    return {run.id for run in await store.summaries(RunFilter())}


def ended(run_id: str, at: datetime, **more: Any) -> Append:
    return first(run_id, status=RunStatus.SUCCEEDED, ended_at=at, **more)


async def test_finished_runs_are_forgotten_once_they_are_old(store: Store) -> None:
    """With their journals and out of the counts; what is younger or not over stays."""
    for number in range(5):
        await store.append(ended(f"old{number}", NOW - timedelta(days=40, minutes=number)))
    await store.append(ended("young", NOW))
    await store.append(first("running"))
    assert await prune(store, NOW - timedelta(days=30)) == 5
    assert await left(store) == {"young", "running"}
    assert await store.journal(RunId("old1")) == []
    assert await store.counts() == {RunStatus.SUCCEEDED: 1, RunStatus.RUNNING: 1}
    assert await prune(store, NOW - timedelta(days=30)) == 0


async def test_a_table_goes_with_its_child_runs_or_not_at_all(store: Store) -> None:
    """One child that is not over, or not old enough, keeps its parent and with it all others."""
    old = NOW - timedelta(days=40)
    for table, last in (("t", old), ("u", NOW)):
        rows = [Row(number, "r", RunKey("k"), {}, {}) for number in range(3)]
        await store.append(ended(table, old, rows=rows, rows_total=3))
        children = [NewChild(number, ended(f"{table}{number}", old, parent=table)) for number in range(2)]
        children.append(NewChild(2, ended(f"{table}2", last, parent=table)))
        event = ev.Event(RunId(table), 2, NOW, ev.ChildrenCreated(3, created=3))
        over = summary(table, 2, RunStatus.SUCCEEDED, ended_at=old)
        await store.append(Append(RunId(table), 1, [event], over, children=children))
    assert await prune(store, NOW - timedelta(days=30)) == 4
    assert await left(store) == {"u", "u0", "u1", "u2"}


async def test_what_an_unfinished_run_needs_is_kept(store: Store) -> None:
    """A run that it joined, replays, or is the parent of."""
    old = NOW - timedelta(days=40)
    for name in ("joined", "replayed", "parent", "free"):
        await store.append(ended(name, old))
    rows = [Row(0, "r", RunKey("k"), {}, {}, RunId("joined"))]
    await store.append(first("table", rows=rows, rows_total=1))
    await store.append(first("replay", replays=RunId("replayed")))
    await store.append(first("child", parent="parent"))
    assert await prune(store, NOW) == 1
    assert await left(store) == {"joined", "replayed", "parent", "table", "replay", "child"}
    for name in ("table", "replay", "child"):
        await store.append(changing(name, 2, RunStatus.FAILED, ended_at=old))
    assert await prune(store, NOW) == 6
    assert await left(store) == set()


async def test_a_line_is_kept_in_the_order_in_which_it_formed(store: Store) -> None:
    """Places are counted by group; those in line come by the time they queued, then by id, a page at a time."""
    live: dict[str, Any] = {"group": "live 1", "group_limit": 2}
    for name, queued_s in (("a", None), ("b", 30), ("c", 10), ("d", 10), ("e", 20)):
        queued_at = None if queued_s is None else NOW + timedelta(seconds=queued_s)
        await store.append(first(name, **live, queued_at=queued_at, has_place=queued_at is None))
    await store.append(first("other", group="live 2", queued_at=NOW))
    await store.append(first("free"))
    queue = await store.queue("live 1", limit=2)
    assert queue.taken == 1
    assert queue.line == [Queued(RunId(name), NOW + timedelta(seconds=10), 2) for name in ("c", "d")]
    rest = await store.queue("live 1", after=queue.line[-1])
    assert [one.run_id for one in rest.line] == ["e", "b"]
    assert sorted(await store.queues()) == ["live 1", "live 2"]


async def test_who_begins_leaves_the_line_and_who_ends_gives_the_place_away(store: Store) -> None:
    """With the change of the run itself; its group stays what it was."""
    await store.append(first("a", status=RunStatus.CREATED, group="g", queued_at=NOW))
    started = ev.Event(RunId("a"), 2, NOW, ev.RunStarted())
    await store.append(Append(RunId("a"), 1, [started], summary("a", 2, has_place=True), RunStatus.CREATED))
    assert (await store.queue("g")).taken == 1
    assert await store.queues() == []
    ended = ev.Event(RunId("a"), 3, NOW, ev.RunFailed(ev.ErrorInfo("x")))
    await store.append(Append(RunId("a"), 2, [ended], summary("a", 3, RunStatus.FAILED), RunStatus.RUNNING))
    assert (await store.queue("g")).taken == 0
    known = await store.summary(RunId("a"))
    assert known is not None
    assert (known.group, known.queued_at, known.has_place) == ("g", None, False)
