"""Inputs with many values, dates and secrets: what each type takes and refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.definition.files import Folders
from orchestrator.definition.globs import LOOKED_AT_LIMIT, find_all
from orchestrator.definition.inputs import _ADAPTER as ADAPTER
from orchestrator.definition.inputs import InputError, read_input, spec_of
from orchestrator.definition.located import located
from orchestrator.domain.input_files import paths_in
from orchestrator.domain.secrets import placeholder

PNG = b"\x89PNG\r\n\x1a\n"


def read(declared: dict[str, Any], value: Any, region: str | None = "cn-north-4") -> Any:
    return read_input(spec_of(ADAPTER.validate_python(declared)), value, region)


def place(declared: dict[str, Any], value: Any, folder: Path) -> Any:
    spec = spec_of(ADAPTER.validate_python(declared))
    folders = Folders.of([folder], [])
    return located(spec, read_input(spec, value, "cn-north-4"), folders, "cn-north-4")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Pictures and a table, in folders and outside."""
    inside = tmp_path / "inside"
    (inside / "media" / "deep").mkdir(parents=True)
    for name in ("p10.png", "p2.png", "p1.jpg", ".hidden.png", "deep/p3.png"):
        (inside / "media" / name).write_bytes(PNG if name.endswith("png") else b"\xff\xd8\xff")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.png").write_bytes(PNG)
    return inside


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        ({"type": "list", "of": "integer"}, "1, 2 ,3", [1, 2, 3]),
        ({"type": "list", "of": "integer"}, [1, "2"], [1, 2]),
        ({"type": "list", "of": "timbre"}, "Emma", ["aca15f9fe7912b2d5d8eb827f2d1327b"]),
        ({"type": "list", "separator": ";"}, "a, b;c;", ["a, b", "c"]),
        ({"type": "list", "of": "date"}, ["2026-03-01"], ["2026-03-01"]),
        ({"type": "map", "of": "number"}, '{"a": "1.5", "b": 2}', {"a": 1.5, "b": 2}),
        ({"type": "map", "keys": ["a", "b"]}, {"a": None}, {"a": None}),
        ({"type": "date"}, " 2026-03-01 ", "2026-03-01"),
        ({"type": "date"}, "2026-03-01T00:00:00", "2026-03-01"),
        ({"type": "date", "min": "2026-01-01", "max": "2026-12-31"}, "2026-12-31", "2026-12-31"),
        ({"type": "secret"}, placeholder("token"), placeholder("token")),
        ({"type": "files"}, "a.png, b*.png", ["a.png", "b*.png"]),
        ({"type": "files"}, '["a, b.png"]', ["a, b.png"]),
        ({"type": "table"}, "t.csv", "t.csv"),
    ],
)
def test_values_are_read(declared: dict[str, Any], given: Any, value: Any) -> None:
    """Each member is read by its type; a text is taken apart at its separator."""
    assert read(declared, given) == value


@pytest.mark.parametrize(
    ("declared", "value", "words"),
    [
        ({"type": "list", "of": "integer"}, "1,x", 'item 2: "x" is not a whole number'),
        ({"type": "map", "of": "boolean"}, {"a": "perhaps"}, 'a: "perhaps" is neither true nor false'),
        ({"type": "map", "keys": ["width"]}, {"widht": 1}, 'has no "widht"'),
        ({"type": "map", "max_items": 1}, {"a": 1, "b": 2}, "2 members"),
        ({"type": "date"}, "1 March", "has to be a date such as 2026-03-01"),
        ({"type": "date"}, "2026-02-30", "a day that no month has"),
        ({"type": "date"}, "2026-03-01T09:30:00", "has to be a date"),
        ({"type": "date"}, 20260301, "has to be a date"),
        ({"type": "date", "min": "2026-01-01"}, "2025-12-31", "is before 2026-01-01"),
        ({"type": "date", "max": "2026-01-01"}, "2026-01-02", "is after 2026-01-01"),
        ({"type": "secret"}, "hunter22", "neither given with -i nor in a table"),
        ({"type": "files"}, 5, "not a list of paths"),
        ({"type": "files"}, ["a\0"], "not a path"),
        ({"type": "files"}, ",".join("a" * 1_001), "more than 1,000"),
        ({"type": "table"}, " ", "not a path"),
    ],
)
def test_values_that_do_not_fit_are_refused(declared: dict[str, Any], value: Any, words: str) -> None:
    """Each refusal says which member, and never shows what was given for a secret."""
    with pytest.raises(InputError) as caught:
        read(declared, value)
    assert words in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_every_member_that_does_not_fit_is_told() -> None:
    """All at once, each with its place."""
    with pytest.raises(InputError) as caught:
        read({"type": "list", "of": "integer"}, "a,1,b")
    assert [str(part).split(":")[0] for part in caught.value.parts] == ["item 1", "item 3"]


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "date", "min": "March"},
        {"type": "secret", "default": "hunter22"},
        {"type": "secret", "from": "no name"},
        {"type": "list", "of": "lists"},
        {"type": "files", "max_items": 1_001},
        {"type": "table", "columns": {"a": "file"}},
        {"type": "table", "max_items": 10_001},
    ],
)
def test_declarations_that_cannot_be_meant_are_refused(declared: dict[str, Any]) -> None:
    """Constraints have types and bounds of their own."""
    with pytest.raises(ValueError, match="validation error") as caught:
        ADAPTER.validate_python(declared)
    said = caught.value.errors(include_url=False, include_input=False)  # type: ignore[attr-defined]  # pydantic's own
    assert "hunter22" not in str(said)


