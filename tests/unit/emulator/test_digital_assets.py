"""Digital assets of the emulated world."""

from typing import Any

import pytest

EMMA = "aca15f9fe7912b2d5d8eb827f2d1327b"
AVATAR = "0c7798664ee7178b3dba3bbef57c32e7"


def names(tenant: Any, **query: Any) -> list[str]:
    return [row["asset_name"] for row in tenant.ok("GET", "/digital-assets", **query)["assets"]]


def test_a_new_asset_waits_for_its_main_file(tenant: Any) -> None:
    """It shows what it was made with, and CREATING."""
    asset_id = tenant.asset(asset_name="Kettle", tags=["mso-1", "red"], asset_description="new")
    shown = tenant.ok("GET", f"/digital-assets/{asset_id}")
    assert (shown["asset_name"], shown["asset_state"], shown["tags"]) == (
        "Kettle",
        "CREATING",
        ["mso-1", "red"],
    )
    assert shown["create_time"] == "2026-11-22T12:00:00Z"
    assert shown["files"] == []


def test_an_unknown_asset_is_not_found(tenant: Any) -> None:
    """404 MSS.10001001 for show, update and delete."""
    assert tenant.refused("GET", "/digital-assets/nope") == (404, "MSS.10001001")
    assert tenant.refused("PUT", "/digital-assets/nope", {}) == (404, "MSS.10001001")
    assert tenant.refused("DELETE", "/digital-assets/nope") == (404, "MSS.10001001")


def test_the_list_finds_parts_of_names_and_tags(tenant: Any) -> None:
    """Names and tags match by substring, whole when `accurate_query_field` says so."""
    tenant.asset(asset_name="Red kettle", tags=["mso-12"])
    tenant.asset(asset_name="kettle", tags=["mso-1", "home"])
    tenant.asset(asset_name="Pan", asset_type="VIDEO", tags=["home"])
    assert names(tenant, name="kettle") == ["Red kettle", "kettle"]
    assert names(tenant, name="kettle", accurate_query_field="asset_name") == ["kettle"]
    assert names(tenant, tag="mso-1") == ["Red kettle", "kettle"]
    assert names(tenant, tag="mso-1", accurate_query_field="tag") == ["kettle"]
    assert names(tenant, tag="mso-1,home", tag_combination_type="INTERSECTION") == ["kettle"]
    assert names(tenant, asset_type="VIDEO,PPT") == ["Pan"]
    assert names(tenant, asset_state="ACTIVED") == []


def test_the_list_pages_and_sorts(tenant: Any, clock: Any) -> None:
    """`count` is of all, the page holds `limit` of them from `offset` on."""
    for n in range(25):
        tenant.asset(asset_name=f"A{n:02}")
        clock.pass_s(1)
    first = tenant.ok("GET", "/digital-assets")
    assert (first["count"], len(first["assets"])) == (25, 10)
    assert names(tenant, limit=100, offset=23) == ["A23", "A24"]
    assert names(tenant, sort_key="create_time", sort_dir="desc", limit=2) == ["A24", "A23"]
    assert names(tenant, start_time="2026-11-22T12:00:05Z", end_time="2026-11-22T12:00:07Z") == [
        "A05",
        "A06",
        "A07",
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"limit": "²"},
        {"offset": -1},
        {"offset": 2**31},
        {"sort_key": "size"},
        {"sort_dir": "up"},
        {"asset_state": "GONE"},
        {"asset_source": "MINE"},
        {"start_time": "today"},
        {"start_time": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_a_wrong_query_is_named(tenant: Any, query: dict[str, Any]) -> None:
    """400 MSS.00000003 with the parameter."""
    answer = tenant.send("GET", "/digital-assets", **query)
    assert (answer.status, answer.json()["error_code"]) == (400, "MSS.00000003")
    assert next(iter(query)) in answer.json()["error_msg"]


def test_the_platform_has_voices_and_an_avatar(tenant: Any) -> None:
    """They are listed as SYSTEM only, and can't be changed."""
    assert names(tenant) == []
    system = tenant.ok("GET", "/digital-assets", asset_source="SYSTEM", limit=100)["assets"]
    assert {AVATAR, EMMA} <= {row["asset_id"] for row in system}
    assert {row["asset_type"] for row in system} == {"HUMAN_MODEL_2D", "VOICE_MODEL"}
    voices = tenant.ok("GET", "/digital-assets", asset_source="ALL", name="Emma", asset_type="VOICE_MODEL")
    assert [row["asset_id"] for row in voices["assets"]] == [EMMA]
    assert tenant.refused("DELETE", f"/digital-assets/{EMMA}") == (400, "MSS.10001010")


def test_an_update_changes_what_it_names(tenant: Any, clock: Any) -> None:
    """The rest stays, the time of the change is shown."""
    asset_id = tenant.asset(asset_name="Old", tags=["a"])
    clock.pass_s(60)
    system_properties = [{"action": "ADD", "key": "BACKGROUND_IMG", "value": "Yes"}]
    shown = tenant.ok(
        "PUT", f"/digital-assets/{asset_id}", {"asset_name": "New", "system_properties": system_properties}
    )
    assert (shown["asset_name"], shown["tags"], shown["update_time"]) == (
        "New",
        ["a"],
        "2026-11-22T12:01:00Z",
    )
    assert shown["system_properties"] == [{"key": "BACKGROUND_IMG", "value": "Yes"}]


def test_only_a_finished_asset_is_switched_off(tenant: Any) -> None:
    """An asset without its main file has no other state: MSS.10001013."""
    asset_id = tenant.asset()
    update = {"asset_state": "UNACTIVED"}
    assert tenant.refused("PUT", f"/digital-assets/{asset_id}", update) == (400, "MSS.10001013")


def test_deletion_goes_by_the_recycle_bin(tenant: Any) -> None:
    """DELETING first; with mode=force it is gone."""
    asset_id = tenant.asset()
    tenant.ok("DELETE", f"/digital-assets/{asset_id}")
    assert tenant.ok("GET", f"/digital-assets/{asset_id}")["asset_state"] == "DELETING"
    tenant.ok("DELETE", f"/digital-assets/{asset_id}", mode="force")
    assert tenant.refused("GET", f"/digital-assets/{asset_id}") == (404, "MSS.10001001")
    assert names(tenant) == []
