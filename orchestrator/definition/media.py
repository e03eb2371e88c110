"""What is in a media file, and whether the API takes it where a definition uses it. Nothing is sent, no whole file read."""

import contextlib
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from orchestrator.definition.inputs import ending_of
from orchestrator.definition.problems import Code

#: Begins of files: offset, bytes, and what the file is then called.
_BEGINS: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpg"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"BM", "bmp"),
    (8, b"WEBP", "webp"),
    (8, b"WAVE", "wav"),
    (4, b"ftypM4A", "m4a"),
    (4, b"ftypqt", "mov"),
    (4, b"ftyp", "mp4"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"PK\x03\x04", "zip"),
)
_PICTURES: Final = frozenset({"png", "jpg", "gif", "bmp", "webp"})
_VIDEOS: Final = frozenset({"mp4", "mov"})
_SOUNDS: Final = frozenset({"mp3", "wav", "m4a"})
#: Endings whose files begin as listed above; of any other file its name promises nothing that can be checked.
_KNOWN: Final = _PICTURES | _VIDEOS | _SOUNDS | {"zip"}
#: Containers that are the same inside, or so near that programs mix up their names.
_ALIKE: Final = ({"mp4", "mov", "m4a"},)
#: Of a picture: more pixels than any screen has are a mistake, or an attack on whoever opens it.
_PIXELS: Final = 100_000_000


class Use(StrEnum):
    """What the API does with a file, which tells what it has to be."""

    PICTURE = "picture"
    VIDEO = "video"
    SOUND = "sound"
    #: Recorded speech of a video script (reference 5.1).
    SPEECH = "recorded speech"
    #: A filmed person, of whom an avatar is made (reference 8.1).
    TRAINING_VIDEO = "training video"
    #: Sentences of a speaker, packed (reference 9.2, 9.3).
    VOICE_PACKAGE = "voice package"
    #: Speech of one speaker (reference 9.1, 9.4).
    VOICE_RECORDING = "voice recording"
    #: The photo of an identity card (reference 8.1).
    PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a file has to be for one use: types, bytes, frame, seconds."""

    types: frozenset[str]
    most_bytes: int | None = None
    #: Width and height of the frame, either way round.
    frames: frozenset[tuple[int, int]] = frozenset()
    least_s: float = 0
    most_s: float | None = None
    #: Where the reference says so.
    section: str = ""

    @property
    def looked_into(self) -> bool:
        """Whether frame or length matter. The API takes the file without looking; the review behind it does."""
        return bool(self.frames or self.least_s or self.most_s)


_MEBIBYTE: Final = 1024 * 1024
#: The limits that the reference states; what it leaves open is not checked.
BOUNDS: Final[Mapping[Use, Bounds]] = {
    Use.PICTURE: Bounds(_PICTURES, section="4.1.1"),
    Use.VIDEO: Bounds(_VIDEOS, section="4.1.1"),
    Use.SOUND: Bounds(_SOUNDS, section="4.1.1"),
    Use.SPEECH: Bounds(_SOUNDS, 100 * _MEBIBYTE, section="5.1.1"),
    Use.TRAINING_VIDEO: Bounds(
        frozenset({"mp4"}), None, frozenset({(1920, 1080), (3840, 2160)}), 180, 600, section="8.1"
    ),
    Use.VOICE_PACKAGE: Bounds(frozenset({"zip"}), section="9.2"),
    Use.VOICE_RECORDING: Bounds(frozenset({"wav"}), section="9.1"),
    Use.PHOTO: Bounds(_PICTURES, section="8.1"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a file, and the code of a problem that it is."""

    message: str
    suggestion: str = ""
    code: Code = Code.MEDIA


@dataclass(frozen=True, slots=True)
class _Contents:
    #: As `_BEGINS` calls it; empty: nothing that is known here.
    type: str
    size: int
    width: int = 0
    height: int = 0
    length_s: float | None = None


