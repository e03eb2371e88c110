"""Voice training jobs: uploads, reviews, states by time, the voice that comes of it."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.ledger import Ledger
from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.wire import Request
from orchestrator.metastudio.models.voice_modeling import TrainingJobInfo

USER = "/voice-training-manage/user"
JOBS = f"{USER}/jobs"
ZIP, WAV, TXT = "application/zip", "audio/wav", "text/plain"
SOUND, SILENCE = b"RIFF" + bytes(4000), b"RIFF" + bytes(40)


def create(tenant: Any, edition: str = "basic", **changes: Any) -> Any:
    body = {"voice_name": "Gentle", "create_type": "PACKAGE", **changes}
    return tenant.ok("POST", f"{USER}/{edition}-jobs", body)


def put(tenant: Any, url: str, data: bytes, kind: str | None = None) -> int:
    headers = {"Content-Length": str(len(data))} | ({} if kind is None else {"Content-Type": kind})
    target = url.removeprefix("http://storage.invalid")
    return StorageRules(tenant.emulator).put(Request("PUT", target, headers, data)).status


def packaged(tenant: Any, edition: str = "basic", data: bytes = SOUND, **changes: Any) -> str:
    """A job whose package is uploaded."""
    made = create(tenant, edition, **changes)
    assert put(tenant, made["training_data_uploading_url"], data, ZIP) == 200
    return str(made["job_id"])


def committed(tenant: Any, edition: str = "basic", **changes: Any) -> str:
    job_id = packaged(tenant, edition, **changes)
    tenant.ok("POST", f"{JOBS}/{job_id}")
    return job_id


def job(tenant: Any, job_id: str) -> Any:
    shown = tenant.ok("GET", f"{JOBS}/{job_id}")
    TrainingJobInfo.model_validate(shown)
    return shown


def actions(tenant: Any, job_id: str) -> list[tuple[str, str]]:
    log = tenant.ok("GET", f"{JOBS}/{job_id}/op-logs", limit=100)["operations"]
    return [(entry["action"], entry["operator"]) for entry in log]


def failing(make_tenant: Callable[..., Any], code: str | None, do: Fault = Fault.FAIL) -> Any:
    return make_tenant(faults=FaultPlan(rules=(FaultRule(on="voice", do=do, code=code, nth=1),)))


def record(tenant: Any, urls: Any, index: int, sound: bytes = SOUND) -> None:
    assert put(tenant, urls["audio_uploading_url"][index], sound, WAV) == 200
    assert put(tenant, urls["txt_uploading_url"][index], b"Hello", TXT) == 200


def confirm(tenant: Any, job_id: str, index: int) -> Any:
    return tenant.ok("POST", f"{USER}/training-segment", job_id=job_id, index=index)


@pytest.mark.parametrize(("edition", "sentences"), [("basic", 20), ("middle", 100)])
def test_a_job_takes_a_package_or_sentences(tenant: Any, edition: str, sentences: int) -> None:
    """One URL for a package, or two for each sentence; always one for the authorization letter."""
    package = create(tenant, edition)
    assert set(package) == {"job_id", "training_data_uploading_url", "authorization_letter_uploading_url"}
    segment = create(tenant, edition, create_type="SEGMENT")
    assert set(segment) == {"job_id", "segment_uploading_url", "authorization_letter_uploading_url"}
    urls = segment["segment_uploading_url"]
    assert len(set(urls["audio_uploading_url"] + urls["txt_uploading_url"])) == 2 * sentences


def test_the_premium_edition_takes_a_package_alone(tenant: Any) -> None:
    """It is one long recording; without a type a job takes a package."""
    body = {"voice_name": "Gentle"}
    assert "training_data_uploading_url" in tenant.ok("POST", f"{USER}/advance-jobs", body)
    refusal = tenant.refused("POST", f"{USER}/advance-jobs", {**body, "create_type": "SEGMENT"})
    assert refusal == (400, "MSS.00000003")


@pytest.mark.parametrize(
    "body",
    [{}, {"voice_name": ""}, {"voice_name": "x" * 257}, {"voice_name": "x", "sex": "OTHER"}],
)
def test_a_wrong_job_is_refused(tenant: Any, body: dict[str, Any]) -> None:
    """No name, one that no asset can have, a sex that the table lacks."""
    assert tenant.refused("POST", f"{USER}/basic-jobs", body) == (400, "MSS.00000003")


def test_a_job_shows_what_it_was_made_with(tenant: Any, clock: Any) -> None:
    """Defaults where nothing was said, times in seconds, nothing of what is still to come."""
    tenant.headers["X-App-UserId"] = "u-1"
    said = {"tag": "NEWS", "sex": "MALE", "phone": "123", "batch_name": "B", "dhtms_job_id": "d"}
    shown = job(tenant, create(tenant, "middle", **said)["job_id"])
    assert said.items() <= shown.items()
    assert (shown["job_type"], shown["create_type"], shown["language"]) == ("MIDDLE", "PACKAGE", "CN")
    assert (shown["state"], shown["reject_times"], shown["app_user_id"]) == ("CREATING", 1, "u-1")
    assert shown["create_time"] == shown["lastupdate_time"] == int(clock.now.timestamp())
    assert not {"asset_id", "job_failed_code", "voice_authorization_url"} & set(shown)
    assert job(tenant, create(tenant)["job_id"])["sex"] == "FEMALE"


def test_the_phone_is_not_in_the_state_page(tenant: Any) -> None:
    """It is nobody else's business."""
    create(tenant, phone="0123456789")
    (kept,) = tenant.emulator.world.further["voice_training_job"]
    assert "0123456789" not in repr(kept)


