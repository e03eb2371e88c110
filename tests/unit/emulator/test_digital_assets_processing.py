"""What becomes of an uploaded file: review, pages of slides, transcoding."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.ledger import Ledger


def planned(make_tenant: Callable[..., Any], on: str, **rule: Any) -> Any:
    return make_tenant(faults=FaultPlan(rules=(FaultRule(**{"on": on, "do": Fault.FAIL, **rule}),)))


def slides(tenant: Any) -> str:
    meta = {"ppt_meta": {"auto_analysis": True}}
    asset_id = str(tenant.asset(asset_type="PPT", asset_name="Deck", asset_extra_meta=meta))
    tenant.upload(asset_id, "deck.pptx")
    return asset_id


def ppt(tenant: Any, asset_id: str) -> dict[str, Any]:
    meta = tenant.shown_asset(asset_id)["asset_extra_meta"]["ppt_meta"]
    assert isinstance(meta, dict)
    return meta


def test_a_reviewed_main_file_makes_its_asset_active(make_tenant: Callable[..., Any], clock: Any) -> None:
    """The review takes its time; until then the file is UPLOADED and has no download URL."""
    tenant = make_tenant(review_s=5)
    asset_id = tenant.asset()
    tenant.upload(asset_id)
    shown = tenant.shown_asset(asset_id)
    assert (shown["asset_state"], shown["files"][0]["state"]) == ("CREATING", "UPLOADED")
    assert "download_url" not in shown["files"][0]
    clock.pass_s(5)
    shown = tenant.shown_asset(asset_id)
    assert (shown["asset_state"], shown["files"][0]["state"]) == ("ACTIVED", "CREATED")
    assert "download_url" in shown["files"][0]
    assert shown["asset_extra_meta"]["image_meta"] == {"codec": "png", "size": 3}


def test_a_review_goes_on_after_a_restart(tenant: Any, clock: Any) -> None:
    """What was under review is reviewed by the next process."""
    ledger, config = Ledger(None), EmulatorConfig(render=False, limits=False, review_s=5)
    first = type(tenant)(Emulator(config, clock=clock, ledger=ledger), clock)
    asset_id = first.asset()
    first.upload(asset_id)
    again = type(tenant)(Emulator(config, clock=clock, ledger=ledger), clock)
    clock.pass_s(5)
    assert again.shown_asset(asset_id)["asset_state"] == "ACTIVED"


@pytest.mark.parametrize(
    ("code", "asset_state", "file_state", "fail_type"),
    [
        (None, "FAILED", "FAILED", "AUTOMATIC_REVIEW_REJECT"),
        ("MSS.10001035", "FAILED", "FAILED", "AUTOMATIC_REVIEW_REJECT"),
        ("MANUAL_REVIEW_REJECT", "FAILED", "FAILED", "MANUAL_REVIEW_REJECT"),
        ("BLOCK", "BLOCK", "BLOCK", None),
    ],
)
def test_a_rejected_main_file_fails_its_asset(
    make_tenant: Callable[..., Any], code: str | None, asset_state: str, file_state: str, fail_type: str
) -> None:
    """Which review rejected it and why is told; deleting the file makes room for a better one."""
    tenant = planned(make_tenant, "review", nth=1, code=code)
    asset_id = tenant.asset()
    file_id = tenant.upload(asset_id)
    shown = tenant.shown_asset(asset_id)
    assert (shown["asset_state"], shown.get("fail_type")) == (asset_state, fail_type)
    assert (shown["files"][0]["state"], shown["files"][0]["reason"]) == (file_state, shown["reason"])
    assert shown["asset_extra_meta"]["image_meta"]["error_info"]["error_msg"] == shown["reason"]
    assert tenant.refused("POST", f"/files/{file_id}/complete", {"state": "CREATED"}) == (400, "MSS.10001013")
    tenant.ok("DELETE", f"/files/{file_id}")
    if asset_state == "FAILED":
        tenant.upload(asset_id)
        shown = tenant.shown_asset(asset_id)
        assert shown["asset_state"] == "ACTIVED"
        assert not {"fail_type", "reason"} & shown.keys()


def test_a_stuck_review_waits_for_people(make_tenant: Callable[..., Any], clock: Any) -> None:
    """The file stays in REVIEW and its asset in CREATING, for ever."""
    tenant = planned(make_tenant, "review", do=Fault.STUCK)
    asset_id = tenant.asset()
    tenant.upload(asset_id)
    clock.pass_s(1_000_000)
    shown = tenant.shown_asset(asset_id)
    assert (shown["asset_state"], shown["files"][0]["state"]) == ("CREATING", "REVIEW")


def test_a_rejected_cover_leaves_its_asset_alone(make_tenant: Callable[..., Any]) -> None:
    """Only the main file decides over the asset."""
    tenant = planned(make_tenant, "review", nth=2)
    asset_id = tenant.asset()
    tenant.upload(asset_id)
    tenant.upload(asset_id, "b.png", "COVER")
    shown = tenant.shown_asset(asset_id)
    assert [shown["asset_state"], *(file["state"] for file in shown["files"])] == [
        "ACTIVED",
        "CREATED",
        "FAILED",
    ]


def test_slides_are_parsed_to_pages(tenant: Any, clock: Any) -> None:
    """INITIALIZE, WAITING, CONVERTING, SUCCEEDED; then each page is a picture of its own."""
    meta = {"ppt_meta": {"auto_analysis": True}}
    asset_id = tenant.asset(asset_type="PPT", asset_extra_meta=meta)
    seen = [ppt(tenant, asset_id)["ppt_analysis_status"]]
    tenant.upload(asset_id, "deck.pptx")
    for _ in range(40):
        seen.append(ppt(tenant, asset_id)["ppt_analysis_status"])
        clock.pass_s(0.1)
    assert list(dict.fromkeys(seen)) == ["INITIALIZE", "WAITING", "CONVERTING", "SUCCEEDED"]
    shown = tenant.shown_asset(asset_id)
    pages = {file["file_id"]: file for file in shown["files"] if file["asset_file_category"] == "PAGE"}
    listed = shown["asset_extra_meta"]["ppt_meta"]["pages"]
    assert [page["page_no"] for page in listed] == list(range(1, len(pages) + 1))
    assert {page["file_id"] for page in listed} == set(pages)
    assert ppt(tenant, asset_id)["page_count"] == len(pages)
    assert all(page["state"] == "CREATED" and "download_url" in page for page in pages.values())


def test_slides_are_parsed_only_on_request(tenant: Any, clock: Any) -> None:
    """Without `auto_analysis` nothing happens; asking for it later starts the parsing."""
    asset_id = tenant.asset(asset_type="PPT")
    tenant.upload(asset_id, "deck.pptx")
    clock.pass_s(60)
    assert "asset_extra_meta" not in tenant.shown_asset(asset_id)
    tenant.ok(
        "PUT", f"/digital-assets/{asset_id}", {"asset_extra_meta": {"ppt_meta": {"auto_analysis": True}}}
    )
    assert ppt(tenant, asset_id)["ppt_analysis_status"] == "WAITING"
    clock.pass_s(60)
    assert ppt(tenant, asset_id)["ppt_analysis_status"] == "SUCCEEDED"


def test_pages_go_with_their_slides(tenant: Any, clock: Any) -> None:
    """Deleting a page takes it off the list, deleting the slides takes all pages along."""
    asset_id = slides(tenant)
    clock.pass_s(60)
    pages = ppt(tenant, asset_id)["pages"]
    tenant.ok("DELETE", f"/files/{pages[0]['file_id']}")
    assert ppt(tenant, asset_id)["pages"] == pages[1:]
    main = tenant.shown_asset(asset_id)["files"][0]["file_id"]
    tenant.ok("DELETE", f"/files/{main}")
    shown = tenant.shown_asset(asset_id)
    assert (shown["asset_state"], shown["files"]) == ("CREATING", [])
    assert ppt(tenant, asset_id) == {
        "auto_analysis": True,
        "ppt_analysis_status": "INITIALIZE",
        "page_count": 0,
    }


@pytest.mark.parametrize(("do", "status"), [(Fault.FAIL, "FAILED"), (Fault.STUCK, "CONVERTING")])
def test_a_parsing_may_fail_or_never_end(
    make_tenant: Callable[..., Any], clock: Any, do: Fault, status: str
) -> None:
    """A failure has its code in `error_info`; the asset itself stays usable."""
    tenant = planned(make_tenant, "parsing", do=do)
    asset_id = slides(tenant)
    clock.pass_s(60)
    meta = ppt(tenant, asset_id)
    assert meta["ppt_analysis_status"] == status
    assert ("error_info" in meta) is (do is Fault.FAIL)
    assert tenant.shown_asset(asset_id)["asset_state"] == "ACTIVED"


def test_a_video_is_transcoded_and_gets_its_cover(tenant: Any, clock: Any) -> None:
    """WAITING, TRANSCODING, SUCCEEDED in file and metadata; a cover when one was asked for."""
    asset_id = tenant.asset(asset_type="VIDEO", is_need_generate_cover=True)
    tenant.upload(asset_id, "a.mp4")
    seen = []
    for _ in range(20):
        shown = tenant.shown_asset(asset_id)
        status = shown["asset_extra_meta"]["video_meta"]["video_transcoding_status"]
        assert shown["files"][0]["file_extra_meta"] == {"video_transcoding_status": status}
        seen.append(status)
        clock.pass_s(0.2)
    assert list(dict.fromkeys(seen)) == ["WAITING", "TRANSCODING", "SUCCEEDED"]
    assert [file["asset_file_category"] for file in tenant.shown_asset(asset_id)["files"]] == [
        "MAIN",
        "COVER",
    ]
    summary = tenant.ok("POST", "/digital-assets/summarys", {"asset_ids": [asset_id]})["asset_list"]
    assert "cover_url" in summary[0]


def test_what_the_service_fills_in_nobody_else_does(tenant: Any) -> None:
    """A status that is sent along is ignored."""
    meta = {"ppt_meta": {"auto_analysis": False, "ppt_analysis_status": "SUCCEEDED", "page_count": 3}}
    asset_id = tenant.asset(asset_type="PPT", asset_extra_meta=meta)
    assert ppt(tenant, asset_id) == {"auto_analysis": False, "page_count": 3}
