"""Files of assets, as far as no byte is needed."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.emulator.records import AssetState
from tests.conformance.document import complaints

MD5 = "n58IG6hfM7vql4K0vnWpog=="


def body(asset_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "asset_id": asset_id,
        "file_name": "a.png",
        "file_md5": MD5,
        "file_size": 3,
        "file_type": "png",
        "asset_file_category": "MAIN",
        **changes,
    }


def test_the_upload_url_looks_as_the_services_do(tenant: Any) -> None:
    """Project, asset and file in the path; key, end and signature in the query."""
    asset_id = tenant.asset()
    made = tenant.ok("POST", "/files", body(asset_id))
    url, _, query = made["upload_url"].partition("?")
    project = tenant.emulator.config.project_id
    assert url == f"http://storage.invalid/{project}/{asset_id}/{made['file_id']}.png"
    assert [part.partition("=")[0] for part in query.split("&")] == ["AccessKeyId", "Expires", "Signature"]


def test_a_large_file_gets_a_url_for_each_part(tenant: Any) -> None:
    """Numbered from 1, of one upload."""
    asset_id = tenant.asset()
    large = {"asset_id": asset_id, "file_name": "a.zip", "file_type": "zip", "asset_file_category": "OTHER"}
    made = tenant.ok("POST", "/large-files", {**large, "file_multipart_count": 3})
    assert [f"partNumber={n}&uploadId=" in url for n, url in enumerate(made["upload_urls"], 1)] == [True] * 3


def test_a_large_file_is_shown_with_its_size(tenant: Any) -> None:
    """Also above what the schema of answers grants, which is less than the large-file call takes."""
    asset_id, size = tenant.asset(), 6 * 1024**3
    large = {"asset_id": asset_id, "file_name": "a.zip", "file_type": "zip", "asset_file_category": "OTHER"}
    tenant.ok("POST", "/large-files", {**large, "file_multipart_count": 2, "file_size": size})
    shown = tenant.shown_asset(asset_id)
    assert shown["files"][0]["file_size"] == size
    assert complaints("show_asset", 200, shown) == []


def test_an_asset_has_one_main_file_and_unique_names(tenant: Any) -> None:
    """A second main file, cover or name (whatever its case) is refused with a code of its own."""
    asset_id = tenant.asset(asset_type="VIDEO")
    tenant.ok("POST", "/files", body(asset_id))
    tenant.ok("POST", "/files", body(asset_id, file_name="b.png", asset_file_category="COVER"))
    again = body(asset_id, file_name="c.png")
    assert tenant.refused("POST", "/files", again) == (400, "MSS.10001008")
    assert tenant.refused("POST", "/files", {**again, "asset_file_category": "COVER"}) == (
        400,
        "MSS.10001009",
    )
    same = body(asset_id, file_name="A.PNG", asset_file_category="OTHER")
    assert tenant.refused("POST", "/files", same) == (400, "MSS.10001012")


def test_a_deleted_file_makes_room_for_a_new_one(tenant: Any) -> None:
    """The asset takes another main file of the same name."""
    asset_id = tenant.asset()
    file_id = tenant.ok("POST", "/files", body(asset_id))["file_id"]
    tenant.ok("DELETE", f"/files/{file_id}")
    assert tenant.refused("DELETE", f"/files/{file_id}") == (404, "MSS.10001004")
    assert tenant.ok("POST", "/files", body(asset_id))["file_id"] != file_id
    assert len(tenant.ok("GET", f"/digital-assets/{asset_id}")["files"]) == 1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"asset_id": "nope"}, (404, "MSS.10001001")),
        ({"file_md5": "é" * 24}, (400, "MSS.00000003")),
        ({"file_md5": "A" * 24}, (400, "MSS.00000003")),
        ({"file_size": 0}, (400, "MSS.00000003")),
        ({"file_size": 5368709121}, (400, "MSS.00000003")),
        ({"asset_file_category": "PAGE"}, (400, "MSS.00000003")),
    ],
)
def test_a_wrong_file_is_refused(tenant: Any, change: dict[str, Any], refusal: tuple[int, str]) -> None:
    """Unknown asset, no MD5, sizes out of range, a category that the asset's type lacks."""
    assert tenant.refused("POST", "/files", {**body(tenant.asset()), **change}) == refusal


def test_nothing_is_confirmed_before_it_is_stored(tenant: Any) -> None:
    """MSS.10001016, and the asset still waits."""
    asset_id = tenant.asset()
    file_id = tenant.ok("POST", "/files", body(asset_id))["file_id"]
    assert tenant.refused("POST", f"/files/{file_id}/complete", {"state": "CREATED"}) == (400, "MSS.10001016")
    assert tenant.ok("GET", f"/digital-assets/{asset_id}")["asset_state"] == "CREATING"


@pytest.mark.parametrize(("state", "asset_state"), [("FAILED", "FAILED"), ("CANCELLED", "CREATING")])
def test_an_upload_that_is_given_up(tenant: Any, state: str, asset_state: str) -> None:
    """A failed main file fails its asset, a cancelled one doesn't; the state is final."""
    asset_id = tenant.asset()
    file_id = tenant.ok("POST", "/files", body(asset_id))["file_id"]
    tenant.ok("POST", f"/files/{file_id}/complete", {"state": state})
    tenant.ok("POST", f"/files/{file_id}/complete", {"state": state})
    shown = tenant.ok("GET", f"/digital-assets/{asset_id}")
    assert (shown["asset_state"], shown["files"][0]["state"]) == (asset_state, state)
    assert tenant.refused("POST", f"/files/{file_id}/complete", {"state": "CREATED"}) == (400, "MSS.10001013")


def test_an_asset_has_a_bounded_number_of_pages(tenant: Any) -> None:
    """One page more than 256 is refused with MSS.10001027."""
    asset_id = tenant.asset(asset_type="PPT")
    for number in range(256):
        page = body(asset_id, file_name=f"{number}.png", asset_file_category="PAGE")
        tenant.ok("POST", "/files", page)
    page = body(asset_id, file_name="more.png", asset_file_category="PAGE")
    assert tenant.refused("POST", "/files", page) == (400, "MSS.10001027")


def test_a_frozen_file_is_not_handed_out(tenant: Any) -> None:
    """An asset that is frozen later keeps its files, but nobody can look at them."""
    asset_id = tenant.asset()
    tenant.upload(asset_id)
    assets = tenant.emulator.world.assets
    assets.put(replace(assets.get(asset_id), state=AssetState.BLOCK))
    shown = tenant.shown_asset(asset_id)
    assert "download_url" not in shown["files"][0]
    assert tenant.refused(
        "POST", "/files", body(asset_id, file_name="b.png", asset_file_category="OTHER")
    ) == (
        400,
        "MSS.10001010",
    )
    assert tenant.refused("PUT", f"/digital-assets/{asset_id}", {"asset_name": "B"}) == (400, "MSS.10001010")
