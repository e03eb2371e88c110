"""Products of the emulated live rooms."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.emulator.behaviours.live_product import MAX_MATERIALS
from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.wire import Request
from orchestrator.metastudio.models.live_product import ListProductsResponse, ProductDetailInfo
from tests.unit.emulator.conftest import file_body

AVATAR = "0c7798664ee7178b3dba3bbef57c32e7"
GONE = "0" * 32


def usable(tenant: Any, asset_type: str = "IMAGE", data: bytes = b"abc") -> str:
    """An asset whose main file is there."""
    asset_id = str(tenant.asset(asset_type=asset_type, asset_name=f"{asset_type} {data!r}"))
    body = file_body(asset_id, data)
    made = tenant.ok("POST", "/files", body)
    target = made["upload_url"].removeprefix("http://storage.invalid")
    headers = {"Content-MD5": body["file_md5"], "Content-Length": str(len(data))}
    assert StorageRules(tenant.emulator).put(Request("PUT", target, headers, data)).status == 200
    tenant.ok("POST", f"/files/{made['file_id']}/complete", {"state": "CREATED"})
    return asset_id


def product(tenant: Any, **changes: Any) -> str:
    return str(tenant.ok("POST", "/products", {"name": "Kettle", **changes})["product_id"])


def shown(tenant: Any, product_id: str) -> dict[str, Any]:
    value = tenant.ok("GET", f"/products/{product_id}")
    assert not ProductDetailInfo.model_validate(value).model_extra
    assert isinstance(value, dict)
    return value


def names(tenant: Any, **query: Any) -> list[str]:
    answer = tenant.ok("GET", "/products", **query)
    assert ListProductsResponse.model_validate(answer).count == answer["count"]
    return [row["name"] for row in answer["products"]]


def test_a_new_product_is_active(tenant: Any) -> None:
    """It shows what it was made with; with auto_active false it waits to be switched on."""
    first = product(tenant, description="boils", tags=["red"], text_list=[{"title": "T", "text": "hot"}])
    assert shown(tenant, first) == {
        "product_id": first,
        "name": "Kettle",
        "description": "boils",
        "tags": ["red"],
        "text_list": [{"title": "T", "text": "hot"}],
        "asset_list": [],
        "create_time": "2026-11-22T12:00:00Z",
        "update_time": "2026-11-22T12:00:00Z",
        "state": "ACTIVED",
    }
    assert shown(tenant, product(tenant, auto_active=False))["state"] == "UNACTIVED"


def test_the_first_picture_is_the_thumbnail(tenant: Any, clock: Any) -> None:
    """Materials without an order come first, oldest asset first; a chosen cover goes before the first."""
    film = usable(tenant, "VIDEO")
    clock.pass_s(1)
    old = usable(tenant, data=b"old")
    clock.pass_s(1)
    new = usable(tenant, data=b"new")
    items = [{"asset_id": new}, {"asset_id": film, "order": 5}, {"asset_id": old, "asset_type": "IMAGE"}]
    product_id = product(tenant, asset_list=items)
    value = shown(tenant, product_id)
    assert [item["asset_id"] for item in value["asset_list"]] == [old, new, film]
    assert [item["asset_type"] for item in value["asset_list"]] == ["IMAGE", "IMAGE", "VIDEO"]
    assert value["cover"]["asset_id"] == old
    assert value["cover"]["cover_url"] == value["asset_list"][0]["main_url"]
    assert value["asset_list"][2]["main_url"].startswith("http://storage.invalid/")
    assert "cover_url" not in value["asset_list"][2]
    tenant.ok("PUT", f"/products/{product_id}", {"name": "Kettle", "cover": {"asset_id": new}})
    assert shown(tenant, product_id)["cover"]["asset_id"] == new
    unlink = {"action": "UNLINK", "asset_item": {"asset_id": new}}
    tenant.ok("POST", f"/products/{product_id}/assets", unlink)
    assert shown(tenant, product_id)["cover"]["asset_id"] == old


def test_an_update_changes_what_it_names(tenant: Any, clock: Any) -> None:
    """The rest stays; a tenant switches between ACTIVED and UNACTIVED."""
    asset_id = usable(tenant)
    product_id = product(tenant, tags=["a"], asset_list=[{"asset_id": asset_id}])
    clock.pass_s(60)
    body = {"name": "Pot", "state": "UNACTIVED", "description": "new", "text_list": [{"text": "x"}]}
    tenant.ok("PUT", f"/products/{product_id}", body)
    value = shown(tenant, product_id)
    assert (value["name"], value["state"], value["tags"]) == ("Pot", "UNACTIVED", ["a"])
    assert (value["create_time"], value["update_time"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:01:00Z")
    assert [item["asset_id"] for item in value["asset_list"]] == [asset_id]
    tenant.ok("PUT", f"/products/{product_id}", {"name": "Pot", "asset_list": [], "state": "ACTIVED"})
    assert shown(tenant, product_id)["asset_list"] == []
    assert tenant.refused("PUT", f"/products/{product_id}", {"name": "Pot", "state": "BLOCK"})[0] == 400


def test_the_portfolio_takes_and_gives_assets_and_texts(tenant: Any) -> None:
    """LINK adds, also without saying so; UNLINK takes out; nothing to do is refused."""
    product_id = product(tenant)
    asset_id = usable(tenant, "MUSIC")
    path = f"/products/{product_id}/assets"
    text = {"title": "T", "text": "hot"}
    tenant.ok("POST", path, {"asset_item": {"asset_id": asset_id, "asset_type": "AUDIO", "order": 3}})
    tenant.ok("POST", path, {"action": "LINK", "text_item": text})
    value = shown(tenant, product_id)
    assert [(item["asset_type"], item["order"]) for item in value["asset_list"]] == [("AUDIO", 3)]
    assert value["text_list"] == [text]
    unlink = {"action": "UNLINK", "asset_item": {"asset_id": asset_id}, "text_item": text}
    tenant.ok("POST", path, unlink)
    value = shown(tenant, product_id)
    assert (value["asset_list"], value["text_list"]) == ([], [])
    assert tenant.refused("POST", path, unlink) == (400, "MSS.10001038")
    assert tenant.refused("POST", path, {"action": "UNLINK", "text_item": text}) == (400, "MSS.00000003")
    assert tenant.refused("POST", path, {"action": "LINK"}) == (400, "MSS.00000003")


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (lambda _: {"asset_id": GONE}, "MSS.10001037"),
        (lambda tenant: {"asset_id": tenant.asset()}, "MSS.10001037"),
        (lambda tenant: {"asset_id": usable(tenant), "asset_type": "VIDEO"}, "MSS.10001038"),
        (lambda _: {"asset_id": AVATAR}, "MSS.10001038"),
        (lambda _: {"asset_type": "IMAGE"}, "MSS.00000003"),
    ],
)
def test_materials_have_to_be_usable(tenant: Any, item: Callable[[Any], dict[str, Any]], code: str) -> None:
    """Unknown, unfinished, of another type than said, of a type that is no material, without an id."""
    body = {"name": "Kettle", "asset_list": [item(tenant)]}
    assert tenant.refused("POST", "/products", body) == (400, code)
    product_id = product(tenant)
    assert tenant.refused("PUT", f"/products/{product_id}", body) == (400, code)
    linked = "MSS.10001040" if code == "MSS.10001037" else code
    path = f"/products/{product_id}/assets"
    assert tenant.refused("POST", path, {"action": "LINK", "asset_item": item(tenant)}) == (400, linked)


def test_an_asset_is_linked_once(tenant: Any) -> None:
    """A second time is MSS.10001039."""
    asset_id = usable(tenant)
    product_id = product(tenant, asset_list=[{"asset_id": asset_id}])
    path = f"/products/{product_id}/assets"
    link = {"action": "LINK", "asset_item": {"asset_id": asset_id}}
    assert tenant.refused("POST", path, link) == (400, "MSS.10001039")


def test_there_is_an_end_to_materials(tenant: Any) -> None:
    """More than 300 are MSS.10001042."""
    ids = [usable(tenant, data=b"%d" % number) for number in range(MAX_MATERIALS + 1)]
    items = [{"asset_id": asset_id} for asset_id in ids]
    assert tenant.refused("POST", "/products", {"name": "x", "asset_list": items}) == (400, "MSS.10001042")
    product_id = product(tenant, asset_list=items[1:])
    link = {"action": "LINK", "asset_item": items[0]}
    assert tenant.refused("POST", f"/products/{product_id}/assets", link) == (400, "MSS.10001042")


def test_the_thumbnail_is_one_of_the_materials(tenant: Any) -> None:
    """A picture that isn't listed is MSS.10001036."""
    body = {"name": "Kettle", "cover": {"asset_id": usable(tenant)}}
    assert tenant.refused("POST", "/products", body) == (400, "MSS.10001036")
    asset_list = [{"asset_id": body["cover"]["asset_id"]}]  # type: ignore[index]  # the body holds mixed values
    assert product(tenant, **body, asset_list=asset_list)


