"""`speech.preview`: what a text sounds like in a voice, saved beside the videos. Quick and cheap, next to a video."""

import asyncio
import shutil
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.models.common import VoiceConfig
from orchestrator.metastudio.models.tts import CreateTtsAuditionRequestBody
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, Parameters, StepContext, StepError, Waiting
from orchestrator.steps.download import saving_place
from orchestrator.steps.traces import Sent

#: As the reference asks for (table 10-9); a sentence or two are spoken before.
_CHECK_EVERY_S: Final = 5.0
_SOON_S: Final = 0.5
#: Facts: the preview, and where it is saved (noted by `saving_place`).
_JOB, _SAVING = "job_id", "saving"


class SpeechPreviewParams(Parameters):
    text: str = Field(min_length=1, max_length=131072, description="plain, or SSML inside `<speak>`")
    voice_config: VoiceConfig = Field(
        description="as in `script.create`: the voice, its speed, pitch, volume"
    )
    to: str = Field(min_length=1, description="file name, inside the output folder")


class SpeechPreview(Adopting[SpeechPreviewParams]):
    """Orders the preview, waits, saves it. `path` is the file; what the service cuts into pieces is joined again.

    Pieces that are neither WAV nor MP3 cannot be joined: then `paths` has them all, in the order of the text. Previews of
    third-party voices are charged. A preview is in no list: one whose order was not answered is left to a person.
    """

    name = "speech.preview"
    summary = "Save what a text sounds like in a voice"
    params = SpeechPreviewParams
    outputs = frozenset({"job_id", "path", "paths"})
    operations = (operations.create_tts_audition.id, operations.show_tts_audition_file.id)
    where_to_look = ADOPTIONS["create_tts_audition"].where
    leaves = "path"

    def creating(self, params: SpeechPreviewParams) -> tuple[Adoption, Sent]:
        """Reference 10.1."""
        voice = params.voice_config
        body = CreateTtsAuditionRequestBody(
            text=params.text,
            emotion=voice.voice_asset_id,
            speed=voice.speed,
            pitch=voice.pitch,
            volume=voice.volume,
        )
        return ADOPTIONS["create_tts_audition"], Sent(body)

    async def act(self, params: SpeechPreviewParams, ctx: StepContext) -> Done | Waiting:
        """One create call; a short text is spoken by the time it is asked for. Reference 10.1."""
        await saving_place(params.to, ctx)
        job_id = ctx.facts.get(_JOB)
        if job_id is None:
            row, sent = self.creating(params)
            created = await ctx.create(operations.create_tts_audition, body=row.keyed(sent, ctx))
            job_id = created.job_id or ""
            await ctx.note({_JOB: job_id})
            await asyncio.sleep(_SOON_S)
        done = await self.check(params, ctx, job_id)
        return done or Waiting(job_id, check_after_s=_CHECK_EVERY_S, poll=False)

    async def check(self, params: SpeechPreviewParams, ctx: StepContext, correlation: str) -> Done | None:
        """Saves the files once all are there: their addresses serve for an hour. Reference 10.2."""
        del params
        shown = await ctx.call(operations.show_tts_audition_file, path={"job_id": correlation})
        urls = [file.download_url for file in shown.files or () if file.download_url]
        if not shown.is_file_complete:
            if shown.message:
                raise StepError(
                    f"Speech preview {correlation} failed: {shown.message}.",
                    hint="Check the text and the voice, then start a new run.",
                    code="PREVIEW_FAILED",
                )
            return None
        if not urls:
            raise StepError(
                f"Speech preview {correlation} is said to be complete, without a file.",
                code="BAD_ANSWER",
                retry=RetryClass.LATER,
            )
        paths = await _save(urls, Path(ctx.facts[_SAVING]), ctx)
        return Done({"job_id": correlation, "path": str(paths[0]), "paths": [str(path) for path in paths]})


async def _save(urls: Sequence[str], target: Path, ctx: StepContext) -> list[Path]:
    """The target alone, or the pieces beside it if they cannot be joined. Raises TransferError."""
    pieces = [
        target if len(urls) == 1 else target.with_stem(f"{target.stem}.{number}")
        for number in range(1, len(urls) + 1)
    ]
    for number, (url, piece) in enumerate(zip(urls, pieces, strict=True), 1):
        await ctx.around.transfers.download(url, piece, size=None, on_progress=lambda _done, _of: None)
        ctx.on_progress("downloading", number, len(urls))
    if len(pieces) > 1 and await asyncio.to_thread(_join, pieces, target):
        return [target]
    return pieces


def _join(pieces: Sequence[Path], target: Path) -> bool:
    """One file of all, in place of them; False for sounds that can't be put one after the other. Blocking."""
    joined = target.with_name(f".{target.name}.joined")
    heads = [_head(piece) for piece in pieces]
    if all(head[:4] == b"RIFF" for head in heads):
        done = _join_wav(pieces, joined)
    elif all(head[:3] == b"ID3" or head[:2] in {b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"} for head in heads):
        done = _join_mp3(pieces, joined)
    else:
        done = False
    if not done:
        joined.unlink(missing_ok=True)
        return False
    joined.replace(target)
    for piece in pieces:
        piece.unlink(missing_ok=True)
    return True


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _join_wav(pieces: Sequence[Path], target: Path) -> bool:
    forms = set()
    try:
        with wave.open(str(target), "wb") as joined:
            for piece in pieces:
                with wave.open(str(piece), "rb") as sound:
                    forms.add(sound.getparams()[:3])
                    if not joined.getnframes():
                        joined.setparams(sound.getparams())
                    joined.writeframes(sound.readframes(sound.getnframes()))
    except (wave.Error, EOFError):
        return False
    return len(forms) == 1


def _join_mp3(pieces: Sequence[Path], target: Path) -> bool:
    """Frames of MP3 stand by themselves."""
    with target.open("wb") as joined:
        for piece in pieces:
            with piece.open("rb") as sound:
                shutil.copyfileobj(sound, joined)
    return True
