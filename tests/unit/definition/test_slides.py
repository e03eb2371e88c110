"""Decks: what is read of them, and which are refused, with what a person can do about it."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pptx import Presentation

from orchestrator.definition.files import Folders
from orchestrator.definition.inputs import InputError
from orchestrator.definition.prepare import prepare
from orchestrator.definition.problems import DefinitionError, Problem
from orchestrator.definition.slides import SlidesError, read_slides
from orchestrator.domain.pipeline import Pipeline
from tests.unit.definition.decks import deck, with_part

Check = Callable[[str | bytes], tuple[Pipeline | None, list[Problem]]]


def read(path: Path, default_notes: str | None = None) -> list[dict[str, Any]]:
    return read_slides(path.name, Folders.of([path.parent], []), default_notes)


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    return f"{caught.value} ({caught.value.suggestion})"


def test_the_sample_deck_is_read_slide_by_slide() -> None:
    """Title, speaker notes and text of each slide, in the order of the deck."""
    slides = read(Path("pipelines/media/course.pptx").resolve())
    assert [slide["number"] for slide in slides] == [1, 2, 3]
    assert slides[0]["title"] == "A desk that is kind to you"
    assert slides[0]["notes"] == "Welcome. Two things make a desk\nkind to you."
    assert slides[1]["text"] == "From the side, not from behind\nWarm in the evening"
    assert {slide["image"] for slide in slides} == {None}
    assert slides[2]["deck"].endswith("pipelines/media/course.pptx")


def test_hidden_slides_are_left_out_and_still_counted(tmp_path: Path) -> None:
    """The numbers are those that people see in their program."""
    slides = read(deck(tmp_path / "d.pptx", ["One.", None, "Three."], hidden=[2]))
    assert [(slide["number"], slide["title"]) for slide in slides] == [(1, "Title 1"), (3, "Title 3")]


def test_slides_without_notes_are_told_all_at_once(tmp_path: Path) -> None:
    """Nothing would be said on them, which the service refuses; a default for them is taken instead."""
    path = deck(tmp_path / "d.pptx", [None, "Two.", "  "])
    with pytest.raises(SlidesError) as caught:
        read(path)
    assert [str(part).split(" has")[0] for part in caught.value.parts] == ["slide 1", "slide 3"]
    assert "default_notes" in caught.value.suggestion
    pause = '<speak><break time="3s"/></speak>'
    assert [slide["notes"] for slide in read(path, pause)] == [pause, "Two.", pause]


def test_notes_keep_the_rules_of_speech(tmp_path: Path) -> None:
    """Too much for one scene, and broken SSML, are told with the slide and the place in its notes."""
    path = deck(tmp_path / "d.pptx", ["x" * 10_001, "<speak>Hello<brake/></speak>"])
    with pytest.raises(SlidesError) as caught:
        read(path)
    long, broken = map(str, caught.value.parts)
    assert "slide 1: has 10,001 characters to be spoken" in long
    assert "slide 2: " in broken
    assert "line 1, column 13 of the notes" in broken


def test_pictures_beside_the_deck_are_taken(tmp_path: Path) -> None:
    """A folder of the deck's name holds them as programs save them; slides without one are the service's."""
    path = deck(tmp_path / "d.pptx", ["One.", "Two.", "Three."])
    (tmp_path / "d").mkdir()
    for name in ("Slide1.PNG", "03.jpg", "notes.txt"):
        picture = tmp_path / "d" / name
        if name.endswith("txt"):
            picture.write_text("no picture", "utf-8")
        else:
            Image.new("RGB", (16, 9)).save(picture)
    images = [slide["image"] for slide in read(path)]
    assert images == [str(tmp_path / "d/Slide1.PNG"), None, str(tmp_path / "d/03.jpg")]
    Image.new("RGB", (16, 9)).save(tmp_path / "d" / "1.png")
    assert "two pictures of slide 1: 1.png and Slide1.PNG" in refused(path)


def test_a_picture_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """A link beside the deck is no way out of the folders that may be read."""
    outside = tmp_path / "outside.png"
    Image.new("RGB", (16, 9)).save(outside)
    path = deck(tmp_path / "in" / "d.pptx", ["One."])
    (tmp_path / "in" / "d").mkdir()
    (tmp_path / "in" / "d" / "1.png").symlink_to(outside)
    assert "out of the folders" in refused(path)


def test_more_slides_than_the_service_draws_are_refused(tmp_path: Path) -> None:
    """It makes pages of the first 50 only."""
    path = deck(tmp_path / "d.pptx", ["Text."] * 52)
    assert "first 50 slides; not of 51, 52 (split" in refused(path)


def test_files_that_are_no_decks_are_refused(tmp_path: Path) -> None:
    """Old, locked, damaged and other files each get their own reason and way out."""
    path = tmp_path / "d.pptx"
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    path.write_bytes(old)
    assert "presentation of before 2007 (save it as .pptx)" in refused(path)
    path.write_bytes(old + "EncryptedPackage".encode("utf-16-le"))
    assert "password (save a copy without one)" in refused(path)
    path.write_bytes(b"%PDF-1.7 no archive at all")
    assert "is not a presentation, or is damaged" in refused(path)
    for size, part in ((b"\xff\xff\0", "is damaged"), (b"\0\0\x30", "has too many parts for a presentation")):
        path.write_bytes(b"PK\x05\x06" + bytes(8) + size + bytes(7))
        assert part in refused(path)
    whole = deck(path, ["One."]).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is not a presentation, or is damaged" in refused(path)
    with_part(deck(path, ["One."]), "ppt/slides/slide1.xml", b"<p:sld")
    assert "is no XML" not in refused(path)
    assert "is damaged" in refused(path)
    Presentation().save(str(path))
    assert "has no slide" in refused(path)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_garbled_parts_are_refused(packing: int, tmp_path: Path) -> None:
    """However they are packed: what unpacks them says it in its own way."""
    path = tmp_path / "d.pptx"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("ppt/presentation.xml", "<p/>" * 100)
        at = archive.start_dir
    content = path.read_bytes()
    begin = 30 + len("ppt/presentation.xml")
    path.write_bytes(content[:begin] + b"\xff" * (at - begin) + content[at:])
    assert "is not a presentation, or is damaged" in refused(path)


def test_bombs_and_declarations_are_refused_unread(tmp_path: Path) -> None:
    """What swells when it is unpacked, and entities that may grow or reach for files, never come to the reader."""
    path = with_part(deck(tmp_path / "d.pptx", ["One."]), "ppt/media/a.bin", bytes(64 * 1024**2))
    assert "unpacks to far more than it has bytes (ppt/media/a.bin)" in refused(path)
    declared = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>'
    path = with_part(deck(path, ["One."]), "ppt/slides/slide1.xml", declared)
    assert "declares a document type in ppt/slides/slide1.xml" in refused(path)
    with path.open("r+b") as file:
        file.truncate(100 * 1024**2 + 1)
    assert "has 100 MiB, more than 100 MiB" in refused(path)


def test_linked_pictures_are_refused(tmp_path: Path) -> None:
    """The service would draw the slide without them."""
    path = deck(tmp_path / "d.pptx", ["One."])
    made = Presentation(str(path))
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"
    made.slides[0].part.relate_to("https://example.com/a.png", kind, is_external=True)
    made.save(str(path))
    assert "shows a picture on slide 1 that lies elsewhere (insert" in refused(path)


PIPELINE = """\
pipeline: course
inputs:
  deck: {type: slides, default_notes: "Look."}
