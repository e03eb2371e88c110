"""Files of avatar training jobs: what is uploaded, and what of it counts (reference 8.1, 8.5, 8.6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.emulator.behaviours.base import Call
from orchestrator.emulator.behaviours.digital_asset import download_url, object_key
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import File, FileState
from orchestrator.emulator.world import World


@dataclass(frozen=True, slots=True)
class Role:
    """What a file is to its job; the name is its category, and ends the file's name as the service has it."""

    name: str
    type: str


TRAINING_VIDEO = Role("trainingVideo", "mp4")
ACTION_VIDEO = Role("actionVideo", "mp4")
AUDIO = Role("audio", "wav")
COVER = Role("cover", "png")
ID_CARD_FRONT = Role("idCardImage1", "png")
ID_CARD_BACK = Role("idCardImage2", "png")
GRANT = Role("grantFile", "pdf")
_ATTACHMENT = "attachment"

#: Without these the review of a common user's job fails (reference table 8-6).
PROOFS: Mapping[Role, str] = {
    ID_CARD_FRONT: "front of the ID card",
    ID_CARD_BACK: "back of the ID card",
    GRANT: "authorization letter",
}


def add_file(call: Call, job_id: str, role: Role, parts: int = 1) -> list[str]:
    """Makes room for a file in place of one that was never sent; the URLs to upload it, each good for one upload."""
    for unused in _of(call.world, job_id, role):
        if not unused.segments:
            call.world.files.put(replace(unused, state=FileState.CANCELLED, updated_at=call.now))
    return _urls(call, _new(call, job_id, role.name, f"{job_id}_{role.name}", role.type, parts))


def add_attachments(call: Call, job_id: str, names: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Makes room for what goes with a comment: ids of the files, URLs to upload them."""
    files = [
        _new(call, job_id, _ATTACHMENT, name, name.rpartition(".")[2] if "." in name else "bin", 1)
        for name in names
    ]
    return tuple(file.id for file in files), [url for file in files for url in _urls(call, file)]


def newest(world: World, job_id: str, role: Role) -> File | None:
    """The file last asked for in this role, uploaded or not."""
    return next(reversed(_of(world, job_id, role)), None)


def uploaded(world: World, job_id: str, role: Role) -> File | None:
    """The file that counts: the last one that is there, confirmed where it was sent in parts."""
    return next((file for file in reversed(_of(world, job_id, role)) if is_uploaded(file)), None)


def is_uploaded(file: File) -> bool:
    """Whether a file is there; the parts of one make none before they are confirmed."""
    return file.state is FileState.CREATED or (file.parts is None and file.complete)


def unconfirmed(world: World, job_id: str, role: Role) -> bool:
    """Whether parts of a file were sent and not confirmed."""
    file = newest(world, job_id, role)
    return file is not None and bool(file.segments) and not is_uploaded(file)


def confirm(call: Call, file: File) -> None:
    """Makes a file of what was sent."""
    if file.state is not FileState.CREATED:
        whole = replace(file, state=FileState.CREATED, size=file.stored_size, updated_at=call.now)
        call.world.files.put(whole)


def settle(call: Call, job_id: str, role: Role) -> None:
    """Keeps the file that counts, and deletes those that it replaces."""
    file = uploaded(call.world, job_id, role)
    if file is None:
        return
    confirm(call, file)
    for older in _of(call.world, job_id, role):
        if older.id != file.id and older.segments:
            call.world.files.put(replace(older, state=FileState.DELETED, updated_at=call.now))


def link(call: Call, job_id: str, role: Role) -> str | None:
    """A download URL of the file that counts."""
    file = uploaded(call.world, job_id, role)
    return None if file is None else download_url(call, file)


def attachment_links(call: Call, file_ids: Iterable[str]) -> list[str]:
    """Download URLs of the attachments that were uploaded."""
    files = (call.world.files.get(file_id) for file_id in file_ids)
    return [download_url(call, file) for file in files if file is not None and is_uploaded(file)]


def _of(world: World, job_id: str, role: Role) -> list[File]:
    return [
        file
        for file in world.files_of(job_id)
        if file.category == role.name and file.state is not FileState.CANCELLED
    ]


def _new(call: Call, job_id: str, category: str, name: str, file_type: str, parts: int) -> File:
    # A single part is sent as a plain PUT, and needs no confirmation.
    multipart = parts > 1
    return call.world.add_file(
        File(
            id=call.world.new_id(),
            asset_id=job_id,
            name=name,
            type=file_type,
            category=category,
            state=FileState.CREATING,
            created_at=call.now,
            updated_at=call.now,
            parts=parts if multipart else None,
            upload_id=call.world.new_id().upper() if multipart else None,
            single_use=True,
        )
    )


def _urls(call: Call, file: File) -> list[str]:
    key = object_key(call, file)
    if file.parts is None:
        return [call.links.put_url(ObjectRef(key), call.upload_end)]
    refs = (ObjectRef(key, number, file.upload_id) for number in range(1, file.parts + 1))
    return [call.links.put_url(ref, call.upload_end) for ref in refs]
