"""Avatar training jobs of the emulated world."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.emulator.behaviours.image_modeling_records import (
    DELETABLE,
    FLEXUS_RETRIES,
    NA_TAG,
    UPDATABLE,
    TrainingState,
)
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.wire import Request
from orchestrator.metastudio.models.image_modeling import (
    Execute2dModelTrainingCommandByUserResponse,
    List2dModelTrainingJobResponse,
    Show2dModelTrainingJobResponse,
)
from orchestrator.metastudio.states import machine

JOBS = "/digital-human-training-manage/user/jobs"
PROOFS = ("id_card_image1_upload_url", "id_card_image2_upload_url", "grant_file_upload_url")


def put(tenant: Any, url: str, data: bytes = b"abc") -> int:
    target = url.removeprefix("http://storage.invalid")
    request = Request("PUT", target, {"Content-Length": str(len(data))}, data)
    return int(StorageRules(tenant.emulator).put(request).status)


def create(tenant: Any, **changes: Any) -> dict[str, Any]:
    made = tenant.ok("POST", JOBS, {"name": "Ada", **changes})
    assert isinstance(made, dict)
    return made


def upload(tenant: Any, made: dict[str, Any], *, but: str = "") -> str:
    """Sends the training video and the proofs; the job's id."""
    for url in made["training_video_upload_url"]:
        assert put(tenant, url) == 200
    for name in PROOFS:
        assert name == but or put(tenant, made[name]) == 200
    return str(made["job_id"])


def command(tenant: Any, job_id: str, name: str, **more: Any) -> dict[str, Any]:
    answer = tenant.ok("POST", f"{JOBS}/{job_id}/command", {"command": name, **more})
    assert not Execute2dModelTrainingCommandByUserResponse.model_validate(answer).model_extra
    assert isinstance(answer, dict)
    return answer


def submitted(tenant: Any, **changes: Any) -> str:
    """A job whose files were handed to the review."""
    job_id = upload(tenant, create(tenant, **changes))
    assert command(tenant, job_id, "SUBMITVERIFYING") == {"commond_result": "EXCUTE_SUCCESS"}
    return job_id


def show(tenant: Any, job_id: str) -> dict[str, Any]:
    job = tenant.ok("GET", f"{JOBS}/{job_id}")
    assert not Show2dModelTrainingJobResponse.model_validate(job).model_extra
    assert isinstance(job, dict)
    return job


def state(tenant: Any, job_id: str) -> str:
    return str(show(tenant, job_id)["state"])


def logs(job: dict[str, Any]) -> list[str]:
    return [entry["log_type"] for entry in job["operation_logs"]]


def watch(tenant: Any, clock: Any, job_id: str, until_s: float = 20.0) -> list[str]:
    """The states that are seen on the way."""
    seen = [state(tenant, job_id)]
    for _ in range(int(until_s * 4)):
        clock.pass_s(0.25)
        now = state(tenant, job_id)
        if now != seen[-1]:
            seen.append(now)
    return seen


def doomed(make_tenant: Callable[..., Any], do: Fault = Fault.FAIL, **rule: Any) -> Any:
    return make_tenant(faults=FaultPlan(rules=(FaultRule(on="avatar", do=do, count=1, **rule),)))


def test_a_new_job_gives_urls_for_what_it_needs(tenant: Any) -> None:
    """One for each file, for the action video and the audio only when they are asked for."""
    made = create(tenant)
    assert set(made) == {"job_id", "training_video_upload_url", "cover_upload_url", *PROOFS}
    assert len(made["training_video_upload_url"]) == 1
    more = create(tenant, video_multipart_count=3, action_video_multipart_count=2, audio_source_type="AUDIO")
    assert [f"partNumber={n}&" in url for n, url in enumerate(more["training_video_upload_url"], 1)] == [
        True
    ] * 3
    assert len(more["action_video_upload_url"]) == 2
    assert more["audio_upload_url"].split("?")[0].endswith(".wav")
    asked = create(tenant, command_message="GET_ACTION_VIDEO_MULTIPART")
    assert len(asked["action_video_upload_url"]) == 1