def test_an_upload_url_wants_its_content_type_and_serves_once(tenant: Any) -> None:
    """Another type breaks the signature, a second upload comes too late."""
    url = create(tenant)["training_data_uploading_url"]
    assert put(tenant, url, SOUND, "text/plain") == 403
    assert put(tenant, url, SOUND, ZIP) == 200
    assert put(tenant, url, SOUND, ZIP) >= 400


def test_fresh_urls_are_given_while_files_are_awaited(tenant: Any, clock: Any) -> None:
    """The same file as long as it is empty, a new one when it is filled; none once the job is submitted."""
    made = create(tenant)
    job_id, first = made["job_id"], made["training_data_uploading_url"]
    address = f"{JOBS}/{job_id}/uploading-address-url"
    clock.pass_s(60)
    again = tenant.ok("GET", address)["package_url"]["training_data_uploading_url"]
    assert (again.partition("?")[0] == first.partition("?")[0], again != first) == (True, True)
    assert put(tenant, again, SOUND, ZIP) == 200
    other = tenant.ok("GET", address)["package_url"]["training_data_uploading_url"]
    assert other.partition("?")[0] != first.partition("?")[0]
    tenant.ok("POST", f"{JOBS}/{job_id}")
    assert tenant.refused("GET", address) == (400, "MSS.20020001")
    # What was not used is of no use any more.
    assert put(tenant, other, SOUND, ZIP) == 404


def test_addresses_of_sentences(tenant: Any) -> None:
    """As many as at the creation, and no package."""
    shown = tenant.ok(
        "GET", f"{JOBS}/{create(tenant, create_type='SEGMENT')['job_id']}/uploading-address-url"
    )
    assert set(shown) == {"segment_url", "authorization_letter_uploading_url"}
    assert [len(urls) for urls in shown["segment_url"].values()] == [20, 20]


