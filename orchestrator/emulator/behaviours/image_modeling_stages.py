"""How an avatar training job goes on by itself: reviews, training, and the avatar at its end (reference chapter 8)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.emulator.behaviours.base import Moment
from orchestrator.emulator.behaviours.image_modeling_records import (
    Actor,
    Fate,
    LogEntry,
    TrainingJob,
    TrainingState,
)
from orchestrator.emulator.faults import AVATAR
from orchestrator.emulator.records import Asset, AssetState, File, FileState, Making
from orchestrator.emulator.refusals import error_facts
from orchestrator.emulator.tables import Kind

S = TrainingState
#: The uploaded videos aren't looked into; avatars have the resolution that is the default.
RESOLUTION = "1080P"


@dataclass(frozen=True, slots=True)
class _Log:
    type: str
    by: Actor = "SYSTEM"


@dataclass(frozen=True, slots=True)
class _Stage:
    """A state that a job passes through, and how it fails in it."""

    state: TrainingState
    lasts_s: float
    #: What is logged when it begins.
    begins: _Log | None = None
    failed: TrainingState | None = None
    fails: _Log | None = None
    #: What is logged when it goes well, beside the beginning of what follows.
    ends: _Log | None = None


_REVIEW = (
    _Stage(
        S.AUTO_VERIFYING,
        1.0,
        _Log("USER_VERIFYING_SUBMITTED", "USER"),
        S.AUTO_VERIFY_FAILED,
        _Log("SYSTEM_VERIFY_FAILED"),
    ),
    _Stage(
        S.MANUAL_VERIFYING,
        1.0,
        _Log("SYSTEM_VERIFY_SUCCESS"),
        S.MANUAL_VERIFY_FAILED,
        _Log("ADMIN_VERIFY_FAILED", "ADMIN"),
    ),
    _Stage(S.MANUAL_VERIFY_SUCCESS, 0.5, _Log("ADMIN_VERIFY_SUCCESS", "ADMIN")),
)
_TRAINING = (
    _Stage(S.WAIT_TRAINING_DATA_PREPROCESS, 0.5),
    _Stage(
        S.TRAINING_DATA_PREPROCESSING,
        1.0,
        _Log("SYSTEM_TRAIN_DATA_PREPROCESSING"),
        S.TRAINING_DATA_PREPROCESS_FAILED,
        _Log("SYSTEM_TRAIN_DATA_PREPROCESS_FAILED"),
    ),
    _Stage(S.TRAINING_DATA_PREPROCESS_SUCCESS, 0.5, _Log("SYSTEM_TRAIN_DATA_PREPROCESS_SUCCESS")),
    _Stage(S.TRAINING, 2.0, _Log("SYSTEM_TRAINING"), S.TRAIN_FAILED, _Log("SYSTEM_TRAIN_FAILED")),
    _Stage(S.TRAIN_SUCCESS, 0.5, _Log("SYSTEM_TRAIN_SUCCESS")),
    _Stage(
        S.INFERENCE_DATA_PREPROCESSING,
        1.0,
        _Log("SYSTEM_INFERENCE_DATA_PREPROCESSING"),
        S.INFERENCE_DATA_PREPROCESS_FAILED,
        _Log("SYSTEM_INFERENCE_DATA_PREPROCESS_FAILED"),
        _Log("SYSTEM_INFERENCE_DATA_PREPROCESS_SUCCESS"),
    ),
)
_ACTIONS = (
    _Stage(S.WAIT_GENERATE_ACTION, 0.5),
    _Stage(
        S.ACTION_GENERATE_DATA_PROCESSING,
        1.0,
        _Log("SYSTEM_ACTION_GENERATE_DATA_PREPROCESSING"),
        S.ACTION_GENERATE_DATA_FAILED,
        _Log("SYSTEM_ACTION_GENERATE_DATA_FAILED"),
    ),
    _Stage(S.WAIT_ARRANGE, 0.5, _Log("SYSTEM_ACTION_GENERATE_DATA_SUCCESS")),
    _Stage(
        S.ACTION_GENERATE_ORI_PROCESSING,
        1.0,
        _Log("SYSTEM_ACTION_GENERATE_ORI_PREPROCESSING"),
        S.ACTION_GENERATE_ORI_FAILED,
        _Log("SYSTEM_ACTION_GENERATE_ORI_FAILED"),
    ),
    _Stage(S.ACTION_GENERATE_ORI_SUCCESS, 0.5, _Log("SYSTEM_ACTION_GENERATE_ORI_SUCCESS")),
)
_ADMIN = _Stage(S.WAIT_ADMIN_CONFIRM, 0.5)

#: Where a failure is seen, by its code (reference 11.2); any other one is of the training. A plan may also name a failed
#: state in place of a code.
_FAILS_IN = {
    "MSS.10001019": S.AUTO_VERIFY_FAILED,
    "MSS.10001034": S.AUTO_VERIFY_FAILED,
    "MSS.20020004": S.AUTO_VERIFY_FAILED,
    "MSS.20020007": S.AUTO_VERIFY_FAILED,
    "MSS.41000007": S.AUTO_VERIFY_FAILED,
    "MSS.20020010": S.MANUAL_VERIFY_FAILED,
    "MSS.41000017": S.INFERENCE_DATA_PREPROCESS_FAILED,
    "MSS.42000003": S.INFERENCE_DATA_PREPROCESS_FAILED,
}
_TRAINING_FAILED = "MSS.20020005"


def submit(moment: Moment, job: TrainingJob, missing: Sequence[str]) -> TrainingJob:
    """Hands a job to the review, which misses what is `missing`."""
    fate = _fate(moment, _path(job))
    if missing:
        fate = Fate(S.AUTO_VERIFY_FAILED, f"missing: {', '.join(missing)}")
    return _enter(moment, replace(job, fate=fate, touched_at=moment.now), _REVIEW[0])


def train_again(moment: Moment, job: TrainingJob) -> TrainingJob:
    """Trains once more from the same files; the avatar keeps its id."""
    logged = with_log(job, moment.now, "USER_REPAIR", "USER")
    fate = _fate(moment, _path(job)[len(_REVIEW) :])
    return _enter(moment, replace(logged, fate=fate, touched_at=moment.now), _TRAINING[0])


def accept(moment: Moment, job: TrainingJob) -> TrainingJob:
    """Closes a job whose avatar the user is content with, and lets the avatar be used."""
    avatar = moment.world.assets.get(job.asset_id)
    if avatar is not None and avatar.state is AssetState.UNACTIVED:
        moment.world.assets.put(replace(avatar, state=AssetState.ACTIVED, updated_at=moment.now))
    logged = with_log(job, moment.now, "SYSTEM_JOB_SUCCESS", "SYSTEM")
    return moment.world[TRAINING_JOBS].put(replace(logged, state=S.JOB_FINISH, next_at=None))


def with_log(
    job: TrainingJob, at: datetime, entry: str, by: Actor, description: str | None = None
) -> TrainingJob:
    """The job with one more line in its log."""
    return replace(job, logs=(*job.logs, LogEntry(at, entry, by, description)))


def _fate(moment: Moment, ahead: Iterable[_Stage]) -> Fate | None:
    """What a fault plan wants to become of a job that has these stages ahead of it."""
    doom = moment.doom(AVATAR)
    if doom is None:
        return None
    code = doom.code or _TRAINING_FAILED
    wanted = _FAILS_IN.get(code, code)
    state = next((stage.failed for stage in ahead if stage.failed == wanted), None)
    facts = error_facts().get(code)
    why = f"{code} {facts.message}" if facts else code
    return Fate(state or S.TRAIN_FAILED, why, stuck=doom.stuck)


def _path(job: TrainingJob) -> tuple[_Stage, ...]:
    actions = _ACTIONS if job.with_actions else ()
    return (*_REVIEW, *_TRAINING, *actions, *((_ADMIN,) if job.of_na_user else ()))


def _go_on(moment: Moment, job: TrainingJob) -> None:
    path = _path(job)
    position = next(number for number, stage in enumerate(path) if stage.state is job.state)
    stage = path[position]
    if job.fate is not None and job.fate.state is stage.failed:
        _fail(moment, job, stage, job.fate)
        return
    if stage.ends is not None:
        job = with_log(job, moment.now, stage.ends.type, stage.ends.by)
    if position + 1 < len(path):
        _enter(moment, job, path[position + 1])
    else:
        _finish(moment, job)


def _enter(moment: Moment, job: TrainingJob, stage: _Stage) -> TrainingJob:
    stuck = job.fate is not None and job.fate.stuck and job.fate.state is stage.failed
    if stage.begins is not None:
        job = with_log(job, moment.now, stage.begins.type, stage.begins.by)
    if stage.state is S.INFERENCE_DATA_PREPROCESSING and moment.world.assets.get(job.asset_id) is None:
        moment.world.assets.put(_avatar(moment, job))
    next_at = None if stuck else moment.after(stage.lasts_s)
    return moment.world[TRAINING_JOBS].put(replace(job, state=stage.state, next_at=next_at))


def _fail(moment: Moment, job: TrainingJob, stage: _Stage, fate: Fate) -> None:
    assert stage.fails is not None, "a stage with a failed state has its line in the log"
    logged = with_log(job, moment.now, stage.fails.type, stage.fails.by, fate.why)
    moment.world[TRAINING_JOBS].put(replace(logged, state=fate.state, fate=None, next_at=None))
    avatar = moment.world.assets.get(job.asset_id)
    if avatar is not None and avatar.state is AssetState.CREATING:
        failed = replace(avatar, state=AssetState.FAILED, reason=fate.why, updated_at=moment.now)
        moment.world.assets.put(failed)


def _finish(moment: Moment, job: TrainingJob) -> None:
    at = moment.now
    if job.of_na_user:
        logged = with_log(job, at, "ADMIN_ACCEPT", "ADMIN")
        state, avatar_state = S.WAIT_USER_CONFIRM, AssetState.UNACTIVED
    else:
        logged = with_log(job, at, "SYSTEM_JOB_SUCCESS", "SYSTEM")
        state, avatar_state = S.JOB_SUCCESS, AssetState.ACTIVED
    moment.world[TRAINING_JOBS].put(replace(logged, state=state, next_at=None))
    avatar = moment.world.assets.get(job.asset_id)
    if avatar is not None and avatar.state is AssetState.CREATING:
        moment.world.assets.put(replace(avatar, state=avatar_state, updated_at=at))
        _add_model_files(moment, job)


def _avatar(moment: Moment, job: TrainingJob) -> Asset:
    meta = {
        # Chapter 4 writes with an underscore what chapter 8 writes with a point.
        "model_version": job.model_version.replace(".", "_"),
        "model_resolution": RESOLUTION,
        "is_flexus": job.is_flexus,
        "is_real_background": not job.is_background_replacement,
        "is_with_action_library": job.with_actions,
        "support_live": "LIVE_2D" in job.supported_service,
    }
    return Asset(
        id=job.asset_id,
        name=job.name,
        type="HUMAN_MODEL_2D",
        state=AssetState.CREATING,
        created_at=moment.now,
        updated_at=moment.now,
        extra_meta={"human_model_2d_meta": meta},
        services=job.supported_service,
        app_user_id=job.app_user_id,
        # Not `job_id`: that is a video job, whose output the asset would be.
    )


def _add_model_files(moment: Moment, job: TrainingJob) -> None:
    card = json.dumps({"training_job": job.id, "model_version": job.model_version})
    files = (
        ("MAIN", "json", Making("text", {"text": card})),
        ("COVER", "png", Making("page", {"title": job.name, "text": job.model_version})),
    )
    for category, extension, making in files:
        moment.world.add_file(
            File(
                id=moment.world.new_id(),
                asset_id=job.asset_id,
                name=f"{job.asset_id}.{extension}",
                type=extension,
                category=category,
                state=FileState.CREATED,
                created_at=moment.now,
                updated_at=moment.now,
                make=making,
            )
        )


TRAINING_JOBS = Kind("avatar_training_job", TrainingJob, due_at=lambda job: job.next_at, on_due=_go_on)
KINDS = (TRAINING_JOBS,)
