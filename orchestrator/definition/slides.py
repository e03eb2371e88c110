"""Slides: what a deck (.pptx) shows and says, slide by slide, and the pictures of it that lie beside it.

Nothing is drawn here: the service makes pages of a deck, and whoever wants other pictures puts them into a folder of the
deck's name beside it, as PowerPoint saves them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from orchestrator.definition.archives import ArchiveRefusedError, check_office_file
from orchestrator.definition.files import FileRefusedError, Folders
from orchestrator.definition.inputs import InputError
from orchestrator.definition.problems import Code
from orchestrator.metastudio import ssml

#: Of so many slides at most the service makes pages (reference table 4-11).
PAGE_LIMIT: Final = 50
#: Characters that all slides and notes may hold: they are part of the run's record.
TEXT_LIMIT: Final = 1_000_000
_MARKER: Final = "ppt/presentation.xml"
#: `3.png`, `Slide3.PNG`, `deck-03.jpg`.
_PICTURE: Final = re.compile(r"\D*?0*([1-9][0-9]{0,3})\.(?:png|jpe?g)", re.IGNORECASE | re.ASCII)
_PICTURES_LOOKED_AT: Final = 10_000


class SlidesError(InputError):
    """Slides that cannot become scenes; each with its number."""

    def __init__(self, mistakes: Iterable[InputError]) -> None:
        self._parts = tuple(mistakes)
        super().__init__("; ".join(str(part) for part in self._parts), self._parts[0].suggestion)

    @property
    def parts(self) -> tuple[InputError, ...]:
        """What is wrong, slide by slide."""
        return self._parts


def read_slides(written: str, folders: Folders, default_notes: str | None = None) -> list[dict[str, Any]]:
    """The slides that are shown, in their order: `number` (from 1, hidden ones counted), `title`, `notes`, `text`,
    `image` (path of its own picture, or None), `deck` (path).

    `notes` is what is said: the speaker notes, `default_notes` where there are none. Raises FileRefusedError for a file
    that is no deck, SlidesError with every slide that cannot be spoken or shown.
    """
    deck = Path(folders.find(written))
    try:
        stat = deck.stat()
        slides = [dict(slide) for slide in _slides(deck, stat.st_size, stat.st_mtime_ns)]
    except ArchiveRefusedError as error:
        raise FileRefusedError(Code.FILE_REFUSED, f"{written!r} {error}", error.suggestion) from error
    except OSError as error:
        raise FileRefusedError(Code.FILE_MISSING, f"{written!r} cannot be read") from error
    if not slides:
        raise FileRefusedError(Code.FILE_REFUSED, f"{written!r} has no slide that is shown")
    pictures = _pictures(deck, folders)
    for slide in slides:
        slide["notes"] = slide["notes"] or default_notes or ""
        slide["image"] = pictures.get(slide["number"])
        slide["deck"] = str(deck)
    if mistakes := [*_unspeakable(slides), *_unshown(slides)]:
        raise SlidesError(mistakes)
    return slides


def _unspeakable(slides: Sequence[Mapping[str, Any]]) -> Iterator[InputError]:
    for slide in slides:
        which = f"slide {slide['number']}"
        if not slide["notes"]:
            hint = "write notes, hide the slide, or set default_notes of the input"
            yield InputError(f"{which} has no speaker notes, so nothing is said", hint)
        for problem in ssml.lint(slide["notes"]).errors:
            where = f"line {problem.line}, column {problem.column} of the notes"
            yield InputError(
                f"{which}: {problem.message} ({where}: {problem.code})",
                "put the rest on another slide" if problem.code is ssml.Code.TOO_LONG else problem.suggestion,
            )


def _unshown(slides: Sequence[Mapping[str, Any]]) -> Iterator[InputError]:
    beyond = [slide["number"] for slide in slides[PAGE_LIMIT:] if slide["image"] is None]
    if beyond:
        hint = "split the presentation, or put pictures of its slides beside it"
        shown = ", ".join(map(str, beyond[:10])) + (", …" if len(beyond) > 10 else "")
        yield InputError(f"the service makes pages of the first {PAGE_LIMIT} slides; not of {shown}", hint)


# -- the deck ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _slides(deck: Path, _size: int, _changed_at: int) -> Sequence[Mapping[str, Any]]:
    """Raises ArchiveRefusedError when the deck is damaged, or shows what lies elsewhere.

    The rows of a table may name the same deck over and over: it is read once for each of its versions.
    """
    import pptx  # noqa: PLC0415 - heavy, and only needed once slides are read
    from pptx.exc import PythonPptxError  # noqa: PLC0415 - as above

    check_office_file(deck, what="presentation", ending="pptx", marker=_MARKER)
    try:
        found = [
            _slide(number, slide)
            for number, slide in enumerate(pptx.Presentation(str(deck)).slides, 1)
            if slide._element.get("show") not in {"0", "false"}  # noqa: SLF001 - the library has no name for it
        ]
    except (
        *(SyntaxError, PythonPptxError, KeyError, AttributeError, ValueError, IndexError, TypeError),
        *(AssertionError, NotImplementedError, RecursionError, EOFError),
    ) as error:
        if isinstance(error, ArchiveRefusedError):
            raise
        raise ArchiveRefusedError("is damaged", "open it and save it as .pptx again") from error
    if sum(len(slide[name]) for slide in found for name in ("title", "notes", "text")) > TEXT_LIMIT:
        raise ArchiveRefusedError(
            f"holds more than {TEXT_LIMIT:,} characters of text", "split the presentation"
        )
    return found


def _slide(number: int, slide: Any) -> dict[str, Any]:
    for relation in slide.part.rels.values():
        if relation.is_external and relation.reltype.endswith("/image"):
            message = f"shows a picture on slide {number} that lies elsewhere"
            raise ArchiveRefusedError(message, "insert the picture itself instead of a link to it")
    title = slide.shapes.title
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    return {
        "number": number,
        "title": _clean(title.text_frame.text) if title is not None else "",
        "notes": _clean(notes.text) if notes is not None else "",
        "text": "\n".join(filter(None, map(_clean, _texts(slide.shapes, title)))),
    }


def _texts(shapes: Any, title: Any) -> Iterator[str]:
    """What stands on a slide besides its title, in the order of its shapes."""
    for shape in shapes:
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if hasattr(shape, "shapes"):
            yield from _texts(shape.shapes, title)
        elif shape.has_text_frame:
            yield shape.text_frame.text
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield " | ".join(_clean(cell.text_frame.text) for cell in row.cells)


def _clean(text: str) -> str:
    """One line for each paragraph and each line break, without blanks around."""
    return "\n".join(line.strip() for line in re.split(r"[\v\r\n]+", text)).strip()


# -- pictures beside it ------------------------------------------------------------------------------


def _pictures(deck: Path, folders: Folders) -> dict[int, str]:
    """By the slide's number: the pictures in the folder that is called like the deck. Raises FileRefusedError."""
    folder = deck.with_suffix("")
    if not folder.is_dir():
        return {}
    found: dict[int, str] = {}
    names: dict[int, str] = {}
    for _, path in zip(range(_PICTURES_LOOKED_AT), sorted(folder.iterdir()), strict=False):
        match = _PICTURE.fullmatch(path.name)
        if match is None:
            continue
        number = int(match[1])
        if number in names:
            message = f"{folder.name} has two pictures of slide {number}: {names[number]} and {path.name}"
            raise FileRefusedError(Code.FILE_REFUSED, message, "keep one of them")
        names[number] = path.name
        found[number] = folders.find(str(path), pictures=True)
    return found
