"""Every operation that makes something, its answer lost in every way: one thing is made, or a person is asked."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.domain.run import StepStatus
from orchestrator.emulator.faults import Fault
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.steps.adoption import ADOPTIONS, REPEATABLE
from tests.contract.creating import (
    ASSET,
    DOUBTFUL,
    OWN_ROOM,
    ROOM,
    SCRIPT,
    SURE,
    UNSURE,
    Case,
    a_livestream,
    an_asset,
    case,
    file_of,
    name_of,
)
from tests.contract.virtual_cloud import LONG_S, Cloud, in_the_cloud, last, step

each_sure = pytest.mark.parametrize("one", SURE, ids=name_of)
each_unsure = pytest.mark.parametrize("one", UNSURE, ids=name_of)
each_doubtful = pytest.mark.parametrize("one", DOUBTFUL, ids=name_of)


def test_every_operation_that_changes_something_is_decided_about() -> None:
    """It has a row, or stands among those that may be repeated, with the reason."""
    changing = {operation.id for operation in OPERATIONS.values() if not operation.reads}
    assert ADOPTIONS.keys() | REPEATABLE.keys() == changing
    assert not ADOPTIONS.keys() & REPEATABLE.keys()
    assert ADOPTIONS.keys() == {operation.id for operation in OPERATIONS.values() if operation.creates}
    assert all(row.why and row.key and row.where and row.cost for row in ADOPTIONS.values())
    assert all(REPEATABLE.values())


def test_every_row_is_played_here() -> None:
    """Those with a look among the sure ones, the others among those that a person has to see to."""
    assert {one.operation for one in SURE} == {key for key, row in ADOPTIONS.items() if row.look}
    assert {one.operation for one in UNSURE} == {key for key, row in ADOPTIONS.items() if not row.look}


@each_sure
@pytest.mark.parametrize(
    ("fault", "more"),
    [
        (Fault.RESET_AFTER, {}),
        (Fault.LATE, {"seconds": 60.0}),
        (Fault.RESET_BEFORE, {}),
        (Fault.TRUNCATE, {}),
    ],
    ids=["cut after it acted", "acts within a minute", "cut before it acted", "cut in the answer"],
)
def test_a_lost_answer_leaves_one(one: Case, fault: Fault, more: Mapping[str, Any]) -> None:
    """Whether the server acted at once, later or never: one is there, and it is the one that the run goes on with."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        before, calls = cloud.there(one.table), cloud.calls(one.operation)
        cloud.goes_wrong(one.operation, fault, **more)
        state = await cloud.run("p", *one.steps(given))
        assert last(state).error is None
        assert last(state).status is StepStatus.SUCCEEDED
        await asyncio.sleep(LONG_S)
        (made,) = cloud.there(one.table) - before
        assert last(state).outputs[ADOPTIONS[one.operation].output] == made
        # A file's upload address is lost with the answer, so `file.upload` replaces what it found.
        again = fault is Fault.RESET_BEFORE or one.uses == "file.upload"
        assert cloud.calls(one.operation) - calls == 1 + again

    in_the_cloud(play)


@each_sure
@pytest.mark.parametrize("how", ["never connected", "throttled"])
def test_what_surely_was_not_done_is_repeated_at_once(one: Case, how: str) -> None:
    """No look, no quiet time."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        before, began = cloud.there(one.table), cloud.clock()
        if how == "throttled":
            cloud.goes_wrong(one.operation, Fault.THROTTLE)
        else:
            cloud.line.refused.add(one.operation)
        state = await cloud.run("p", *one.steps(given))
        assert last(state).status is StepStatus.SUCCEEDED
        assert (cloud.clock() - began).total_seconds() < 30
        assert len(cloud.there(one.table) - before) == 1
        events = [event.body.TYPE for event in await cloud.store.journal(state.id)]
        assert not {"step.unknown", "step.looked_up", "step.adopted"} & set(events)

    in_the_cloud(play)


@each_sure
@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE])
def test_what_another_run_made_is_not_taken_for_ours(one: Case, fault: Fault) -> None:
    """The same pipeline ran a moment before; where names have to differ, ours is a part of the other's."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        others = one.steps(given)
        if one.unique:
            others = one.steps(given, **{one.unique: f"{one.with_.get(one.unique, 'cup.png')}.png"})
            if one.table == "files":
                others = one.steps({**given, **await an_asset(cloud)})
        if one.before == OWN_ROOM:
            room = step("room", OWN_ROOM[0].uses, **{**ROOM, "room_name": "Show 2"})
            others = (room, others[-1])
        other = await cloud.run("q", *others)
        assert last(other).status is StepStatus.SUCCEEDED
        before = cloud.there(one.table)
        cloud.goes_wrong(one.operation, fault)
        state = await cloud.run("p", *one.steps(given))
        assert last(state).status is StepStatus.SUCCEEDED
        await asyncio.sleep(LONG_S)
        (made,) = cloud.there(one.table) - before
        assert last(state).outputs[ADOPTIONS[one.operation].output] == made

    in_the_cloud(play)


