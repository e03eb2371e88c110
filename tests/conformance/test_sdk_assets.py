"""Digital assets through the official SDK (reference 4.1)."""

import json
from typing import Any

from tests.conformance.conftest import Tenant, listening
from tests.conformance.flows import PIXEL, active_asset, asset, got
from tests.conformance.official import Official


def test_an_asset_is_made_shown_and_changed(sdk: Official) -> None:
    """With everything that its body can hold coming back."""
    made = sdk.create_digital_asset(
        {
            "asset_name": "Kessel \u2013 \u6c34\u58f6 & more",
            "asset_description": "A kettle",
            "asset_type": "IMAGE",
            "tags": ["kitchen", "steel"],
            "asset_extra_meta": {"image_meta": {"width": 1920, "height": 1080}},
            "system_properties": [{"key": "BACKGROUND_IMG", "value": "Yes"}],
            "supported_service": ["VIDEO_2D"],
            "asset_order": 7,
        }
    )
    shown = sdk.show_asset(asset_id=made.asset_id)
    assert (shown.asset_name, shown.asset_state) == ("Kessel \u2013 \u6c34\u58f6 & more", "CREATING")
    assert shown.tags == ["kitchen", "steel"]
    assert shown.asset_order == 7
    assert shown.system_properties[0].key == "BACKGROUND_IMG"
    changed = sdk.update_digital_asset(
        {"asset_name": "Kettle", "asset_description": "Another", "tags": ["new"]}, asset_id=made.asset_id
    )
    assert (changed.asset_name, changed.tags) == ("Kettle", ["new"])
    assert sdk.show_asset(asset_id=made.asset_id).asset_description == "Another"
    assert sdk.refused.show_asset(asset_id="none") == (404, "MSS.10001001")


def test_a_usable_asset_is_switched_off_and_on(sdk: Official) -> None:
    """One that waits for its file is not."""
    asset_id = active_asset(sdk)
    assert sdk.show_asset(asset_id=asset_id).asset_state == "ACTIVED"
    switched = sdk.update_digital_asset({"asset_state": "UNACTIVED"}, asset_id=asset_id)
    assert switched.asset_state == "UNACTIVED"
    waiting = asset(sdk)
    status, code = sdk.refused.update_digital_asset({"asset_state": "ACTIVED"}, asset_id=waiting)
    assert (status, code) == (400, "MSS.10001013")


def test_a_deleted_asset_is_restored_or_gone(sdk: Official) -> None:
    """From the bin it comes back; deleted with force it does not."""
    asset_id = active_asset(sdk)
    sdk.delete_asset(asset_id=asset_id)
    assert sdk.show_asset(asset_id=asset_id).asset_state == "DELETING"
    sdk.restore_asset(asset_id=asset_id)
    assert sdk.show_asset(asset_id=asset_id).asset_state == "ACTIVED"
    assert sdk.refused.restore_asset(asset_id=asset_id)[0] == 400
    sdk.delete_asset(asset_id=asset_id, mode="force")
    assert sdk.refused.show_asset(asset_id=asset_id) == (404, "MSS.10001001")


def test_assets_are_listed_by_page_order_and_filter(sdk: Official, tenant: Tenant) -> None:
    """The pages hold every asset once, in the order that was asked for."""
    made = []
    for number in range(25):
        made.append(asset(sdk, asset_name=f"Kettle {number:02}", tags=["even" if number % 2 == 0 else "odd"]))
        tenant.pass_s(1)
    pages = [sdk.list_assets(limit=10, offset=offset, sort_key="create_time") for offset in (0, 10, 20)]
    assert [page.count for page in pages] == [25, 25, 25]
    assert [one.asset_id for page in pages for one in page.assets] == made
    newest = sdk.list_assets(limit=3, sort_key="create_time", sort_dir="desc")
    assert [one.asset_id for one in newest.assets] == made[::-1][:3]
    assert sdk.list_assets(tag="even").count == 13
    assert sdk.list_assets(name="Kettle 1").count == 10
    chosen = sdk.list_assets(asset_id=[made[3], made[4]])
    assert {one.asset_id for one in chosen.assets} == {made[3], made[4]}
    assert sdk.list_assets(asset_state="ACTIVED").count == 0
    assert sdk.refused.list_assets(limit=101)[0] == 400


def test_what_the_platform_brings_is_listed(sdk: Official) -> None:
    """Voices and avatars that belong to nobody."""
    voices = sdk.list_assets(asset_source="SYSTEM", asset_type="VOICE_MODEL", limit=100)
    assert voices.count >= 20
    avatars = sdk.list_assets(asset_source="SYSTEM", asset_type="HUMAN_MODEL_2D", limit=100)
    assert avatars.count >= 1


def test_one_action_is_done_to_many_assets(sdk: Official) -> None:
    """It is told for which assets it went well and why not for the others."""
    first, second = active_asset(sdk), active_asset(sdk)
    done = sdk.batch_execute_asset_action({"action": "UNACTIVE", "asset_ids": [first, second, "none"]})
    told = {one.ret_status: one for one in done.results}
    assert sorted(told["SUCCESS"].asset_ids) == sorted([first, second])
    assert told["FAILED"].asset_ids == ["none"]
    assert told["FAILED"].error_info.error_code == "MSS.10001001"
    assert sdk.show_asset(asset_id=second).asset_state == "UNACTIVED"
    sdk.batch_execute_asset_action({"action": "DELETE", "asset_ids": [first]})
    assert sdk.show_asset(asset_id=first).asset_state == "DELETING"
    sdk.batch_execute_asset_action({"action": "RESTORE", "asset_ids": [first]})
    assert sdk.show_asset(asset_id=first).asset_state == "UNACTIVED"


def test_assets_are_summarised(sdk: Official) -> None:
    """By their ids."""
    asset_id = active_asset(sdk, asset_name="Kettle")
    found = sdk.list_asset_summary({"asset_ids": [asset_id]})
    assert [(one.asset_id, one.asset_name, one.asset_state) for one in found.asset_list] == [
        (asset_id, "Kettle", "ACTIVED")
    ]


def test_an_asset_is_copied_to_another_region() -> None:
    """By its ticket; the copy holds the same file."""
    with listening() as north, listening(region="cn-east-3", render=True) as east:
        sdk = north.sdk()
        asset_id = active_asset(sdk, asset_name="Kettle")
        ticket = json.loads(sdk.show_asset_replication_info(asset_id=asset_id).raw_content)
        sdk = east.sdk()
        sdk.create_asset_by_replication_info(ticket)
        copy = arrived(east, sdk, "Kettle")
        (file,) = copy.files
        assert got(file.download_url) == PIXEL


def arrived(tenant: Tenant, sdk: Official, name: str) -> Any:
    """The asset of this name once its files are there; each look lets a second pass in the emulated world."""
    for _ in range(3000):
        found = sdk.list_assets(name=name, asset_state="ACTIVED").assets
        if found and all(file.download_url for file in found[0].files):
            return found[0]
        tenant.pass_s(1)
    raise AssertionError(f"{name} doesn't arrive")
