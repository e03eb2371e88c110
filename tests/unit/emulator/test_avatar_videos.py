"""Video jobs: their states by time, their output, their callbacks."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.metastudio.callbacks import Verdict, verify

CALLBACK = {"callback_url": "http://127.0.0.1:9/cb?run=7", "auth_type": "MSS_A", "key": "secret-key"}


def test_a_job_waits_works_and_succeeds_by_time(tenant: Any, clock: Any) -> None:
    """WAITING for 2 s, PROCESSING for 3 s, then SUCCEED with an output asset."""
    job_id = tenant.video(tenant.script())
    assert tenant.job(job_id)["state"] == "WAITING"
    clock.pass_s(2)
    working = tenant.job(job_id)
    assert (working["state"], working["start_time"]) == ("PROCESSING", "2026-11-22T12:00:02Z")
    assert "asset_id" not in working["output_asset_config"]
    clock.pass_s(2.9)
    assert tenant.job(job_id)["state"] == "PROCESSING"
    clock.pass_s(100)
    done = tenant.job(job_id)
    assert (done["state"], done["end_time"], done.get("error_info")) == (
        "SUCCEED",
        "2026-11-22T12:00:05Z",
        None,
    )
    output = tenant.ok("GET", f"/digital-assets/{done['output_asset_config']['asset_id']}")
    assert (output["asset_type"], output["asset_state"], output["asset_name"]) == ("VIDEO", "ACTIVED", "Film")
    assert [(file["asset_file_category"], file["file_type"]) for file in output["files"]] == [
        ("MAIN", "mp4"),
        ("COVER", "png"),
    ]


def test_speed_divides_the_times(make_tenant: Callable[..., Any], clock: Any) -> None:
    """At a hundredfold speed a job of 3 s takes 30 ms."""
    tenant = make_tenant(speed=100.0)
    job_id = tenant.video(tenant.script())
    clock.pass_s(0.031)
    assert tenant.job(job_id)["state"] == "SUCCEED"


def test_a_waiting_job_is_cancelled_and_no_other(tenant: Any, clock: Any) -> None:
    """Afterwards MSS.20010048; a cancelled job stays so and calls nobody."""
    first, second = tenant.video(tenant.script(), callback_config=CALLBACK), tenant.video(tenant.script())
    tenant.ok("POST", f"/2d-digital-human-videos/{first}/cancel")
    assert tenant.job(first)["state"] == "CANCELED"
    clock.pass_s(2)
    assert tenant.refused("POST", f"/2d-digital-human-videos/{second}/cancel") == (500, "MSS.20010048")
    assert tenant.refused("POST", f"/2d-digital-human-videos/{first}/cancel") == (500, "MSS.20010048")
    assert tenant.refused("POST", "/2d-digital-human-videos/nope/cancel") == (404, "MSS.20010009")
    clock.pass_s(100)
    assert tenant.job(first)["state"] == "CANCELED"
    assert tenant.emulator.world.pending_posts() == []


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"script_id": "nope"}, (404, "MSS.20010079")),
        ({}, (500, "MSS.20010027")),
        ({"shoot_scripts": [{"shoot_script": {"text_config": {"text": "x"}}}]}, (500, "MSS.20010096")),
    ],
)
def test_a_job_without_its_makings_is_refused(
    tenant: Any, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    """An unknown script, or neither script nor contents."""
    assert tenant.refused("POST", "/2d-digital-human-videos", body) == refusal


@pytest.mark.parametrize(
    "callback",
    [
        {"callback_url": "ftp://example.com"},
        {"callback_url": "http://"},
        {"callback_url": "http://[::1"},
        {"callback_url": "http://example.com:99999/"},
        {"callback_url": "http://example.com/", "auth_type": "MSS_A"},
    ],
)
def test_a_callback_that_cannot_be_sent_is_refused(tenant: Any, callback: dict[str, str]) -> None:
    """Before the job is made."""
    body = {"script_id": tenant.script(), "callback_config": callback}
    status, _ = tenant.refused("POST", "/2d-digital-human-videos", body)
    assert status == 400
    assert not list(tenant.emulator.world.jobs)


def test_the_list_finds_jobs_by_what_they_were_made_from(tenant: Any, clock: Any) -> None:
    """Script, exact asset name (parts of it with `fuzzy_query_field`), job, state and time."""
    script_id = tenant.script()
    first = tenant.video(script_id)
    clock.pass_s(10)
    second = tenant.video(tenant.script(), output_asset_config={"asset_name": "Film two"})

    def found(**query: Any) -> list[str]:
        return [row["job_id"] for row in tenant.ok("GET", "/digital-human-videos", **query)["jobs"]]

    assert found() == [first, second]
    assert found(sort_key="create_time", sort_dir="desc") == [second, first]
    assert found(script_id=script_id) == [first]
    assert found(asset_name="Film") == [first]
    assert found(asset_name="film", fuzzy_query_field="asset_name") == [first, second]
    assert found(job_id=second) == [second]
    assert found(state="WAITING,FAILED") == [second]
    assert found(create_since="2026-11-22T12:00:05Z") == [second]
    assert found(create_until="2026-11-22T12:00:05Z") == [first]
    assert found(limit=1, offset=1) == [second]
    assert tenant.ok("GET", "/digital-human-videos", limit=1)["count"] == 2


def test_the_list_reaches_back_a_month(tenant: Any) -> None:
    """An older job is found only when the time is given."""
    job_id = tenant.video(tenant.script())
    tenant.emulator.advance(40 * 86400)
    assert tenant.ok("GET", "/digital-human-videos")["count"] == 0
    assert tenant.ok("GET", "/digital-human-videos", create_since="2026-11-01")["count"] == 1
    assert tenant.job(job_id)["state"] == "SUCCEED"


def test_the_script_is_shown_when_asked_for(tenant: Any) -> None:
    """`show_script` adds what the job was made from."""
    job_id = tenant.video(tenant.script())
    assert "shoot_scripts" not in tenant.job(job_id)
    shown = tenant.ok("GET", f"/2d-digital-human-videos/{job_id}", show_script="true")
    assert shown["shoot_scripts"]
    assert shown["video_config"]["codec"] == "H264"


@pytest.mark.parametrize("reading", ["decimal", "hex"])
def test_the_end_is_told_with_a_signature(make_tenant: Callable[..., Any], clock: Any, reading: str) -> None:
    """MSS_A over the URL with its own query, by either reading of the time."""
    tenant = make_tenant(callback_time=reading)
    job_id = tenant.video(tenant.script(), callback_config=CALLBACK)
    clock.pass_s(3)
    done = tenant.job(job_id)
    (post,) = tenant.emulator.postman.due(clock.now)
    letter = tenant.emulator.postman.letter(post, clock.now)
    assert post.body == {
        "job_id": job_id,
        "result": "SUCCEED",
        "asset_id": done["output_asset_config"]["asset_id"],
    }
    query = [pair for pair in parse_qsl(urlsplit(letter.url).query) if pair[0] in {"secret", "time_stamp"}]
    now_ms = int(clock.now.timestamp() * 1000)
    assert verify(CALLBACK["callback_url"], query, ["secret-key"], now_ms) is Verdict.VALID
    assert "secret-key" not in repr(post) + repr(letter)


def test_a_callback_without_authentication_goes_to_the_bare_url(tenant: Any, clock: Any) -> None:
    """NONE adds nothing."""
    tenant.video(tenant.script(), callback_config={"callback_url": "http://127.0.0.1:9/x"})
    clock.pass_s(5)
    tenant.emulator.settle()
    (post,) = tenant.emulator.postman.due(clock.now)
    assert tenant.emulator.postman.letter(post, clock.now).url == "http://127.0.0.1:9/x"


def test_a_callback_is_repeated_with_growing_pauses(tenant: Any, clock: Any) -> None:
    """1, 2, 4 … s apart, eight tries in all."""
    tenant.video(tenant.script(), callback_config=CALLBACK)
    clock.pass_s(5)
    tenant.emulator.settle()
    pauses = []
    while due := tenant.emulator.postman.due(clock.now):
        tenant.emulator.postman.tried(due[0].id, clock.now, taken=False)
        upcoming = tenant.emulator.next_due()
        if upcoming is None:
            break
        pauses.append((upcoming - clock.now).total_seconds())
        clock.now = upcoming
    assert pauses == [1, 2, 4, 8, 16, 32, 64]
    assert tenant.emulator.world.pending_posts() == []


def planned(make_tenant: Callable[..., Any], clock: Any, on: str, do: Fault, **rule: Any) -> Any:
    plan = FaultPlan(rules=(FaultRule(on=on, do=do, nth=1, **rule),))
    tenant = make_tenant(faults=plan)
    tenant.video(tenant.script(), callback_config=CALLBACK)
    clock.pass_s(3)
    tenant.emulator.settle()
    return tenant


def test_callbacks_are_lost_late_doubled_or_forged(make_tenant: Callable[..., Any], clock: Any) -> None:
    """As the plan says; a forged one lies and is signed with another key."""
    assert planned(make_tenant, clock, "callback", Fault.LOST).emulator.world.pending_posts() == []
    late = planned(make_tenant, clock, "callback", Fault.LATE, seconds=60).emulator
    assert late.postman.due(clock.now) == []
    clock.pass_s(60)
    assert len(late.postman.due(clock.now)) == 1
    assert len(planned(make_tenant, clock, "callback", Fault.DOUBLE).emulator.postman.due(clock.now)) == 2
    emulator = planned(make_tenant, clock, "callback", Fault.FORGE).emulator
    forged, true = emulator.postman.due(clock.now)
    assert (forged.body["result"], true.body["result"]) == ("FAILED", "SUCCEED")
    now_ms = int(clock.now.timestamp() * 1000)
    for post, verdict in ((forged, Verdict.FORGED), (true, Verdict.VALID)):
        query = parse_qsl(urlsplit(emulator.postman.letter(post, clock.now).url).query)[1:]
        assert verify(CALLBACK["callback_url"], query, ["secret-key"], now_ms) is verdict


def test_a_job_fails_as_planned(make_tenant: Callable[..., Any], clock: Any) -> None:
    """FAILED with the plan's code and the table's message, and the callback says so."""
    tenant = planned(make_tenant, clock, "video", Fault.FAIL, code="MSS.20010006")
    (job,) = tenant.ok("GET", "/digital-human-videos")["jobs"]
    assert (job["state"], job["error_info"]["error_code"]) == ("FAILED", "MSS.20010006")
    assert job["error_info"]["error_msg"] == "Text failed the review."
    (post,) = tenant.emulator.postman.due(clock.now)
    assert post.body["result"] == "FAILED"