def test_a_new_job_shows_what_it_was_made_with(make_tenant: Callable[..., Any]) -> None:
    """Defaults of the reference where nothing was said; no avatar yet."""
    tenant = make_tenant()
    tenant.headers["X-App-UserId"] = "shop-7"
    job_id = create(tenant, contact="ada@example.com", batch_name="B", tags=["t"])["job_id"]
    job = show(tenant, job_id)
    assert job == {
        "job_id": job_id,
        "name": "Ada",
        "state": "WAIT_FILE_UPLOAD",
        "project_id": tenant.emulator.config.project_id,
        "last_update_time": "2026-11-22T12:00:00Z",
        "create_time": "2026-11-22T12:00:00Z",
        "contact": "ada@example.com",
        "batch_name": "B",
        "tags": ["t"],
        "model_version": "V3.2",
        "matting_type": "AI",
        "model_resolution": "1080P",
        "app_user_id": "shop-7",
        "is_flexus": False,
        "operation_logs": [
            {
                "operate_time": "2026-11-22T12:00:00Z",
                "log_type": "USER_CREATE_JOD",
                "operate_user": "USER",
            }
        ],
        "comment_logs": [],
        "is_mask_file_uploaded": False,
        "is_background_replacement": True,
        "audio_source_type": "VIDEO",
        "supported_service": ["VIDEO_2D", "LIVE_2D"],
    }


def test_a_submitted_job_becomes_an_avatar(tenant: Any, clock: Any) -> None:
    """It passes the reviews and the training by the clock; the avatar can be used in scripts then."""
    job_id = submitted(tenant)
    assert watch(tenant, clock, job_id) == [
        "AUTO_VERIFYING",
        "MANUAL_VERIFYING",
        "MANUAL_VERIFY_SUCCESS",
        "WAIT_TRAINING_DATA_PREPROCESS",
        "TRAINING_DATA_PREPROCESSING",
        "TRAINING_DATA_PREPROCESS_SUCCESS",
        "TRAINING",
        "TRAIN_SUCCESS",
        "INFERENCE_DATA_PREPROCESSING",
        "JOB_SUCCESS",
    ]
    job = show(tenant, job_id)
    assert logs(job) == [
        "USER_CREATE_JOD",
        "USER_VERIFYING_SUBMITTED",
        "SYSTEM_VERIFY_SUCCESS",
        "ADMIN_VERIFY_SUCCESS",
        "SYSTEM_TRAIN_DATA_PREPROCESSING",
        "SYSTEM_TRAIN_DATA_PREPROCESS_SUCCESS",
        "SYSTEM_TRAINING",
        "SYSTEM_TRAIN_SUCCESS",
        "SYSTEM_INFERENCE_DATA_PREPROCESSING",
        "SYSTEM_INFERENCE_DATA_PREPROCESS_SUCCESS",
        "SYSTEM_JOB_SUCCESS",
    ]
    avatar = tenant.ok("GET", f"/digital-assets/{job['asset_id']}")
    assert (avatar["asset_name"], avatar["asset_type"]) == ("Ada", "HUMAN_MODEL_2D")
    assert avatar["asset_state"] == "ACTIVED"
    assert avatar["asset_extra_meta"]["human_model_2d_meta"]["model_version"] == "V3_2"
    assert {file["asset_file_category"] for file in avatar["files"]} == {"MAIN", "COVER"}
    assert tenant.video(tenant.script(model_asset_id=job["asset_id"]))


def test_an_avatar_is_no_use_before_its_end(tenant: Any, clock: Any) -> None:
    """It is there from the last stage on, CREATING, and no script takes it."""
    job_id = submitted(tenant)
    clock.pass_s(7.5)
    job = show(tenant, job_id)
    assert job["state"] == "INFERENCE_DATA_PREPROCESSING"
    assert tenant.ok("GET", f"/digital-assets/{job['asset_id']}")["asset_state"] == "CREATING"


def test_a_leap_in_time_goes_through_every_stage(make_tenant: Callable[..., Any], clock: Any) -> None:
    """Each stage begins when the one before ended, and the speed divides them."""
    tenant = make_tenant(speed=0.1)
    job_id = submitted(tenant)
    clock.pass_s(3600)
    job = show(tenant, job_id)
    times = [entry["operate_time"][-4:-1] for entry in job["operation_logs"]]
    assert (job["state"], times[:4], times[-1]) == ("JOB_SUCCESS", [":00", ":00", ":10", ":20"], ":20")
    assert job["operation_logs"][-1]["operate_time"] == "2026-11-22T12:01:20Z"


