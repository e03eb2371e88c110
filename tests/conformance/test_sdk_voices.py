"""Voice training through the official SDK (reference chapter 9)."""

from tests.conformance.conftest import Tenant
from tests.conformance.flows import put, transferred
from tests.conformance.official import Official

ZIP = {"Content-Type": "application/zip"}
WAV, TXT = {"Content-Type": "audio/wav"}, {"Content-Type": "text/plain"}
RECORDING = b"RIFF" + b"\0" * 100


def test_a_voice_is_trained_from_a_package(sdk: Official, tenant: Tenant) -> None:
    """The job walks through review and training, and says so in its log."""
    made = sdk.create_training_basic_job(
        {"voice_name": "Sara", "create_type": "PACKAGE", "sex": "FEMALE", "tag": "NEWS"}
    )
    job_id = made.job_id
    assert sdk.refused.commit_voice_training_job({}, job_id=job_id)[1] == "MSS.20020030"
    put(made.training_data_uploading_url, b"PK" * 100, ZIP)
    assert transferred("PUT", made.training_data_uploading_url, b"PK", ZIP)[0] == 403
    sdk.commit_voice_training_job({"description": "Calm"}, job_id=job_id)
    assert sdk.show_voice_training_job(job_id=job_id).state == "SYSTEM_AUDITING"
    tenant.pass_s(600)
    shown = sdk.show_voice_training_job(job_id=job_id)
    assert (shown.state, shown.job_type) == ("SUCCEED", "BASIC")
    voice = sdk.show_asset(asset_id=shown.asset_id)
    assert (voice.asset_type, voice.asset_state) == ("VOICE_MODEL", "ACTIVED")
    actions = [one.action for one in sdk.list_job_operation_log(job_id=job_id).operations]
    assert (actions[0], actions[-1]) == ("CREATE_JOB", "COMPLETE_JOB")
    audit = sdk.show_job_audit_result(job_id=job_id)
    assert audit.admin_audit_result.message


def test_sentences_are_recorded_one_by_one(sdk: Official) -> None:
    """Each with its text, and confirmed."""
    made = sdk.create_training_middle_job({"voice_name": "Sara", "create_type": "SEGMENT"})
    address = sdk.show_job_uploading_address(job_id=made.job_id)
    assert len(address.segment_url.audio_uploading_url) == 100
    put(address.segment_url.audio_uploading_url[3], RECORDING, WAV)
    put(address.segment_url.txt_uploading_url[3], b"It boils.", TXT)
    assert sdk.confirm_training_segment(job_id=made.job_id, index=3).confirm_result is True
    assert sdk.show_training_segment_info(job_id=made.job_id).confirmed_index == [3]
    assert sdk.refused.confirm_training_segment(job_id=made.job_id, index=4)[1] == "MSS.20020030"


def test_jobs_are_listed_and_deleted(sdk: Official) -> None:
    """By page and filter."""
    made = [sdk.create_training_advance_job({"voice_name": f"Sara {n:02}"}).job_id for n in range(12)]
    pages = [sdk.list_voice_training_job(limit=5, offset=offset) for offset in (0, 5, 10)]
    assert [page.count for page in pages] == [12, 12, 12]
    assert sorted(job.job_id for page in pages for job in page.jobs) == sorted(made)
    assert sdk.list_voice_training_job(voice_name="Sara 1", job_type="ADVANCE").count == 2
    sdk.delete_voice_training_job(job_id=made[0])
    assert sdk.list_voice_training_job(state="CREATING").count == 11
    assert sdk.refused.show_voice_training_job(job_id=made[0])[1] == "MSS.20020002"
