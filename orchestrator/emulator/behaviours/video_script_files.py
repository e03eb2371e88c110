"""Files around a script: recorded speech, subtitles, thumbnails, previews (reference tables 5-20 to 5-25, 5-60).

They lie under the script's id. What the service makes itself follows the script: it is made anew when what it shows has
changed. Subtitles are made with the script, thumbnails and previews when they are first looked at.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact
from orchestrator.emulator.behaviours.digital_asset import download_url, object_key
from orchestrator.emulator.behaviours.materials import find_material
from orchestrator.emulator.murmur import voice_pitch_hz
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.recipe import scene_key
from orchestrator.emulator.records import File, FileState, Making, Script
from orchestrator.emulator.speech import plain_text, speech_of, subtitles

_AUDIO, _SUBTITLES, _THUMBNAIL, _PREVIEW = "AUDIO", "SUBTITLES", "THUMBNAIL", "PREVIEW"
#: How long the service takes for subtitles.
_SUBTITLES_S = 1.0
#: Longer side of a thumbnail.
_THUMBNAIL_PIXELS = 320
_THUMBNAIL_CHARS = 48


def is_recorded(item: Mapping[str, Any]) -> bool:
    """Whether a scene's speech is recorded, not made from its text."""
    return bool(item["shoot_script"].get("script_type") == "AUDIO")


def text_of(item: Mapping[str, Any]) -> str:
    """The text of a scene as it was sent."""
    return str((item["shoot_script"].get("text_config") or {}).get("text", ""))


# -- recorded speech ---------------------------------------------------------------------------------


def with_audio_files(call: Call, script: Script) -> Script:
    """The script with a file of its own for each scene of recorded speech; those of former scenes are deleted."""
    audio: dict[str, str] = {}
    for key in (scene_key(item) for item in script.body["shoot_scripts"] if is_recorded(item)):
        file = call.world.files.get(script.audio.get(key, ""))
        if file is None or file.asset_id != script.id:
            file = _add(call, script.id, f"speech-{key}.audio", _AUDIO)
        audio[key] = file.id
    for file_id in set(script.audio.values()) - set(audio.values()):
        _discard(call, script, call.world.files.get(file_id))
    return replace(script, audio=audio)


def audio_uploads(call: Call, script: Script) -> dict[str, Any] | None:
    """Where recorded speech is to be sent (table 5-24), or None where there is none of the script's own."""
    files = ((key, call.world.files.get(file_id)) for key, file_id in script.audio.items())
    rows = [
        {"sequence_no": int(key), "audio_file_upload_url": _upload_url(call, file)}
        for key, file in files
        if file is not None and file.asset_id == script.id
    ]
    return {"audio_file_url": rows} if rows else None


def audio_downloads(call: Call, script: Script) -> dict[str, Any] | None:
    """Where recorded speech lies that has been uploaded (table 5-62)."""
    files = ((key, call.world.files.get(file_id)) for key, file_id in script.audio.items())
    rows = [
        compact({"sequence_no": int(key), "audio_file_download_url": _stored_url(call, file)})
        for key, file in files
    ]
    return {"audio_file_url": rows} if rows else None


def delete_files(call: Call, script: Script) -> None:
    """Deletes the files of a script that is gone, but for recordings that its copies share."""
    for file in call.world.files_of(script.id):
        _discard(call, script, file)


def _discard(call: Call, script: Script, file: File | None) -> None:
    if file is None or file.asset_id != script.id:
        return
    others = (other for other in call.world.scripts if other.id != script.id)
    if file.category == _AUDIO and any(file.id in other.audio.values() for other in others):
        return
    _delete(call, file)


# -- subtitles ---------------------------------------------------------------------------------------


def make_subtitles(call: Call, script: Script) -> None:
    """Starts to make the subtitles that the script wants, unless they are made already."""
    wanted = set()
    for item in script.body["shoot_scripts"]:
        if _wants_subtitles(script, item):
            name = f"subtitles-{scene_key(item)}.srt"
            wanted.add(name)
            speech = speech_of(text_of(item), _speed(script))
            making = None if is_recorded(item) else Making("text", {"text": subtitles(speech)})
            _product(call, script.id, name, _SUBTITLES, making)
    for file in call.world.files_of(script.id):
        if file.category == _SUBTITLES and file.name not in wanted:
            _delete(call, file)


