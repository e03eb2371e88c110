"""Files of assets: create, confirm, delete (reference 4.2.1 to 4.2.4)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call
from orchestrator.emulator.behaviours.digital_asset import find_own_asset, object_key
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import Asset, AssetState, File, FileState
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal
from orchestrator.metastudio.models.file import (
    ConfirmFileUploadRequestBody,
    FilesCreateReq,
    LargeFilesCreateReq,
)

#: File categories that an asset type takes (table 4-178); a type that isn't here takes any.
_CATEGORIES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("SCENE", "ANIMATION", "VIDEO", "IMAGE", "MATERIAL"), frozenset({"MAIN", "COVER", "OTHER"})
    ),
    "PPT": frozenset({"MAIN", "COVER", "PAGE", "OTHER"}),
    "HUMAN_MODEL": frozenset({"MAIN", "COVER", "WHOLE_MODEL", "USER_MODIFIED_MODEL", "OTHER"}),
    "VOICE_MODEL": frozenset({"MAIN", "SAMPLE", "OTHER"}),
    "HUMAN_MODEL_2D": frozenset({"MAIN", "COVER", "SAMPLE", "OTHER"}),
    "BUSINESS_CARD_TEMPLET": frozenset({"MAIN", "COVER"}),
}


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
    url = call.links.put_url(ObjectRef(object_key(call, file)), _url_end(call), md5=body.file_md5)
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
    key, end = object_key(call, file), _url_end(call)
    refs = [ObjectRef(key, number, file.upload_id) for number in range(1, parts + 1)]
    return {"file_id": file.id, "upload_urls": [call.links.put_url(ref, end) for ref in refs]}


def confirm_file_upload(call: Call) -> None:
    """Ends an upload as CREATED, FAILED or CANCELLED; saying the same again changes nothing."""
    wanted = FileState(call.body_as(ConfirmFileUploadRequestBody).state)
    file = _find_file(call)
    if file.state is wanted or (wanted is FileState.CREATED and file.state is FileState.UPLOADED):
        return
    if file.state is not FileState.CREATING:
        raise Refusal("MSS.10001013", f"the file is {file.state}")
    if wanted is FileState.CREATED:
        _check_stored(file)
        review = timedelta(seconds=call.config.review_s / call.config.speed)
        whole = replace(file, size=file.stored_size)
        call.world.review(whole, call.now + review, call.now)
        return
    call.world.files.put(replace(file, state=wanted, updated_at=call.now))
    asset = call.world.assets.get(file.asset_id)
    if wanted is FileState.FAILED and file.category == "MAIN" and asset is not None:
        call.world.assets.put(replace(asset, state=AssetState.FAILED, updated_at=call.now))


def delete_file(call: Call) -> None:
    """Deletes a file; an asset without its main file waits for a new one."""
    file = _find_file(call)
    call.world.files.put(replace(file, state=FileState.DELETED, updated_at=call.now))
    asset = call.world.assets.get(file.asset_id)
    if file.category == "MAIN" and asset is not None and call.world.main_file(asset.id) is None:
        waiting = asset.state in {AssetState.ACTIVED, AssetState.UNACTIVED, AssetState.FAILED}
        if waiting:
            call.world.assets.put(replace(asset, state=AssetState.CREATING, updated_at=call.now))


def _find_file(call: Call) -> File:
    file = call.world.files.get(call.path["file_id"])
    if file is None or file.state is FileState.DELETED:
        raise Refusal("MSS.10001004", call.path["file_id"][:64])
    return file


def _receptive(call: Call, asset_id: str, name: str, category: str) -> Asset:
    asset = find_own_asset(call, asset_id)
    if asset.state not in {AssetState.CREATING, AssetState.ACTIVED, AssetState.UNACTIVED}:
        raise Refusal("MSS.10001010", f"the asset is {asset.state}")
    allowed = _CATEGORIES.get(asset.type)
    if allowed is not None and category not in allowed:
        raise Refusal(
            INVALID_PARAMETER, f"asset_file_category: {asset.type} takes {', '.join(sorted(allowed))}"
        )
    present = [file for file in call.world.files_of(asset.id) if file.state.live]
    if category == "MAIN" and any(file.category == "MAIN" for file in present):
        raise Refusal("MSS.10001008")
    if category == "COVER" and any(file.category == "COVER" for file in present):
        raise Refusal("MSS.10001009")
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


def _url_end(call: Call) -> Any:
    return call.now + timedelta(seconds=-60 if call.expired_urls else call.config.upload_url_s)


BEHAVIOURS = (create_file, create_large_file, confirm_file_upload, delete_file)
