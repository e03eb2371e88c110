"""Several files by a pattern: `media/*.png`, `shots/**/*.jpg`. Only folders that may be read are looked into."""

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator.definition.files import FileRefusedError, Folders
from orchestrator.definition.problems import Code

#: Entries of folders that one pattern may look at.
LOOKED_AT_LIMIT: Final = 20_000
_MAGIC: Final = re.compile(r"[*?\[]")


def find_all(written: str, folders: Folders, *, pictures: bool = False) -> list[str]:
    """The absolute paths of the files that were written as `written`, `page2` before `page10`; one without a pattern.

    `*`, `?` and `[…]` stand for characters of a name, `**` for any folders; hidden files and folders do not count.
    Raises FileRefusedError when there is none, or as `Folders.find` for a file that may not be read.
    """
    if _MAGIC.search(written) is None:
        return [folders.find(written, pictures=pictures)]
    for folder in folders.search:
        found = sorted(_Search(folders).matches(folder, written), key=_naturally)
        if found:
            return [folders.find(str(path), pictures=pictures) for path in found]
    where = " and ".join(map(str, folders.search))
    hint = "a pattern may look only into the folders that may be read" if _leads_out(written) else ""
    raise FileRefusedError(Code.FILE_MISSING, f"no file matches {written!r} in {where}", hint)


class _Search:
    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._left = LOOKED_AT_LIMIT

    def matches(self, folder: Path, pattern: str) -> Iterator[Path]:
        parts = [part for part in pattern.split("/") if part not in {"", "."}]
        start = Path("/") if pattern.startswith("/") else folder
        yield from dict.fromkeys(self._below(start, parts, pattern))

    def _below(self, folder: Path, parts: list[str], pattern: str) -> Iterator[Path]:
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._below(folder, rest or ["*"], pattern)
            for entry in self._entries(folder, pattern):
                # A link to a folder may lead in a circle.
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(folder / entry.name, parts, pattern)
            return
        if _MAGIC.search(part) is None:
            named = [folder / part]
        else:
            entries = self._entries(folder, pattern)
            named = [folder / entry.name for entry in entries if fnmatch.fnmatchcase(entry.name, part)]
        for path in named:
            if rest:
                yield from self._below(path, rest, pattern)
            # What exists elsewhere on the machine is nobody's business.
            elif self._may_lie(Path(os.path.normpath(path))) and path.is_file():
                yield path

    def _entries(self, folder: Path, pattern: str) -> Iterator[os.DirEntry[str]]:
        if not self._may_lie(folder.resolve()) or not folder.is_dir():
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                self._left -= 1
                if self._left < 0:
                    message = f"{pattern!r} looks at more than {LOOKED_AT_LIMIT:,} files"
                    raise FileRefusedError(Code.FILE_REFUSED, message, "name the folder more closely")
                if not entry.name.startswith("."):
                    yield entry

    def _may_lie(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self._folders.roots)


def _leads_out(written: str) -> bool:
    return written.startswith("/") or ".." in written.split("/")


def _naturally(path: Path) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]{1,18})", str(path))
        if part
    ]
