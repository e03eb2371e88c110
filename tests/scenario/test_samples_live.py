"""The sample of a live room and the step kinds of livestreams, against the emulator with its signed callbacks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.emulator.behaviours.live_playback import LIVE_JOBS
from orchestrator.emulator.behaviours.live_records import ROOMS, LiveJob
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.server import EmulatorServer
from orchestrator.steps.base import StepError, Surroundings, kinds
from tests.scenario.sample_stage import Stage, begin, outputs, state_of, step

AVATAR, VOICE = "0c7798664ee7178b3dba3bbef57c32e7", "0a4b548fd8d2d6998e1fc3fffb29f9bc"
HERE = {"room_id": "${{ steps.room.room_id }}", "job_id": "${{ steps.start.job_id }}"}


def room(repeats: int = -1, *texts: str) -> Step:
    items = [{"title": text, "text_config": {"text": text}} for text in texts or ("Welcome.",)]
    scene = {
        "script_name": "s",
        "model_asset_id": AVATAR,
        "voice_config": {"voice_asset_id": VOICE},
        "shoot_scripts": items,
    }
    video = {"codec": "H264", "bitrate": 4000, "width": 1080, "height": 1920}
    return step(
        "room",
        "live.room",
        room_name="Room",
        video_config=video,
        play_policy={"repeat_count": repeats},
        scene_scripts=[scene],
        output_urls=["rtmp://live.example.com/app"],
        stream_keys=["stream-key-of-ours"],
    )


def start(**more: Any) -> Step:
    return step("start", "live.start", "room", room_id="${{ steps.room.room_id }}", **more)


async def open_stage(folder: Path, *rules: FaultRule) -> Stage:
    return Stage(EmulatorServer(EmulatorConfig(speed=50, faults=FaultPlan(rules=rules))), folder)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = await open_stage(tmp_path)
    async with stage.server:
        yield stage


def livestreams(stage: Stage) -> list[LiveJob]:
    return list(stage.server.emulator.world[LIVE_JOBS])


async def test_the_sample_runs(stage: Stage) -> None:
    """The rule replies, the command is spoken when the offer begins, and nothing is left over."""
    (state,) = await stage.succeed("live-room.yaml")
    assert state.outputs["commanded_at"] == "Offer"
    assert outputs(state, "answered")["details"].keys() == {"reply_id"}
    assert outputs(state, "hurried")["details"] == {"reply_id": outputs(state, "hurry")["command_id"]}
    assert outputs(state, "stop")["state"] == "SUCCEED"
    assert not any(job.state.running for job in livestreams(stage))
    assert list(stage.server.emulator.world[ROOMS]) == []


async def test_no_key_is_written_down(stage: Stage) -> None:
    """Neither the callback's nor the stream's, though the events of a stream bear it."""
    connected = step(
        "connected",
        "live.on_event",
        "start",
        **HERE,
        event="RTMP_STREAM_STATE_CHANGE",
        match={"state": "CONNECTED"},
    )
    asked = step("asked", "live.command", "connected", **HERE, command="GET_LIVE_JOB_CONFIG_INFO")
    stop = step("stop", "live.stop", "asked", **HERE)
    (state,) = await stage.succeed(Pipeline("p", steps=(room(), start(), connected, asked, stop)))
    assert outputs(state, "connected")["details"] == {"state": "CONNECTED"}
    assert outputs(state, "asked")["result"]["room_name"] == "Room"
    (job,) = livestreams(stage)
    key = job.secrets["live_event_callback_config"]["key"]
    assert key.encode() not in stage.kept()
    assert "rtmp://live.example.com/app" not in brought(state)
    assert "stream-key-of-ours" not in brought(state)


def brought(state: RunState) -> str:
    """What the steps of a run brought and were told."""
    return repr([[one.outputs for one in state.steps.values()], state.hints])


async def test_a_cancelled_run_stops_its_livestream(stage: Stage) -> None:
    """A livestream that goes on would cost money."""
    on_air = step("on_air", "live.wait", "start", **HERE, until="running")
    ended = step("ended", "live.wait", "on_air", **HERE)
    async with stage.process() as app:
        run_id = await begin(app, Pipeline("p", steps=(room(), start(), on_air, ended)))
        with app.engine.live.watch() as events:
            while (await state_of(app, run_id)).steps[StepId("ended")].status is not StepStatus.WAITING:
                await asyncio.wait_for(events.get(), 10)
        assert [job.state.running for job in livestreams(stage)] == [True]
        await app.engine.cancel(run_id)
        summary = await asyncio.wait_for(app.engine.wait(run_id), 10)
    assert summary.status is RunStatus.CANCELLED
    assert [job.state.running for job in livestreams(stage)] == [False]


async def test_a_livestream_is_begun_once(tmp_path: Path) -> None:
    """One whose answer was lost is found by its room, and stopping it twice is no mistake."""
    rule = FaultRule(on="start_smart_live", do=Fault.RESET_AFTER, nth=1)
    stage = await open_stage(tmp_path, rule)
    stop, again = step("stop", "live.stop", "start", **HERE), step("again", "live.stop", "stop", **HERE)
    async with stage.server:
        (state,) = await stage.succeed(Pipeline("p", steps=(room(), start(), stop, again)))
        (job,) = livestreams(stage)
    assert outputs(state, "start") == {
        "job_id": job.id,
        "room_id": job.room_id,
        "warnings": [],
    }


async def test_one_that_nobody_knows_of_is_stopped_with_its_room(tmp_path: Path) -> None:
    """In a room of another run a lost answer holds the step; the cancelled run stops what is there, and says where to look."""
    stage = await open_stage(tmp_path, FaultRule(on="start_smart_live", do=Fault.RESET_AFTER, nth=1))
    async with stage.server, stage.process() as app:
        made = await begin(app, Pipeline("room", steps=(room(),)))
        await asyncio.wait_for(app.engine.wait(made), 10)
        there = outputs(await state_of(app, made), "room")["room_id"]
        begun = replace(start(), needs=(), with_={"room_id": there})
        stop, again = (
            step("stop", "live.stop", room_id=there),
            step("again", "live.stop", "stop", room_id=there),
        )
        run_id = await begin(app, Pipeline("p", steps=(begun,), finally_=(stop, again)))
        assert (await asyncio.wait_for(app.engine.rest(run_id), 20)).status is RunStatus.PAUSED
        assert [job.state.running for job in livestreams(stage)] == [True]
        await app.engine.cancel(run_id, reason="Enough.")
        summary = await asyncio.wait_for(app.engine.wait(run_id), 10)
        state = await state_of(app, run_id)
    assert [job.state.running for job in livestreams(stage)] == [False]
    assert summary.status is RunStatus.CANCELLED
    assert summary.reason.startswith("Enough. Step start: The answer to live.start was lost")
    assert " look " in summary.reason
    assert outputs(state, "stop")["state"] == "SUCCEED"
    assert outputs(state, "again")["job_id"] is None


async def test_many_are_stopped_by_their_rooms(stage: Stage) -> None:
    """Items that are over already go on when their run is cancelled, unless `finally` goes through the rooms."""
    rooms = replace(room(), id=StepId("rooms"), foreach=["a", "b"])
    rooms = replace(rooms, with_={**rooms.with_, "room_name": "Room ${{ item }}"})
    each = {"room_id": "${{ item.room_id }}"}
    begun = replace(step("start", "live.start", "rooms", **each), foreach="${{ steps.rooms.results }}")
    rest = step("rest", "sleep", "start", seconds=600)
    stop = replace(
        step("stop", "live.stop", **each), foreach="${{ steps.rooms.results }}", if_="steps.rooms is defined"
    )
    async with stage.process() as app:
        run_id = await begin(app, Pipeline("p", steps=(rooms, begun, rest), finally_=(stop,)))
        with app.engine.live.watch() as events:
            while (await state_of(app, run_id)).steps[StepId("start")].status is not StepStatus.SUCCEEDED:
                await asyncio.wait_for(events.get(), 10)
        assert [job.state.running for job in livestreams(stage)] == [True, True]
        await app.engine.cancel(run_id)
        assert (await asyncio.wait_for(app.engine.wait(run_id), 10)).status is RunStatus.CANCELLED
    assert [job.state.running for job in livestreams(stage)] == [False, False]


async def test_what_finally_has_removed_is_not_begun_again_by_a_retry(stage: Stage) -> None:
    """The failure says how to begin anew, and stopping what is gone is no mistake."""
    ended = step("ended", "live.wait", "start", **HERE)
    never = step("never", "live.on_event", "ended", **HERE, event="SHOOT_SCRIPT_SWITCH", match={"x": "y"})
    here = {"room_id": HERE["room_id"]}
    last = (
        step("stop", "live.stop", **here),
        step("remove", "api.delete_smart_live_room", "stop", **here),
    )
    async with stage.process() as app:
        run_id = await begin(app, Pipeline("p", steps=(room(0), start(), ended, never), finally_=last))
        await asyncio.wait_for(app.engine.wait(run_id), 10)
        await app.engine.retry(run_id)
        await asyncio.wait_for(app.engine.wait(run_id), 10)
        state = await state_of(app, run_id)
    error = state.error
    assert error is not None
    assert error.code == "LIVE_ENDED"
    assert "--again" in error.hint
    assert "runs replay RUN --from" in error.hint
    assert outputs(state, "stop")["job_id"] is None


async def test_an_event_that_cannot_come_any_more_fails(stage: Stage) -> None:
    """The livestream ends by itself; waiting for its end succeeds, waiting for what it never said does not."""
    never = step(
        "never",
        "live.on_event",
        "ended",
        **HERE,
        event="SHOOT_SCRIPT_SWITCH",
        match={"shoot_script_title": "x"},
    )
    first = step("first", "live.on_event", "ended", **HERE, event="SHOOT_SCRIPT_SWITCH")
    ended = step("ended", "live.wait", "start", **HERE)
    (state,) = await stage.end(Pipeline("p", steps=(room(0), start(), ended, replace(first), never)))
    assert outputs(state, "ended")["state"] == "SUCCEED"
    assert outputs(state, "first")["details"]["shoot_script_title"] == "Welcome."
    error = state.steps[StepId("never")].error
    assert error is not None
    assert error.code == "LIVE_ENDED"


async def test_without_callbacks_the_poller_sees_the_end(stage: Stage) -> None:
    """`events: []` asks for no report, and the livestream's end is found by the list of those under way."""
    polled = Stage(stage.server, stage.folder, {"engine.poll_first_s": 0.3})
    ended = step("ended", "live.wait", "start", **HERE)
    (state,) = await polled.succeed(Pipeline("p", steps=(room(0), start(events=[]), ended)))
    assert outputs(state, "ended")["state"] == "SUCCEED"
    (job,) = livestreams(stage)
    assert "live_event_callback_config" not in job.secrets