def test_uploaded_files_can_be_downloaded(tenant: Any) -> None:
    """Once they are there; the cover also in the list."""
    made = create(tenant)
    assert "cover_download_url" not in tenant.ok("GET", JOBS)["jobs"][0]
    assert put(tenant, made["cover_upload_url"]) == 200
    job_id = upload(tenant, made)
    job = show(tenant, job_id)
    names = {"training_video", "id_card_image1", "id_card_image2", "grant_file", "cover"}
    assert {f"{name}_download_url" for name in names} <= job.keys()
    listed = tenant.ok("GET", JOBS)["jobs"][0]["cover_download_url"]
    target = listed.removeprefix("http://storage.invalid")
    assert StorageRules(tenant.emulator).admit_get(Request("GET", target)).length == 3


def test_an_upload_url_serves_once(tenant: Any) -> None:
    """A second PUT is refused by the storage."""
    url = create(tenant)["cover_upload_url"]
    assert put(tenant, url) == 200
    assert put(tenant, url) >= 400


def test_a_video_in_parts_waits_for_its_confirmation(tenant: Any) -> None:
    """The parts are listed with their ETags; nothing is confirmed or submitted before its time."""
    made = create(tenant, video_multipart_count=2)
    job_id, urls = made["job_id"], made["training_video_upload_url"]
    assert put(tenant, urls[1]) == 200
    listed = command(tenant, job_id, "GET_MULTIPART_UPLOADED")
    assert listed["multipart_data"] == [{"part_number": "2", "etag": '"900150983cd24fb0d6963f7d28e17f72"'}]
    failed = command(tenant, job_id, "CONFIRM_MULTIPART_UPLOADED")
    assert failed == {"commond_result": "EXCUTE_FAILED", "excute_failed_msg": "1 of 2 parts are there"}
    assert command(tenant, job_id, "SUBMITVERIFYING")["commond_result"] == "EXCUTE_FAILED"
    assert put(tenant, urls[0]) == 200
    assert "training_video_download_url" not in show(tenant, job_id)
    failed = command(tenant, job_id, "SUBMITVERIFYING")
    assert failed["excute_failed_msg"] == "the parts of the training video are not confirmed"
    for _ in range(2):
        confirmed = command(tenant, job_id, "CONFIRM_MULTIPART_UPLOADED")
        assert confirmed == {"commond_result": "EXCUTE_SUCCESS"}
    assert "training_video_download_url" in show(tenant, job_id)
    assert command(tenant, job_id, "SUBMITVERIFYING") == {"commond_result": "EXCUTE_SUCCESS"}


def test_nothing_is_submitted_without_a_video(tenant: Any) -> None:
    """EXCUTE_FAILED, and the job still waits; a video for choreography that nobody asked for is none either."""
    job_id = create(tenant)["job_id"]
    failed = command(tenant, job_id, "SUBMITVERIFYING")
    assert failed["excute_failed_msg"] == "the training video is not uploaded"
    failed = command(tenant, job_id, "CONFIRM_ACTION_VIDEO_MULTIPART_UPLOADED")
    assert failed["excute_failed_msg"] == "no upload was asked for"
    assert command(tenant, job_id, "GET_ACTION_VIDEO_MULTIPART_UPLOADED")["multipart_data"] == []
    assert state(tenant, job_id) == "WAIT_FILE_UPLOAD"


@pytest.mark.parametrize("by_message", [False, True])
def test_a_video_for_choreography_adds_its_stages(tenant: Any, clock: Any, by_message: bool) -> None:
    """It is confirmed by a command of its own, or by the message of the common one."""
    made = create(tenant, action_video_multipart_count=2)
    job_id = upload(tenant, made)
    for url in made["action_video_upload_url"]:
        assert put(tenant, url) == 200
    if by_message:
        command(tenant, job_id, "CONFIRM_MULTIPART_UPLOADED", command_message="CONFIRM_ACTION_VIDEO")
    else:
        assert len(command(tenant, job_id, "GET_ACTION_VIDEO_MULTIPART_UPLOADED")["multipart_data"]) == 2
        command(tenant, job_id, "CONFIRM_ACTION_VIDEO_MULTIPART_UPLOADED")
    command(tenant, job_id, "SUBMITVERIFYING")
    assert watch(tenant, clock, job_id)[-6:] == [
        "WAIT_GENERATE_ACTION",
        "ACTION_GENERATE_DATA_PROCESSING",
        "WAIT_ARRANGE",
        "ACTION_GENERATE_ORI_PROCESSING",
        "ACTION_GENERATE_ORI_SUCCESS",
        "JOB_SUCCESS",
    ]
    assert "action_video_download_url" in show(tenant, job_id)


