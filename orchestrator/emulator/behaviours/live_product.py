"""Products of live rooms: create, list, update, show, delete, link assets (reference 6.3.1 to 6.3.6).

The header X-User-Privilege of this chapter grants nothing that the reference names; it is ignored.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact, stamp
from orchestrator.emulator.behaviours.digital_asset import download_url
from orchestrator.emulator.behaviours.materials import find_material
from orchestrator.emulator.records import Asset, AssetState, File, FileState
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.emulator.tables import Kind
from orchestrator.metastudio.models.live_product import (
    CreateProductRequestBody,
    ProductAssetRelation,
    ProductCoverInfo,
    ProductMediaInfo,
    ProductTextInfo,
    UpdateProductRequestBody,
)

#: The reference has a code for too many materials and no number; `order` goes up to this one (table 6-362).
MAX_MATERIALS = 300
_MAX_TAG_BYTES = 16
#: Types of assets that each type of material takes.
_TYPES = {"IMAGE": ("IMAGE",), "VIDEO": ("VIDEO",), "AUDIO": ("AUDIO", "MUSIC")}
_MATERIAL_TYPE = {asset_type: name for name, types in _TYPES.items() for asset_type in types}


class ProductState(StrEnum):
    """State of a product (reference table 6-372)."""

    ACTIVED = "ACTIVED"
    UNACTIVED = "UNACTIVED"
    BLOCK = "BLOCK"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Material:
    """An asset in a product's portfolio."""

    asset_id: str
    type: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A text in a product's portfolio."""

    title: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product; without a `cover_id` its first picture is the thumbnail."""

    id: str
    name: str
    state: ProductState
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    tags: tuple[str, ...] = ()
    cover_id: str | None = None
    texts: tuple[Text, ...] = ()
    materials: tuple[Material, ...] = ()


PRODUCTS = Kind("product", Product)


def create_product(call: Call) -> dict[str, Any]:
    """Makes a product, active unless `auto_active` says otherwise."""
    body = call.body_as(CreateProductRequestBody)
    _check_texts(body.name, body.tags)
    product = Product(
        id=call.world.new_id(),
        name=body.name,
        state=ProductState.UNACTIVED if body.auto_active is False else ProductState.ACTIVED,
        created_at=call.now,
        updated_at=call.now,
        description=body.description,
        tags=tuple(body.tags or ()),
        texts=tuple(map(_text, body.text_list or ())),
        materials=_materials(call, body.asset_list or ()),
    )
    call.world[PRODUCTS].put(_with_cover(product, body.cover))
    return {"product_id": product.id}


def list_products(call: Call) -> dict[str, Any]:
    """Products that fit every filter, a page of them; deleted ones only when `state` asks for them."""
    rows = call.ordered(
        filter(_filter(call), call.world[PRODUCTS]),
        {
            "create_time": lambda product: product.created_at,
            "update_time": lambda product: product.updated_at,
            # Products have no order of their own.
            "asset_order": lambda product: product.created_at,
        },
    )
    return {"count": len(rows), "products": [_info(call, product) for product in call.page(rows)]}


def show_product(call: Call) -> dict[str, Any]:
    """A product with its texts and assets."""
    return _info(call, find_product(call, call.path["product_id"]))


def update_product(call: Call) -> None:
    """Changes what the body names; lists replace the ones before."""
    body = call.body_as(UpdateProductRequestBody)
    product = find_product(call, call.path["product_id"])
    _check_texts(body.name, body.tags)
    changed = replace(
        product,
        name=body.name,
        description=product.description if body.description is None else body.description,
        tags=product.tags if body.tags is None else tuple(body.tags),
        texts=product.texts if body.text_list is None else tuple(map(_text, body.text_list)),
        materials=product.materials if body.asset_list is None else _materials(call, body.asset_list),
        state=product.state if body.state is None else ProductState(body.state),
        updated_at=call.now,
    )
    call.world[PRODUCTS].put(_with_cover(changed, body.cover))


def delete_product(call: Call) -> None:
    """Deletes a product; its assets stay."""
    product = find_product(call, call.path["product_id"])
    call.world[PRODUCTS].put(replace(product, state=ProductState.DELETED, updated_at=call.now))


def set_product_asset(call: Call) -> None:
    """Adds an asset, a text or both to a product, or takes them out; without an `action` it adds."""
    body = call.body_as(ProductAssetRelation)
    product = find_product(call, call.path["product_id"])
    if body.asset_item is None and body.text_item is None:
        raise Refusal(INVALID_PARAMETER, "asset_item or text_item: one is needed")
    change = _unlink if body.action == "UNLINK" else _link
    changed = change(
        call, product, body.asset_item, None if body.text_item is None else _text(body.text_item)
    )
    call.world[PRODUCTS].put(_with_cover(replace(changed, updated_at=call.now), None))


def find_product(call: Call, product_id: str) -> Product:
    """A product that isn't deleted.

    Raises:
        Refusal: MSS.10001041, there is none.
    """
    product = call.world[PRODUCTS].get(product_id)
    if product is None or product.state is ProductState.DELETED:
        raise Refusal("MSS.10001041", product_id[:64])
    return product


# -- what goes in ----------------------------------------------------------------------------------


def _check_texts(name: str, tags: Iterable[str] | None) -> None:
    if not name.strip():
        raise Refusal(INVALID_PARAMETER, "name: must not be empty")
    if any(len(tag.encode()) > _MAX_TAG_BYTES for tag in tags or ()):
        raise Refusal(INVALID_PARAMETER, f"tags: {_MAX_TAG_BYTES} bytes each at most")


def _text(item: ProductTextInfo) -> Text:
    return Text(item.title, item.text)


def _materials(call: Call, items: Iterable[ProductMediaInfo]) -> tuple[Material, ...]:
    found = tuple(_material(call, item, unavailable="MSS.10001037") for item in items)
    if len(found) > MAX_MATERIALS:
        raise Refusal("MSS.10001042", f"{len(found)} of at most {MAX_MATERIALS}")
    return found


def _material(call: Call, item: ProductMediaInfo, *, unavailable: str) -> Material:
    if not item.asset_id:
        raise Refusal(INVALID_PARAMETER, "asset_id: required for each asset")
    asset = find_material(call, item.asset_id)
    if asset is None or asset.state is not AssetState.ACTIVED:
        raise Refusal(unavailable, item.asset_id[:64])
    kind = _MATERIAL_TYPE.get(asset.type)
    if kind is None or item.asset_type not in {None, kind}:
        raise Refusal("MSS.10001038", f"{item.asset_id[:64]} is {asset.type}")
    return Material(item.asset_id, kind, item.order or 0)


def _link(call: Call, product: Product, item: ProductMediaInfo | None, text: Text | None) -> Product:
    if item is not None:
        material = _material(call, item, unavailable="MSS.10001040")
        if any(known.asset_id == material.asset_id for known in product.materials):
            raise Refusal("MSS.10001039", material.asset_id)
        if len(product.materials) >= MAX_MATERIALS:
            raise Refusal("MSS.10001042", f"at most {MAX_MATERIALS}")
        product = replace(product, materials=(*product.materials, material))
    if text is not None and text not in product.texts:
        product = replace(product, texts=(*product.texts, text))
    return product


def _unlink(_: Call, product: Product, item: ProductMediaInfo | None, text: Text | None) -> Product:
    if item is not None:
        kept = tuple(known for known in product.materials if known.asset_id != item.asset_id)
        if len(kept) == len(product.materials):
            raise Refusal("MSS.10001038", "asset_item: no such asset in the product")
        product = replace(product, materials=kept)
    if text is not None:
        remaining = tuple(known for known in product.texts if known != text)
        if len(remaining) == len(product.texts):
            raise Refusal(INVALID_PARAMETER, "text_item: no such text in the product")
        product = replace(product, texts=remaining)
    return product


def _with_cover(product: Product, cover: ProductCoverInfo | None) -> Product:
    """The product with a thumbnail out of its own pictures; one that has left them makes room for the first."""
    pictures = {material.asset_id for material in product.materials if material.type == "IMAGE"}
    if cover is None:
        return product if product.cover_id in pictures else replace(product, cover_id=None)
    if cover.asset_id and cover.asset_id not in pictures:
        raise Refusal("MSS.10001036", cover.asset_id[:64])
    return replace(product, cover_id=cover.asset_id or None)


# -- what comes out --------------------------------------------------------------------------------


def _filter(call: Call) -> Callable[[Product], bool]:
    states = call.items("state", tuple(ProductState))
    since, until = call.time("create_since"), call.time("create_until")
    name = (call.text("name") or "").casefold()
    tags = [tag.casefold() for tag in call.items("tag")]

    def fits(product: Product) -> bool:
        own = [tag.casefold() for tag in product.tags]
        return (
            (product.state in states if states else product.state is not ProductState.DELETED)
            and (since is None or product.created_at >= since)
            and (until is None or product.created_at <= until)
            and name in product.name.casefold()
            and (not tags or any(wanted in tag for wanted in tags for tag in own))
        )

    return fits


def _info(call: Call, product: Product) -> dict[str, Any]:
    """A product as the API shows it (table 6-372)."""
    rows = [(material, find_material(call, material.asset_id)) for material in product.materials]
    # Those without an order come first, by the time when their asset was made.
    rows.sort(key=lambda row: (row[0].order, product.created_at if row[1] is None else row[1].created_at))
    first = next((material.asset_id for material, _ in rows if material.type == "IMAGE"), None)
    return compact(
        {
            "product_id": product.id,
            "name": product.name,
            "description": product.description,
            "tags": list(product.tags),
            "cover": _cover(call, product.cover_id or first),
            "text_list": [compact({"title": text.title, "text": text.text}) for text in product.texts],
            "asset_list": [_material_info(call, material, asset) for material, asset in rows],
            "create_time": stamp(product.created_at),
            "update_time": stamp(product.updated_at),
            "state": product.state.value,
        }
    )


def _cover(call: Call, asset_id: str | None) -> dict[str, Any] | None:
    if asset_id is None:
        return None
    return {"asset_id": asset_id, **_picture_urls(call, find_material(call, asset_id))}


def _material_info(call: Call, material: Material, asset: Asset | None) -> dict[str, Any]:
    main = None if asset is None else call.world.main_file(asset.id)
    return compact(
        {
            "asset_id": material.asset_id,
            "asset_type": material.type,
            "order": material.order,
            "asset_name": None if asset is None else asset.name,
            "asset_state": None if asset is None else asset.state.value,
            **_picture_urls(call, asset),
            "main_url": _url(call, main),
        }
    )


def _picture_urls(call: Call, asset: Asset | None) -> dict[str, str]:
    """URLs of an asset's cover; a picture without one is its own."""
    if asset is None:
        return {}
    covers = (file for file in call.world.files_of(asset.id) if file.category == "COVER")
    cover = next((file for file in covers if file.state is FileState.CREATED), None)
    if cover is None and asset.type == "IMAGE":
        cover = call.world.main_file(asset.id)
    url = _url(call, cover)
    # There is one size of each picture.
    return {} if url is None else {"cover_url": url, "thumbnail_url": url}


def _url(call: Call, file: File | None) -> str | None:
    return None if file is None or not call.world.is_there(file) else download_url(call, file)


BEHAVIOURS = (
    create_product,
    list_products,
    show_product,
    update_product,
    delete_product,
    set_product_asset,
)
KINDS = (PRODUCTS,)
