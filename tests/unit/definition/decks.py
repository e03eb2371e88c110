"""Presentations for tests, made in memory."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pptx import Presentation
from pptx.util import Inches


def deck(path: Path, notes: Sequence[str | None], *, hidden: Sequence[int] = ()) -> Path:
    """A presentation with a slide for each of `notes`, titled by its number; `hidden` ones by number."""
    made = Presentation()
    for number, said in enumerate(notes, 1):
        slide = made.slides.add_slide(made.slide_layouts[5])
        slide.shapes.title.text_frame.text = f"Title {number}"
        box = slide.shapes.add_textbox(Inches(1), Inches(2), Inches(3), Inches(1))
        box.text_frame.text = f"Text {number}"
        if said is not None:
            slide.notes_slide.notes_text_frame.text = said
        if number in hidden:
            slide._element.set("show", "0")
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(str(path))
    return path


def with_part(path: Path, name: str, content: bytes) -> Path:
    """The same archive with one part more, or another in place of the one of that name."""
    old = path.read_bytes()
    with (
        zipfile.ZipFile(io.BytesIO(old)) as before,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for part in before.infolist():
            if part.filename != name:
                after.writestr(part.filename, before.read(part))
        after.writestr(name, content)
    return path