@pytest.mark.parametrize("missing", PROOFS)
def test_the_review_wants_every_proof(tenant: Any, clock: Any, missing: str) -> None:
    """A common user's job fails without; it can be updated, completed and submitted again."""
    job_id = upload(tenant, create(tenant), but=missing)
    command(tenant, job_id, "SUBMITVERIFYING")
    clock.pass_s(1)
    job = show(tenant, job_id)
    assert (job["state"], job["operation_logs"][-1]["log_type"]) == (
        "AUTO_VERIFY_FAILED",
        "SYSTEM_VERIFY_FAILED",
    )
    assert job["operation_logs"][-1]["log_description"].startswith("missing: ")
    clock.pass_s(60)
    again = tenant.ok("PUT", f"{JOBS}/{job_id}", {"name": "Ada L."})
    assert put(tenant, again[missing]) == 200
    command(tenant, job_id, "SUBMITVERIFYING")
    clock.pass_s(60)
    job = show(tenant, job_id)
    assert (job["state"], job["name"]) == ("JOB_SUCCESS", "Ada L.")
    assert job["last_update_time"] == "2026-11-22T12:01:01Z"


def test_recorded_speech_is_wanted_where_it_is_announced(tenant: Any, clock: Any) -> None:
    """Without it the review fails; with it the avatar is made."""
    made = create(tenant, audio_source_type="AUDIO")
    job_id = upload(tenant, made)
    command(tenant, job_id, "SUBMITVERIFYING")
    clock.pass_s(1)
    assert show(tenant, job_id)["operation_logs"][-1]["log_description"] == "missing: audio"
    assert put(tenant, made["audio_upload_url"]) == 200
    command(tenant, job_id, "SUBMITVERIFYING")
    clock.pass_s(60)
    job = show(tenant, job_id)
    assert job["state"] == "JOB_SUCCESS"
    assert "audio_file_download_url" in job


def test_an_update_replaces_files_and_facts(make_tenant: Callable[..., Any], clock: Any) -> None:
    """Old URLs that were never used are closed, an old video goes when the new one is submitted."""
    tenant = doomed(make_tenant, code="MANUAL_VERIFY_FAILED")
    made = create(tenant)
    job_id = upload(tenant, made)
    command(tenant, job_id, "SUBMITVERIFYING")
    clock.pass_s(10)
    before = show(tenant, job_id)
    assert before["state"] == "MANUAL_VERIFY_FAILED"
    body = {
        "contact": "c",
        "batch_name": "b",
        "tags": ["x"],
        "is_background_replacement": False,
        "supported_service": ["CHAT_2D"],
        "video_multipart_count": 2,
        "samples_basic_info": [{"action_tag": "wave", "action_name_en": "Wave"}, {"action_tag": "nod"}],
    }
    again = tenant.ok("PUT", f"{JOBS}/{job_id}", body)
    assert put(tenant, made["cover_upload_url"]) >= 400
    job = show(tenant, job_id)
    assert job["training_video_download_url"] == before["training_video_download_url"]
    assert (job["contact"], job["tags"], job["supported_service"]) == ("c", ["x"], ["CHAT_2D"])
    assert job["is_background_replacement"] is False
    assert job["samples"] == [
        {"is_selected": True, "action_tag": "wave", "action_name_en": "Wave"},
        {"is_selected": True, "action_tag": "nod"},
    ]
    for url in again["training_video_upload_url"]:
        assert put(tenant, url) == 200
    command(tenant, job_id, "CONFIRM_MULTIPART_UPLOADED")
    command(tenant, job_id, "SUBMITVERIFYING")
    videos = [f for f in tenant.emulator.world.files_of(job_id) if f.category == "trainingVideo"]
    assert len(videos) == 1
    tenant.clock.pass_s(60)
    assert state(tenant, job_id) == "JOB_SUCCESS"


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        (None, "TRAIN_FAILED"),
        ("MSS.20020005", "TRAIN_FAILED"),
        ("MSS.41000007", "AUTO_VERIFY_FAILED"),
        ("MSS.20020010", "MANUAL_VERIFY_FAILED"),
        ("MSS.42000003", "INFERENCE_DATA_PREPROCESS_FAILED"),
        ("TRAINING_DATA_PREPROCESS_FAILED", "TRAINING_DATA_PREPROCESS_FAILED"),
        # There is no choreography in it.
        ("ACTION_GENERATE_ORI_FAILED", "TRAIN_FAILED"),
    ],
)
def test_a_plan_fails_a_job_where_its_code_belongs(
    make_tenant: Callable[..., Any], clock: Any, code: str | None, failed: str
) -> None:
    """The log says why, and there it ends."""
    tenant = doomed(make_tenant, code=code)
    job_id = submitted(tenant)
    clock.pass_s(60)
    job = show(tenant, job_id)
    assert job["state"] == failed
    assert job["operation_logs"][-1]["log_description"].startswith(code or "MSS.20020005")
    if failed == "INFERENCE_DATA_PREPROCESS_FAILED":
        assert tenant.ok("GET", f"/digital-assets/{job['asset_id']}")["asset_state"] == "FAILED"
    else:
        assert "asset_id" not in job


