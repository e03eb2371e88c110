"""A livestream by the clock: it begins, speaks paragraph after paragraph, replies in between, ends.

Every step is derived from the times in the job's record. The events of table 6-31 are sent as the steps happen.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Moment, compact
from orchestrator.emulator.behaviours.live_interaction import PRESET_SCRIPT, Reply, react
from orchestrator.emulator.behaviours.live_program import has_round, paragraphs, round_of
from orchestrator.emulator.behaviours.live_records import (
    AUDIENCE_EVENTS,
    ROOMS,
    Insertion,
    LiveJob,
    LiveState,
    Playback,
    Speaking,
    Stream,
    drop_files,
)
from orchestrator.emulator.records import CallbackTarget, File, FileState, JobError, Making
from orchestrator.emulator.refusals import error_facts
from orchestrator.emulator.tables import Kind

#: From the connection to the platform being opened to its standing.
CONNECT_S = 1.0
#: Failures of content: they block the room too.
_BLOCKING = frozenset({"MSS.20010006", "MSS.20010007", "MSS.20010157"})
#: Nothing is shorter, so that time passes at any speed.
_TICK = timedelta(microseconds=1)
_JSON = json.JSONEncoder(ensure_ascii=False)


def due_at(job: LiveJob) -> datetime | None:
    """When something happens to a livestream by itself next."""
    if not job.state.running:
        return None
    if job.state is LiveState.WAITING:
        return None if job.stuck else job.starts_at
    times = [job.limit_at]
    if job.playback is Playback.PREPROCESSING:
        times.append(job.ready_at)
    if job.speaking is not None:
        times.append(job.speaking.until)
    if job.stream is not None and job.stream.connects_at is not None:
        times.append(job.stream.connects_at)
    return min(times)


def on_due(moment: Moment, job: LiveJob) -> None:
    """Lets the next thing happen to a livestream."""
    stream = job.stream
    if job.state is LiveState.WAITING:
        job = _begin(moment, job)
    elif job.limit_at <= moment.now:
        job = end(moment, job, LiveState.SUCCEED)
    elif stream is not None and stream.connects_at is not None and stream.connects_at <= moment.now:
        job = _connected(moment, job, stream)
    elif job.playback is Playback.PREPROCESSING and job.ready_at <= moment.now:
        job = _ready(moment, job)
    elif job.speaking is not None and job.speaking.until <= moment.now:
        job = go_on(moment, job, _said(moment, job, job.speaking))
    put(moment, job)


LIVE_JOBS = Kind("live_jobs", LiveJob, due_at=due_at, on_due=on_due)


def put(moment: Moment, job: LiveJob) -> LiveJob:
    """Keeps a changed livestream."""
    if job.updated_at != moment.now:
        job = replace(job, updated_at=moment.now)
    return moment.world[LIVE_JOBS].put(job)


def insert(moment: Moment, job: LiveJob, insertion: Insertion) -> LiveJob:
    """The job with a reply at its place: PLAY_NOW breaks in, INSERT waits for the sentence, APPEND for the scene."""
    if insertion.play_type == "PLAY_NOW":
        job = replace(job, insertions=(insertion, *job.insertions))
    else:
        job = replace(job, insertions=(*job.insertions, insertion))
    if job.playback is Playback.PREPROCESSING:
        return job
    if job.speaking is None:
        return go_on(moment, job, job.said_s)
    if insertion.play_type == "PLAY_NOW":
        return go_on(moment, job, _said(moment, job, replace(job.speaking, ends=False)))
    return _cut_behind_sentence(moment, job) if insertion.play_type == "INSERT" else job


def respond(
    moment: Moment, job: LiveJob, index: str | None, reply: Reply | None
) -> tuple[LiveJob, str | None]:
    """The job with what a rule wants spoken, and the id of that reply."""
    if reply is None:
        return job, None
    insertion = Insertion(id=moment.world.new_id(), rule_index=index, **asdict(reply))
    return insert(moment, job, insertion), insertion.id


def push_to(moment: Moment, job: LiveJob, output: Mapping[str, Any], connects_at: datetime) -> LiveJob:
    """The job with the stream pushed to another address, to none if `output` names none."""
    if job.stream is not None:
        _tell_stream(moment, job, job.stream, "DISCONNECTED")
    urls, keys = output.get("output_urls") or [], output.get("stream_keys") or []
    if not urls:
        return replace(job, stream=None)
    since = None if job.stream is None else job.stream.connected_at
    stream = Stream(urls[0], keys[0] if keys else "", connects_at, since)
    _tell_stream(moment, job, stream, "CONNECTING")
    return replace(job, stream=stream)


def end(moment: Moment, job: LiveJob, state: LiveState, error: JobError | None = None) -> LiveJob:
    """The ended job; its temporary room is cleared away, a room whose content was refused is blocked."""
    if job.stream is not None:
        _tell_stream(moment, job, job.stream, "END")
    room = moment.world[ROOMS].get(job.room_id)
    if room is not None and room.type == "TEMP":
        drop_files(moment, room.id)
        moment.world[ROOMS].drop(room.id)
    elif room is not None and state is LiveState.BLOCKED:
        moment.world[ROOMS].put(replace(room, blocked=error))
    return replace(
        job,
        state=state,
        playback=Playback.PLAY_END,
        error=error,
        finished_at=moment.now,
        speaking=None,
        insertions=(),
        log_id=_add_log(moment, job).id if job.state is LiveState.PROCESSING else None,
    )


def go_on(moment: Moment, job: LiveJob, said_s: float | None) -> LiveJob:
    """The job with what it speaks next: a reply, the rest of the paragraph, the next one, another round, or nothing.

    `said_s` tells how much of the paragraph is spoken, None that it is finished. This happens every few seconds of
    each livestream: records are made anew as seldom as can be.
    """
    pressing = next((one for one in job.insertions if one.play_type != "APPEND"), None)
    if pressing is not None:
        return _speak(moment, job, said_s, pressing)
    if said_s is not None:
        return _resume(moment, job, said_s)
    following = job.program[job.at + 1] if job.scripted and job.at + 1 < len(job.program) else None
    scene_ends = following is None or (job.paragraph is not None and following.scene != job.paragraph.scene)
    if job.insertions and scene_ends:
        return _speak(moment, job, said_s, job.insertions[0])
    if following is not None:
        return _next_paragraph(moment, job)
    return _next_round(moment, job) if job.scripted else _silent(job)


# -- beginning -----------------------------------------------------------------------------------


def _begin(moment: Moment, job: LiveJob) -> LiveJob:
    return push_to(moment, replace(job, state=LiveState.PROCESSING), job.secrets, moment.after(CONNECT_S))


def _connected(moment: Moment, job: LiveJob, stream: Stream) -> LiveJob:
    stream = replace(stream, connects_at=None, connected_at=stream.connected_at or moment.now)
    _tell_stream(moment, job, stream, "CONNECTED")
    return replace(job, stream=stream)


def _ready(moment: Moment, job: LiveJob) -> LiveJob:
    if job.doomed is not None:
        facts = error_facts().get(job.doomed)
        error = JobError(job.doomed, facts.message if facts else job.doomed)
        return end(moment, job, LiveState.BLOCKED if job.doomed in _BLOCKING else LiveState.FAILED, error)
    return go_on(moment, replace(job, playback=Playback.PLAY_READY), job.said_s)


# -- speaking ------------------------------------------------------------------------------------


def _speak(moment: Moment, job: LiveJob, said_s: float | None, reply: Insertion) -> LiveJob:
    waiting = tuple(one for one in job.insertions if one.id != reply.id)
    speaking = Speaking(moment.now, _later(moment, reply.length_s), reply)
    return replace(job, playback=Playback.PROCESSING, speaking=speaking, said_s=said_s, insertions=waiting)


def _next_paragraph(moment: Moment, job: LiveJob, **of_round: Any) -> LiveJob:
    """The job at its next paragraph; `of_round` is what changes with a new round."""
    at = of_round.get("at", job.at) + 1
    paragraph = of_round.get("program", job.program)[at]
    speaking = Speaking(moment.now, _later(moment, paragraph.marks[-1]))
    changes = {
        **of_round,
        "at": at,
        "said_s": 0.0,
        "playback": Playback.PROCESSING,
        "speaking": speaking,
        "updated_at": moment.now,
    }
    job = replace(job, **changes)
    live_id = (job.config.get("relation_live_platform_info") or {}).get("live_id")
    message = {
        "scene_script_name": paragraph.scene,
        "shoot_script_sequence_no": str(paragraph.number),
        "shoot_script_title": paragraph.title or "",
        **paragraph.product,
        "live_id": live_id,
    }
    _tell(moment, job, "SHOOT_SCRIPT_SWITCH", compact(message))
    job, index, reply = react(job, PRESET_SCRIPT, paragraph.text, moment.now, moment.config.speed)
    return respond(moment, job, index, reply)[0]


def _resume(moment: Moment, job: LiveJob, said_s: float) -> LiveJob:
    speaking = Speaking(moment.now, _later(moment, job.program[job.at].marks[-1] - said_s))
    return replace(job, playback=Playback.PROCESSING, speaking=speaking, said_s=said_s)


def _said(moment: Moment, job: LiveJob, speaking: Speaking) -> float | None:
    """How much of the paragraph is spoken by now, None: it is finished; a reply is over even when it was broken off."""
    if speaking.reply is not None:
        _tell(moment, job, "REPLY_COMMAND_FINISH", {"reply_id": speaking.reply.id})
        return job.said_s
    if speaking.ends:
        return None
    spoken_s = (moment.now - speaking.since).total_seconds() * moment.config.speed
    return (job.said_s or 0.0) + spoken_s


def _cut_behind_sentence(moment: Moment, job: LiveJob) -> LiveJob:
    speaking = job.speaking
    if speaking is None or speaking.reply is not None:
        return job
    begun_s, marks = job.said_s or 0.0, job.program[job.at].marks
    now_s = begun_s + (moment.now - speaking.since).total_seconds() * moment.config.speed
    behind = next((mark for mark in marks[:-1] if mark > now_s), None)
    if behind is None:
        return job
    until = speaking.since + timedelta(seconds=(behind - begun_s) / moment.config.speed)
    return replace(job, speaking=replace(speaking, until=max(until, moment.now), ends=False))


def _later(moment: Moment, seconds: float) -> datetime:
    return max(moment.after(seconds), moment.now + _TICK)


def _next_round(moment: Moment, job: LiveJob) -> LiveJob:
    policy = job.config.get("play_policy") or {}
    script = paragraphs(job.config.get("scene_scripts") or ())
    if not script or not has_round(job.round + 1, policy):
        return end(moment, job, LiveState.SUCCEED)
    program = tuple(round_of(script, job.round + 1, policy, job.id))
    return _next_paragraph(moment, job, round=job.round + 1, program=program, at=-1)


def _silent(job: LiveJob) -> LiveJob:
    return replace(job, playback=Playback.PLAY_READY, speaking=None, said_s=None)


# -- telling -------------------------------------------------------------------------------------


def _tell(moment: Moment, job: LiveJob, event_type: str, fields: Mapping[str, Any]) -> None:
    """Sends an event to the room's callback, if that asked for its type."""
    config = job.secrets.get("live_event_callback_config") or {}
    url = config.get("live_event_type_callback_url")
    # The reference gives no default for the types: none named, none sent.
    if not url or event_type not in (config.get("callback_event_type") or ()):
        return
    # Nothing is published of what MEITUAN_DEFAULT adds, so it goes out as NONE does.
    target = CallbackTarget(url, config.get("auth_type") or "NONE", config.get("key") or "", "live")
    message = {"room_id": job.room_id, "job_id": job.id, **fields}
    body = {"event_type": event_type, "message": _JSON.encode(message)}
    moment.send(target, job.id, body, moment.now)


def _tell_stream(moment: Moment, job: LiveJob, stream: Stream, state: str) -> None:
    fields = {"output_url": stream.url, "stream_key": stream.key, "state": state}
    _tell(moment, job, "RTMP_STREAM_STATE_CHANGE", fields)


def _add_log(moment: Moment, job: LiveJob) -> File:
    """The record of what the audience did and what that set off, a JSON object a line."""
    events = (event for event in moment.world[AUDIENCE_EVENTS] if event.job_id == job.id)
    keys = ("timestamp", "type", "content", "rule_index", "command_id")
    lines = (json.dumps(compact({key: getattr(event, key) for key in keys})) for event in events)
    return moment.world.add_file(
        File(
            id=moment.world.new_id(),
            asset_id=job.id,
            name="interaction_records.jsonl",
            type="jsonl",
            category="OTHER",
            state=FileState.CREATED,
            created_at=moment.now,
            updated_at=moment.now,
            make=Making("text", {"text": "\n".join(lines)}),
        )
    )


KINDS = (LIVE_JOBS,)
