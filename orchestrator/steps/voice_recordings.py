"""The files of a voice training job: a package, or sentences one by one, and the letter that goes with either."""

import asyncio
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.steps.base import StepContext, StepError
from orchestrator.transfer.errors import LocalFileError

if TYPE_CHECKING:
    from orchestrator.metastudio.models.voice_modeling import (
        CreateTrainingBasicJobResponse,
        SegmentUploadingUrl,
        SegmentUrl,
        ShowJobUploadingAddressResponse,
    )

#: Recorded sentences of an edition, numbered from 0 (reference 9.1, 9.2); the premium one is a single long recording.
SENTENCES: Final[Mapping[str, int]] = {"basic": 20, "advanced": 100}
#: What the addresses are signed with (reference tables 9-4, 9-5); of the letter nothing is said.
_ZIP, _WAV, _TXT = "application/zip", "audio/wav", "text/plain"


def is_package(recordings: str) -> bool:
    """Whether recordings come in one package, told by the name."""
    return recordings.lower().endswith(".zip")


@dataclass(frozen=True, slots=True, repr=False)
class Addresses:
    """Where the files of a job are to be sent. Never shown, never written down."""

    letter: str | None
    package: str | None
    audio: tuple[str, ...]
    text: tuple[str, ...]

    @classmethod
    def of_new(cls, created: "CreateTrainingBasicJobResponse") -> "Addresses":
        """Those that come with the job. Reference table 9-4."""
        audio, text = _of_sentences(created.segment_uploading_url)
        letter, package = created.authorization_letter_uploading_url, created.training_data_uploading_url
        return cls(letter, package, audio, text)

    @classmethod
    def again(cls, shown: "ShowJobUploadingAddressResponse") -> "Addresses":
        """Those that were asked for again. Reference table 9-43."""
        audio, text = _of_sentences(shown.segment_url)
        package = shown.package_url.training_data_uploading_url if shown.package_url else None
        return cls(shown.authorization_letter_uploading_url, package, audio, text)


