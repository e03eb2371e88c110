"""Digital assets: delete, restore, one action on many (reference 4.1.4, 4.1.6, 4.1.7)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import ValidationError

from orchestrator.emulator.behaviours.base import Call, stamp
from orchestrator.emulator.behaviours.digital_asset import drop_file, find_own_asset, sharing, switched
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.metastudio.models.digital_asset import AssetSharedConfig, BatchAssetActionReq

#: How long a sharing lasts that names no end; until midnight of the last day (table 4-25).
_SHARED_DAYS = 30


def delete_asset(call: Call) -> None:
    """Moves an asset to the recycle bin, or with `mode=force` away for good."""
    force = call.text("mode", ("force",)) == "force"
    asset = find_own_asset(call, call.path["asset_id"])
    if force:
        _delete_for_good(call, asset)
    else:
        _delete(call, asset)


def restore_asset(call: Call) -> None:
    """Takes an asset out of the recycle bin, in the state that it came with."""
    _restore(call, find_own_asset(call, call.path["asset_id"]))


def batch_execute_asset_action(call: Call) -> dict[str, Any]:
    """Does the action to each asset; what went well is one result, what was refused one result for each reason."""
    body = call.body_as(BatchAssetActionReq)
    if not body.asset_ids:
        raise Refusal(INVALID_PARAMETER, "asset_ids: at least one")
    act = _ACTIONS.get(body.action) or partial(_share, config=_sharing_of(call, body.params))
    done: list[str] = []
    refused: dict[tuple[str, str], list[str]] = {}
    for asset_id in dict.fromkeys(body.asset_ids):
        try:
            act(call, find_own_asset(call, asset_id))
            done.append(asset_id)
        except Refusal as refusal:
            # The detail names the asset, the reason of a group may not.
            message = refusal.message.partition(": ")[0]
            refused.setdefault((refusal.code, message), []).append(asset_id)
    results: list[dict[str, Any]] = [{"ret_status": "SUCCESS", "asset_ids": done}] if done else []
    for (code, message), asset_ids in refused.items():
        error = {"error_code": code, "error_msg": message}
        results.append({"ret_status": "FAILED", "asset_ids": asset_ids, "error_info": error})
    return {"results": results}


def _delete(call: Call, asset: Asset) -> None:
    if asset.state is AssetState.DELETING:
        return
    binned = replace(asset, state=AssetState.DELETING, state_before=asset.state, updated_at=call.now)
    call.world.assets.put(binned)


def _delete_for_good(call: Call, asset: Asset) -> None:
    for file in call.world.files_of(asset.id):
        drop_file(call, file)
    gone = replace(asset, state=AssetState.DELETED, state_before=None, updated_at=call.now)
    call.world.assets.put(gone)


def _restore(call: Call, asset: Asset) -> None:
    if asset.state is not AssetState.DELETING:
        raise Refusal("MSS.10001013", f"{asset.state}: the asset is not in the recycle bin")
    # The reference names no state; giving back the one that was taken loses nothing.
    back = replace(asset, state=asset.state_before or AssetState.UNACTIVED, state_before=None)
    call.world.assets.put(replace(back, updated_at=call.now))


def _activate(call: Call, asset: Asset) -> None:
    call.world.assets.put(replace(switched(asset, AssetState.ACTIVED), updated_at=call.now))


def _deactivate(call: Call, asset: Asset) -> None:
    call.world.assets.put(replace(switched(asset, AssetState.UNACTIVED), updated_at=call.now))


def _share(call: Call, asset: Asset, *, config: AssetSharedConfig) -> None:
    if asset.state is not AssetState.ACTIVED:
        raise Refusal("MSS.10001010", f"the asset is {asset.state}")
    call.world.assets.put(replace(asset, shared=sharing(config), updated_at=call.now))


def _unshare(call: Call, asset: Asset) -> None:
    call.world.assets.put(replace(asset, shared=None, updated_at=call.now))


def _sharing_of(call: Call, params: str | None) -> AssetSharedConfig:
    """The sharing that `params` holds as JSON; the reference doesn't say what it holds."""
    end = (call.now + timedelta(days=_SHARED_DAYS)).replace(hour=23, minute=59, second=59)
    try:
        config = AssetSharedConfig.model_validate_json(params or "{}")
    except ValidationError as error:
        raise Refusal(INVALID_PARAMETER, "params: a sharing as JSON (shared_type, expire_time, …)") from error
    return config.model_copy(
        update={
            "shared_type": config.shared_type or "SHARED",
            "expire_time": config.expire_time or stamp(end),
        }
    )


#: All but SHARE, which takes parameters.
_ACTIONS: Mapping[str, Callable[[Call, Asset], None]] = {
    "DELETE": _delete,
    "DELETE_FORCE": _delete_for_good,
    "RESTORE": _restore,
    "ACTIVE": _activate,
    "UNACTIVE": _deactivate,
    "UNSHARE": _unshare,
}

BEHAVIOURS = (delete_asset, restore_asset, batch_execute_asset_action)
