"""Avatar training through the official SDK (reference chapter 8)."""

from typing import Any

from tests.conformance.conftest import Tenant
from tests.conformance.flows import put
from tests.conformance.official import Official

VIDEO = b"a long video of somebody who speaks" * 40


def upload(made: Any) -> None:
    """Everything that a common user's job needs."""
    for url in made.training_video_upload_url:
        put(url, VIDEO)
    for url in (
        made.cover_upload_url,
        made.id_card_image1_upload_url,
        made.id_card_image2_upload_url,
        made.grant_file_upload_url,
    ):
        put(url, b"a picture")


def test_an_avatar_is_trained(sdk: Official, tenant: Tenant) -> None:
    """From the upload over review and training to an asset that scripts may name."""
    made = sdk.create2d_model_training_job(
        {"name": "Sara", "contact": "sara@example.com", "batch_name": "first", "tags": ["news"]}
    )
    job_id = made.job_id
    assert sdk.show2d_model_training_job(job_id=job_id).state == "WAIT_FILE_UPLOAD"
    early = sdk.execute2d_model_training_command_by_user({"command": "SUBMITVERIFYING"}, job_id=job_id)
    assert (early.commond_result, bool(early.excute_failed_msg)) == ("EXCUTE_FAILED", True)
    upload(made)
    sent = sdk.execute2d_model_training_command_by_user({"command": "SUBMITVERIFYING"}, job_id=job_id)
    assert sent.commond_result == "EXCUTE_SUCCESS"
    assert sdk.show2d_model_training_job(job_id=job_id).state == "AUTO_VERIFYING"
    tenant.pass_s(600)
    shown = sdk.show2d_model_training_job(job_id=job_id)
    assert shown.state == "JOB_SUCCESS"
    assert shown.operation_logs
    avatar = sdk.show_asset(asset_id=shown.asset_id)
    assert (avatar.asset_name, avatar.asset_type, avatar.asset_state) == ("Sara", "HUMAN_MODEL_2D", "ACTIVED")


def test_a_job_that_failed_its_review_is_changed(sdk: Official, tenant: Tenant) -> None:
    """And handed in again, with what was missing."""
    made = sdk.create2d_model_training_job({"name": "Sara"})
    refused = sdk.refused.update2d_model_training_job({"name": "Sarah"}, job_id=made.job_id)
    assert refused[1] == "MSS.41000001"
    for url in made.training_video_upload_url:
        put(url, VIDEO)
    sdk.execute2d_model_training_command_by_user({"command": "SUBMITVERIFYING"}, job_id=made.job_id)
    tenant.pass_s(600)
    assert sdk.show2d_model_training_job(job_id=made.job_id).state.endswith("VERIFY_FAILED")
    again = sdk.update2d_model_training_job({"name": "Sarah"}, job_id=made.job_id)
    upload(again)
    sdk.execute2d_model_training_command_by_user({"command": "SUBMITVERIFYING"}, job_id=made.job_id)
    tenant.pass_s(600)
    shown = sdk.show2d_model_training_job(job_id=made.job_id)
    assert (shown.name, shown.state) == ("Sarah", "JOB_SUCCESS")


def test_a_video_comes_in_parts(sdk: Official) -> None:
    """Which are listed, and confirmed."""
    made = sdk.create2d_model_training_job({"name": "Sara", "video_multipart_count": 2})
    first, second = made.training_video_upload_url
    put(second, VIDEO)
    asked = {"command": "GET_MULTIPART_UPLOADED"}
    listed = sdk.execute2d_model_training_command_by_user(asked, job_id=made.job_id)
    assert [part.part_number for part in listed.multipart_data] == ["2"]
    put(first, VIDEO)
    confirmed = sdk.execute2d_model_training_command_by_user(
        {"command": "CONFIRM_MULTIPART_UPLOADED"}, job_id=made.job_id
    )
    assert confirmed.commond_result == "EXCUTE_SUCCESS"


def test_jobs_are_listed_and_deleted(sdk: Official) -> None:
    """By page and filter."""
    made = [sdk.create2d_model_training_job({"name": f"Sara {number:02}"}).job_id for number in range(12)]
    pages = [sdk.list2d_model_training_job(limit=5, offset=offset) for offset in (0, 5, 10)]
    assert [page.count for page in pages] == [12, 12, 12]
    assert sorted(job.job_id for page in pages for job in page.jobs) == sorted(made)
    assert sdk.list2d_model_training_job(name="Sara 1").count == 2
    sdk.delete2d_model_training_job(job_id=made[0])
    assert sdk.list2d_model_training_job(state="WAIT_FILE_UPLOAD").count == 11
    assert sdk.refused.show2d_model_training_job(job_id=made[0])[1] == "MSS.41000003"
