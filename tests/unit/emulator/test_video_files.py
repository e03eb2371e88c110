"""Files around scripts: recorded speech, subtitles, thumbnails, previews."""

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.wire import Answer, Request

RECORDED = [
    {"sequence_no": 3, "shoot_script": {"script_type": "AUDIO"}},
    {"sequence_no": 7, "shoot_script": {"text_config": {"text": "And this is made."}}},
]


def made(tenant: Any, **changes: Any) -> tuple[str, str]:
    """A script with a recorded scene, and where the recording is to be sent."""
    body = {"script_name": "Spoken", "model_asset_id": AVATAR, "shoot_scripts": RECORDED, **changes}
    answer = tenant.ok("POST", "/digital-human-video-scripts", body)
    (row,) = answer["audio_files"]["audio_file_url"]
    assert row["sequence_no"] == 3
    return answer["script_id"], row["audio_file_upload_url"]


AVATAR = "0c7798664ee7178b3dba3bbef57c32e7"


def put(tenant: Any, url: str, data: bytes = b"ID3 hello") -> Answer:
    parts = urlsplit(url)
    headers = {"Content-Length": str(len(data))}
    request = Request("PUT", f"{parts.path}?{parts.query}", headers, data)
    return StorageRules(tenant.emulator).put(request)


def shown(tenant: Any, script_id: str) -> Any:
    return tenant.ok("GET", f"/digital-human-video-scripts/{script_id}")


def test_recorded_speech_is_uploaded_to_the_script(tenant: Any) -> None:
    """A video waits for no one: without the recording it is refused; the details tell where it lies."""
    script_id, url = made(tenant)
    body = {"script_id": script_id}
    assert tenant.refused("POST", "/2d-digital-human-videos", body) == (500, "MSS.20010026")
    assert shown(tenant, script_id)["audio_files"] == {"audio_file_url": [{"sequence_no": 3}]}
    assert put(tenant, url).status == 200
    (row,) = shown(tenant, script_id)["audio_files"]["audio_file_url"]
    assert urlsplit(row["audio_file_download_url"]).path == urlsplit(url).path
    assert tenant.ok("POST", "/2d-digital-human-videos", body)["job_id"]
    (listed,) = tenant.ok("GET", "/digital-human-video-scripts")["video_scripts"]
    assert (listed["script_type"], listed["text"]) == ("AUDIO", "And this is made.")


def test_an_update_hands_out_the_upload_url_again(tenant: Any) -> None:
    """The same file while the scene is there; a scene that is gone takes its recording along."""
    script_id, url = made(tenant)
    path = f"/digital-human-video-scripts/{script_id}"
    (row,) = tenant.ok("PUT", path, {"shoot_scripts": RECORDED})["audio_files"]["audio_file_url"]
    assert urlsplit(row["audio_file_upload_url"]).path == urlsplit(url).path
    assert tenant.ok("PUT", path, {"shoot_scripts": RECORDED[1:]}) == {"script_id": script_id}
    assert put(tenant, url).status == 404


def test_a_copy_shares_the_recording(tenant: Any) -> None:
    """Also after the original is deleted; a new recording of the copy is the copy's own."""
    script_id, url = made(tenant)
    put(tenant, url)
    path = f"/digital-human-video-scripts/{script_id}"
    copy = tenant.ok("POST", f"{path}/copy")["script_id"]
    tenant.ok("DELETE", path)
    assert tenant.ok("POST", "/2d-digital-human-videos", {"script_id": copy})
    answer = tenant.ok("PUT", f"/digital-human-video-scripts/{copy}", {"shoot_scripts": RECORDED})
    (row,) = answer["audio_files"]["audio_file_url"]
    assert urlsplit(row["audio_file_upload_url"]).path != urlsplit(url).path
    assert tenant.refused("POST", "/2d-digital-human-videos", {"script_id": copy}) == (500, "MSS.20010026")


def test_recorded_speech_without_a_script_is_refused(tenant: Any) -> None:
    """There is nowhere to upload it to."""
    body = {**tenant.ok("GET", f"/digital-human-video-scripts/{tenant.script()}"), "shoot_scripts": RECORDED}
    body = {key: body[key] for key in ("model_asset_id", "voice_config", "video_config", "shoot_scripts")}
    assert tenant.refused("POST", "/2d-digital-human-videos", body) == (400, "MSS.20010073")


