"""Commands of a running livestream (reference 6.2.5, 11.5)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.emulator.behaviours.base import Call, compact, is_url
from orchestrator.emulator.behaviours.live_checks import check_rules, check_scenes, check_stream
from orchestrator.emulator.behaviours.live_playback import CONNECT_S, insert, push_to, put
from orchestrator.emulator.behaviours.live_program import AUDIO_S, paragraphs, round_of, text_s
from orchestrator.emulator.behaviours.live_records import (
    Insertion,
    LiveJob,
    LiveState,
    Paragraph,
)
from orchestrator.emulator.behaviours.live_room import config_info, with_rule_indexes
from orchestrator.emulator.behaviours.live_task import find_job
from orchestrator.emulator.faults import explain
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.metastudio.models.live_command import CleanUpInsertCommand, PlayAudioInfo, PlayTextInfo
from orchestrator.metastudio.models.live_room import LiveRoomInteractionRuleInfo, LiveVideoScriptInfo
from orchestrator.metastudio.models.live_task import ControlSmartLiveReq

M = TypeVar("M", bound=BaseModel)
Params = Mapping[str, Any]


def execute_smart_live_command(call: Call) -> dict[str, Any]:
    """Carries out a command; only a livestream at work takes some."""
    body = call.body_as(ControlSmartLiveReq)
    job = find_job(call)
    if job.state is not LiveState.PROCESSING:
        raise Refusal("MSS.20010099", f"{job.id} is {job.state}")
    answer = _COMMANDS[body.command](call, job, body.params or {})
    # SHOW_LAYER may be sent, but is none of the commands that an answer names (tables 6-321, 6-324).
    named = {} if body.command == "SHOW_LAYER" else {"command": body.command}
    return {**named, "result": "", **answer}


def _insert_script(call: Call, job: LiveJob, params: Params) -> dict[str, Any]:
    info = _read(PlayTextInfo, params)
    if info.text_config is None or not info.text_config.text.strip():
        raise Refusal("MSS.20010112")
    voice = _voice(job, info.play_role)
    if voice is None:
        raise Refusal("MSS.20010153")
    insertion = Insertion(
        id=call.world.new_id(),
        play_type=info.play_type or "PLAY_NOW",
        length_s=text_s(info.text_config.text, voice),
        text=info.text_config.text,
        role=info.play_role or "STREAMER",
        rule_index=info.rule_index,
    )
    put(call, insert(call, job, insertion))
    return {"command_id": insertion.id}


def _insert_audio(call: Call, job: LiveJob, params: Params) -> dict[str, Any]:
    info = _read(PlayAudioInfo, params)
    if not info.audio_url:
        raise Refusal("MSS.20010067", "audio_url")
    if not is_url(info.audio_url, {"http", "https"}):
        raise Refusal("MSS.20010093", "audio_url")
    insertion = Insertion(
        id=call.world.new_id(),
        play_type=info.play_type or "APPEND",
        length_s=AUDIO_S,
        role=info.play_role or "STREAMER",
        rule_index=info.rule_index,
    )
    put(call, insert(call, job, insertion))
    return {"command_id": insertion.id}


def _rewrite_script(call: Call, job: LiveJob, params: Params) -> dict[str, Any]:
    """What was spoken in this round, and what is being spoken, stays; the new script gives the rest."""
    scenes = _read_list(LiveVideoScriptInfo, params, "scene_scripts")
    check_scenes(call, scenes)
    config = {**job.config, "scene_scripts": scenes}
    done = job.program[: job.at + 1]
    known = {_key(paragraph) for paragraph in done}
    fresh = round_of(paragraphs(scenes), job.round, config.get("play_policy") or {}, job.id)
    program = (*done, *(paragraph for paragraph in fresh if _key(paragraph) not in known))
    put(call, replace(job, config=config, program=program))
    return {}


def _rewrite_rules(call: Call, job: LiveJob, params: Params) -> dict[str, Any]:
    rules = _read_list(LiveRoomInteractionRuleInfo, params, "interaction_rules")
    check_rules(call, rules)
    put(call, replace(job, config={**job.config, "interaction_rules": with_rule_indexes(call, rules)}))
    return {}


def _current_scripts(_: Call, job: LiveJob, __: Params) -> dict[str, Any]:
    """The paragraphs of this round in the order they are spoken, scene after scene (table 11-5)."""
    scenes: list[dict[str, Any]] = []
    for row in job.program:
        if not scenes or scenes[-1]["script_name"] != row.scene:
            named = compact({"script_name": row.scene, "model_asset_id": row.model_asset_id})
            scenes.append({**named, "shoot_scripts": []})
        scenes[-1]["shoot_scripts"].append(compact({"sequence_no": row.number, "title": row.title}))
    return {"result": json.dumps({"scene_scripts": scenes}, ensure_ascii=False)}


def _show_layer(_: Call, __: LiveJob, params: Params) -> dict[str, Any]:
    """Its structure isn't published; any is taken, none is refused."""
    if not params:
        raise Refusal(INVALID_PARAMETER, "params: the layer to show")
    return {}