def test_a_deleted_asset_stays_as_a_name(tenant: Any) -> None:
    """Its state is told, its URLs are gone."""
    asset_id = usable(tenant)
    product_id = product(tenant, asset_list=[{"asset_id": asset_id}])
    tenant.ok("DELETE", f"/digital-assets/{asset_id}", mode="force")
    (item,) = shown(tenant, product_id)["asset_list"]
    assert item["asset_state"] == "DELETED"
    assert "main_url" not in item
    assert shown(tenant, product_id)["cover"] == {"asset_id": asset_id}


def test_a_deleted_product_is_not_found(tenant: Any) -> None:
    """MSS.10001041 for all that names it; the list shows it only when it is asked for."""
    product_id = product(tenant)
    tenant.ok("DELETE", f"/products/{product_id}")
    for known in (product_id, "nope"):
        assert tenant.refused("GET", f"/products/{known}") == (400, "MSS.10001041")
        assert tenant.refused("PUT", f"/products/{known}", {"name": "x"}) == (400, "MSS.10001041")
        assert tenant.refused("DELETE", f"/products/{known}") == (400, "MSS.10001041")
        assert tenant.refused("POST", f"/products/{known}/assets", {}) == (400, "MSS.10001041")
    assert names(tenant) == []
    assert names(tenant, state="DELETED") == ["Kettle"]


