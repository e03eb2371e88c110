"""Digital assets: create, list, update, delete, show (reference 4.1.1 to 4.1.5)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact, stamp
from orchestrator.emulator.catalog import system_assets
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import Asset, AssetState, File, FileState
from orchestrator.emulator.refusals import Refusal
from orchestrator.metastudio.models.digital_asset import (
    CreateDigitalAssetRequestBody,
    SystemProperty,
    UpdateDigitalAssetRequestBody,
)

_STATES = (*(state.value for state in AssetState), "BLOCK", "WAITING_DELETE")
_SWITCHABLE = frozenset({AssetState.ACTIVED, AssetState.UNACTIVED})


def create_digital_asset(call: Call) -> dict[str, Any]:
    """Makes an asset that waits for its main file."""
    body = call.body_as(CreateDigitalAssetRequestBody)
    asset = Asset(
        id=call.world.new_id(),
        name=body.asset_name,
        type=body.asset_type,
        state=AssetState.CREATING,
        created_at=call.now,
        updated_at=call.now,
        description=body.asset_description,
        tags=tuple(body.tags or ()),
        extra_meta=call.raw.get("asset_extra_meta"),
        properties=_with_properties({}, body.system_properties or ()),
        order=body.asset_order,
        services=tuple(body.supported_service or ()),
        app_user_id=call.app_user_id,
    )
    call.world.assets.put(asset)
    return {"asset_id": asset.id}


def show_asset(call: Call) -> dict[str, Any]:
    """An asset with its files and their download URLs."""
    return asset_info(call, find_asset(call, call.path["asset_id"]))


def list_assets(call: Call) -> dict[str, Any]:
    """Assets that fit every filter, a page of them."""
    source = call.text("asset_source", ("SYSTEM", "CUSTOMIZATION", "ALL")) or "CUSTOMIZATION"
    candidates: list[Asset] = []
    if source in {"SYSTEM", "ALL"}:
        candidates.extend(system_assets(call.config.region).values())
    if source in {"CUSTOMIZATION", "ALL"}:
        candidates.extend(asset for asset in call.world.assets if asset.state is not AssetState.DELETED)
    rows = call.ordered(
        filter(_filter(call), candidates),
        {
            "create_time": lambda a: a.created_at,
            "update_time": lambda a: a.updated_at,
            "asset_order": lambda a: (a.order or 0, -a.created_at.timestamp()),
        },
    )
    return {"count": len(rows), "assets": [asset_info(call, asset) for asset in call.page(rows)]}


def update_digital_asset(call: Call) -> dict[str, Any]:
    """Changes what the body names; a tenant may switch between ACTIVED and UNACTIVED only."""
    body = call.body_as(UpdateDigitalAssetRequestBody)
    asset = find_own_asset(call, call.path["asset_id"])
    changed = replace(
        asset,
        name=asset.name if body.asset_name is None else body.asset_name,
        description=asset.description if body.asset_description is None else body.asset_description,
        type=body.asset_type or asset.type,
        tags=asset.tags if body.tags is None else tuple(body.tags),
        extra_meta=call.raw.get("asset_extra_meta") or asset.extra_meta,
        properties=_with_properties(asset.properties, body.system_properties or ()),
        order=asset.order if body.asset_order is None else body.asset_order,
        services=asset.services if body.supported_service is None else tuple(body.supported_service),
        updated_at=call.now,
    )
    if body.asset_state is not None and body.asset_state != asset.state:
        if body.asset_state not in _SWITCHABLE or asset.state not in _SWITCHABLE:
            raise Refusal("MSS.10001013", f"{asset.state} to {body.asset_state}")
        changed = replace(changed, state=AssetState(body.asset_state))
    return asset_info(call, call.world.assets.put(changed))


def delete_asset(call: Call) -> None:
    """Moves an asset to the recycle bin, or with `mode=force` away for good."""
    force = call.text("mode", ("force",)) == "force"
    asset = find_own_asset(call, call.path["asset_id"])
    state = AssetState.DELETED if force else AssetState.DELETING
    call.world.assets.put(replace(asset, state=state, updated_at=call.now))
    if force:
        for file in call.world.files_of(asset.id):
            call.world.files.put(replace(file, state=FileState.DELETED, updated_at=call.now))


def find_asset(call: Call, asset_id: str) -> Asset:
    """An asset of the tenant or of the platform.

    Raises:
        Refusal: MSS.10001001, there is none.
    """
    asset = call.world.assets.get(asset_id) or system_assets(call.config.region).get(asset_id)
    if asset is None or asset.state is AssetState.DELETED:
        raise Refusal("MSS.10001001", asset_id[:64])
    return asset


def find_own_asset(call: Call, asset_id: str) -> Asset:
    """An asset of the tenant; the platform's can't be changed.

    Raises:
        Refusal: MSS.10001001 there is none, MSS.10001010 it is the platform's.
    """
    asset = find_asset(call, asset_id)
    if asset.system:
        raise Refusal("MSS.10001010", "assets of the platform cannot be changed")
    return asset


def asset_info(call: Call, asset: Asset) -> dict[str, Any]:
    """An asset as the API shows it (table 4-34)."""
    project = "SYSTEM" if asset.system else call.config.project_id
    return compact(
        {
            "project_id": project,
            "asset_id": asset.id,
            "asset_name": asset.name,
            "asset_description": asset.description,
            "app_user_id": asset.app_user_id,
            "create_time": stamp(asset.created_at),
            "update_time": stamp(asset.updated_at),
            "asset_type": asset.type,
            "asset_state": asset.state.value,
            "reason": asset.reason,
            "tags": list(asset.tags),
            "asset_extra_meta": asset.extra_meta,
            "system_properties": [{"key": key, "value": value} for key, value in asset.properties.items()],
            "files": [_file_info(call, file) for file in call.world.files_of(asset.id)],
            "asset_order": asset.order,
            "supported_service": list(asset.services) or None,
        }
    )


def download_url(call: Call, file: File) -> str:
    """A presigned URL for a stored file."""
    valid = timedelta(seconds=-60 if call.expired_urls else call.config.download_url_s)
    return call.links.get_url(ObjectRef(object_key(call, file)), call.now + valid)


def object_key(call: Call, file: File) -> str:
    """Where a file lies in object storage."""
    return f"{call.config.project_id}/{file.asset_id}/{file.id}.{_extension(file.type)}"


def _extension(file_type: str) -> str:
    kept = "".join(c for c in file_type.lower() if c.isascii() and c.isalnum())
    return kept[:16] or "bin"


def _file_info(call: Call, file: File) -> dict[str, Any]:
    return compact(
        {
            "file_id": file.id,
            "file_name": file.name,
            "file_md5": file.md5,
            "file_size": file.size,
            "file_type": file.type,
            "asset_file_category": file.category,
            "download_url": download_url(call, file) if file.state is FileState.CREATED else None,
            "state": file.state.value,
        }
    )


def _filter(call: Call) -> Callable[[Asset], bool]:
    accurate = call.items("accurate_query_field")
    ids, types, tags = call.items("asset_id"), call.items("asset_type"), call.items("tag")
    states, properties = call.items("asset_state", _STATES), call.items("system_property")
    name, start, end = call.text("name"), call.time("start_time"), call.time("end_time")
    every = call.text("tag_combination_type", ("INTERSECTION", "UNION_SET")) == "INTERSECTION"
    exact_name = bool({"name", "asset_name"} & set(accurate))

    def fits(asset: Asset) -> bool:
        found = [_matches(tag, asset.tags, exact="tag" in accurate) for tag in tags]
        return (
            (not ids or asset.id in ids)
            and (not types or asset.type in types)
            and (not states or asset.state in states)
            and (name is None or _matches(name, (asset.name,), exact=exact_name))
            and (not tags or (all(found) if every else any(found)))
            and (start is None or asset.created_at >= start)
            and (end is None or asset.created_at <= end)
            and all(_has_property(asset, pair) for pair in properties)
        )

    return fits


def _matches(wanted: str, values: Iterable[str], *, exact: bool) -> bool:
    if exact:
        return wanted in values
    return any(wanted.casefold() in value.casefold() for value in values)


def _has_property(asset: Asset, pair: str) -> bool:
    key, _, value = pair.partition(":")
    return asset.properties.get(key) == value


def _with_properties(before: dict[str, str], changes: Iterable[SystemProperty]) -> dict[str, str]:
    after = dict(before)
    for change in changes:
        if change.key is None:
            continue
        if change.action == "DELETE":
            after.pop(change.key, None)
        else:
            after[change.key] = change.value or ""
    return after


BEHAVIOURS = (create_digital_asset, show_asset, list_assets, update_digital_asset, delete_asset)
