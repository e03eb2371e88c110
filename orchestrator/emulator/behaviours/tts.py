"""Speech previews: start one, get its files (reference 10.1, 10.2).

The service cuts a text into files and lists those that are done; where it cuts is not documented. Here it is at the ends of
sentences, in pieces of a few seconds, one after the other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orchestrator.emulator.behaviours.base import Call
from orchestrator.emulator.behaviours.digital_asset import object_key
from orchestrator.emulator.behaviours.materials import find_material
from orchestrator.emulator.faults import SPEECH
from orchestrator.emulator.murmur import voice_pitch_hz
from orchestrator.emulator.presign import ObjectRef
from orchestrator.emulator.records import Asset, AssetState, File, FileState, Making
from orchestrator.emulator.refusals import Refusal, error_facts
from orchestrator.emulator.tables import Kind
from orchestrator.metastudio import ssml
from orchestrator.metastudio.models.tts import CreateTtsAuditionRequestBody

#: This category's own code for what is wrong with a parameter; it has a digit more than elsewhere (table 10-5).
_INVALID = "MSS.000000003"
#: What is missing, and what fails, has codes of its own (reference 11.2).
_NO_VOICE, _NO_PREVIEW, _FAILED = "MSS.20050005", "MSS.20050013", "MSS.20050012"
#: A download URL serves for an hour (table 10-10); like all validities it isn't divided by the speed.
_URL_S = 3600.0
#: How long a file takes to make, and the longest time for all files of a preview.
_FILE_S, _LONGEST_S = 0.5, 5.0
#: A piece has at least so many characters, or a share of the text that bounds the number of files.
_PIECE_CHARS, _MAX_PIECES = 12, 20
#: Even a sigh takes its time.
_SHORTEST_S = 0.5
#: Ends with a mark and a blank, or with an ideographic mark; marks in the middle of a number or a name end nothing.
_SENTENCE = re.compile(
    r".+?(?:(?<![.!?\u2026])[.!?\u2026]++(?=\s|$)|[\u3002\uff01\uff1f\uff1b\n]++|$)\s*", re.DOTALL
)
#: The loudness that 100 % of a file stands for (table 10-3: volume).
_USUAL_VOLUME = 140


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of a preview, and when the service has it ready."""

    file_id: str
    ready_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Audition:
    """A preview: its files in the order of the text."""

    id: str
    created_at: datetime
    pieces: tuple[Piece, ...]
    #: A fault plan lets the preview fail with this code at its last file, or be at work on it for ever.
    doomed: str | None = None
    stuck: bool = False

    @property
    def coming(self) -> tuple[Piece, ...]:
        """The files that come out in the end."""
        return self.pieces if self.doomed is None and not self.stuck else self.pieces[:-1]


AUDITIONS = Kind("speech_preview", Audition)


def create_tts_audition(call: Call) -> dict[str, Any]:
    """Starts to speak a text, plain or SSML, with a voice."""
    body = call.body_as(CreateTtsAuditionRequestBody)
    speech = ssml.lint(body.text)
    if speech.errors:
        raise Refusal(_INVALID, f"text: {speech.errors[0].message}")
    if not speech.spoken.strip():
        raise Refusal(_INVALID, "text: nothing to be spoken")
    voice = _find_voice(call, body.emotion)
    doom = call.doom(SPEECH)
    stuck = doom is not None and doom.stuck
    job_id = call.world.new_id()
    making = {
        "pitch_hz": _pitch_hz(voice) * (body.pitch or 100) / 100,
        "loudness": (body.volume or _USUAL_VOLUME) / _USUAL_VOLUME,
    }
    texts = list(_pieces(speech.spoken))
    a_character_s = max(_SHORTEST_S, speech.duration_s(body.speed or 100)) / sum(map(len, texts))
    pace_s = min(_FILE_S, _LONGEST_S / len(texts)) / call.config.speed
    pieces = []
    for number, text in enumerate(texts, 1):
        file = _add_file(call, job_id, number, {**making, "duration_s": a_character_s * len(text)})
        pieces.append(Piece(file.id, call.now + timedelta(seconds=number * pace_s)))
    call.world[AUDITIONS].put(
        Audition(
            id=job_id,
            created_at=call.now,
            pieces=tuple(pieces),
            doomed=None if doom is None or stuck else doom.code or _FAILED,
            stuck=stuck,
        )
    )
    return {"job_id": job_id}


def show_tts_audition_file(call: Call) -> dict[str, Any]:
    """The files that are done so far, and whether these are all."""
    audition = call.world[AUDITIONS].get(call.path["job_id"])
    if audition is None:
        raise Refusal(_NO_PREVIEW, call.path["job_id"][:64])
    done = _done(call, audition)
    shown: dict[str, Any] = {
        "is_file_complete": len(done) == len(audition.pieces),
        "files": [{"download_url": _download_url(call, file)} for file in done],
    }
    failed = audition.doomed if call.now >= audition.pieces[-1].ready_at else None
    if any(file is not None and file.state is FileState.FAILED for file in _files(call, audition)):
        failed = _FAILED
    if failed is not None:
        facts = error_facts().get(failed)
        shown["message"] = f"{failed} {facts.message}" if facts else failed
    return shown


def _files(call: Call, audition: Audition) -> list[File | None]:
    return [call.world.files.get(piece.file_id) for piece in audition.pieces]


def _done(call: Call, audition: Audition) -> list[File]:
    """Files whose time has come and that are there, up to the first that isn't: the order is the text's."""
    done: list[File] = []
    for piece in audition.coming:
        file = call.world.files.get(piece.file_id)
        if file is None or piece.ready_at > call.now or not call.world.is_there(file):
            break
        done.append(file)
    return done


def _find_voice(call: Call, voice_id: str) -> Asset:
    asset = find_material(call, voice_id)
    if asset is None or asset.type != "VOICE_MODEL" or asset.state is not AssetState.ACTIVED:
        raise Refusal(_NO_VOICE, f"emotion: {voice_id[:64]} is no voice that can be used")
    return asset


def _pitch_hz(voice: Asset) -> float:
    meta = (voice.extra_meta or {}).get("voice_model_meta") or {}
    return voice_pitch_hz(meta.get("sex"), voice.id)


def _pieces(spoken: str) -> Iterator[str]:
    """The text in pieces that end where sentences do; none is blank."""
    least = max(_PIECE_CHARS, len(spoken) // _MAX_PIECES)
    piece = ""
    for sentence in _SENTENCE.findall(spoken.strip()):
        piece += sentence
        if len(piece) >= least:
            yield piece
            piece = ""
    if piece:
        yield piece


def _add_file(call: Call, job_id: str, number: int, making: dict[str, float]) -> File:
    return call.world.add_file(
        File(
            id=call.world.new_id(),
            asset_id=job_id,
            name=f"{number}.wav",
            type="wav",
            category="SAMPLE",
            state=FileState.CREATED,
            created_at=call.now,
            updated_at=call.now,
            make=Making("speech", making),
        )
    )


def _download_url(call: Call, file: File) -> str:
    return call.links.get_url(ObjectRef(object_key(call, file)), call.url_end(_URL_S))


BEHAVIOURS = (create_tts_audition, show_tts_audition_file)
KINDS = (AUDITIONS,)
