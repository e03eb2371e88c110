"""What a video can be made of, what becomes of it, and which jobs the list finds."""

import io
import math
import struct
import wave
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.emulator.catalog import AVATAR_ID, system_assets
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from tests.unit.emulator.conftest import script_body

CALLBACK = {"callback_url": "http://127.0.0.1:9/cb"}


def avatar(tenant: Any, **changes: Any) -> str:
    """A further avatar, as training leaves one."""
    usual = system_assets(tenant.emulator.config.region)[AVATAR_ID]
    asset = replace(usual, id="f" * 32, system=False, **changes)
    return str(tenant.emulator.world.assets.put(asset).id)


def video(**changes: Any) -> dict[str, Any]:
    return {"codec": "H264", "bitrate": 4000, "width": 1920, "height": 1080, **changes}


@pytest.mark.parametrize("bitrate", [999, 8001])
def test_the_bitrate_has_its_bounds(tenant: Any, bitrate: int) -> None:
    """For an avatar's video, though a script may hold more."""
    script_id = tenant.script(video_config=video(bitrate=bitrate))
    body = {"script_id": script_id}
    assert tenant.refused("POST", "/2d-digital-human-videos", body) == (400, "MSS.20010151")


def test_an_avatar_of_1080p_makes_no_video_in_4k(tenant: Any) -> None:
    """Any other size is fine."""
    meta = {"human_model_2d_meta": {"model_resolution": "1080P"}}
    model = avatar(tenant, extra_meta=meta)
    script_id = tenant.script(model_asset_id=model, video_config=video(width=3840, height=2160))
    assert tenant.refused("POST", "/2d-digital-human-videos", {"script_id": script_id}) == (
        500,
        "MSS.20010085",
    )
    assert tenant.video(tenant.script(model_asset_id=model))


def test_a_3d_model_makes_no_avatar_video(tenant: Any) -> None:
    """A script may name one."""
    script_id = tenant.script(model_asset_id=avatar(tenant, type="HUMAN_MODEL"))
    assert tenant.refused("POST", "/2d-digital-human-videos", {"script_id": script_id}) == (
        500,
        "MSS.20010098",
    )


def test_a_script_outweighs_the_body(tenant: Any) -> None:
    """What the script doesn't have is taken from the body (table 5-122)."""
    script = {key: value for key, value in script_body().items() if key != "voice_config"}
    script_id = tenant.ok("POST", "/digital-human-video-scripts", script)["script_id"]
    voice = {"voice_asset_id": "aca15f9fe7912b2d5d8eb827f2d1327b", "speed": 200}
    job_id = tenant.video(script_id, video_config=video(codec="VP8"), voice_config=voice)
    shown = tenant.ok("GET", f"/2d-digital-human-videos/{job_id}", show_script="true")
    assert (shown["video_config"]["codec"], shown["voice_config"]["speed"]) == ("H264", 200)
    assert "view_mode" not in shown


def test_a_job_without_media_tells_how_long_its_video_would_be(tenant: Any, clock: Any) -> None:
    """By words, pauses and speed; the output asset says what is in it."""
    text = f'<speak>{"word " * 5}<break time="2s"/>{"word " * 5}</speak>'
    voice = {"voice_asset_id": "aca15f9fe7912b2d5d8eb827f2d1327b", "speed": 50}
    scenes = [{"shoot_script": {"text_config": {"text": text}}}]
    job_id = tenant.video(tenant.script(shoot_scripts=scenes, voice_config=voice))
    clock.pass_s(5)
    job = tenant.job(job_id)
    assert job["duration"] == 10.0
    output = tenant.ok("GET", f"/digital-assets/{job['output_asset_config']['asset_id']}")
    meta = output["asset_extra_meta"]["video_meta"]
    assert (meta["width"], meta["height"], meta["duration"], meta["mode"]) == (1280, 720, 10, "Horizontal")


def test_a_blocked_material_freezes_the_job(make_tenant: Callable[..., Any], clock: Any) -> None:
    """BLOCK is no end: nobody is called, and it cannot be cancelled."""
    rule = FaultRule(on="video", do=Fault.FAIL, code="MSS.20010157")
    tenant = make_tenant(faults=FaultPlan(rules=(rule,)))
    job_id = tenant.video(tenant.script(), callback_config=CALLBACK)
    clock.pass_s(1000)
    job = tenant.job(job_id)
    assert (job["state"], job["error_info"]["error_code"]) == ("BLOCK", "MSS.20010157")
    assert "end_time" not in job
    assert tenant.emulator.world.pending_posts() == []
    assert tenant.refused("POST", f"/2d-digital-human-videos/{job_id}/cancel") == (500, "MSS.20010048")