def test_a_plan_lets_a_job_hang(make_tenant: Callable[..., Any], clock: Any) -> None:
    """It stays in the stage in which it would have failed; the next one is spared."""
    tenant = doomed(make_tenant, Fault.STUCK, code="MSS.20020010")
    job_id, spared = submitted(tenant), submitted(tenant)
    clock.pass_s(86400)
    assert (state(tenant, job_id), state(tenant, spared)) == ("MANUAL_VERIFYING", "JOB_SUCCESS")


def test_a_result_of_an_na_user_waits_for_them(tenant: Any, clock: Any) -> None:
    """No proof of identity is asked for; the avatar is usable once the user accepts it."""
    made = create(tenant, tags=[NA_TAG])
    assert put(tenant, made["training_video_upload_url"][0]) == 200
    job_id = made["job_id"]
    command(tenant, job_id, "SUBMITVERIFYING")
    assert watch(tenant, clock, job_id)[-2:] == ["WAIT_ADMIN_CONFIRM", "WAIT_USER_CONFIRM"]
    asset_id = show(tenant, job_id)["asset_id"]
    assert tenant.ok("GET", f"/digital-assets/{asset_id}")["asset_state"] == "UNACTIVED"
    assert command(tenant, job_id, "CONFIRM_ACCEPT") == {"commond_result": "EXCUTE_SUCCESS"}
    assert state(tenant, job_id) == "JOB_FINISH"
    assert tenant.ok("GET", f"/digital-assets/{asset_id}")["asset_state"] == "ACTIVED"


def test_a_user_rejects_suspends_resumes_and_has_it_repaired(tenant: Any, clock: Any) -> None:
    """Comments are kept, with URLs for what goes with them."""
    job_id = submitted(tenant, tags=[NA_TAG])
    clock.pass_s(60)
    data = {"comment_title": "Lips", "comment_message": "late", "attachment_name": ["a.mp4", "b"]}
    rejected = command(tenant, job_id, "CONFIRM_REJECT", comment_data=data)
    assert len(rejected["attachment_upload_url"]) == 2
    assert put(tenant, rejected["attachment_upload_url"][0]) == 200
    job = show(tenant, job_id)
    (comment,) = job["comment_logs"]
    assert (job["state"], comment["comment_type"], comment["comment_title"]) == (
        "JOB_REJECT",
        "USER_REJECT",
        "Lips",
    )
    assert len(comment["attachment_download_url"]) == 1
    command(tenant, job_id, "CONFIRM_PENDING")
    assert state(tenant, job_id) == "JOB_PENDING"
    command(tenant, job_id, "CONFIRM_ANSWER", comment_data={"comment_message": "wait"})
    command(tenant, job_id, "CONFIRM_ACTIVE")
    assert state(tenant, job_id) == "JOB_REJECT"
    command(tenant, job_id, "CONFIRM_REPAIR")
    assert watch(tenant, clock, job_id)[::8] == ["WAIT_TRAINING_DATA_PREPROCESS"]
    assert state(tenant, job_id) == "WAIT_USER_CONFIRM"
    assert [entry["comment_type"] for entry in show(tenant, job_id)["comment_logs"]] == [
        "USER_REJECT",
        "USER_COMMENT",
    ]