def test_a_pattern_names_files_in_their_natural_order(media: Path) -> None:
    """Hidden ones do not count, 2 comes before 10, `**` looks into folders."""

    def names(written: str) -> list[str]:
        return [
            str(Path(path).relative_to(media / "media"))
            for path in find_all(written, Folders.of([media], []))
        ]

    assert names("media/*.png") == ["p2.png", "p10.png"]
    assert names("media/p?.*") == ["p1.jpg", "p2.png"]
    assert names("media/p[12].*") == ["p1.jpg", "p2.png"]
    assert names("**/*.png") == ["deep/p3.png", "p2.png", "p10.png"]
    assert names("media/deep/p3.png") == ["deep/p3.png"]


@pytest.mark.parametrize(
    "written", ["../outside/*.png", "media/../../outside/*.png", "nowhere/*.png", "*.gif"]
)
def test_a_pattern_finds_nothing_outside(media: Path, written: str) -> None:
    """Folders that may not be read are not looked into."""
    with pytest.raises(InputError, match="no file matches"):
        find_all(written, Folders.of([media], []))


def test_a_link_that_leads_out_is_refused(media: Path) -> None:
    """Also when a pattern finds it; a folder that is linked is not gone into."""
    (media / "linked").symlink_to(media.parent / "outside")
    with pytest.raises(InputError, match="no file matches"):
        find_all("linked/*.png", Folders.of([media], []))
    (media / "media" / "z.png").symlink_to(media.parent / "outside" / "secret.png")
    with pytest.raises(InputError, match="through a link"):
        find_all("media/*.png", Folders.of([media], []))


def test_a_pattern_looks_at_a_bounded_number_of_files(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole disk is not gone through."""
    assert LOOKED_AT_LIMIT <= 100_000
    monkeypatch.setattr("orchestrator.definition.globs.LOOKED_AT_LIMIT", 3)
    with pytest.raises(InputError, match="looks at more than"):
        find_all("**/*", Folders.of([media], []))


def test_files_are_found_checked_and_counted(media: Path) -> None:
    """Each as a single file would be; what is named twice counts once; a run may read them."""
    found = place({"type": "files", "accept": ["png"]}, ["media/p2.png", "media/*.png"], media)
    assert [Path(path).name for path in found] == ["p2.png", "p10.png"]
    assert paths_in("files", found) == tuple(found)
    with pytest.raises(InputError, match="not a file of type png"):
        place({"type": "files", "accept": ["png"]}, "media/*", media)
    with pytest.raises(InputError, match="has 2 files"):
        place({"type": "files", "max_items": 1}, "media/*.png", media)
    (media / "media" / "p2.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="is not a PNG picture"):
        place({"type": "files", "accept": ["png"]}, "media/*.png", media)


def test_a_list_of_files_is_files() -> None:
    """Whoever asks for the files of a run finds them."""
    spec = spec_of(ADAPTER.validate_python({"type": "list", "of": "file", "max_items": 3}))
    assert (spec.type, spec.options) == ("files", {"min_items": 0, "max_items": 3})


def test_a_table_becomes_its_rows(tmp_path: Path) -> None:
    """Cells are read by the types of their columns, the others stay texts; an empty one is none."""
    (tmp_path / "t.csv").write_text("sku,price,note\na-1,1.50,007\na-2,,x\n")
    declared = {"type": "table", "columns": {"sku": "string", "price": "number"}}
    assert place(declared, "t.csv", tmp_path) == [
        {"sku": "a-1", "price": 1.5, "note": "007"},
        {"sku": "a-2", "price": None, "note": "x"},
    ]


@pytest.mark.parametrize(
    ("declared", "content", "words"),
    [
        ({"columns": {"price": "number"}}, "sku,price\na,1\nb,x\n", 't.csv:3:3: price: "x" is not a number'),
        ({"columns": {"prize": "number"}}, "sku,price\na,1\n", "no column 'prize'"),
        ({"max_items": 1}, "sku\na\nb\n", "has 2 rows"),
        ({}, "sku\n", "the table has no rows"),
        ({}, "sku\na\ufdd0b\n", "U+FDD0"),
        ({}, "sku\n" + "x" * 1_100_000 + "\n", "more than"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, declared: dict[str, Any], content: str, words: str) -> None:
    """Where in the table, and why."""
    (tmp_path / "t.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        place({"type": "table", **declared}, "t.csv", tmp_path)
    assert any(words in str(part) for part in caught.value.parts)


def test_json_lines_keep_their_types(tmp_path: Path) -> None:
    """Lists and mappings in a row are at hand for each item."""
    (tmp_path / "t.jsonl").write_text(json.dumps({"sku": "a", "tags": ["x"]}) + "\n")
    assert place({"type": "table"}, "t.jsonl", tmp_path) == [{"sku": "a", "tags": ["x"]}]
