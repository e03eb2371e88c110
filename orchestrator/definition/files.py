"""Files that inputs name: found, inside the folders that may be read, with content. Checked before any call."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.definition.inputs import InputError, ending_of
from orchestrator.definition.problems import Code
from orchestrator.domain.nearest import did_you_mean

#: How the pictures begin whose content has to be what their name says.
_PICTURES: Final[Mapping[str, tuple[str, tuple[bytes, ...]]]] = {
    "png": ("PNG", (b"\x89PNG\r\n\x1a\n",)),
    "jpg": ("JPEG", (b"\xff\xd8\xff",)),
    "gif": ("GIF", (b"GIF87a", b"GIF89a")),
}


class FileRefusedError(InputError):
    """A file cannot serve as an input."""

    def __init__(self, code: Code, message: str, suggestion: str = "") -> None:
        super().__init__(message, suggestion, code)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where relative paths are looked for, in this order, and which folders (links followed) may be read."""

    search: tuple[Path, ...]
    roots: tuple[Path, ...]
    #: Whether to look for a similar name where a file is missing, which takes a while.
    hints: bool = True

    @classmethod
    def of(cls, search: Sequence[Path], roots: Sequence[Path]) -> "Folders":
        """Absolute folders; those searched are the ones that may be read when `roots` is empty."""
        searched = tuple(dict.fromkeys(folder.resolve() for folder in search))
        return cls(searched, tuple(dict.fromkeys(root.resolve() for root in roots)) or searched)

    def find(self, written: str, *, pictures: bool = False) -> str:
        """The absolute path of the readable, non-empty file that was written as `written`; raises FileRefusedError.

        With `pictures`, a file called .png, .jpg or .gif has to begin like one.
        """
        if "://" in written:
            raise FileRefusedError(
                Code.FILE_MISSING,
                f"{written.split('?', maxsplit=1)[0]!r} is an address",
                "give a file on this machine",
            )
        try:
            found = self._checked(written)
            if pictures:
                _check_picture(found, written)
            return str(found)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
            reason = (getattr(error, "strerror", None) or "its links lead in a circle").lower()
            raise FileRefusedError(Code.FILE_MISSING, f"{written!r} cannot be read: {reason}") from error

    def _checked(self, written: str) -> Path:
        # Outside first: what exists elsewhere on the machine is nobody's business.
        paths = [(folder / written).resolve() for folder in self.search]
        inside = [path for path in paths if self._readable(path)]
        found = next((path for path in inside if path.exists()), None)
        linked_out = any(
            self._readable(Path(os.path.normpath(folder / written))) and path not in inside
            for folder, path in zip(self.search, paths, strict=True)
        )
        if not inside or (found is None and linked_out):
            through = "leads, through a link," if linked_out else "leads"
            message = f"{written!r} {through} out of the folders that may be read"
            roots = ", ".join(map(str, self.roots))
            raise FileRefusedError(
                Code.FILE_OUTSIDE, message, f"those are {roots}; see the setting files.roots"
            )
        if found is None:
            looked = " and ".join(dict.fromkeys(str(path.parent) for path in inside))
            raise FileRefusedError(
                Code.FILE_MISSING,
                f"{written!r} does not exist in {looked}",
                _neighbour(inside) if self.hints else "",
            )
        if not found.is_file():
            raise FileRefusedError(Code.FILE_REFUSED, f"{written!r} is not a file")
        if found.stat().st_size == 0:
            raise FileRefusedError(Code.FILE_REFUSED, f"{written!r} is empty")
        if not os.access(found, os.R_OK):
            raise FileRefusedError(Code.FILE_MISSING, f"{written!r} may not be read by this user")
        return found

    def _readable(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self.roots)


def _check_picture(path: Path, written: str) -> None:
    name, beginnings = _PICTURES.get(ending_of(path.name), ("", ()))
    if not beginnings:
        return
    with path.open("rb") as file:
        head = file.read(8)
    if not head.startswith(beginnings):
        other = next((other for other, begin in _PICTURES.values() if head.startswith(begin)), "")
        hint = f"its content is a {other} picture: name it so" if other else ""
        raise FileRefusedError(Code.FILE_REFUSED, f"{written!r} is not a {name} picture", hint)


def _neighbour(candidates: Sequence[Path]) -> str:
    """A similar name beside the missing file, or an empty text."""
    for path in candidates:
        if path.parent.is_dir():
            with os.scandir(path.parent) as entries:
                names = [entry.name for _, entry in zip(range(1_000), entries, strict=False)]
            if near := did_you_mean(path.name, names):
                return near
    return ""