def test_a_job_goes_its_way_by_time(tenant: Any, clock: Any) -> None:
    """Reviews, trimming, training, review of the result; the log tells who did what."""
    job_id = committed(tenant)
    seen = [job(tenant, job_id)["state"]]
    while (due := tenant.emulator.next_due()) is not None:
        clock.now = due
        seen.append(job(tenant, job_id)["state"])
    assert seen == [
        *("SYSTEM_AUDITING", "AUDITING", "WAITING_SPLIT", "SPLITTING", "WAITING"),
        *("PROCESSING", "RESULT_REVIEW", "SUCCEED"),
    ]
    assert actions(tenant, job_id) == [
        *(("CREATE_JOB", "USER"), ("COMMIT_JOB", "USER")),
        *(("SYSTEM_AUDIT_PASS", "SYSTEM"), ("ADMIN_AUDIT_PASS", "ADMIN")),
        *(("TRAINING_FINISH", "SYSTEM"), ("UPLOADING_MODEL", "SYSTEM"), ("COMPLETE_JOB", "SYSTEM")),
    ]
    audit = tenant.ok("GET", f"{JOBS}/{job_id}/audit-result")
    assert audit["system_audit_result"]["errors"] == []
    assert audit["admin_audit_result"]["audit_time"] == audit["system_audit_result"]["audit_time"] + 1


def test_a_long_recording_is_annotated(tenant: Any, clock: Any) -> None:
    """The premium edition has no text of its own."""
    job_id = committed(tenant, "advance")
    seen = set()
    while (due := tenant.emulator.next_due()) is not None:
        clock.now = due
        seen.add(job(tenant, job_id)["state"])
    assert "ANNOTATING" in seen


def test_speed_divides_the_times(make_tenant: Callable[..., Any], clock: Any) -> None:
    """At a hundredfold speed a training takes some hundredths of a second."""
    tenant = make_tenant(speed=100.0)
    job_id = committed(tenant)
    clock.pass_s(0.05)
    assert job(tenant, job_id)["state"] == "SUCCEED"


def test_the_voice_can_be_used(tenant: Any, clock: Any) -> None:
    """An active voice of the job's name, with a sample; scripts and previews take it."""
    job_id = committed(tenant, sex="MALE", tag="NEWS", description="warm")
    clock.pass_s(100)
    voice_id = job(tenant, job_id)["asset_id"]
    voice = tenant.ok("GET", f"/digital-assets/{voice_id}")
    assert (voice["asset_name"], voice["asset_type"], voice["asset_state"]) == (
        "Gentle",
        "VOICE_MODEL",
        "ACTIVED",
    )
    meta = voice["asset_extra_meta"]["voice_model_meta"]
    assert (meta["sex"], meta["language"], meta["model_type"]) == ("MALE", "CN", "CLONE")
    assert [file["asset_file_category"] for file in voice["files"]] == ["SAMPLE"]
    tenant.script(voice_config={"voice_asset_id": voice_id})
    tenant.ok("POST", "/ttsc/audition", {"text": "Hello", "emotion": voice_id})


def test_nothing_is_submitted_without_its_package(tenant: Any) -> None:
    """MSS.20020030, and the job still waits; there is no job of another id."""
    job_id = create(tenant)["job_id"]
    assert tenant.refused("POST", f"{JOBS}/{job_id}") == (400, "MSS.20020030")
    assert job(tenant, job_id)["state"] == "CREATING"
    assert tenant.refused("POST", f"{JOBS}/nope") == (400, "MSS.20020002")


def test_a_job_is_submitted_once(tenant: Any, clock: Any) -> None:
    """MSS.20020001 while it is reviewed, and when it is done."""
    job_id = committed(tenant)
    assert tenant.refused("POST", f"{JOBS}/{job_id}") == (400, "MSS.20020001")
    clock.pass_s(100)
    assert tenant.refused("POST", f"{JOBS}/{job_id}") == (400, "MSS.20020001")