def _refresh_output(call: Call, job: LiveJob, params: Params) -> dict[str, Any]:
    """Pushes the stream elsewhere; the fields, which the reference doesn't give, are those of a room."""
    urls, keys = params.get("output_urls"), params.get("stream_keys") or []
    if not isinstance(urls, list) or len(urls) != 1 or not isinstance(keys, list):
        raise Refusal(INVALID_PARAMETER, "params: output_urls has one address, stream_keys its key")
    if not all(isinstance(key, str) for key in keys):
        raise Refusal(INVALID_PARAMETER, "params.stream_keys: texts")
    output = {"output_urls": urls, "stream_keys": keys}
    check_stream(output)
    job = push_to(call, job, output, call.after(CONNECT_S))
    put(call, replace(job, secrets={**job.secrets, **output}))
    return {}


def _config(_: Call, job: LiveJob, __: Params) -> dict[str, Any]:
    """The room as this livestream runs it."""
    room = {"room_id": job.room_id, **config_info(job.config, job.secrets)}
    return {"result": json.dumps(room, ensure_ascii=False)}


def _clean_up(call: Call, job: LiveJob, params: Params) -> dict[str, Any]:
    """Drops insertions that weren't spoken yet; all of them when none is named."""
    named = _read(CleanUpInsertCommand, params).command_ids or ()
    kept = tuple(one for one in job.insertions if named and one.id not in named)
    put(call, replace(job, insertions=kept))
    return {}


_COMMANDS: Mapping[str, Callable[[Call, LiveJob, Params], dict[str, Any]]] = {
    "INSERT_PLAY_SCRIPT": _insert_script,
    "INSERT_PLAY_AUDIO": _insert_audio,
    "REWRITE_PLAY_SCRIPT": _rewrite_script,
    "REWRITE_INTERACTION_RULES": _rewrite_rules,
    "GET_CURRENT_PLAYING_SCRIPTS": _current_scripts,
    "SHOW_LAYER": _show_layer,
    "REFRESH_OUTPUT_URL": _refresh_output,
    "GET_LIVE_JOB_CONFIG_INFO": _config,
    "CLEAN_UP_INSERT_COMMAND": _clean_up,
}


def _read(model: type[M], params: Any) -> M:
    try:
        return model.model_validate(params)
    except ValidationError as error:
        raise Refusal(INVALID_PARAMETER, f"params: {explain(error)}") from error


def _read_list(model: type[BaseModel], params: Params, name: str) -> list[dict[str, Any]]:
    rows = params.get(name)
    if not isinstance(rows, list):
        raise Refusal(INVALID_PARAMETER, f"params.{name}: a list")
    return [_read(model, row).model_dump(mode="json", exclude_none=True) for row in rows]


def _voice(job: LiveJob, role: str | None) -> Mapping[str, Any] | None:
    """The voice of who is to speak: the co-streamer's, or that of the scene, or of the first that has one."""
    if role == "CO_STREAMER":
        voice: Mapping[str, Any] | None = (job.config.get("co_streamer_config") or {}).get("voice_config")
        return voice
    scenes = job.config.get("scene_scripts") or ()
    here = job.paragraph.scene if job.paragraph is not None else None
    voices = [
        (scene["script_name"] != here, scene["voice_config"]) for scene in scenes if scene.get("voice_config")
    ]
    return min(voices, key=lambda pair: pair[0])[1] if voices else None


def _key(paragraph: Paragraph) -> tuple[str, int]:
    return paragraph.scene, paragraph.number


BEHAVIOURS = (execute_smart_live_command,)