def test_subtitles_are_made_after_a_while(tenant: Any, clock: Any) -> None:
    """GENERATING for a second, then GENERATE_SUCCEED with a SubRip file."""
    video = {"codec": "H264", "bitrate": 4000, "width": 1280, "height": 720, "is_subtitle_enable": True}
    script_id = tenant.script(video_config=video)

    def info() -> Any:
        return shown(tenant, script_id)["shoot_scripts"][0]["subtitle_file_info"]["text_subtitle_file"]

    assert info()["subtitle_file_state"] == "GENERATING"
    assert "subtitle_file_download_url" not in info()
    clock.pass_s(1)
    assert info()["subtitle_file_state"] == "GENERATE_SUCCEED"
    assert info()["subtitle_file_download_url"]
    (file,) = (file for file in tenant.emulator.world.files_of(script_id) if file.type == "srt")
    assert file.make.params["text"] == "1\n00:00:00,000 --> 00:00:02,400\nHello, this is the new kettle.\n"


def test_subtitles_follow_the_text(tenant: Any, clock: Any) -> None:
    """A new text is GENERATING again, one of nothing but pauses fails, and without the wish there are none."""
    video = {"codec": "H264", "bitrate": 4000, "width": 1280, "height": 720, "is_subtitle_enable": True}
    script_id = tenant.script(video_config=video)
    path = f"/digital-human-video-scripts/{script_id}"
    clock.pass_s(5)
    for text, state in (
        ("Other words.", "GENERATE_SUCCEED"),
        ("<speak><break time='2s'/></speak>", "GENERATE_FAILED"),
    ):
        scenes = [{"shoot_script": {"text_config": {"text": text}}}]
        tenant.ok("PUT", path, {"shoot_scripts": scenes})
        for wanted in ("GENERATING", state):
            info = shown(tenant, script_id)["shoot_scripts"][0]["subtitle_file_info"]
            assert info["text_subtitle_file"]["subtitle_file_state"] == wanted
            clock.pass_s(1)
    tenant.ok("PUT", path, {"video_config": {**video, "is_subtitle_enable": False}})
    assert "subtitle_file_info" not in shown(tenant, script_id)["shoot_scripts"][0]


def test_subtitles_of_recorded_speech_are_the_customers(tenant: Any) -> None:
    """There is a place for them, and no state before they are there."""
    video = {"codec": "H264", "bitrate": 4000, "width": 1280, "height": 720, "is_subtitle_enable": True}
    script_id, _ = made(tenant, video_config=video)

    def info() -> Any:
        return shown(tenant, script_id)["shoot_scripts"][0]["subtitle_file_info"]["audio_subtitle_file"]

    assert list(info()) == ["subtitle_file_upload_url"]
    assert put(tenant, info()["subtitle_file_upload_url"]).status == 200
    assert info()["subtitle_file_state"] == "GENERATE_SUCCEED"


def test_what_a_script_looks_and_sounds_like_can_be_fetched(tenant: Any) -> None:
    """Thumbnails of script and scenes, and speech with the digest of its text; made anew when they change."""
    script_id = tenant.script()
    (scene,) = shown(tenant, script_id)["shoot_scripts"]
    text = scene["shoot_script"]["text_config"]["text"]
    assert scene["preview_info"]["text_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    before = (shown(tenant, script_id)["script_cover_url"], scene["preview_info"]["audio_file_download_url"])
    assert scene["shoot_script"]["thumbnail_url"] == before[0]
    (listed,) = tenant.ok("GET", "/digital-human-video-scripts")["video_scripts"]
    assert listed["script_cover_url"] == before[0]
    scenes = [{"shoot_script": {"text_config": {"text": "Other words."}}}]
    tenant.ok("PUT", f"/digital-human-video-scripts/{script_id}", {"shoot_scripts": scenes})
    (scene,) = shown(tenant, script_id)["shoot_scripts"]
    assert scene["shoot_script"]["thumbnail_url"] != before[0]
    assert scene["preview_info"]["audio_file_download_url"] != before[1]


async def test_thumbnails_and_previews_are_real_files(connect: Callable[..., Any]) -> None:
    """They can be downloaded once they are made."""
    pytest.importorskip("av")
    tenant = await connect(render=True)
    body = {
        "script_name": "Kettle",
        "model_asset_id": AVATAR,
        "voice_config": {"voice_asset_id": "aca15f9fe7912b2d5d8eb827f2d1327b"},
        "shoot_scripts": [{"shoot_script": {"text_config": {"text": "Hello"}}}],
    }
    script_id = (await tenant.ok("POST", "/digital-human-video-scripts", body))["script_id"]
    for _ in range(2000):
        script = await tenant.ok("GET", f"/digital-human-video-scripts/{script_id}")
        preview = script["shoot_scripts"][0]["preview_info"]
        if "audio_file_download_url" in preview and "script_cover_url" in script:
            break
    for url, start in (
        (script["script_cover_url"], b"\x89PNG"),
        (preview["audio_file_download_url"], b""),
    ):
        async with tenant.session.get(url) as answer:
            assert answer.status == 200
            assert (await answer.read()).startswith(start)