def test_a_submission_may_change_the_job(tenant: Any) -> None:
    """What it names, and no more."""
    job_id = packaged(tenant, tag="NEWS")
    tenant.ok("POST", f"{JOBS}/{job_id}", {"voice_name": "Firm", "sex": "MALE", "app_user_id": "u-2"})
    shown = job(tenant, job_id)
    assert [shown[name] for name in ("voice_name", "sex", "app_user_id", "tag")] == [
        *("Firm", "MALE", "u-2", "NEWS")
    ]


def test_the_authorization_letter_is_linked(tenant: Any) -> None:
    """Once it is uploaded, also after the submission."""
    made = create(tenant)
    assert put(tenant, made["authorization_letter_uploading_url"], b"I agree") == 200
    assert put(tenant, made["training_data_uploading_url"], SOUND, ZIP) == 200
    assert "voice_authorization_url" in job(tenant, made["job_id"])
    tenant.ok("POST", f"{JOBS}/{made['job_id']}")
    assert "voice_authorization_url" in job(tenant, made["job_id"])


def test_sentences_are_confirmed_one_by_one(tenant: Any) -> None:
    """One in which nothing is said does not match its text, until it is recorded again."""
    made = create(tenant, create_type="SEGMENT")
    job_id, urls = made["job_id"], made["segment_uploading_url"]
    record(tenant, urls, 3)
    record(tenant, urls, 1, SILENCE)
    assert confirm(tenant, job_id, 3) == {"confirm_result": True, "unmatched_index_hit": []}
    assert confirm(tenant, job_id, 1) == {"confirm_result": False, "unmatched_index_hit": [0]}
    fresh = tenant.ok("GET", f"{JOBS}/{job_id}/uploading-address-url")["segment_url"]
    record(tenant, fresh, 1)
    assert confirm(tenant, job_id, 1)["confirm_result"] is True
    info = tenant.ok("GET", f"{USER}/training-segment", job_id=job_id)
    assert info == {"confirmed_index": [1, 3]}
    # A later recording has to be confirmed again.
    record(tenant, tenant.ok("GET", f"{JOBS}/{job_id}/uploading-address-url")["segment_url"], 3)
    assert tenant.ok("GET", f"{USER}/training-segment", job_id=job_id) == {"confirmed_index": [1]}


def test_all_sentences_have_to_be_there_and_confirmed(tenant: Any) -> None:
    """Each lack has its code; then the job is taken."""
    made = create(tenant, create_type="SEGMENT")
    job_id, urls = made["job_id"], made["segment_uploading_url"]
    commit = f"{JOBS}/{job_id}"
    assert tenant.refused("POST", commit) == (400, "MSS.20020030")
    put(tenant, urls["audio_uploading_url"][0], SOUND, WAV)
    assert tenant.refused("POST", commit) == (400, "MSS.20020040")
    put(tenant, urls["txt_uploading_url"][0], b"Hello", TXT)
    for index in range(1, 20):
        record(tenant, urls, index)
    assert tenant.refused("POST", commit) == (400, "MSS.20020028")
    for index in range(20):
        confirm(tenant, job_id, index)
    tenant.ok("POST", commit)
    assert job(tenant, job_id)["state"] == "SYSTEM_AUDITING"
    again = tenant.refused("POST", f"{USER}/training-segment", job_id=job_id, index=0)
    assert again == (400, "MSS.20020001")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "MSS.00000003"),
        ({"job_id": "?"}, "MSS.00000003"),
        ({"job_id": "?", "index": "x"}, "MSS.00000003"),
        ({"job_id": "?", "index": "20"}, "MSS.00000003"),
        ({"job_id": "?", "index": "0"}, "MSS.20020030"),
        ({"job_id": "nope", "index": "0"}, "MSS.20020002"),
    ],
)
def test_what_cannot_be_confirmed(tenant: Any, query: dict[str, str], code: str) -> None:
    """No job or no index, an index out of range, nothing uploaded."""
    job_id = create(tenant, create_type="SEGMENT")["job_id"]
    query = {name: job_id if value == "?" else value for name, value in query.items()}
    assert tenant.refused("POST", f"{USER}/training-segment", **query) == (400, code)


