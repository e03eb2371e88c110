"""What the emulated world is made of: frozen records, changed by replacing them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal


class AssetState(StrEnum):
    """State of an asset (reference table 4-34)."""

    CREATING = "CREATING"
    FAILED = "FAILED"
    UNACTIVED = "UNACTIVED"
    ACTIVED = "ACTIVED"
    DELETING = "DELETING"
    DELETED = "DELETED"
    BLOCK = "BLOCK"
    WAITING_DELETE = "WAITING_DELETE"


class FileState(StrEnum):
    """State of a file (reference table 4-56)."""

    CREATING = "CREATING"
    UPLOADED = "UPLOADED"
    REVIEW = "REVIEW"
    CREATED = "CREATED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"
    BLOCK = "BLOCK"

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
    BLOCK = "BLOCK"

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
    #: Which review rejected it (table 4-34).
    fail_type: str | None = None
    #: The state that it had when it came into the recycle bin, and has again when it is restored.
    state_before: AssetState | None = None
    #: With whom it is shared (table 4-25); None: with nobody.
    shared: dict[str, Any] | None = None
    #: A video's cover is to be made from it.
    wants_cover: bool = False
    system: bool = False
    job_id: str | None = None
    #: Tells assets apart that were made at the same time; given by `Assets.put`.
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """The bytes of one part as they lie in storage; an object is its segments in a row."""

    part: int
    size: int
    md5_hex: str
    #: Title and text of each slide, if it is a whole presentation.
    slides: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Making:
    """What the service itself puts into a file: a kind of `makers.MAKERS` and what that needs to know."""

    what: str
    #: May hold an address to fetch from, so no repr shows it.
    params: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of an asset, or of a job under the job's id. `parts` is None for one that is sent in a single PUT."""

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
    #: Why a review rejected it.
    reason: str | None = None
    #: How far the transcoding of a video is (table 4-57).
    transcoding: str | None = None
    #: Set for a file that nobody uploads.
    make: Making | None = None
    #: Its upload URL serves once.
    single_use: bool = False

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
    #: The file of each scene of recorded speech, by `recipe.scene_key`; a copy shares the files of its original.
    audio: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The script's name."""
        return str(self.body.get("script_name", ""))


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """Where events are told to, and how that is signed."""

    url: str = field(repr=False)
    auth_type: str
    key: str = field(default="", repr=False)
    #: Video and live callbacks name the parameters of their signature differently.
    service: Literal["video", "live"] = "video"


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
    #: About how long the video will be.
    planned_s: float = 0.0
    #: Pitch of the voice.
    pitch_hz: float = 160.0
    #: Files of the scenes of recorded speech, as in the script.
    audio: dict[str, str] = field(default_factory=dict)
    callback: CallbackTarget | None = None
    #: A fault plan lets the job end with this code.
    doomed: str | None = None
    #: A fault plan lets the job be at work for ever.
    stuck: bool = False
    rendered: Rendered | None = None
    finished_at: datetime | None = None
    error: JobError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A callback to be sent: the target unsigned, because the signature holds the time of sending."""

    id: str
    #: Id of the job that it is about.
    job_id: str
    target: CallbackTarget = field(repr=False)
    #: Of a livestream it may hold the key to push a stream with.
    body: dict[str, Any] = field(repr=False)
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