rows: {name: "${{ row.name }}"}
steps:
  one: {uses: any, with: {n: "${{ inputs.deck | length }}"}}
"""


def test_each_row_may_have_a_deck_of_its_own(check: Check, tmp_path: Path) -> None:
    """The value is the list of slides; what is wrong with a deck stands at its cell."""
    deck(tmp_path / "good.pptx", ["One.", None])
    (tmp_path / "bad.pptx").write_bytes(b"no archive")
    table = tmp_path / "t.csv"
    table.write_text("name,deck\na,good.pptx\nb,bad.pptx\nc,there.key\n", "utf-8")
    pipeline, problems = check(PIPELINE)
    assert pipeline is not None, problems
    with pytest.raises(DefinitionError) as caught:
        prepare(pipeline, {}, table, region="ap-southeast-3")
    assert [(one.line, one.message.split(", or")[0]) for one in caught.value.problems] == [
        (3, "deck: 'bad.pptx' is not a presentation"),
        (4, 'deck: "there.key" is not a presentation'),
    ]
    table.write_text("name,deck\na,good.pptx\n", "utf-8")
    (row,) = prepare(pipeline, {}, table, region="ap-southeast-3").rows
    assert [slide["notes"] for slide in row.inputs["deck"]] == ["One.", "Look."]
