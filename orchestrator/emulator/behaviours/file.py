"""Files of assets: create, confirm, delete (reference 4.2.1 to 4.2.4)."""

import base64
import binascii
from dataclasses import replace
from typing import Any

from orchestrator.emulator.behaviours.base import Call
from orchestrator.emulator.behaviours.digital_asset import drop_file, find_own_asset, object_key
from orchestrator.emulator.behaviours.digital_asset_processing import (
    SERVICE_MADE,
    hand_to_review,
    is_derived,
    meta_of,
    put_into,
    standing,
    with_meta,
)
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import Asset, AssetState, File, FileState
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.metastudio.conditions.asset import FILE_CATEGORIES
from orchestrator.metastudio.models.file import (
    ConfirmFileUploadRequestBody,
    FilesCreateReq,
    LargeFilesCreateReq,
)

_UPLOADED = frozenset({FileState.UPLOADED, FileState.REVIEW})
#: What the metadata of an asset says of its main file.
_OF_MAIN = SERVICE_MADE | {"pages", "page_count", "codec", "size", "width", "height", "audio_codec"}
#: So many pages at most (table 4-11).
_MAX_PAGES = 256
_RECEPTIVE = frozenset({AssetState.CREATING, AssetState.ACTIVED, AssetState.UNACTIVED})
_EMPTIED = frozenset({AssetState.ACTIVED, AssetState.UNACTIVED, AssetState.FAILED})


def create_file(call: Call) -> dict[str, Any]:
    """Registers a file that is sent in one PUT."""
    body = call.body_as(FilesCreateReq)
    _check_md5(body.file_md5)
    asset = _receptive(call, body.asset_id, body.file_name, body.asset_file_category)
    file = call.world.add_file(
        File(
            id=call.world.new_id(),
            asset_id=asset.id,
            name=body.file_name,
            type=body.file_type,
            category=body.asset_file_category,
            state=FileState.CREATING,
            created_at=call.now,
            updated_at=call.now,
            size=body.file_size,
            md5=body.file_md5,
        )
    )
    url = call.links.put_url(ObjectRef(object_key(call, file)), call.upload_end, md5=body.file_md5)
    return {"file_id": file.id, "upload_url": url}


def create_large_file(call: Call) -> dict[str, Any]:
    """Registers a file that is sent in parts, one URL each."""
    body = call.body_as(LargeFilesCreateReq)
    parts = body.file_multipart_count or 1
    asset = _receptive(call, body.asset_id, body.file_name, body.asset_file_category)
    file = call.world.add_file(
        File(
            id=call.world.new_id(),
            asset_id=asset.id,
            name=body.file_name,
            type=body.file_type,
            category=body.asset_file_category,
            state=FileState.CREATING,
            created_at=call.now,
            updated_at=call.now,
            size=body.file_size,
            parts=parts,
            upload_id=call.world.new_id().upper(),
        )
    )
    key, end = object_key(call, file), call.upload_end
    refs = [ObjectRef(key, number, file.upload_id) for number in range(1, parts + 1)]
    return {"file_id": file.id, "upload_urls": [call.links.put_url(ref, end) for ref in refs]}


def confirm_file_upload(call: Call) -> None:
    """Ends an upload as CREATED, FAILED or CANCELLED; saying the same again changes nothing."""
    wanted = FileState(call.body_as(ConfirmFileUploadRequestBody).state)
    file = _find_file(call)
    if file.state is wanted or (wanted is FileState.CREATED and file.state in _UPLOADED):
        return
    if file.state is not FileState.CREATING or file.make is not None:
        raise Refusal("MSS.10001013", f"the file is {file.state}")
    if wanted is FileState.CREATED:
        _check_stored(file)
        hand_to_review(call, replace(file, size=file.stored_size))
        return
    call.world.files.put(replace(file, state=wanted, updated_at=call.now))
    asset = call.world.assets.get(file.asset_id)
    if wanted is FileState.FAILED and file.category == "MAIN" and asset is not None:
        failed = put_into(asset, AssetState.FAILED)
        call.world.assets.put(replace(failed, reason="the main file was not uploaded", updated_at=call.now))


def delete_file(call: Call) -> None:
    """Deletes a file; an asset without its main file waits for a new one."""
    file = _find_file(call)
    asset = call.world.assets.get(file.asset_id)
    drop_file(call, file)
    if asset is None:
        return
    if file.category == "MAIN" and call.world.main_file(asset.id) is None:
        for derived in filter(is_derived, call.world.files_of(asset.id)):
            drop_file(call, derived)
        _wait_for_main(call, asset)
    elif file.category == "PAGE" and meta_of(asset).get("pages"):
        left = [page for page in meta_of(asset)["pages"] if page.get("file_id") != file.id]
        call.world.assets.put(replace(with_meta(asset, {"pages": left}), updated_at=call.now))


def _wait_for_main(call: Call, asset: Asset) -> None:
    meta = {name: value for name, value in meta_of(asset).items() if name not in _OF_MAIN}
    kept = with_meta(replace(asset, extra_meta=None), meta)
    if meta.get("auto_analysis"):
        kept = with_meta(kept, {"ppt_analysis_status": "INITIALIZE", "page_count": 0})
    if standing(asset) in _EMPTIED:
        kept = replace(put_into(kept, AssetState.CREATING), fail_type=None, reason=None)
    call.world.assets.put(replace(kept, updated_at=call.now))


def _find_file(call: Call) -> File:
    file = call.world.files.get(call.path["file_id"])
    if file is None or file.state is FileState.DELETED:
        raise Refusal("MSS.10001004", call.path["file_id"][:64])
    return file


def _receptive(call: Call, asset_id: str, name: str, category: str) -> Asset:
    asset = find_own_asset(call, asset_id)
    if asset.state not in _RECEPTIVE:
        raise Refusal("MSS.10001010", f"the asset is {asset.state}")
    allowed = FILE_CATEGORIES.get(asset.type)
    if allowed is not None and category not in allowed:
        raise Refusal(
            INVALID_PARAMETER, f"asset_file_category: {asset.type} takes {', '.join(sorted(allowed))}"
        )
    present = [file for file in call.world.files_of(asset.id) if file.state.live]
    if category == "MAIN" and any(file.category == "MAIN" for file in present):
        raise Refusal("MSS.10001008")
    if category == "COVER" and any(file.category == "COVER" for file in present):
        raise Refusal("MSS.10001009")
    if category == "PAGE" and sum(file.category == "PAGE" for file in present) >= _MAX_PAGES:
        raise Refusal("MSS.10001027", f"PAGE, {_MAX_PAGES}")
    # Names are case-insensitive (table 4-178).
    if any(file.name.casefold() == name.casefold() for file in present):
        raise Refusal("MSS.10001012", name)
    return asset


def _check_md5(text: str) -> None:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise Refusal(INVALID_PARAMETER, "file_md5: 24 characters, the Base64 of a 128-bit MD5")


def _check_stored(file: File) -> None:
    if not file.complete:
        missing = "" if file.parts is None else f"{len(file.segments)} of {file.parts} parts are there"
        raise Refusal("MSS.10001016", missing)
    if file.size is not None and file.stored_size != file.size:
        raise Refusal("MSS.10001018", f"{file.stored_size} bytes are stored, {file.size} were announced")


BEHAVIOURS = (create_file, create_large_file, confirm_file_upload, delete_file)
