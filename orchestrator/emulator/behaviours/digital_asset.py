"""Digital assets: create, update, show (reference 4.1.1, 4.1.3, 4.1.5), and how all the others show them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.emulator.behaviours.base import Call, Moment, compact, stamp
from orchestrator.emulator.behaviours.digital_asset_processing import (
    SERVICE_MADE,
    convert,
    meta_of,
    stop_conversion,
    with_meta,
)
from orchestrator.emulator.catalog import system_assets
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import Asset, AssetState, File, FileState
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.metastudio.conditions.asset import METADATA
from orchestrator.metastudio.models.digital_asset import (
    AssetSharedConfig,
    CreateDigitalAssetRequestBody,
    SystemProperty,
    UpdateDigitalAssetRequestBody,
)

_SWITCHABLE = frozenset({AssetState.ACTIVED, AssetState.UNACTIVED})
#: Nothing but deletion and restoration is open to these.
_SHUT = frozenset({AssetState.DELETING, AssetState.BLOCK})
#: Made by training or by the provider, never by a common tenant's call (table 4-3).
_CLOSED_TYPES = frozenset({"VOICE_MODEL", "HUMAN_MODEL_2D"})


def create_digital_asset(call: Call) -> dict[str, Any]:
    """Makes an asset that waits for its main file."""
    body = call.body_as(CreateDigitalAssetRequestBody)
    _check_type(body.asset_type)
    asset = Asset(
        id=call.world.new_id(),
        name=body.asset_name,
        type=body.asset_type,
        state=AssetState.CREATING,
        created_at=call.now,
        updated_at=call.now,
        description=body.asset_description,
        tags=tuple(body.tags or ()),
        properties=_with_properties({}, body.system_properties or ()),
        order=body.asset_order,
        services=tuple(body.supported_service or ()),
        app_user_id=call.app_user_id,
        shared=sharing(body.shared_config),
        wants_cover=bool(body.is_need_generate_cover),
    )
    call.world.assets.put(_with_sent_meta(asset, call.raw.get("asset_extra_meta")))
    return {"asset_id": asset.id}


def show_asset(call: Call) -> dict[str, Any]:
    """An asset with its files and their download URLs."""
    return asset_info(call, find_asset(call, call.path["asset_id"]))


def update_digital_asset(call: Call) -> dict[str, Any]:
    """Changes what the body names; a tenant may switch between ACTIVED and UNACTIVED only."""
    body = call.body_as(UpdateDigitalAssetRequestBody)
    asset = find_own_asset(call, call.path["asset_id"])
    if asset.state in _SHUT:
        raise Refusal("MSS.10001010", f"the asset is {asset.state}")
    if body.asset_type is not None and body.asset_type != asset.type:
        _check_type(body.asset_type)
    changed = replace(
        asset,
        name=asset.name if body.asset_name is None else body.asset_name,
        description=asset.description if body.asset_description is None else body.asset_description,
        type=body.asset_type or asset.type,
        tags=asset.tags if body.tags is None else tuple(body.tags),
        properties=_with_properties(asset.properties, body.system_properties or ()),
        order=asset.order if body.asset_order is None else body.asset_order,
        services=asset.services if body.supported_service is None else tuple(body.supported_service),
        shared=asset.shared if body.shared_config is None else sharing(body.shared_config),
        updated_at=call.now,
    )
    changed = _with_sent_meta(changed, call.raw.get("asset_extra_meta"))
    if body.asset_state is not None:
        changed = switched(changed, body.asset_state)
    call.world.assets.put(changed)
    if changed.type == "PPT":
        convert(call, changed.id)
    return asset_info(call, find_asset(call, asset.id))


def switched(asset: Asset, wanted: str) -> Asset:
    """The asset switched on or off.

    Raises:
        Refusal: MSS.10001014 no tenant may ask for that state, MSS.10001013 not from the state that it is in.
    """
    if wanted not in _SWITCHABLE:
        raise Refusal("MSS.10001014", f"{wanted} is not for tenants")
    if wanted == asset.state:
        return asset
    if asset.state not in _SWITCHABLE:
        raise Refusal("MSS.10001013", f"{asset.state} to {wanted}")
    return replace(asset, state=AssetState(wanted))


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


def drop_file(moment: Moment, file: File) -> None:
    """Deletes a file, and what was under way for it."""
    stop_conversion(moment, file)
    moment.world.files.put(replace(file, state=FileState.DELETED, updated_at=moment.now))


def sharing(config: AssetSharedConfig | None) -> dict[str, Any] | None:
    """What is kept of a sharing; None for one with nobody."""
    if config is None or config.shared_type in {None, "PRIVATE"}:
        return None
    return config.model_dump(mode="json", exclude_none=True)


def asset_info(call: Call, asset: Asset) -> dict[str, Any]:
    """An asset as the API shows it (table 4-34)."""
    files = call.world.files_of(asset.id)
    return compact(
        {
            "project_id": "SYSTEM" if asset.system else call.config.project_id,
            "asset_id": asset.id,
            "asset_name": asset.name,
            "asset_description": asset.description,
            "app_user_id": asset.app_user_id,
            "create_time": stamp(asset.created_at),
            "update_time": stamp(asset.updated_at),
            "asset_type": asset.type,
            "asset_state": asset.state.value,
            "fail_type": asset.fail_type,
            "reason": asset.reason,
            "tags": list(asset.tags),
            "asset_extra_meta": _shown_meta(call, asset, files),
            "system_properties": [
                compact({"key": key, "value": value or None}) for key, value in asset.properties.items()
            ],
            "files": [_file_info(call, asset, file) for file in files],
            "asset_order": asset.order,
            "supported_service": list(asset.services) or None,
        }
    )


def shown_url(call: Call, asset: Asset, file: File) -> str | None:
    """A URL of an asset's file; None while there is nothing to be seen, or nobody may see it."""
    # Outputs of jobs have no bytes where no media are made.
    there = file.make is None or call.world.is_there(file)
    usable = file.state is FileState.CREATED and asset.state is not AssetState.BLOCK
    return download_url(call, file) if there and usable else None


