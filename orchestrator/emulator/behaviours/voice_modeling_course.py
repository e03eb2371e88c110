"""What becomes of a voice training job by itself: reviews, trimming, training, the model (reference table 9-23).

How long each stage takes is ours, short enough to be waited for; the reference gives no time. Annotation is for the long
recordings of the premium edition, which have no text of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from orchestrator.emulator.behaviours.base import Call, Moment
from orchestrator.emulator.behaviours.voice_modeling_records import (
    MIN_WAV_BYTES,
    MIN_ZIP_BYTES,
    PACKAGE,
    Audit,
    AuditError,
    Edition,
    TrainingJob,
    TrainingState,
    newest,
    recordings,
)
from orchestrator.emulator.faults import VOICE
from orchestrator.emulator.murmur import voice_pitch_hz
from orchestrator.emulator.records import Asset, AssetState, File, FileState, Making
from orchestrator.emulator.tables import Kind
from orchestrator.emulator.world import World

_State = TrainingState
_DURATION_S: Mapping[TrainingState, float] = {
    _State.SYSTEM_AUDITING: 0.5,
    _State.AUDITING: 0.5,
    _State.WAITING_SPLIT: 0.2,
    _State.SPLITTING: 0.5,
    _State.ANNOTATING: 0.5,
    _State.WAITING: 0.2,
    _State.PROCESSING: 1.0,
    _State.RESULT_REVIEW: 0.5,
}
_TRAINING_FAILED = "MSS.20020005"
_LETTER_REFUSED = "MSS.20020010"
#: Codes about one recording, about the package or its contents, and of trimming (reference 11.2).
_OF_RECORDINGS = frozenset(f"MSS.200200{n:02}" for n in (11, 15, 18, 28, 29))
_OF_PACKAGES = frozenset(
    f"MSS.200200{n:02}" for n in (4, 7, 12, 13, 16, 17, 22, 23, 24, 25, 26, 27, 30, 31, 40)
)
_OF_SPLITTING = frozenset(f"MSS.200200{n}" for n in (34, 35, 36))
_SAMPLE_S = 3.0


def submit(call: Call, job: TrainingJob) -> TrainingJob:
    """The job at the beginning of its review; what a fault plan wants of it is decided here."""
    doom = call.doom(VOICE)
    stuck = doom is not None and doom.stuck
    fresh = replace(
        job,
        doomed=None if doom is None or stuck else doom.code or _TRAINING_FAILED,
        stuck=stuck,
        failed_code=None,
        system_audit=None,
        admin_audit=None,
    )
    return _enter(call, fresh.logging(call.now, "COMMIT_JOB", "USER"), _State.SYSTEM_AUDITING)


def _go_on(moment: Moment, job: TrainingJob) -> None:
    step = _STEPS.get(job.state)
    if step is not None:
        moment.world[JOBS].put(step(moment, job))


def _enter(moment: Moment, job: TrainingJob, state: TrainingState) -> TrainingJob:
    if job.stuck and state is _State.PROCESSING:
        return job.entering(state, moment.now)
    return job.entering(state, moment.now, moment.after(_DURATION_S[state]))


def _fail(moment: Moment, job: TrainingJob, state: TrainingState, code: str) -> TrainingJob:
    return replace(job.entering(state, moment.now), failed_code=code)


def _end_system_audit(moment: Moment, job: TrainingJob) -> TrainingJob:
    errors = tuple(_errors(moment.world, job))
    job = replace(job, system_audit=Audit(moment.now, errors))
    review = (moment.world.new_id(),)
    if errors:
        job = job.logging(moment.now, "AUDIT_NOT_PASS", "SYSTEM", review)
        return _fail(moment, job, _State.AUDIT_FAILED, errors[0].code)
    return _enter(moment, job.logging(moment.now, "SYSTEM_AUDIT_PASS", "SYSTEM", review), _State.AUDITING)


def _errors(world: World, job: TrainingJob) -> list[AuditError]:
    """What can be told of files without listening to them, or what a fault plan wants to be found."""
    found = []
    package = newest(world, job, PACKAGE)
    if package is not None and package.stored_size < MIN_ZIP_BYTES:
        found.append(AuditError("MSS.20020013"))
    for audio, text in recordings(world, job):
        if audio is not None and text is not None and audio.stored_size <= MIN_WAV_BYTES:
            found.append(AuditError("MSS.20020018", audio.name, text.name))
    if job.doomed in _OF_RECORDINGS:
        # Recordings are numbered from 0, in packages too; a long one has no text (reference 9.1 to 9.3).
        text_name = None if job.edition is Edition.ADVANCE else "0.txt"
        found.append(AuditError(job.doomed, "0.wav", text_name))
    elif job.doomed in _OF_PACKAGES:
        found.append(AuditError(job.doomed))
    return found


def _end_admin_audit(moment: Moment, job: TrainingJob) -> TrainingJob:
    review = (moment.world.new_id(),)
    if job.doomed == _LETTER_REFUSED:
        job = replace(job, admin_audit=Audit(moment.now, (AuditError(job.doomed),)))
        job = job.logging(moment.now, "AUDIT_NOT_PASS", "ADMIN", review)
        return _fail(moment, job, _State.AUDIT_FAILED, _LETTER_REFUSED)
    job = replace(job, admin_audit=Audit(moment.now))
    return _enter(moment, job.logging(moment.now, "ADMIN_AUDIT_PASS", "ADMIN", review), _State.WAITING_SPLIT)


def _begin_splitting(moment: Moment, job: TrainingJob) -> TrainingJob:
    return _enter(moment, job, _State.SPLITTING)


def _end_splitting(moment: Moment, job: TrainingJob) -> TrainingJob:
    if job.doomed in _OF_SPLITTING:
        return _fail(moment, job, _State.SPLIT_FAILED, job.doomed)
    long = job.edition is Edition.ADVANCE
    return _enter(moment, job, _State.ANNOTATING if long else _State.WAITING)


def _end_annotating(moment: Moment, job: TrainingJob) -> TrainingJob:
    return _enter(moment, job, _State.WAITING)


def _begin_training(moment: Moment, job: TrainingJob) -> TrainingJob:
    return _enter(moment, job, _State.PROCESSING)


def _end_training(moment: Moment, job: TrainingJob) -> TrainingJob:
    if job.doomed is not None:
        return _fail(moment, job, _State.FAILED, job.doomed)
    return _enter(moment, job.logging(moment.now, "TRAINING_FINISH", "SYSTEM"), _State.RESULT_REVIEW)


def _succeed(moment: Moment, job: TrainingJob) -> TrainingJob:
    voice = moment.world.assets.put(_voice(moment, job))
    moment.world.add_file(_sample(moment, job, voice))
    job = job.logging(moment.now, "UPLOADING_MODEL", "SYSTEM").logging(moment.now, "COMPLETE_JOB", "SYSTEM")
    return replace(job.entering(_State.SUCCEED, moment.now), asset_id=voice.id)


def _voice(moment: Moment, job: TrainingJob) -> Asset:
    meta = {"model_type": "CLONE", "sex": job.sex, "language": job.language, "is_realtime_voice": True}
    return Asset(
        id=moment.world.new_id(),
        name=job.voice_name,
        type="VOICE_MODEL",
        state=AssetState.ACTIVED,
        created_at=moment.now,
        updated_at=moment.now,
        description=job.description,
        tags=() if job.tag is None else (job.tag,),
        extra_meta={"voice_model_meta": meta},
        app_user_id=job.app_user_id,
        job_id=job.id,
    )


def _sample(moment: Moment, job: TrainingJob, voice: Asset) -> File:
    pitch_hz = voice_pitch_hz(job.sex, voice.id)
    return File(
        id=moment.world.new_id(),
        asset_id=voice.id,
        name="sample.wav",
        type="wav",
        category="SAMPLE",
        state=FileState.CREATED,
        created_at=moment.now,
        updated_at=moment.now,
        make=Making("speech", {"duration_s": _SAMPLE_S, "pitch_hz": pitch_hz}),
    )


_STEPS: Mapping[TrainingState, Callable[[Moment, TrainingJob], TrainingJob]] = MappingProxyType(
    {
        _State.SYSTEM_AUDITING: _end_system_audit,
        _State.AUDITING: _end_admin_audit,
        _State.WAITING_SPLIT: _begin_splitting,
        _State.SPLITTING: _end_splitting,
        _State.ANNOTATING: _end_annotating,
        _State.WAITING: _begin_training,
        _State.PROCESSING: _end_training,
        _State.RESULT_REVIEW: _succeed,
    }
)

JOBS = Kind("voice_training_job", TrainingJob, due_at=lambda job: job.due_at, on_due=_go_on)
KINDS = (JOBS,)
