"""Recycle bin, batches, and copies from region to region."""

from collections.abc import Callable
from typing import Any

import pytest

EMMA = "aca15f9fe7912b2d5d8eb827f2d1327b"


def state(tenant: Any, asset_id: str) -> str:
    return str(tenant.shown_asset(asset_id)["asset_state"])


def active(tenant: Any, **fields: Any) -> str:
    asset_id = str(tenant.asset(**fields))
    tenant.upload(asset_id)
    return asset_id


def batch(tenant: Any, action: str, *asset_ids: str, **more: Any) -> list[dict[str, Any]]:
    body = {"action": action, "asset_ids": asset_ids, **more}
    return list(tenant.ok("POST", "/digital-assets/batch-action", body)["results"])


def test_a_restored_asset_is_what_it_was(tenant: Any) -> None:
    """Active again, or waiting again for its main file; only what is in the bin can be restored."""
    used, unused, empty = active(tenant), active(tenant), tenant.asset()
    tenant.ok("PUT", f"/digital-assets/{unused}", {"asset_state": "UNACTIVED"})
    for asset_id in (used, unused, empty):
        tenant.ok("DELETE", f"/digital-assets/{asset_id}")
        tenant.ok("DELETE", f"/digital-assets/{asset_id}")
        assert state(tenant, asset_id) == "DELETING"
        tenant.ok("POST", f"/digital-assets/{asset_id}/restore")
    assert [state(tenant, asset_id) for asset_id in (used, unused, empty)] == [
        "ACTIVED",
        "UNACTIVED",
        "CREATING",
    ]
    assert tenant.refused("POST", f"/digital-assets/{used}/restore") == (400, "MSS.10001013")
    assert tenant.refused("POST", "/digital-assets/nope/restore") == (404, "MSS.10001001")
    assert tenant.refused("POST", f"/digital-assets/{EMMA}/restore") == (400, "MSS.10001010")


def test_a_review_in_the_bin_counts_after_it(make_tenant: Callable[..., Any], clock: Any) -> None:
    """An asset that was thrown away under review comes back active."""
    tenant = make_tenant(review_s=5)
    asset_id = active(tenant)
    tenant.ok("DELETE", f"/digital-assets/{asset_id}")
    clock.pass_s(5)
    assert state(tenant, asset_id) == "DELETING"
    tenant.ok("POST", f"/digital-assets/{asset_id}/restore")
    assert state(tenant, asset_id) == "ACTIVED"


def test_an_asset_in_the_bin_takes_nothing(tenant: Any) -> None:
    """No update, no file, no switch: MSS.10001010 and MSS.10001013."""
    asset_id = active(tenant)
    tenant.ok("DELETE", f"/digital-assets/{asset_id}")
    assert tenant.refused("PUT", f"/digital-assets/{asset_id}", {"asset_name": "B"}) == (400, "MSS.10001010")
    results = batch(tenant, "ACTIVE", asset_id)
    assert results[0]["error_info"]["error_code"] == "MSS.10001013"


def test_tenants_switch_between_two_states(tenant: Any) -> None:
    """UNACTIVED and back; what administrators do is refused with MSS.10001014."""
    asset_id = active(tenant)
    for wanted in ("UNACTIVED", "UNACTIVED", "ACTIVED"):
        shown = tenant.ok("PUT", f"/digital-assets/{asset_id}", {"asset_state": wanted})
        assert shown["asset_state"] == wanted
    body = {"asset_state": "WAITING_DELETE"}
    assert tenant.refused("PUT", f"/digital-assets/{asset_id}", body) == (400, "MSS.10001014")


@pytest.mark.parametrize("asset_type", ["VOICE_MODEL", "HUMAN_MODEL_2D"])
def test_some_types_are_not_for_common_users(tenant: Any, asset_type: str) -> None:
    """Voices and avatars come from training or from the provider."""
    body = {"asset_name": "A", "asset_type": asset_type}
    assert tenant.refused("POST", "/digital-assets", body) == (400, "MSS.00000003")


def test_a_batch_does_what_it_can(tenant: Any) -> None:
    """One result for all that went well, one for each reason of a failure."""
    used, empty = active(tenant), tenant.asset()
    results = batch(tenant, "UNACTIVE", used, empty, "nope", used, EMMA)
    assert [(row["ret_status"], row["asset_ids"]) for row in results] == [
        ("SUCCESS", [used]),
        ("FAILED", [empty]),
        ("FAILED", ["nope"]),
        ("FAILED", [EMMA]),
    ]
    codes = [row["error_info"]["error_code"] for row in results[1:]]
    assert codes == ["MSS.10001013", "MSS.10001001", "MSS.10001010"]
    assert state(tenant, used) == "UNACTIVED"


@pytest.mark.parametrize(
    ("actions", "after"),
    [
        (("DELETE",), "DELETING"),
        (("DELETE", "RESTORE"), "ACTIVED"),
        (("UNACTIVE",), "UNACTIVED"),
        (("UNACTIVE", "ACTIVE"), "ACTIVED"),
    ],
)
def test_a_batch_moves_as_the_single_calls_do(tenant: Any, actions: tuple[str, ...], after: str) -> None:
    """The same states come out."""
    asset_id = active(tenant)
    for action in actions:
        assert batch(tenant, action, asset_id) == [{"ret_status": "SUCCESS", "asset_ids": [asset_id]}]
    assert state(tenant, asset_id) == after