async def test_a_livestream_that_fails_fails_the_wait(tmp_path: Path) -> None:
    """With the cause that the service gives."""
    stage = await open_stage(tmp_path, FaultRule(on="live", do=Fault.FAIL, code="MSS.20010138"))
    ended = step("ended", "live.wait", "start", **HERE)
    async with stage.server:
        (state,) = await stage.end(Pipeline("p", steps=(room(), start(), ended)))
    error = state.steps[StepId("ended")].error
    assert error is not None
    assert error.code == "MSS.20010138"


async def test_a_room_and_a_library_are_changed(stage: Stage) -> None:
    """With an id nothing new is made."""
    rule = {"rule_name": "r", "event_type": 1, "hit_condition": {"tags": [{"value": "hi"}]}}
    rules = step("rules", "live.rules", group_name="Greetings", interaction_rules=[rule])
    more = step("more", "live.rules", "rules", group_id="${{ steps.rules.group_id }}", group_name="Hellos")
    same = replace(room(), id=StepId("same"), needs=(StepId("room"),))
    same = replace(same, with_={**same.with_, "room_id": "${{ steps.room.room_id }}", "room_name": "Other"})
    (state,) = await stage.succeed(Pipeline("p", steps=(room(), same, rules, more)))
    assert outputs(state, "same") == outputs(state, "room")
    assert outputs(state, "more") == outputs(state, "rules")
    (made,) = stage.server.emulator.world[ROOMS]
    assert made.name == "Other"


async def test_nothing_is_waited_for_that_cannot_come() -> None:
    """Without an address that MetaStudio can call, waiting for an event fails at once, with the remedy."""
    event = step("event", "live.on_event", room_id="r", job_id="j", event="SHOOT_SCRIPT_SWITCH")
    around = Surroundings(cast("Any", None), cast("Any", None), lambda _: None, cast("Any", None))
    kind = kinds()["live.on_event"]
    params = kind.params.model_validate(event.with_)
    with pytest.raises(StepError, match="no address") as failure:
        await kind.act(params, cast("Any", SimpleNamespace(around=around, run_id="run")))
    assert "public.url" in failure.value.hint
