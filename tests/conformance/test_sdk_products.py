"""Products of live rooms through the official SDK (reference 6.3)."""

from tests.conformance.flows import active_asset
from tests.conformance.official import Official


def test_a_product_is_made_shown_changed_and_deleted(sdk: Official) -> None:
    """With its texts, its cover and its pictures."""
    picture = active_asset(sdk)
    made = sdk.create_product(
        {
            "name": "Kettle",
            "description": "It boils",
            "tags": ["kitchen"],
            "cover": {"asset_id": picture},
            "text_list": [{"title": "Selling point", "text": "Steel"}],
            "asset_list": [{"asset_id": picture, "asset_type": "IMAGE", "order": 1}],
        }
    )
    shown = sdk.show_product(product_id=made.product_id)
    assert (shown.name, shown.state, shown.tags) == ("Kettle", "ACTIVED", ["kitchen"])
    assert shown.asset_list[0].asset_id == picture
    sdk.update_product({"name": "Pot", "state": "UNACTIVED"}, product_id=made.product_id)
    assert sdk.show_product(product_id=made.product_id).state == "UNACTIVED"
    sdk.delete_product(product_id=made.product_id)
    assert sdk.list_products().count == 0


def test_assets_are_linked_and_unlinked(sdk: Official) -> None:
    """One after the other."""
    product_id = sdk.create_product({"name": "Kettle"}).product_id
    picture = active_asset(sdk)
    item = {"asset_id": picture, "asset_type": "IMAGE"}
    sdk.set_product_asset({"action": "LINK", "asset_item": item}, product_id=product_id)
    assert [one.asset_id for one in sdk.show_product(product_id=product_id).asset_list] == [picture]
    sdk.set_product_asset({"action": "UNLINK", "asset_item": item}, product_id=product_id)
    assert not sdk.show_product(product_id=product_id).asset_list
    missing = {"action": "LINK", "asset_item": {**item, "asset_id": "none"}}
    assert sdk.refused.set_product_asset(missing, product_id=product_id)[1].startswith("MSS.")


def test_products_are_listed_by_page_and_filter(sdk: Official) -> None:
    """The pages hold every product once."""
    made = {
        sdk.create_product({"name": f"Kettle {number:02}", "auto_active": number % 2 == 0}).product_id
        for number in range(12)
    }
    pages = [sdk.list_products(limit=5, offset=offset) for offset in (0, 5, 10)]
    assert [page.count for page in pages] == [12, 12, 12]
    assert sorted(one.product_id for page in pages for one in page.products) == sorted(made)
    assert sdk.list_products(state="UNACTIVED").count == 6
    assert sdk.list_products(name="Kettle 1").count == 2
    assert sdk.refused.show_product(product_id="none")[1].startswith("MSS.")