def subtitle_info(call: Call, script: Script, item: Mapping[str, Any]) -> dict[str, Any] | None:
    """A scene's subtitles as the API shows them (table 5-58); None where none are wanted."""
    file = _find(call, script.id, f"subtitles-{scene_key(item)}.srt", _SUBTITLES)
    if file is None:
        return None
    state = _subtitle_state(call, file)
    done = state == "GENERATE_SUCCEED"
    info = {
        "subtitle_file_download_url": _stored_url(call, file) if done else None,
        "subtitle_file_upload_url": _upload_url(call, file),
        "subtitle_file_state": state,
        "job_id": None if file.make is None else file.id,
    }
    return {"audio_subtitle_file" if is_recorded(item) else "text_subtitle_file": compact(info)}


def _wants_subtitles(script: Script, item: Mapping[str, Any]) -> bool:
    enabled = (script.body.get("video_config") or {}).get("is_subtitle_enable")
    return bool(enabled or item.get("subtitle_file_info"))


def _subtitle_state(call: Call, file: File) -> str | None:
    """None for those of recorded speech that the customer has not uploaded yet."""
    if file.make is None:
        return "GENERATE_SUCCEED" if file.segments else None
    if file.state is FileState.FAILED:
        return "GENERATE_FAILED"
    due = file.created_at + timedelta(seconds=_SUBTITLES_S / call.config.speed)
    if call.now < due or not call.world.is_there(file):
        return "GENERATING"
    # A text of nothing but pauses gives no line.
    return "GENERATE_SUCCEED" if file.make.params["text"] else "GENERATE_FAILED"


# -- thumbnails and previews -------------------------------------------------------------------------


def cover_url(call: Call, script: Script) -> str | None:
    """Where the thumbnail of a script lies, once it is made; it shows the first scene."""
    scenes = script.body.get("shoot_scripts") or ()
    return thumbnail_url(call, script, scenes[0]) if scenes else None


def thumbnail_url(call: Call, script: Script, item: Mapping[str, Any]) -> str | None:
    """Where the thumbnail of a scene lies, once it is made."""
    wide = script.body.get("view_mode", "LANDSCAPE") == "LANDSCAPE"
    size = (_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS * 9 // 16)
    width, height = size if wide else size[::-1]
    making = {
        "title": script.name[:_THUMBNAIL_CHARS],
        "text": plain_text(text_of(item))[:_THUMBNAIL_CHARS],
        "width": width,
        "height": height,
    }
    name = f"thumbnail-{scene_key(item)}.png"
    return _stored_url(call, _product(call, script.id, name, _THUMBNAIL, Making("page", making)))


def preview_info(call: Call, script: Script, item: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a scene sounds like (table 5-60); nothing for recorded speech."""
    text = text_of(item)
    if not text or is_recorded(item):
        return None
    voice_id = (script.body.get("voice_config") or {}).get("voice_asset_id")
    voice = find_material(call, voice_id) if voice_id else None
    url = None
    if voice is not None:
        sex = ((voice.extra_meta or {}).get("voice_model_meta") or {}).get("sex")
        making = {
            "duration_s": min(call.config.video_max_s, speech_of(text, _speed(script)).duration_s),
            "pitch_hz": voice_pitch_hz(sex, voice.id),
        }
        name = f"preview-{scene_key(item)}.mp3"
        url = _stored_url(call, _product(call, script.id, name, _PREVIEW, Making("speech", making)))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return compact({"text_sha256": digest, "audio_file_download_url": url})


def _speed(script: Script) -> int:
    return (script.body.get("voice_config") or {}).get("speed") or 100


# -- files -------------------------------------------------------------------------------------------


def _product(call: Call, script_id: str, name: str, category: str, making: Making | None) -> File:
    """The file that is made so, in place of one that was made otherwise."""
    file = _find(call, script_id, name, category)
    if file is not None and file.make == making:
        return file
    if file is not None:
        _delete(call, file)
    return _add(call, script_id, name, category, making)


def _add(call: Call, script_id: str, name: str, category: str, making: Making | None = None) -> File:
    return call.world.add_file(
        File(
            id=call.world.new_id(),
            asset_id=script_id,
            name=name,
            type=name.rpartition(".")[2],
            category=category,
            state=FileState.CREATING if making is None else FileState.CREATED,
            created_at=call.now,
            updated_at=call.now,
            make=making,
        )
    )


def _delete(call: Call, file: File) -> None:
    call.world.files.put(replace(file, state=FileState.DELETED, updated_at=call.now))


def _find(call: Call, script_id: str, name: str, category: str) -> File | None:
    files: Iterable[File] = call.world.files_of(script_id)
    return next((f for f in files if f.category == category and f.name == name), None)


def _upload_url(call: Call, file: File) -> str:
    return call.links.put_url(ObjectRef(object_key(call, file)), call.upload_end)


def _stored_url(call: Call, file: File | None) -> str | None:
    if file is None or not (file.segments or (file.make is not None and call.world.is_there(file))):
        return None
    return download_url(call, file)