def test_a_job_with_a_package_has_no_sentences(tenant: Any) -> None:
    """None can be confirmed, none is."""
    job_id = create(tenant)["job_id"]
    refusal = tenant.refused("POST", f"{USER}/training-segment", job_id=job_id, index=0)
    assert refusal == (400, "MSS.00000003")
    assert tenant.ok("GET", f"{USER}/training-segment", job_id=job_id) == {"confirmed_index": []}
    assert tenant.refused("GET", f"{USER}/training-segment") == (400, "MSS.00000003")


def test_an_empty_package_fails_the_review(tenant: Any, clock: Any) -> None:
    """The job waits for a better one, and can be submitted again."""
    job_id = committed(tenant, data=b"PK")
    clock.pass_s(1)
    failed = job(tenant, job_id)
    assert (failed["state"], failed["job_failed_code"]) == ("AUDIT_FAILED", "MSS.20020013")
    assert "ZIP" in failed["job_failed_reason"]
    assert actions(tenant, job_id)[-1] == ("AUDIT_NOT_PASS", "SYSTEM")
    urls = tenant.ok("GET", f"{JOBS}/{job_id}/uploading-address-url")
    assert put(tenant, urls["package_url"]["training_data_uploading_url"], SOUND, ZIP) == 200
    tenant.ok("POST", f"{JOBS}/{job_id}")
    assert "job_failed_code" not in job(tenant, job_id)
    assert job(tenant, job_id)["reject_times"] == 2
    clock.pass_s(100)
    assert job(tenant, job_id)["state"] == "SUCCEED"


@pytest.mark.parametrize(
    ("code", "state", "audit"),
    [
        (None, "FAILED", {}),
        ("MSS.20020014", "FAILED", {}),
        ("MSS.20020034", "SPLIT_FAILED", {}),
        ("MSS.20020010", "AUDIT_FAILED", {"admin_audit_result": "Invalid authorization letter"}),
        ("MSS.20020016", "AUDIT_FAILED", {"system_audit_result": None}),
        ("MSS.20020028", "AUDIT_FAILED", {"system_audit_result": "0.wav"}),
    ],
)
def test_a_job_fails_as_planned(
    make_tenant: Callable[..., Any], clock: Any, code: str | None, state: str, audit: dict[str, str | None]
) -> None:
    """Where it fails follows from the code: in a review, in trimming, else in training."""
    tenant = failing(make_tenant, code)
    job_id = committed(tenant)
    clock.pass_s(100)
    failed = job(tenant, job_id)
    assert (failed["state"], failed["job_failed_code"]) == (state, code or "MSS.20020005")
    shown = tenant.ok("GET", f"{JOBS}/{job_id}/audit-result")
    if "admin_audit_result" in audit:
        assert str(audit["admin_audit_result"]) in shown["admin_audit_result"]["message"]
    if "system_audit_result" in audit:
        (error,) = shown["system_audit_result"]["errors"]
        assert (error["error_code"], error.get("audio_name")) == (code, audit["system_audit_result"])
        assert "admin_audit_result" not in shown


def test_a_stuck_job_trains_for_ever(make_tenant: Callable[..., Any], clock: Any) -> None:
    """And is never done."""
    tenant = failing(make_tenant, None, Fault.STUCK)
    job_id = committed(tenant)
    clock.pass_s(86400)
    assert job(tenant, job_id)["state"] == "PROCESSING"


