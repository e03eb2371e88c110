"""What the emulated world is made of: frozen records, changed by replacing them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class AssetState(StrEnum):
    """State of an asset (reference table 4-34)."""

    CREATING = "CREATING"
    FAILED = "FAILED"
    UNACTIVED = "UNACTIVED"
    ACTIVED = "ACTIVED"
    DELETING = "DELETING"
    DELETED = "DELETED"


class FileState(StrEnum):
    """State of a file (reference table 4-56)."""

    CREATING = "CREATING"
    UPLOADED = "UPLOADED"
    CREATED = "CREATED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"

    @property
    def live(self) -> bool:
        """Whether the file stands in the way of another one of its name or category."""
        return self not in {FileState.FAILED, FileState.CANCELLED, FileState.DELETED}


class JobState(StrEnum):
    """State of a video job (reference table 5-113)."""

    WAITING = "WAITING"
    PROCESSING = "PROCESSING"
    SUCCEED = "SUCCEED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def live(self) -> bool:
        """Whether the job made, or may still make, a video."""
        return self not in {JobState.FAILED, JobState.CANCELED}


class PostState(StrEnum):
    """State of a callback on its way."""

    PENDING = "PENDING"
    SENT = "SENT"
    GIVEN_UP = "GIVEN_UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A digital asset; `system` ones are the platform's, `job_id` names the job whose output it is."""

    id: str
    name: str
    type: str
    state: AssetState
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    tags: tuple[str, ...] = ()
    extra_meta: dict[str, Any] | None = None
    properties: dict[str, str] = field(default_factory=dict)
    order: int | None = None
    services: tuple[str, ...] = ()
    app_user_id: str | None = None
    reason: str | None = None
    system: bool = False
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """The bytes of one part as they lie in storage; an object is its segments in a row."""

    part: int
    size: int
    md5_hex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of an asset. `parts` is None for one that is sent in a single PUT."""

    id: str
    asset_id: str
    name: str
    type: str
    category: str
    state: FileState
    created_at: datetime
    updated_at: datetime
    size: int | None = None
    #: Base64, as declared; None for a large file.
    md5: str | None = None
    parts: int | None = None
    upload_id: str | None = None
    segments: tuple[Segment, ...] = ()
    review_until: datetime | None = None

    @property
    def stored_size(self) -> int:
        """Bytes in storage so far."""
        return sum(segment.size for segment in self.segments)

    @property
    def complete(self) -> bool:
        """Whether every part is in storage."""
        return len(self.segments) == (self.parts or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A video script: the body that made it, and its times."""

    id: str
    body: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    app_user_id: str | None = None

    @property
    def name(self) -> str:
        """The script's name."""
        return str(self.body.get("script_name", ""))


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """Where a job's end is told to."""

    url: str = field(repr=False)
    auth_type: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a finished rendering left in storage."""

    at: datetime
    duration_s: float
    video: Segment
    cover: Segment


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A video job. `recipe` is what it was made from, fixed when it was created."""

    id: str
    state: JobState
    script_id: str | None
    recipe: dict[str, Any]
    asset_name: str
    #: Ids given to what comes out, known before it exists.
    output_asset_id: str
    output_video_id: str
    output_cover_id: str
    created_at: datetime
    updated_at: datetime
    starts_at: datetime
    ends_at: datetime
    callback: CallbackTarget | None = None
    #: A fault plan lets the job end with this code.
    doomed: str | None = None
    rendered: Rendered | None = None
    finished_at: datetime | None = None
    error: JobError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A callback to be sent: the target unsigned, because the signature holds the time of sending."""

    id: str
    job_id: str
    target: CallbackTarget = field(repr=False)
    body: dict[str, str]
    due_at: datetime
    state: PostState = PostState.PENDING
    tries: int = 0
    #: Signed with a wrong key on purpose.
    forged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LateCall:
    """A request whose connection was cut and that is carried out later all the same."""

    id: str
    due_at: datetime
    operation: str
    path: dict[str, str]
    query: tuple[tuple[str, str], ...]
    body: dict[str, Any] = field(repr=False)
    app_user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that IAM gave out; the id is its digest, the token itself isn't kept."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A number that only grows, under its name."""

    id: str
    value: int