def test_a_stuck_job_is_at_work_for_ever(make_tenant: Callable[..., Any], clock: Any) -> None:
    """PROCESSING, whatever the clock says."""
    tenant = make_tenant(faults=FaultPlan(rules=(FaultRule(on="video", do=Fault.STUCK),)))
    job_id = tenant.video(tenant.script())
    clock.now += timedelta(days=20)
    assert tenant.job(job_id)["state"] == "PROCESSING"


def test_the_name_of_the_video_has_to_be_printable(tenant: Any) -> None:
    """MSS.20010019; without a name the script's is taken."""
    script_id = tenant.script()
    body = {"script_id": script_id, "output_asset_config": {"asset_name": "a\tb"}}
    assert tenant.refused("POST", "/2d-digital-human-videos", body) == (500, "MSS.20010019")
    job_id = tenant.ok("POST", "/2d-digital-human-videos", {"script_id": script_id})["job_id"]
    assert tenant.job(job_id)["output_asset_config"] == {"asset_name": "Kettle"}


def test_the_list_takes_lists_both_ways_and_orders(tenant: Any, clock: Any) -> None:
    """Comma separated or repeated; by update and by the order of the output asset; by kind."""
    first = tenant.video(tenant.script())
    clock.pass_s(1)
    second = tenant.video(tenant.script(), output_asset_config={"asset_name": "Other film"})
    clock.pass_s(5)

    def found(query: str) -> list[str]:
        return [row["job_id"] for row in tenant.ok("GET", f"/digital-human-videos?{query}")["jobs"]]

    asset_id = tenant.job(first)["output_asset_config"]["asset_id"]
    tenant.ok("PUT", f"/digital-assets/{asset_id}", {"asset_order": 9})
    assert found("sort_key=asset_order") == [second, first]
    assert found("sort_key=update_time&sort_dir=desc") == [second, first]
    assert found("state=WAITING&state=SUCCEED") == found("state=SUCCEED,FAILED") == [first, second]
    assert found("state=CREATING,PUBLISHED") == []
    assert found("fuzzy_query_field=asset_name,script_id&asset_name=FILM") == [first, second]
    assert found(f"fuzzy_query_field=job_id&job_id={second[:12]}") == [second]
    assert found("job_type=2D_DIGITAL_HUMAN_VIDEO&limit=1") == [first]
    assert found("job_type=PHOTO_DIGITAL_HUMAN_VIDEO") == []
    assert tenant.refused("GET", "/digital-human-videos?sort_key=name") == (400, "MSS.00000003")
    assert tenant.refused("GET", "/digital-human-videos?create_since=yesterday") == (400, "MSS.00000003")


async def test_a_recording_becomes_a_video(connect: Callable[..., Any]) -> None:
    """As long as the recording; what is no sound fails the job."""
    pytest.importorskip("av")
    tenant = await connect(render=True)
    body = {
        "script_name": "Spoken",
        "model_asset_id": AVATAR_ID,
        "video_config": video(width=400, height=400, clip_mode="CROP", dx=760, dy=300),
        "shoot_scripts": [{"shoot_script": {"script_type": "AUDIO"}}],
    }
    for data, state, told in ((sound(3.0), "SUCCEED", 3.0), (b"no sound", "FAILED", "MSS.45000008")):
        made = await tenant.ok("POST", "/digital-human-video-scripts", body)
        (row,) = made["audio_files"]["audio_file_url"]
        async with tenant.session.put(
            row["audio_file_upload_url"], data=data, skip_auto_headers=["Content-Type"]
        ) as answer:
            assert answer.status == 200, await answer.text()
        order = {"script_id": made["script_id"]}
        job_id = (await tenant.ok("POST", "/2d-digital-human-videos", order))["job_id"]
        job = await tenant.ended(job_id)
        assert job["state"] == state
        assert told in {job.get("duration"), (job.get("error_info") or {}).get("error_code")}


def sound(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(
            b"".join(struct.pack("<h", round(9000 * math.sin(n / 4))) for n in range(int(8000 * seconds)))
        )
    return file.getvalue()
