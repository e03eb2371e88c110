"""What the emulator keeps of avatar training (reference chapter 8)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

#: A job with this tag is treated as one of an NA user: a person reviews its result, the user confirms it, and no proof
#: of identity is asked for. The API itself doesn't show what kind of user somebody is.
NA_TAG = "na-user"
#: How often a Flexus job may be trained again; the reference only says that it is at most 10.
FLEXUS_RETRIES = 3


class TrainingState(StrEnum):
    """State of a job (reference table 8-14), as far as no administrator's own work leads there."""

    WAIT_FILE_UPLOAD = "WAIT_FILE_UPLOAD"
    AUTO_VERIFYING = "AUTO_VERIFYING"
    AUTO_VERIFY_FAILED = "AUTO_VERIFY_FAILED"
    MANUAL_VERIFYING = "MANUAL_VERIFYING"
    MANUAL_VERIFY_FAILED = "MANUAL_VERIFY_FAILED"
    MANUAL_VERIFY_SUCCESS = "MANUAL_VERIFY_SUCCESS"
    WAIT_TRAINING_DATA_PREPROCESS = "WAIT_TRAINING_DATA_PREPROCESS"
    TRAINING_DATA_PREPROCESSING = "TRAINING_DATA_PREPROCESSING"
    TRAINING_DATA_PREPROCESS_FAILED = "TRAINING_DATA_PREPROCESS_FAILED"
    TRAINING_DATA_PREPROCESS_SUCCESS = "TRAINING_DATA_PREPROCESS_SUCCESS"
    TRAINING = "TRAINING"
    TRAIN_FAILED = "TRAIN_FAILED"
    TRAIN_SUCCESS = "TRAIN_SUCCESS"
    INFERENCE_DATA_PREPROCESSING = "INFERENCE_DATA_PREPROCESSING"
    INFERENCE_DATA_PREPROCESS_FAILED = "INFERENCE_DATA_PREPROCESS_FAILED"
    WAIT_GENERATE_ACTION = "WAIT_GENERATE_ACTION"
    ACTION_GENERATE_DATA_PROCESSING = "ACTION_GENERATE_DATA_PROCESSING"
    ACTION_GENERATE_DATA_FAILED = "ACTION_GENERATE_DATA_FAILED"
    WAIT_ARRANGE = "WAIT_ARRANGE"
    ACTION_GENERATE_ORI_PROCESSING = "ACTION_GENERATE_ORI_PROCESSING"
    ACTION_GENERATE_ORI_FAILED = "ACTION_GENERATE_ORI_FAILED"
    ACTION_GENERATE_ORI_SUCCESS = "ACTION_GENERATE_ORI_SUCCESS"
    WAIT_ADMIN_CONFIRM = "WAIT_ADMIN_CONFIRM"
    WAIT_USER_CONFIRM = "WAIT_USER_CONFIRM"
    JOB_REJECT = "JOB_REJECT"
    JOB_PENDING = "JOB_PENDING"
    JOB_SUCCESS = "JOB_SUCCESS"
    JOB_FINISH = "JOB_FINISH"


#: States in which files are uploaded and submitted.
UPLOADING = frozenset(
    {
        TrainingState.WAIT_FILE_UPLOAD,
        TrainingState.AUTO_VERIFY_FAILED,
        TrainingState.MANUAL_VERIFY_FAILED,
    }
)
#: States in which a job may be updated (reference 8.5).
UPDATABLE = frozenset({TrainingState.AUTO_VERIFY_FAILED, TrainingState.MANUAL_VERIFY_FAILED})
#: States in which a job may be deleted (reference 8.4).
DELETABLE = frozenset(
    {
        TrainingState.WAIT_FILE_UPLOAD,
        TrainingState.AUTO_VERIFY_FAILED,
        TrainingState.MANUAL_VERIFYING,
        TrainingState.MANUAL_VERIFY_FAILED,
        TrainingState.TRAINING_DATA_PREPROCESS_FAILED,
        TrainingState.TRAIN_FAILED,
        TrainingState.INFERENCE_DATA_PREPROCESS_FAILED,
        TrainingState.JOB_SUCCESS,
        TrainingState.WAIT_USER_CONFIRM,
        TrainingState.JOB_REJECT,
        TrainingState.JOB_FINISH,
    }
)

Actor = Literal["USER", "ADMIN", "SYSTEM"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What happened to a job, and by whom (reference table 8-21)."""

    at: datetime
    type: str
    by: Actor
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What the user said of a result (reference table 8-23)."""

    at: datetime
    type: Literal["USER_REJECT", "USER_COMMENT"]
    title: str | None = None
    message: str | None = None
    #: Ids of the files that go with it.
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fate:
    """What is to become of a submitted job instead of an avatar."""

    #: The failed state; one that is stuck stays for ever in the state before it.
    state: TrainingState
    why: str
    stuck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """An avatar training job; its files are kept under its id."""

    id: str
    name: str
    state: TrainingState
    #: Id of the avatar to be, known before it exists.
    asset_id: str
    created_at: datetime
    #: When the user last created, updated or submitted it.
    touched_at: datetime
    contact: str | None = None
    batch_name: str | None = None
    tags: tuple[str, ...] = ()
    model_version: str = "V3.2"
    is_flexus: bool = False
    is_background_replacement: bool = True
    audio_source_type: str = "VIDEO"
    supported_service: tuple[str, ...] = ("VIDEO_2D", "LIVE_2D")
    app_user_id: str | None = None
    #: Actions that the user named (reference table 8-24).
    samples: tuple[dict[str, Any], ...] = ()
    logs: tuple[LogEntry, ...] = ()
    comments: tuple[Comment, ...] = ()
    retries_left: int = field(default=FLEXUS_RETRIES)
    #: A video for choreography was submitted.
    with_actions: bool = False
    fate: Fate | None = None
    #: When it goes on by itself; None: not before a call.
    next_at: datetime | None = None
    #: Where a suspended job goes on.
    suspended_in: TrainingState | None = None

    @property
    def of_na_user(self) -> bool:
        """Whether it is treated as one of an NA user."""
        return NA_TAG in self.tags