def test_a_forced_batch_deletes_for_good(tenant: Any) -> None:
    """Asset and files are gone."""
    asset_id = active(tenant)
    file_id = tenant.shown_asset(asset_id)["files"][0]["file_id"]
    batch(tenant, "DELETE_FORCE", asset_id)
    assert tenant.refused("GET", f"/digital-assets/{asset_id}") == (404, "MSS.10001001")
    assert tenant.refused("DELETE", f"/files/{file_id}") == (404, "MSS.10001004")


def test_an_empty_batch_is_refused(tenant: Any) -> None:
    """400 MSS.00000003; and so is one with parameters that cannot be read."""
    path, asset_id = "/digital-assets/batch-action", active(tenant)
    assert tenant.refused("POST", path, {"action": "DELETE", "asset_ids": []}) == (400, "MSS.00000003")
    body = {"action": "SHARE", "asset_ids": [asset_id], "params": "everybody"}
    assert tenant.refused("POST", path, body) == (400, "MSS.00000003")


def test_shared_assets_are_found_by_their_sharer(tenant: Any) -> None:
    """Until the sharing is taken back; nothing is shared with the only tenant there is."""
    asset_id, other = active(tenant), tenant.asset()
    results = batch(tenant, "SHARE", asset_id, other)
    assert [row["ret_status"] for row in results] == ["SUCCESS", "FAILED"]
    assert tenant.ok("GET", "/digital-assets", role="SHARER")["count"] == 1
    assert tenant.ok("GET", "/digital-assets", role="SHAREE")["count"] == 0
    batch(tenant, "UNSHARE", asset_id)
    assert tenant.ok("GET", "/digital-assets", role="SHARER")["count"] == 0


def ticket(tenant: Any, asset_id: str) -> dict[str, Any]:
    info = tenant.ok("GET", f"/digital-assets/{asset_id}/replication-info")
    assert isinstance(info, dict)
    return info


COPY = "/digital-assets-by-replication-info"


def test_a_copy_in_another_region_has_the_same_id(make_tenant: Callable[..., Any], clock: Any) -> None:
    """It becomes active with the same files; in the region that it comes from it gets an id of its own."""
    here, there = make_tenant(), make_tenant(region="cn-east-3")
    asset_id = active(here, asset_name="Kettle", tags=["red"])
    info = ticket(here, asset_id)
    assert "Kettle" not in info["asset_info"]
    there.ok("POST", COPY, info)
    assert state(there, asset_id) == "CREATING"
    clock.pass_s(2)
    copied = there.shown_asset(asset_id)
    assert (copied["asset_state"], copied["asset_name"], copied["tags"]) == ("ACTIVED", "Kettle", ["red"])
    assert [file["file_name"] for file in copied["files"]] == ["a.png"]
    here.ok("POST", COPY, info)
    assert here.ok("GET", "/digital-assets", name="Kettle")["count"] == 2


def test_a_copied_presentation_knows_its_pages(make_tenant: Callable[..., Any], clock: Any) -> None:
    """The list of pages names the copies."""
    here, there = make_tenant(), make_tenant(region="cn-east-3")
    asset_id = here.asset(asset_type="PPT", asset_extra_meta={"ppt_meta": {"auto_analysis": True}})
    here.upload(asset_id, "deck.pptx")
    clock.pass_s(60)
    there.ok("POST", COPY, ticket(here, asset_id))
    shown = there.shown_asset(asset_id)
    pages = {page["file_id"] for page in shown["asset_extra_meta"]["ppt_meta"]["pages"]}
    assert pages == {f["file_id"] for f in shown["files"] if f["asset_file_category"] == "PAGE"}


def test_a_ticket_serves_its_tenant_for_a_day(make_tenant: Callable[..., Any], clock: Any) -> None:
    """Changed, expired or another tenant's, it is refused with MSS.10001046 or MSS.10001047."""
    here, stranger = make_tenant(), make_tenant(seed=2)
    info = ticket(here, active(here))
    assert stranger.refused("POST", COPY, info) == (400, "MSS.10001046")
    for change in (
        {"asset_id": "other"},
        {"expire_time": info["expire_time"] + 1},
        {"asset_info": info["asset_info"][:-8]},
        {"asset_info": "é"},
    ):
        assert here.refused("POST", COPY, {**info, **change}) == (400, "MSS.10001046")
    assert here.refused("POST", COPY, {}) == (400, "MSS.00000003")
    clock.pass_s(24 * 3600 + 1)
    assert here.refused("POST", COPY, info) == (400, "MSS.10001047")


def test_only_what_has_a_main_file_is_copied(tenant: Any) -> None:
    """An asset without one is unavailable, the platform's are everywhere already."""
    assert tenant.refused("GET", f"/digital-assets/{tenant.asset()}/replication-info") == (
        400,
        "MSS.10001010",
    )
    assert tenant.refused("GET", f"/digital-assets/{EMMA}/replication-info") == (400, "MSS.10001010")