def _of_sentences(
    urls: "SegmentUploadingUrl | SegmentUrl | None",
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if urls is None:
        return (), ()
    return tuple(urls.audio_uploading_url or ()), tuple(urls.txt_uploading_url or ())


@dataclass(frozen=True, slots=True)
class Letter:
    """The speaker's consent, if one is sent."""

    path: Path | None

    @classmethod
    async def prepare(cls, path: str | None, ctx: StepContext) -> "Letter":
        """The file, found to be there. Raises StepError, TransferError."""
        return cls(None if path is None else await _present(ctx.local_file(path), ctx))

    async def send(self, url: str | None, ctx: StepContext) -> None:
        """To its address. Raises StepError, TransferError."""
        if self.path is not None:
            await _send(self.path, url, None, ctx)


class Recordings(ABC):
    """What a voice is trained from."""

    @classmethod
    @abstractmethod
    async def prepare(cls, path: str, edition: str, ctx: StepContext) -> "Recordings":
        """The files, found to be there and complete, before anything is created. Raises StepError, TransferError."""

    @abstractmethod
    async def confirmed(self, job_id: str, ctx: StepContext) -> frozenset[int]:
        """Numbers of the sentences that need not be sent again."""

    @abstractmethod
    async def send(
        self, job_id: str, addresses: Addresses, confirmed: frozenset[int], ctx: StepContext
    ) -> None:
        """All that is not confirmed. Raises StepError, TransferError."""


@dataclass(frozen=True, slots=True)
class Package(Recordings):
    """A ZIP with everything."""

    path: Path

    @classmethod
    async def prepare(cls, path: str, edition: str, ctx: StepContext) -> "Package":
        """As `Recordings.prepare`: the package's directory is read, not its recordings."""
        file = await _present(ctx.local_file(path), ctx)
        await asyncio.to_thread(_check_package, file, edition)
        return cls(file)

    async def confirmed(self, job_id: str, ctx: StepContext) -> frozenset[int]:
        """None: a package is sent whole."""
        del job_id, ctx
        return frozenset()

    async def send(
        self, job_id: str, addresses: Addresses, confirmed: frozenset[int], ctx: StepContext
    ) -> None:
        """Reference table 9-4."""
        del job_id, confirmed
        await _send(self.path, addresses.package, _ZIP, ctx)


@dataclass(frozen=True, slots=True)
class Sentences(Recordings):
    """Recordings and their texts, one by one."""

    files: tuple[tuple[Path, Path], ...]

    @classmethod
    async def prepare(cls, path: str, edition: str, ctx: StepContext) -> "Sentences":
        """As `Recordings.prepare`; each file has to lie where a definition may read."""
        folder, count = path.rstrip("/"), SENTENCES[edition]
        names = [(f"{number}.wav", f"{number}.txt") for number in range(count)]
        files = [tuple(ctx.local_file(f"{folder}/{name}") for name in pair) for pair in names]
        missing = [file.name for pair in files for file in pair if not await _is_there(file, ctx)]
        if missing:
            raise _incomplete(f"The folder {path!r}", edition, missing)
        return cls(tuple((audio, text) for audio, text in files))

    async def confirmed(self, job_id: str, ctx: StepContext) -> frozenset[int]:
        """Those that were compared with their texts already. Reference 9.12."""
        shown = await ctx.call(operations.show_training_segment_info, query={"job_id": job_id})
        return frozenset(shown.confirmed_index or ())

    async def send(
        self, job_id: str, addresses: Addresses, confirmed: frozenset[int], ctx: StepContext
    ) -> None:
        """Each sentence is sent and compared before the next one goes out, as reference 9.1 has it."""
        total = len(self.files)
        if len(addresses.audio) != total or len(addresses.text) != total:
            raise StepError(
                f"The API gave {len(addresses.audio)} and {len(addresses.text)} upload addresses for {total} sentences.",
                code="BAD_ANSWER",
                retry=RetryClass.LATER,
            )
        for number, (audio, text) in enumerate(self.files):
            if number not in confirmed:
                await _send(audio, addresses.audio[number], _WAV, ctx, quiet=True)
                await _send(text, addresses.text[number], _TXT, ctx, quiet=True)
                await _compare(number, job_id, ctx)
            ctx.on_progress("sentences", number + 1, total)


async def _compare(number: int, job_id: str, ctx: StepContext) -> None:
    """Reference 9.11."""
    query = {"job_id": job_id, "index": number}
    answer = await ctx.call(operations.confirm_training_segment, query=query)
    if not answer.confirm_result:
        differs = ", ".join(str(place) for place in answer.unmatched_index_hit or ())
        raise StepError(
            f"{number}.wav does not say what {number}.txt says{f', at characters {differs}' if differs else ''}.",
            hint="Record the sentence anew or mend its text, then retry the run: it goes on with this sentence.",
            code="NOT_AS_WRITTEN",
        )


def _check_package(path: Path, edition: str) -> None:
    """Raises StepError when it is no ZIP or recordings are missing in it; blocking."""
    try:
        with zipfile.ZipFile(path) as package:
            names = {PurePosixPath(entry.filename).name.lower() for entry in package.infolist()}
    except (zipfile.BadZipFile, OSError) as error:
        raise StepError(
            f"{path.name} is no ZIP that can be read: {error}.",
            hint="Pack the recordings into a ZIP again.",
            code="BAD_PACKAGE",
        ) from error
    count = SENTENCES.get(edition, 0)
    wanted = [f"{number}.{ending}" for number in range(count) for ending in ("wav", "txt")]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise _incomplete(path.name, edition, missing)
    if not any(name.endswith(".wav") for name in names):
        raise StepError(
            f"{path.name} has no recording: nothing in it ends in .wav.",
            hint="Pack one long recording, a WAV file, into the ZIP.",
            code="BAD_PACKAGE",
        )


def _incomplete(what: str, edition: str, missing: list[str]) -> StepError:
    last = SENTENCES[edition] - 1
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return StepError(
        f"{what} lacks {missing[0]}{more}.",
        hint=f"The {edition} edition takes 0.wav to {last}.wav, each with its text in 0.txt to {last}.txt.",
        code="INCOMPLETE_RECORDINGS",
    )


async def _is_there(file: Path, ctx: StepContext) -> bool:
    try:
        await _present(file, ctx)
    except LocalFileError:
        return False
    return True


async def _present(file: Path, ctx: StepContext) -> Path:
    if await ctx.around.transfers.size(file) == 0:
        raise StepError(f"{file.name} is empty.", hint="Give a file with content.", code="EMPTY_FILE")
    return file


async def _send(
    file: Path, url: str | None, content_type: str | None, ctx: StepContext, *, quiet: bool = False
) -> None:
    if not url:
        raise StepError(
            f"The API gave no upload address for {file.name}.", code="BAD_ANSWER", retry=RetryClass.LATER
        )
    told: Callable[[int, int], None] = (
        (lambda _done, _of: None)
        if quiet
        else (lambda done, of: ctx.on_progress(f"uploading {file.name}", done, of))
    )
    await ctx.around.transfers.send(file, [url], told, content_type=content_type)