def download_url(call: Call, file: File) -> str:
    """A presigned URL for a stored file."""
    return call.links.get_url(ObjectRef(object_key(call, file)), call.url_end(call.config.download_url_s))


def object_key(call: Call, file: File) -> str:
    """Where a file lies in object storage."""
    return f"{call.config.project_id}/{file.asset_id}/{file.id}.{_extension(file.type)}"


def _extension(file_type: str) -> str:
    kept = "".join(c for c in file_type.lower() if c.isascii() and c.isalnum())
    return kept[:16] or "bin"


def _shown_meta(call: Call, asset: Asset, files: Iterable[File]) -> dict[str, Any] | None:
    """The metadata; slides count as parsed once the pictures of all pages are in storage."""
    if asset.type == "PPT" and meta_of(asset).get("ppt_analysis_status") == "SUCCEEDED":
        unmade = [file for file in files if file.make is not None and not call.world.is_there(file)]
        if unmade:
            lost = any(file.state is FileState.FAILED for file in unmade)
            status = "FAILED" if lost else "CONVERTING"
            return with_meta(asset, {"ppt_analysis_status": status, "pages": []}).extra_meta
    return asset.extra_meta


def _file_info(call: Call, asset: Asset, file: File) -> dict[str, Any]:
    unmade = file.make is not None and not call.world.is_there(file)
    return compact(
        {
            "file_id": file.id,
            "file_name": file.name,
            "file_md5": file.md5,
            # Outputs of jobs have no bytes where no media are made; the least that the API shows is 1.
            "file_size": file.size or None,
            "file_type": file.type,
            "asset_file_category": file.category,
            "download_url": shown_url(call, asset, file),
            "state": FileState.CREATING.value if unmade else file.state.value,
            "reason": file.reason,
            "file_extra_meta": {"video_transcoding_status": file.transcoding} if file.transcoding else None,
        }
    )


def _check_type(asset_type: str) -> None:
    if asset_type in _CLOSED_TYPES:
        raise Refusal(INVALID_PARAMETER, f"asset_type: {asset_type} is not open to common users")


def _with_sent_meta(asset: Asset, sent: Mapping[str, Any] | None) -> Asset:
    """The asset with the metadata that a tenant sent: what belongs to its type, but not what the service fills in."""
    own = (sent or {}).get(METADATA.get(asset.type, ""))
    if own is None:
        return asset
    values = {name: value for name, value in own.items() if name not in SERVICE_MADE}
    if asset.type == "PPT" and values.get("auto_analysis") and "ppt_analysis_status" not in meta_of(asset):
        values["ppt_analysis_status"] = "INITIALIZE"
    return with_meta(asset, values)


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


BEHAVIOURS = (create_digital_asset, show_asset, update_digital_asset)