def test_the_list_filters_sorts_and_pages(tenant: Any, clock: Any) -> None:
    """By parts of name and tag, states, times of creation; by creation or change."""
    ids = []
    for name, tags, active in (("Red pot", ["home"], True), ("Pot", ["Homely"], False), ("Pan", [], True)):
        ids.append(product(tenant, name=name, tags=tags, auto_active=active))
        clock.pass_s(1)
    assert names(tenant, name="pot") == ["Red pot", "Pot"]
    assert names(tenant, tag="home") == ["Red pot", "Pot"]
    assert names(tenant, tag="ely,nothing") == ["Pot"]
    assert names(tenant, state="ACTIVED") == ["Red pot", "Pan"]
    assert names(tenant, state="ACTIVED,UNACTIVED", sort_dir="desc") == ["Pan", "Pot", "Red pot"]
    assert names(tenant, create_since="2026-11-22T12:00:01Z", create_until="2026-11-22T12:00:01Z") == ["Pot"]
    tenant.ok("PUT", f"/products/{ids[0]}", {"name": "Red pot"})
    assert names(tenant, sort_key="update_time") == ["Pot", "Pan", "Red pot"]
    assert names(tenant, sort_key="asset_order", offset=1, limit=1) == ["Pot"]
    assert tenant.refused("GET", "/products", state="GONE") == (400, "MSS.00000003")


@pytest.mark.parametrize(
    "change", [{"name": " "}, {"tags": ["x" * 17]}, {"tags": ["é" * 9]}, {"tags": ["a"] * 51}]
)
def test_a_wrong_product_is_refused(tenant: Any, change: dict[str, Any]) -> None:
    """No name, tags of more than 16 bytes, more than 50 of them."""
    assert tenant.refused("POST", "/products", {"name": "Kettle", **change}) == (400, "MSS.00000003")


def test_ids_follow_the_seed(make_tenant: Callable[..., Any]) -> None:
    """The same calls make the same products."""
    first, again, other = make_tenant(seed=7), make_tenant(seed=7), make_tenant(seed=8)
    assert product(first) == product(again) != product(other)