def test_a_finished_job_is_trained_again(tenant: Any, clock: Any) -> None:
    """The avatar stays in use meanwhile; a Flexus job has so many trials and no more."""
    job_id = submitted(tenant, is_flexus=True)
    clock.pass_s(60)
    asset_id = show(tenant, job_id)["asset_id"]
    for left in reversed(range(FLEXUS_RETRIES)):
        command(tenant, job_id, "CONFIRM_REPAIR")
        job = show(tenant, job_id)
        assert (job["state"], job["flexus_retry_count"]) == ("WAIT_TRAINING_DATA_PREPROCESS", left)
        assert tenant.ok("GET", f"/digital-assets/{asset_id}")["asset_state"] == "ACTIVED"
        clock.pass_s(60)
        assert show(tenant, job_id)["asset_id"] == asset_id
    assert command(tenant, job_id, "CONFIRM_REPAIR") == {
        "commond_result": "EXCUTE_FAILED",
        "excute_failed_msg": "no retraining is left",
    }
    assert state(tenant, job_id) == "JOB_SUCCESS"


def test_commands_are_refused_out_of_their_state(tenant: Any, clock: Any) -> None:
    """MSS.41000001; commands of NA users are MSS.00024001 for others, unknown ones MSS.00000003."""
    job_id = submitted(tenant)
    path = f"{JOBS}/{job_id}/command"
    for name in ("SUBMITVERIFYING", "GET_MULTIPART_UPLOADED", "CONFIRM_MULTIPART_UPLOADED", "CONFIRM_REPAIR"):
        assert tenant.refused("POST", path, {"command": name}) == (400, "MSS.41000001")
    for name in ("ACCEPT", "REJECT", "ANSWER", "PENDING", "ACTIVE"):
        assert tenant.refused("POST", path, {"command": f"CONFIRM_{name}"}) == (403, "MSS.00024001")
    assert tenant.refused("POST", path, {"command": "TRAIN"}) == (400, "MSS.00000003")
    clock.pass_s(60)
    assert tenant.refused("POST", path, {"command": "SUBMITVERIFYING"}) == (400, "MSS.41000001")
    na_job = create(tenant, tags=[NA_TAG])["job_id"]
    for name in ("ACCEPT", "REJECT", "ANSWER", "PENDING", "ACTIVE"):
        refused = tenant.refused("POST", f"{JOBS}/{na_job}/command", {"command": f"CONFIRM_{name}"})
        assert refused == (400, "MSS.41000001")


def test_an_update_needs_a_failed_review(tenant: Any, clock: Any) -> None:
    """MSS.41000001 in any other state."""
    job_id = upload(tenant, create(tenant))
    assert tenant.refused("PUT", f"{JOBS}/{job_id}", {"name": "x"}) == (400, "MSS.41000001")
    command(tenant, job_id, "SUBMITVERIFYING")
    for _ in range(40):
        assert tenant.refused("PUT", f"{JOBS}/{job_id}", {"name": "x"}) == (400, "MSS.41000001")
        clock.pass_s(0.25)


def test_a_deleted_job_takes_all_with_it(tenant: Any, clock: Any) -> None:
    """Its files and its avatar; while it is at work it stays."""
    job_id = submitted(tenant)
    assert tenant.refused("DELETE", f"{JOBS}/{job_id}") == (400, "MSS.41000018")
    clock.pass_s(60)
    asset_id = show(tenant, job_id)["asset_id"]
    tenant.ok("DELETE", f"{JOBS}/{job_id}")
    assert tenant.emulator.world.files_of(job_id) == []
    assert tenant.refused("GET", f"/digital-assets/{asset_id}") == (404, "MSS.10001001")
    assert tenant.ok("GET", JOBS) == {"count": 0, "jobs": []}


