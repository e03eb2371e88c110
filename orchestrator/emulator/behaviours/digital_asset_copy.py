"""Digital assets from region to region: the ticket, and the copy made by it (reference 4.1.9, 4.1.10).

The emulator of the other region reads the ticket when it has the same AK/SK, as the two regions of one tenant have.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call, Moment
from orchestrator.emulator.behaviours.digital_asset import download_url, find_own_asset
from orchestrator.emulator.behaviours.digital_asset_processing import meta_of, put_into, standing, with_meta
from orchestrator.emulator.catalog import system_assets
from orchestrator.emulator.records import Asset, AssetState, File, FileState, Making
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.emulator.sealing import initial_vector, seal, unseal
from orchestrator.emulator.tables import Kind
from orchestrator.metastudio.models.digital_asset import ReplicationAssetInfo

#: As the reference's example names it; a ticket can be read by the service alone.
_ALGORITHM, _KEY_ID = "AES128_GCM", "1"
_COPY_S = 1.0
#: While the files are on their way.
_LOOK_AGAIN_S = 0.2
#: A copy whose files haven't come by then has failed.
_GIVE_UP_S = 60.0
_COPIED = ("name", "type", "description", "tags", "extra_meta", "properties", "order", "services")
_COPIED_OF_FILE = ("id", "name", "type", "category", "size", "md5", "transcoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An asset whose copying isn't finished, by the asset's id."""

    id: str
    ends_at: datetime
    gives_up_at: datetime
    becomes: AssetState


def show_asset_replication_info(call: Call) -> dict[str, Any]:
    """A ticket by which another region copies the asset; it expires when its download URLs do."""
    asset = find_own_asset(call, call.path["asset_id"])
    if asset.state not in {AssetState.ACTIVED, AssetState.UNACTIVED}:
        raise Refusal("MSS.10001010", f"the asset is {asset.state}")
    if call.world.main_file(asset.id) is None:
        raise Refusal("MSS.10001011", asset.id)
    files = [
        {**{name: getattr(file, name) for name in _COPIED_OF_FILE}, "url": download_url(call, file)}
        for file in call.world.files_of(asset.id)
        if file.state is FileState.CREATED
    ]
    ticket = {**{name: getattr(asset, name) for name in _COPIED}, "state": asset.state, "files": files}
    # In milliseconds: the reference names no unit, and its maximum is that of a long.
    expires = int((call.now + timedelta(seconds=call.config.download_url_s)).timestamp() * 1000)
    iv = initial_vector(call.world.new_id())
    return {
        "asset_id": asset.id,
        "asset_info": seal(json.dumps(ticket), call.config.sk, iv, _bound(asset.id, expires)),
        "encryption_info": {"algorithm": _ALGORITHM, "key_id": _KEY_ID, "iv": iv},
        "expire_time": expires,
    }


def create_asset_by_replication_info(call: Call) -> None:
    """Makes the asset that a ticket tells of, under the same id if nobody has it here yet."""
    body = call.body_as(ReplicationAssetInfo)
    ticket = _ticket(call, body)
    taken = call.world.assets.get(body.asset_id or "") or system_assets(call.config.region).get(
        body.asset_id or ""
    )
    asset = Asset(
        id=call.world.new_id() if taken else str(body.asset_id),
        name=ticket["name"],
        type=ticket["type"],
        state=AssetState.CREATING,
        created_at=call.now,
        updated_at=call.now,
        description=ticket["description"],
        tags=tuple(ticket["tags"]),
        extra_meta=ticket["extra_meta"],
        properties=ticket["properties"],
        order=ticket["order"],
        services=tuple(ticket["services"]),
        app_user_id=call.app_user_id,
    )
    ids = {file["id"]: _copy_file(call, asset.id, file).id for file in ticket["files"]}
    if pages := meta_of(asset).get("pages"):
        renamed = [{**page, "file_id": ids.get(page.get("file_id"), "")} for page in pages]
        asset = with_meta(asset, {"pages": renamed})
    call.world.assets.put(asset)
    becomes = AssetState(ticket["state"])
    ends_at, gives_up_at = call.after(_COPY_S), call.now + timedelta(seconds=_GIVE_UP_S)
    call.world[COPIES].put(Copy(id=asset.id, ends_at=ends_at, gives_up_at=gives_up_at, becomes=becomes))


def _ticket(call: Call, body: ReplicationAssetInfo) -> dict[str, Any]:
    iv = body.encryption_info.iv if body.encryption_info else None
    if not body.asset_id or not body.asset_info or not iv:
        raise Refusal(INVALID_PARAMETER, "asset_id, asset_info and encryption_info: all of the ticket")
    text = unseal(body.asset_info, call.config.sk, iv, _bound(body.asset_id, body.expire_time))
    if text is None:
        raise Refusal("MSS.10001046", "asset_info")
    if body.expire_time is None or body.expire_time < call.now.timestamp() * 1000:
        raise Refusal("MSS.10001047", "expire_time")
    ticket: dict[str, Any] = json.loads(text)
    return ticket


def _copy_file(call: Call, asset_id: str, file: dict[str, Any]) -> File:
    return call.world.add_file(
        File(
            id=call.world.new_id(),
            asset_id=asset_id,
            name=file["name"],
            type=file["type"],
            category=file["category"],
            state=FileState.CREATED,
            created_at=call.now,
            updated_at=call.now,
            size=file["size"],
            md5=file["md5"],
            transcoding=file["transcoding"],
            make=Making("fetch", {"url": file["url"]}),
        )
    )


def _finish(moment: Moment, copy: Copy) -> None:
    world = moment.world
    asset, main = world.assets.get(copy.id), world.main_file(copy.id)
    files = world.files_of(copy.id)
    coming = main is not None and not all(world.is_there(file) for file in files)
    lost = any(file.state is FileState.FAILED for file in files)
    if coming and not lost and moment.now < copy.gives_up_at:
        world[COPIES].put(replace(copy, ends_at=moment.now + timedelta(seconds=_LOOK_AGAIN_S)))
        return
    world[COPIES].drop(copy.id)
    if asset is None or standing(asset) is not AssetState.CREATING or (main is None and not lost):
        return
    becomes = AssetState.FAILED if coming or lost else copy.becomes
    world.assets.put(replace(put_into(asset, becomes), updated_at=moment.now))


def _bound(asset_id: str, expires: int | None) -> str:
    return f"{asset_id}/{expires}"


COPIES = Kind("copy", Copy, due_at=lambda copy: copy.ends_at, on_due=_finish)
KINDS = (COPIES,)
BEHAVIOURS = (show_asset_replication_info, create_asset_by_replication_info)
