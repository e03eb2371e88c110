"""Office files are ZIP archives of XML. Looked at before anything in them is read: bombs, passwords, old formats."""

import lzma
import re
import zipfile
import zlib
from pathlib import Path
from typing import Final

#: Bytes of the file itself, of all that is in it, and of one XML part.
FILE_LIMIT: Final = 100 * 1024**2
CONTENT_LIMIT: Final = 512 * 1024**2
XML_LIMIT: Final = 128 * 1024**2
#: Parts of an archive.
PART_LIMIT: Final = 20_000
#: No text shrinks to less than this share of itself by honest means; small parts may.
_RATIO_LIMIT: Final = 400
_SMALL: Final = 1024**2

_OLD: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_HEAD: Final = 1024**2
_XML: Final = (".xml", ".rels", ".vml")
#: A document type may stand behind a declaration and comments.
_PROLOG: Final = 4096
#: Bytes of the archive's list of parts, which is held as a whole once it is read (a workbook of a hundred sheets has less
#: than 20 KB); where it ends, and its size there.
_LIST_LIMIT: Final = 2 * 1024**2
_TAIL: Final = 65_557
_END: Final = b"PK\x05\x06"
_END_64: Final = b"PK\x06\x07"
_END_BYTES: Final = 22
_SIZE_AT: Final = 12


#: What is raised for archives that are cut, garbled, or packed in a way that is not known.
DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, OSError, RuntimeError, ValueError),
)


class ArchiveRefusedError(ValueError):
    """A file is not an office file that can be read."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        self.suggestion = suggestion
        super().__init__(message)


def check_office_file(path: Path, *, what: str, ending: str, marker: str, limit: int = FILE_LIMIT) -> None:
    """Passes when the file is an archive with the part `marker` that can be read within bounds.

    `what` is what the user calls it (`workbook`), `ending` how such files end today (`xlsx`), `limit` the most bytes
    that the file may have. Nothing is unpacked but the beginnings of the XML parts. Raises ArchiveRefusedError for
    everything else, OSError when the file cannot be read.
    """
    size = path.stat().st_size
    if size > limit:
        raise ArchiveRefusedError(
            f"has {size / 1024**2:,.0f} MiB, more than {limit // 1024**2:,} MiB",
            f"split the {what}, or shrink its pictures",
        )
    _refuse_old(path, what, ending)
    _refuse_long_lists(path, what)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_parts(archive, what, ending, marker)
    except ArchiveRefusedError:
        raise
    except DAMAGE as error:
        raise ArchiveRefusedError(
            f"is not a {what}, or is damaged", f"open it and save it as .{ending} again"
        ) from error


def _refuse_old(path: Path, what: str, ending: str) -> None:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.startswith(_OLD):
        return
    if _ENCRYPTED in head:
        raise ArchiveRefusedError("is protected by a password", "save a copy without one")
    raise ArchiveRefusedError(f"is a {what} of before 2007", f"save it as .{ending}")


def _refuse_long_lists(path: Path, what: str) -> None:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read(_TAIL)
    ends = [found.start() for found in re.finditer(re.escape(_END), tail)]
    sizes = [
        int.from_bytes(tail[at + _SIZE_AT : at + _SIZE_AT + 4], "little")
        for at in ends
        if at + _END_BYTES <= len(tail)
    ]
    if _END_64 in tail or any(size > _LIST_LIMIT for size in sizes):
        raise ArchiveRefusedError(f"has too many parts for a {what}", f"split the {what}")


def _check_parts(archive: zipfile.ZipFile, what: str, ending: str, marker: str) -> None:
    parts = archive.infolist()
    if len(parts) > PART_LIMIT:
        raise ArchiveRefusedError(f"holds {len(parts):,} parts, more than {PART_LIMIT:,}")
    if marker not in archive.NameToInfo:
        raise ArchiveRefusedError(f"is not a {what}", f"save it as .{ending}")
    total = 0
    for part in parts:
        if part.flag_bits & 1:
            raise ArchiveRefusedError("is protected by a password", "save a copy without one")
        total += part.file_size
        # The reader stops at the declared size, so that a lie about it ends as damage, not as a flood.
        is_xml = part.filename.casefold().endswith(_XML)
        swollen = part.file_size > _SMALL and part.file_size > _RATIO_LIMIT * max(1, part.compress_size)
        if total > CONTENT_LIMIT or swollen or (is_xml and part.file_size > XML_LIMIT):
            raise ArchiveRefusedError(
                f"unpacks to far more than it has bytes ({part.filename[:60]}), as only a ZIP bomb does"
                if swollen
                else "unpacks to more than can be read",
                f"split the {what}",
            )
        if is_xml:
            _refuse_document_type(archive, part)


def _refuse_document_type(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Office files have none; entities declared in one may grow without end or name other files."""
    with archive.open(part) as file:
        head = file.read(_PROLOG)
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if wide else "latin-1", "ignore")
    if "<!DOCTYPE" in text:
        raise ArchiveRefusedError(
            f"declares a document type in {part.filename[:60]}, which no office file does"
        )