def test_a_job_that_is_worked_on_stays(tenant: Any, clock: Any) -> None:
    """Before and after it can be deleted; then it is gone, its URLs too, and the voice stays."""
    waiting = create(tenant)
    tenant.ok("DELETE", f"{JOBS}/{waiting['job_id']}")
    assert put(tenant, waiting["training_data_uploading_url"], SOUND, ZIP) == 404
    job_id = committed(tenant)
    assert tenant.refused("DELETE", f"{JOBS}/{job_id}") == (400, "MSS.20020001")
    clock.pass_s(100)
    voice_id = job(tenant, job_id)["asset_id"]
    tenant.ok("DELETE", f"{JOBS}/{job_id}")
    assert tenant.refused("GET", f"{JOBS}/{job_id}") == (400, "MSS.20020002")
    assert tenant.refused("DELETE", f"{JOBS}/{job_id}") == (400, "MSS.20020002")
    assert tenant.ok("GET", JOBS)["count"] == 0
    assert tenant.ok("GET", f"/digital-assets/{voice_id}")["asset_state"] == "ACTIVED"


def test_jobs_are_found_by_every_filter(tenant: Any, clock: Any) -> None:
    """Newest first; names by a part of them; times as text or in seconds."""
    first = create(tenant, tag="NEWS", voice_name="Gentle one")["job_id"]
    clock.pass_s(60)
    second = committed(tenant, "middle", voice_name="gentle two")
    clock.pass_s(60)
    third = create(tenant, "advance", voice_name="Firm")["job_id"]

    def found(**query: Any) -> list[str]:
        return [row["job_id"] for row in tenant.ok("GET", JOBS, **query)["jobs"]]

    at = int(clock.now.timestamp()) - 60
    assert found() == [third, second, first]
    assert found(state="SUCCEED") == [second]
    assert found(state="CREATING,FAILED") == [third, first]
    assert found(job_id=first) == [first]
    assert found(voice_name="gentle") == [second, first]
    assert found(tag="NEWS") == [first]
    assert found(job_type="ADVANCE") == [third]
    assert found(job_type="FLEXUS") == []
    assert found(create_since="2026-11-22T12:01:00Z") == [third, second]
    assert found(create_until=at) == [second, first]
    assert found(limit=1, offset=1) == [second]
    assert tenant.ok("GET", JOBS, limit=1)["count"] == 3
    for wrong in ({"state": "NEW"}, {"job_type": "X"}, {"create_since": "soon"}, {"limit": 101}):
        assert tenant.refused("GET", JOBS, **wrong) == (400, "MSS.00000003")


def test_the_log_is_paged(tenant: Any, clock: Any) -> None:
    """Oldest first, with the total; reviews have ids."""
    job_id = committed(tenant)
    clock.pass_s(100)
    page = tenant.ok("GET", f"{JOBS}/{job_id}/op-logs", offset=2, limit=2)
    assert page["count"] == 7
    assert [entry["action"] for entry in page["operations"]] == ["SYSTEM_AUDIT_PASS", "ADMIN_AUDIT_PASS"]
    assert all(len(entry["external_info"]["review_id_list"]) == 1 for entry in page["operations"])


def test_a_restart_loses_nothing(tenant: Any, clock: Any) -> None:
    """A job that was loaded again goes on to its end."""
    ledger = Ledger(None)
    tenant.emulator = Emulator(tenant.emulator.config, ledger=ledger, clock=clock)
    job_id = committed(tenant)
    clock.pass_s(1.3)
    before = job(tenant, job_id)
    assert before["state"] == "SPLITTING"
    tenant.emulator = Emulator(tenant.emulator.config, ledger=ledger, clock=clock)
    assert job(tenant, job_id) == before
    clock.pass_s(100)
    assert job(tenant, job_id)["state"] == "SUCCEED"
    assert len(actions(tenant, job_id)) == 7


def test_expired_urls_are_handed_out_by_plan(make_tenant: Callable[..., Any]) -> None:
    """The upload is refused by object storage."""
    rule = FaultRule(on="create_training_basic_job", do=Fault.EXPIRED_URL, nth=1)
    tenant = make_tenant(faults=FaultPlan(rules=(rule,)))
    assert put(tenant, create(tenant)["training_data_uploading_url"], SOUND, ZIP) == 403