@pytest.mark.parametrize("one", [one for one in SURE if not (one.unique or one.before)], ids=name_of)
def test_what_somebody_made_by_hand_is_not_taken_for_ours(one: Case) -> None:
    """The same name at the same time, without a key: it stays theirs, and ours is made, or a person is asked."""

    async def play(cloud: Cloud) -> None:
        await cloud.call(one.operation, **one.with_)
        before = cloud.there(one.table)
        cloud.goes_wrong(one.operation, Fault.RESET_BEFORE)
        state = await cloud.run("p", *one.steps({}))
        made = cloud.there(one.table) - before
        if one.weak:
            error = last(state).error
            assert error is not None
            assert error.code == "NO_ANSWER"
            assert made == set()
        else:
            assert made == {last(state).outputs[ADOPTIONS[one.operation].output]}

    in_the_cloud(play)


@pytest.mark.parametrize("one", [one for one in SURE if one.table == "files"], ids=lambda one: one.uses)
def test_a_file_of_that_name_with_other_content_is_not_ours(one: Case) -> None:
    """The service refuses a second one: that is what the user learns, and the other file stays."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        content = b"something else"
        other = await cloud.call("create_file", **file_of(given["asset_id"], content))
        cloud.goes_wrong(one.operation, Fault.RESET_BEFORE)
        state = await cloud.run("p", *one.steps(given))
        error = last(state).error
        assert error is not None
        assert error.code in {"MSS.10001008", "MSS.10001012"}
        assert cloud.there("files") == {other.file_id}

    in_the_cloud(play)


@each_unsure
@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE])
def test_where_no_look_is_sure_a_person_is_asked(one: Case, fault: Fault) -> None:
    """Not repeated, not looked for in vain; the message says where to look."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        calls, before = cloud.calls(one.operation), cloud.there(one.table)
        cloud.goes_wrong(one.operation, fault)
        state = await cloud.run("p", *one.steps(given))
        error = last(state).error
        assert error is not None
        assert error.code == "NO_ANSWER"
        assert ADOPTIONS[one.operation].where in error.hint
        await asyncio.sleep(LONG_S)
        assert cloud.calls(one.operation) == calls + 1
        counted = one.operation != "execute_smart_live_command"  # it makes nothing that stays
        assert len(cloud.there(one.table) - before) == (counted and fault is Fault.RESET_AFTER)

    in_the_cloud(play)


@each_doubtful
def test_what_may_be_another_runs_is_left_to_a_person(one: Case) -> None:
    """It is ours, but nothing of ours is on it: it is not taken, and not made again."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        before = cloud.there(one.table)
        cloud.goes_wrong(one.operation, Fault.RESET_AFTER)
        state = await cloud.run("p", *one.steps(given))
        error = last(state).error
        assert error is not None
        assert error.code == "NO_ANSWER"
        assert ADOPTIONS[one.operation].where in error.hint
        assert len(cloud.there(one.table) - before) == 1

    in_the_cloud(play)


@each_doubtful
def test_where_nothing_may_be_ours_it_is_made_again(one: Case) -> None:
    """The look finds nothing of that name, so nobody has to be asked."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        before = cloud.there(one.table)
        cloud.goes_wrong(one.operation, Fault.RESET_BEFORE)
        state = await cloud.run("p", *one.steps(given))
        assert last(state).status is StepStatus.SUCCEEDED
        assert len(cloud.there(one.table) - before) == 1

    in_the_cloud(play)


@pytest.mark.parametrize(
    "one",
    [
        case(
            "execute_smart_live_command",
            "live_jobs",
            command="GET_LIVE_JOB_CONFIG_INFO",
            setup=a_livestream,
        ),
        case("live_event_report", "live_jobs", total=1, refresh_url=True, setup=a_livestream),
    ],
    ids=name_of,
)
def test_a_request_that_makes_nothing_is_repeated(one: Case) -> None:
    """The operation makes something at other times; this request does not."""

    async def play(cloud: Cloud) -> None:
        given = await one.setup(cloud)
        cloud.goes_wrong(one.operation, Fault.RESET_AFTER)
        state = await cloud.run("p", *one.steps(given))
        assert last(state).status is StepStatus.SUCCEEDED
        assert cloud.calls(one.operation) == 2

    in_the_cloud(play)


@pytest.mark.parametrize(
    "one",
    [
        case("create_digital_asset", "assets", "asset.create", **ASSET, tags=[f"t{n}" for n in range(50)]),
        case("create_video_scripts", "scripts", **SCRIPT, priv_data="x" * 8151),
    ],
    ids=name_of,
)
def test_a_request_without_room_for_the_key_is_refused_before_it_is_sent(one: Case) -> None:
    """It says what leaves too little room."""

    async def play(cloud: Cloud) -> None:
        error = last(await cloud.run("p", *one.steps({}))).error
        assert error is not None
        assert error.code == "NO_ROOM"
        assert cloud.calls(one.operation) == 0

    in_the_cloud(play)
