"""Video jobs through the official SDK, up to a video that was rendered (reference 5.2, 5.3)."""

import io
from collections.abc import Iterator
from typing import Any

import av
import pytest
from PIL import Image

from tests.conformance.conftest import Tenant, listening
from tests.conformance.flows import active_asset, got, script, script_body
from tests.conformance.official import Official


def test_a_video_job_runs_to_its_end(sdk: Official, tenant: Tenant) -> None:
    """It waits, is worked on, and ends; the lists tell the same."""
    script_id = script(sdk)
    made = sdk.create2_d_digital_human_video(
        {"script_id": script_id, "output_asset_config": {"asset_name": "Film"}}
    )
    assert sdk.show2_d_digital_human_video(job_id=made.job_id).state == "WAITING"
    tenant.pass_s(3601)
    assert sdk.show2_d_digital_human_video(job_id=made.job_id).state == "PROCESSING"
    tenant.pass_s(3601)
    shown = sdk.show2_d_digital_human_video(job_id=made.job_id)
    assert (shown.state, shown.script_id) == ("SUCCEED", script_id)
    assert shown.output_asset_config.asset_name == "Film"
    for filters in (
        {"script_id": script_id},
        {"state": "SUCCEED"},
        {"asset_name": "Film"},
        {"job_id": made.job_id},
    ):
        assert [job.job_id for job in sdk.list_digital_human_video(**filters).jobs] == [made.job_id]
    assert sdk.list_digital_human_video(state="FAILED").count == 0


def test_a_job_brings_its_own_script(sdk: Official, tenant: Tenant) -> None:
    """Without a script of its own id."""
    body = {key: value for key, value in script_body().items() if not key.startswith(("script_", "priv"))}
    made = sdk.create2_d_digital_human_video({**body, "output_asset_config": {"asset_name": "Film"}})
    tenant.pass_s(7201)
    assert sdk.show2_d_digital_human_video(job_id=made.job_id).state == "SUCCEED"


def test_a_job_is_cancelled_only_while_it_waits(sdk: Official, tenant: Tenant) -> None:
    """One that is being worked on is not."""
    script_id = script(sdk)
    jobs = [sdk.create2_d_digital_human_video({"script_id": script_id}).job_id for _ in range(2)]
    sdk.cancel2_d_digital_human_video(job_id=jobs[0])
    assert sdk.show2_d_digital_human_video(job_id=jobs[0]).state == "CANCELED"
    tenant.pass_s(3601)
    assert sdk.refused.cancel2_d_digital_human_video(job_id=jobs[1])[1] == "MSS.20010048"


def test_a_failed_job_says_why(sdk: Official, tenant: Tenant) -> None:
    """With the code that the fault plan gives."""
    plan = {"rules": [{"on": "video", "do": "fail", "code": "MSS.20010011", "nth": 1}]}
    tenant.control("faults", plan)
    made = sdk.create2_d_digital_human_video({"script_id": script(sdk)})
    tenant.pass_s(7201)
    shown = sdk.show2_d_digital_human_video(job_id=made.job_id)
    assert (shown.state, shown.error_info.error_code) == ("FAILED", "MSS.20010011")


@pytest.fixture(scope="module")
def cinema() -> Iterator[Tenant]:
    """An emulator that makes media."""
    with listening(render=True, video_wait_s=0, video_process_s=0, video_max_s=2) as one:
        yield one


def test_from_upload_to_video(cinema: Tenant) -> None:
    """Pictures go up, a playable video and its cover come down."""
    sdk = cinema.sdk()
    picture = png((0, 90, 200))
    background = active_asset(sdk, picture, "background.png", asset_name="Background")
    scene = {
        "sequence_no": 1,
        "shoot_script": {
            "text_config": {"text": "Hello, this is the new kettle."},
            "background_config": [{"background_type": "IMAGE", "background_asset_id": background}],
        },
    }
    script_id = script(sdk, shoot_scripts=[scene])
    job_id = sdk.create2_d_digital_human_video(
        {"script_id": script_id, "output_asset_config": {"asset_name": "Film"}}
    ).job_id
    job = ended(cinema, sdk, job_id)
    assert job.state == "SUCCEED", job
    film = sdk.show_asset(asset_id=job.output_asset_config.asset_id)
    assert (film.asset_name, film.asset_type, film.asset_state) == ("Film", "VIDEO", "ACTIVED")
    files = {file.asset_file_category: file for file in film.files}
    with av.open(io.BytesIO(got(files["MAIN"].download_url)), "r") as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 1280, 720)
        assert len(list(video.decode(stream))) > 10
    cover = Image.open(io.BytesIO(got(job.output_asset_config.cover_url)))
    assert cover.width > 0


def ended(tenant: Tenant, sdk: Official, job_id: str) -> Any:
    """The job once its video is made; each look lets a second pass in the emulated world."""
    for _ in range(3000):
        job = sdk.show2_d_digital_human_video(job_id=job_id)
        if job.state not in {"WAITING", "PROCESSING"}:
            return job
        tenant.pass_s(1)
    raise AssertionError("the job doesn't end")


def png(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(data, "PNG")
    return data.getvalue()
