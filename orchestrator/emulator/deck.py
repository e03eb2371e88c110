"""What the emulator looks up in an uploaded presentation: the words on its slides."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

_ZIP = b"PK\x03\x04"
#: As many slides as the service counts (table 4-11), and as much of each as fits on a page.
_MOST = 256
_PART_BYTES = 4 * 1024 * 1024
_TITLE_CHARS, _TEXT_CHARS = 80, 600
_LIST, _RELATIONS = "ppt/presentation.xml", "ppt/_rels/presentation.xml.rels"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES = frozenset({"title", "ctrTitle"})


def slides_in(path: Path) -> tuple[tuple[str, str], ...] | None:
    """Title and text of each slide of a .pptx, hidden ones included; None for any other file.

    Cut to what a page shows.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_ZIP)) != _ZIP:
                return None
        with zipfile.ZipFile(path) as archive:
            return tuple(_words(_read(archive, name)) for name in _names(archive)) or None
    except (OSError, zipfile.BadZipFile, SyntaxError, ValueError, KeyError, NotImplementedError, EOFError):
        return None


def _names(archive: zipfile.ZipFile) -> Iterator[str]:
    """The parts of the slides in the order of the deck."""
    targets = {one.get("Id"): one.get("Target", "") for one in _read(archive, _RELATIONS)}
    for slide in list(_read(archive, _LIST).iter(f"{_P}sldId"))[:_MOST]:
        target = targets[slide.get(f"{_R}id")]
        yield target.lstrip("/") if target.startswith("/") else f"ppt/{target}"


def _read(archive: zipfile.ZipFile, name: str) -> Element:
    """Raises ParseError, which is a SyntaxError, for what is no XML or too long; ValueError for entities."""
    with archive.open(name) as part:
        content = part.read(_PART_BYTES)
    if b"<!DOCTYPE" in content:
        raise ValueError("office files declare no document type")
    return fromstring(content)  # noqa: S314 - bounded, and without a document type nothing can swell


def _words(slide: Element) -> tuple[str, str]:
    title = ""
    texts: list[str] = []
    for shape in slide.iter(f"{_P}sp"):
        paragraphs = ("".join(run.text or "" for run in one.iter(f"{_A}t")) for one in shape.iter(f"{_A}p"))
        lines = [line.strip() for line in paragraphs if line.strip()]
        kinds = {place.get("type") for place in shape.iter(f"{_P}ph")}
        if kinds & _TITLES and not title:
            title = " ".join(lines)
        else:
            texts += lines
    return title[:_TITLE_CHARS], "\n".join(texts)[:_TEXT_CHARS]