def test_an_unknown_job_is_not_found(tenant: Any) -> None:
    """404 MSS.41000003, also for one that was deleted before its review was over."""
    job_id = submitted(tenant)
    tenant.clock.pass_s(1.5)
    tenant.ok("DELETE", f"{JOBS}/{job_id}")
    tenant.clock.pass_s(60)
    for known in (job_id, "nope"):
        assert tenant.refused("GET", f"{JOBS}/{known}") == (404, "MSS.41000003")
        assert tenant.refused("DELETE", f"{JOBS}/{known}") == (404, "MSS.41000003")
        assert tenant.refused("PUT", f"{JOBS}/{known}", {}) == (404, "MSS.41000003")
        answer = tenant.refused("POST", f"{JOBS}/{known}/command", {"command": "SUBMITVERIFYING"})
        assert answer == (404, "MSS.41000003")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": " "}, "MSS.41000002"),
        ({"model_version": "V2"}, "MSS.00000003"),
        ({"video_multipart_count": 1001}, "MSS.00000003"),
        ({"supported_service": ["RADIO"]}, "MSS.00000003"),
    ],
)
def test_a_wrong_job_is_refused(tenant: Any, change: dict[str, Any], code: str) -> None:
    """No name, a version that is gone, too many parts, an unknown service."""
    assert tenant.refused("POST", JOBS, {"name": "Ada", **change}) == (400, code)


def test_the_list_filters_sorts_and_pages(tenant: Any, clock: Any) -> None:
    """By every parameter of the reference; states that don't exist fit nothing."""
    first = create(tenant, name="Ada One", batch_name="b1", tags=["x", "y"])["job_id"]
    clock.pass_s(1)
    second = create(tenant, name="Two", batch_name="b2", is_flexus=True)["job_id"]
    clock.pass_s(1)
    third = submitted(tenant, name="Ada Three", tags=["y"])

    def ids(**query: Any) -> list[str]:
        answer = tenant.ok("GET", JOBS, **query)
        assert not List2dModelTrainingJobResponse.model_validate(answer).model_extra
        return [job["job_id"] for job in answer["jobs"]]

    project = tenant.emulator.config.project_id
    assert ids() == [first, second, third]
    assert ids(sort_key="create_time", sort_dir="desc") == [third, second, first]
    assert ids(name="ada") == [first, third]
    assert ids(batch_name="b2") == [second]
    assert ids(tag="y") == [first, third]
    assert ids(tag="x,none") == [first]
    assert ids(job_id=third) == [third]
    assert ids(state="AUTO_VERIFYING,CREATING") == [third]
    assert ids(state="PUBLISHED") == []
    assert ids(is_flexus="true") == [second]
    assert ids(is_flexus="false") == [first, third]
    assert ids(model_resolution="1080P", limit=2) == [first, second]
    assert ids(model_resolution="4K") == []
    assert ids(query_project_id=project, offset=2) == [third]
    assert ids(query_project_id="other") == []
    assert ids(create_since="2026-11-22T12:00:01Z", create_until="2026-11-22T12:00:01Z") == [second]
    clock.pass_s(10)
    upload(tenant, {**create(tenant)})
    assert ids(sort_key="update_time", sort_dir="desc", limit=2)[1] == third
    assert tenant.refused("GET", JOBS, sort_key="size") == (400, "MSS.00000003")


def test_a_job_goes_on_where_a_kill_left_it(make_tenant: Callable[..., Any], clock: Any) -> None:
    """What is kept of it is all that it needs."""
    tenant = make_tenant()
    job_id = submitted(tenant)
    clock.pass_s(2.2)
    tenant.ok("GET", JOBS)
    rows = [(kind, body) for kind, _, body in tenant.emulator.world.changes() if body is not None]
    again = make_tenant()
    again.emulator.world.load(rows)
    assert state(again, job_id) == "MANUAL_VERIFY_SUCCESS"
    clock.pass_s(60)
    assert show(again, job_id) == show(tenant, job_id)
    assert state(again, job_id) == "JOB_SUCCESS"


def test_the_states_are_those_of_the_reference() -> None:
    """Names exist, and what may be updated and deleted is what chapter 8 lists."""
    known = machine("avatar_training_job").states
    assert {one.value for one in TrainingState} <= known.keys()
    assert {name for name, one in known.items() if one.deletable} == DELETABLE
    assert {name for name, one in known.items() if one.updatable} == UPDATABLE
