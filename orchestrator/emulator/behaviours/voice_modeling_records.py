"""What is kept of a voice training job: its state, its uploads, its log, its reviews (reference chapter 9)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.emulator.records import File
from orchestrator.emulator.world import World

PACKAGE, LETTER = "data.zip", "authorization_letter"
#: The smallest package and the smallest recording: nothing but their own headers.
MIN_ZIP_BYTES, MIN_WAV_BYTES = 22, 44


class TrainingState(StrEnum):
    """State of a voice training job (reference table 9-23)."""

    CREATING = "CREATING"
    SYSTEM_AUDITING = "SYSTEM_AUDITING"
    AUDITING = "AUDITING"
    WAITING_SPLIT = "WAITING_SPLIT"
    SPLITTING = "SPLITTING"
    SPLIT_FAILED = "SPLIT_FAILED"
    ANNOTATING = "ANNOTATING"
    WAITING = "WAITING"
    PROCESSING = "PROCESSING"
    RESULT_REVIEW = "RESULT_REVIEW"
    AUDIT_FAILED = "AUDIT_FAILED"
    FAILED = "FAILED"
    SUCCEED = "SUCCEED"

    @property
    def takes_files(self) -> bool:
        """Whether the job waits for the user's files."""
        return self in {TrainingState.CREATING, TrainingState.AUDIT_FAILED}

    @property
    def rests(self) -> bool:
        """Whether nothing is done on the job."""
        ended = {TrainingState.SPLIT_FAILED, TrainingState.FAILED, TrainingState.SUCCEED}
        return self.takes_files or self in ended


class Edition(StrEnum):
    """What kind of training it is (reference table 9-20, job_type); the others cannot be created by this API."""

    BASIC = "BASIC"
    MIDDLE = "MIDDLE"
    ADVANCE = "ADVANCE"

    @property
    def sentences(self) -> int:
        """How many sentences are recorded one by one (reference 9.1, 9.2); 0 for one long recording (9.3)."""
        return _SENTENCES[self]


_SENTENCES: Mapping[Edition, int] = {Edition.BASIC: 20, Edition.MIDDLE: 100, Edition.ADVANCE: 0}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Something done to a job, and by whom (reference table 9-39)."""

    at: datetime
    action: str
    operator: str
    review_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditError:
    """What the automatic review found (reference table 9-50)."""

    code: str
    audio: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What a review said, and when."""

    at: datetime
    errors: tuple[AuditError, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A recorded sentence that was confirmed: the files as they were then."""

    index: int
    audio_id: str
    text_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """A voice training job."""

    id: str
    edition: Edition
    create_type: str
    voice_name: str
    sex: str
    language: str
    state: TrainingState
    created_at: datetime
    updated_at: datetime
    tag: str | None = None
    description: str | None = None
    phone: str | None = field(default=None, repr=False)
    dhtms_job_id: str | None = None
    batch_name: str | None = None
    app_user_id: str | None = None
    #: Ids of the files of each slot, oldest first.
    uploads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    confirmed: tuple[Sentence, ...] = ()
    #: When the state changes by itself next.
    due_at: datetime | None = None
    #: A fault plan lets the job fail with this code.
    doomed: str | None = None
    #: A fault plan lets the job be in training for ever.
    stuck: bool = False
    asset_id: str | None = None
    failed_code: str | None = None
    #: How often each state has been entered.
    visits: dict[str, int] = field(default_factory=dict)
    log: tuple[LogEntry, ...] = ()
    system_audit: Audit | None = None
    admin_audit: Audit | None = None

    def entering(self, state: TrainingState, at: datetime, due_at: datetime | None = None) -> "TrainingJob":
        """The job in another state, until `due_at` or for good."""
        visits = {**self.visits, state.value: self.visits.get(state.value, 0) + 1}
        return replace(self, state=state, updated_at=at, due_at=due_at, visits=visits)

    def logging(
        self, at: datetime, action: str, operator: str, review_ids: tuple[str, ...] = ()
    ) -> "TrainingJob":
        """The job with one more entry in its log."""
        return replace(self, log=(*self.log, LogEntry(at, action, operator, review_ids)))


def sentences(job: TrainingJob) -> int:
    """How many sentences are uploaded one by one."""
    return job.edition.sentences if job.create_type == "SEGMENT" else 0


def slots(job: TrainingJob) -> list[str]:
    """The names of the files that the job takes."""
    pairs = [slot for index in range(sentences(job)) for slot in slots_of_sentence(index)]
    return [*(pairs or [PACKAGE]), LETTER]


def slots_of_sentence(index: int) -> tuple[str, str]:
    """Names of the recording and of the text of a sentence."""
    return f"{index}.wav", f"{index}.txt"


def newest(world: World, job: TrainingJob, slot: str) -> File | None:
    """The file that counts in a slot; None as long as nothing was uploaded."""
    files = (world.files.get(file_id) for file_id in reversed(job.uploads.get(slot, ())))
    return next((file for file in files if file is not None and file.complete), None)


def recordings(world: World, job: TrainingJob) -> list[tuple[File | None, File | None]]:
    """Audio and text of each sentence, as far as they are there."""
    pairs = (slots_of_sentence(index) for index in range(sentences(job)))
    return [(newest(world, job, audio), newest(world, job, text)) for audio, text in pairs]


def confirmed_sentences(world: World, job: TrainingJob) -> set[int]:
    """Sentences confirmed with the files that count now: a later upload has to be confirmed again."""
    current = [(audio and audio.id, text and text.id) for audio, text in recordings(world, job)]
    return {one.index for one in job.confirmed if current[one.index] == (one.audio_id, one.text_id)}
