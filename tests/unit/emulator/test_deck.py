"""What the emulator finds in a presentation."""

import zipfile
from pathlib import Path
from typing import Any

from orchestrator.emulator.deck import slides_in
from tests.unit.definition.decks import deck


def test_the_words_of_each_slide_are_found() -> None:
    """In the order of the deck, as far as a page shows them."""
    found = slides_in(Path("pipelines/media/course.pptx"))
    assert found is not None
    assert found[0] == ("A desk that is kind to you", "Light\nBreaks")
    assert found[1] == ("Light", "From the side, not from behind\nWarm in the evening")
    assert len(found) == 3


def test_other_files_have_no_slides(tmp_path: Path) -> None:
    """Whatever they are: they must not stop an upload."""
    path = tmp_path / "d.pptx"
    path.write_bytes(b"%PDF-1.7")
    assert slides_in(path) is None
    path.write_bytes(b"PK\x03\x04 cut off")
    assert slides_in(path) is None
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "no slides")
    assert slides_in(path) is None


def test_a_deck_has_as_many_pages_as_slides(tenant: Any, clock: Any, tmp_path: Path) -> None:
    """Its pages are made of its own words."""
    path = deck(tmp_path / "d.pptx", ["One."] * 12)
    meta = {"ppt_meta": {"auto_analysis": True}}
    asset_id = tenant.asset(asset_type="PPT", asset_extra_meta=meta)
    tenant.upload(asset_id, "d.pptx", slides=slides_in(path))
    clock.pass_s(60)
    assert tenant.shown_asset(asset_id)["asset_extra_meta"]["ppt_meta"]["page_count"] == 12
    pages = [file for file in tenant.emulator.world.files if file.category == "PAGE"]
    assert pages[1].make.params == {"title": "Title 2", "text": "Text 2\n\n2 / 12"}