def findings(path: Path, use: Use | None = None, shown: str = "") -> Iterator[Finding]:
    """What is wrong with the file at `path` for a `use` (None: any): content, size, frame, length.

    Raises OSError when it cannot be read. Messages call it `shown`, or by its name.
    """
    name = repr(shown or path.name)
    ending = ending_of(path.name)
    seen = _seen(path)
    if ending in _KNOWN and seen.type != ending and not any({ending, seen.type} <= alike for alike in _ALIKE):
        what = f"like a file of type {seen.type}" if seen.type else "like none"
        yield Finding(f"{name} is called .{ending} but begins {what}", "give the file its right name")
        return
    if seen.type in _PICTURES and (fault := _picture_fault(path, seen)):
        yield Finding(f"{name} {fault}", "save it again as PNG or JPEG")
        return
    if use is not None:
        yield from _unfit(path, name, seen, use)


def _unfit(path: Path, name: str, seen: _Contents, use: Use) -> Iterator[Finding]:
    bounds = BOUNDS[use]
    where = f"reference {bounds.section}"
    if seen.type not in bounds.types:
        what = f"of type {seen.type}" if seen.type else "of no type that is known"
        kinds = ", ".join(sorted(bounds.types))
        yield Finding(f"{name} is {what}; a {use} is {kinds} ({where})", f"convert it to {min(bounds.types)}")
        return
    if bounds.most_bytes is not None and seen.size > bounds.most_bytes:
        most = bounds.most_bytes // _MEBIBYTE
        yield Finding(
            f"{name} has {seen.size:,} bytes; a {use} has {most} MiB at most ({where})", "shorten it"
        )
    if not bounds.looked_into:
        return
    looked = _looked_into(path, seen)
    if isinstance(looked, str):
        code = Code.MEDIA_NOT_SEEN if looked.startswith("was not") else Code.MEDIA
        yield Finding(f"{name} {looked}", code=code)
        return
    yield from _measured(name, looked, bounds, use, where)


def _measured(name: str, seen: _Contents, bounds: Bounds, use: Use, where: str) -> Iterator[Finding]:
    frame = (max(seen.width, seen.height), min(seen.width, seen.height))
    if bounds.frames and frame not in bounds.frames:
        sizes = " or ".join(f"{width}x{height}" for width, height in sorted(bounds.frames))
        yield Finding(
            f"{name} is {seen.width}x{seen.height}; a {use} is {sizes}, upright or not ({where})",
            "convert it",
            Code.MEDIA_DOUBT,
        )
    length_s = seen.length_s
    if length_s is None:
        return
    if length_s < bounds.least_s or (bounds.most_s is not None and length_s > bounds.most_s):
        most = f" and {bounds.most_s:g} at most" if bounds.most_s is not None else ""
        yield Finding(
            f"{name} lasts {length_s:.1f} s; a {use} lasts {bounds.least_s:g} s at least{most} ({where})",
            "cut it" if length_s > bounds.least_s else "film more",
            Code.MEDIA_DOUBT,
        )


def _seen(path: Path) -> _Contents:
    with path.open("rb") as file:
        begin = file.read(16)
    size = path.stat().st_size
    for offset, magic, name in _BEGINS:
        if begin.startswith(magic, offset):
            return _Contents(name, size)
    return _Contents("", size)


def _picture_fault(path: Path, seen: _Contents) -> str:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - heavy, and only needed for pictures

    try:
        with contextlib.closing(Image.open(path, formats=["PNG", "JPEG", "GIF", "BMP", "WEBP"])) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        return "has more pixels than can be shown"
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return f"cannot be read as a picture of type {seen.type}"
    if width * height > _PIXELS:
        return f"has {width}x{height} pixels, more than {_PIXELS:,}"
    return ""


def _looked_into(path: Path, seen: _Contents) -> _Contents | str:
    """With frame and length; or what is to be said of a file that could not be looked into."""
    if seen.type == "wav":
        try:
            with wave.open(str(path)) as sound:
                return _Contents(seen.type, seen.size, 0, 0, sound.getnframes() / sound.getframerate())
        except (wave.Error, EOFError, ZeroDivisionError):
            return "cannot be read as WAV"
    try:
        import av  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        return "was not looked into: its frame and length are known only with the extra `media` (PyAV)"
    try:
        with av.open(str(path)) as container:
            length_s = container.duration / av.time_base if container.duration else None
            if not container.streams.video:
                return _Contents(seen.type, seen.size, length_s=length_s)
            stream = container.streams.video[0]
            return _Contents(seen.type, seen.size, stream.width, stream.height, length_s)
    except (av.error.FFmpegError, OSError, ValueError):
        return f"cannot be played: it begins like {seen.type}, but what follows is not"
