"""Files of voice training jobs: their upload URLs, and online recording (reference 9.9, 9.11, 9.12).

A job has slots: one for a package, or two for each sentence, and one for the authorization letter. A URL serves once, so
a slot that is filled gets a new file when its URL is asked for again; the newest file with bytes in it counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.emulator.behaviours.base import Call, compact
from orchestrator.emulator.behaviours.digital_asset import object_key
from orchestrator.emulator.behaviours.voice_modeling_course import JOBS
from orchestrator.emulator.behaviours.voice_modeling_records import (
    LETTER,
    MIN_WAV_BYTES,
    PACKAGE,
    Sentence,
    TrainingJob,
    confirmed_sentences,
    newest,
    sentences,
    slots,
    slots_of_sentence,
)
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import File, FileState
from orchestrator.emulator.refusals import INVALID_PARAMETER, Refusal

#: What the service asks its clients to send (reference tables 9-4, 9-5); it says nothing of the letter.
_CONTENT_TYPES: Mapping[str, str] = {"zip": "application/zip", "wav": "audio/wav", "txt": "text/plain"}
#: Highest index that the reference allows (table 9-54).
_MAX_INDEX = 1024


@dataclass(frozen=True, slots=True, repr=False)
class Addresses:
    """Where the files of a job are to be sent."""

    letter: str
    package: str | None
    audio: tuple[str, ...]
    text: tuple[str, ...]

    @property
    def segments(self) -> dict[str, list[str]] | None:
        """The URLs of the sentences as the API shows them."""
        if not self.audio:
            return None
        return {"audio_uploading_url": list(self.audio), "txt_uploading_url": list(self.text)}


def show_job_uploading_address(call: Call) -> dict[str, Any]:
    """Fresh upload URLs, while the job waits for files."""
    job, where = addresses(call, find_receptive_job(call, call.path["job_id"]))
    call.world[JOBS].put(job)
    package = {"training_data_uploading_url": where.package} if where.package else None
    return compact(
        {
            "segment_url": where.segments,
            "package_url": package,
            "authorization_letter_uploading_url": where.letter,
        }
    )


def confirm_training_segment(call: Call) -> dict[str, Any]:
    """Compares a recorded sentence with its text; one in which nothing is said does not match."""
    job = find_receptive_job(call, call.text("job_id") or "")
    index = call.number("index", 0, _MAX_INDEX, 0)
    if index >= sentences(job):
        raise Refusal(INVALID_PARAMETER, f"index: the job takes {sentences(job)} recorded sentences")
    audio, text = (newest(call.world, job, slot) for slot in slots_of_sentence(index))
    if audio is None or text is None:
        raise Refusal("MSS.20020030", f"sentence {index} needs its audio file and its text file")
    matched = audio.stored_size > MIN_WAV_BYTES and text.stored_size > 0
    others = tuple(kept for kept in job.confirmed if kept.index != index)
    confirmed = (*others, Sentence(index, audio.id, text.id)) if matched else others
    call.world[JOBS].put(replace(job, confirmed=confirmed))
    # Nothing was heard from the first character on.
    return {"confirm_result": matched, "unmatched_index_hit": [] if matched else [0]}


def show_training_segment_info(call: Call) -> dict[str, Any]:
    """The sentences that are confirmed."""
    job = find_job(call, call.text("job_id") or "")
    return {"confirmed_index": sorted(confirmed_sentences(call.world, job))}


def find_job(call: Call, job_id: str) -> TrainingJob:
    """A job.

    Raises:
        Refusal: MSS.20020002, there is none.
    """
    job = call.world[JOBS].get(job_id)
    if job is None:
        raise Refusal("MSS.20020002", job_id[:64])
    return job


def find_receptive_job(call: Call, job_id: str) -> TrainingJob:
    """A job that waits for files.

    Raises:
        Refusal: MSS.20020002 there is none, MSS.20020001 it has been submitted.
    """
    job = find_job(call, job_id)
    if not job.state.takes_files:
        raise Refusal("MSS.20020001", f"the job is {job.state}")
    return job


def addresses(call: Call, job: TrainingJob) -> tuple[TrainingJob, Addresses]:
    """The job with a file to be uploaded in every slot, and the URLs of those."""
    uploads, urls = dict(job.uploads), dict[str, str]()
    for slot in slots(job):
        ids = uploads.get(slot, ())
        file = call.world.files.get(ids[-1]) if ids else None
        if file is None or file.complete:
            file = call.world.add_file(_new_file(call, job, slot))
            uploads[slot] = (*ids, file.id)
        kind = _CONTENT_TYPES.get(file.type, "")
        urls[slot] = call.links.put_url(ObjectRef(object_key(call, file)), call.upload_end, content_type=kind)
    pairs = [slots_of_sentence(index) for index in range(sentences(job))]
    where = Addresses(
        letter=urls[LETTER],
        package=urls.get(PACKAGE),
        audio=tuple(urls[audio] for audio, _ in pairs),
        text=tuple(urls[text] for _, text in pairs),
    )
    return replace(job, uploads=uploads), where


def close_slots(call: Call, job: TrainingJob) -> TrainingJob:
    """The job with the files that count and no others: what was not used is used no more."""
    uploads: dict[str, tuple[str, ...]] = {}
    for slot, ids in job.uploads.items():
        kept = newest(call.world, job, slot)
        uploads[slot] = () if kept is None else (kept.id,)
        drop_files(call, (file_id for file_id in ids if kept is None or file_id != kept.id))
        if kept is not None and kept.state is FileState.CREATING:
            whole = replace(kept, state=FileState.CREATED, size=kept.stored_size, updated_at=call.now)
            call.world.files.put(whole)
    return replace(job, uploads=uploads)


def drop_files(call: Call, file_ids: Iterable[str]) -> None:
    """Deletes files."""
    for file_id in file_ids:
        file = call.world.files.get(file_id)
        if file is not None:
            call.world.files.put(replace(file, state=FileState.DELETED, updated_at=call.now))


def _new_file(call: Call, job: TrainingJob, slot: str) -> File:
    return File(
        id=call.world.new_id(),
        asset_id=job.id,
        name=slot,
        type=slot.rpartition(".")[2] if "." in slot else "bin",
        category="OTHER",
        state=FileState.CREATING,
        created_at=call.now,
        updated_at=call.now,
        single_use=True,
    )


BEHAVIOURS = (show_job_uploading_address, confirm_training_segment, show_training_segment_info)
