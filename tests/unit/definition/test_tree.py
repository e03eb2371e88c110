"""YAML: what it means here, and what it must not do."""

import time

import pytest

from orchestrator.definition.tree import DEPTH_LIMIT, NODE_LIMIT, SIZE_LIMIT, Mapping, Scalar, read


def plain(text: str) -> object:
    source, root = read("f.yaml", text.encode())
    assert source.problems == []
    assert root is not None
    return root.plain()


def said(content: bytes) -> list[str]:
    return [str(problem) for problem in read("f.yaml", content)[0].problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("012", "012"),
        ("12:30", "12:30"),
        ("on", "on"),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("2025-01-01", "2025-01-01"),
        ("123456789012345678901", "123456789012345678901"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("0x1F", 31),
        ("0o17", 15),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("~", None),
        ("", None),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("'it''s'", "it's"),
        ("é中", "é中"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    """Only what is surely a number, true, false or null is not text."""
    result = plain(f"a: {text}\n")
    assert result == {"a": value}
    assert isinstance(result, dict)
    assert type(result["a"]) is type(value)


def test_on_is_a_key() -> None:
    """`on`, `yes` and 1 are keys like any other."""
    assert plain("on: 1\nyes: 2\n1: 3\n") == {"on": 1, "yes": 2, "1": 3}


def test_a_byte_order_mark_is_no_content() -> None:
    """UTF-8 with a mark reads as without, positions included."""
    source, root = read("f.yaml", b"\xef\xbb\xbfa: 1\na: 2\n")
    assert root is not None
    assert [str(problem) for problem in source.problems] == [
        "f.yaml:2:1: D105 'a' stands here a second time (first in line 1)"
    ]


def test_duplicates_are_all_reported_and_the_first_counts() -> None:
    """Each second occurrence is a problem, in nested and flow mappings too."""
    source, root = read("f.yaml", b"a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert root is not None
    assert root.plain() == {"a": 1, "b": {"c": 1}}
    assert [(problem.line, problem.col) for problem in source.problems] == [(2, 11), (3, 1)]


def test_aliases_serve_within_bounds() -> None:
    """An anchor may be used again."""
    assert plain("a: &x {k: [1, 2]}\nb: *x\n") == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}}


def test_an_alias_bomb_is_refused_at_once() -> None:
    """What aliases repeat counts, so a small file cannot become a large value."""
    lines = ["a: &a [1,1,1,1,1,1,1,1,1]"]
    lines += [
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    bomb = "\n".join(lines).encode()
    assert len(bomb) < 400
    started = time.perf_counter()
    (problem,) = said(bomb)
    assert time.perf_counter() - started < 0.5
    assert "D103" in problem
    assert "aliases" in problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "f.yaml:1:1: D107 the file holds no definition (a definition begins with `pipeline: name`)"),
        (
            b"# nothing\n",
            "f.yaml:1:1: D107 the file holds no definition (a definition begins with `pipeline: name`)",
        ),
        (b"- a\n", "f.yaml:1:1: D203 a definition is a mapping (it begins with `pipeline: name`)"),
        (b"a: 1\nb: x\xff\n", "f.yaml:2:5: D102 byte 0xff is not UTF-8 (save the file as UTF-8)"),
        ("a: ü".encode("cp1252"), "f.yaml:1:4: D102 byte 0xfc is not UTF-8 (save the file as UTF-8)"),
        ("a: b".encode("utf-16"), "f.yaml:1:1: D102 byte 0xff is not UTF-8 (save the file as UTF-8)"),
        (
            b"a:\n\tb: 1\n",
            "f.yaml:2:1: D104 a tab stands where only spaces may (indent with spaces, not tabs)",
        ),
        (
            b"a: b: c\n",
            "f.yaml:1:5: D104 a text that holds `: ` needs quotes (or put the second key on its own line)",
        ),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2:1: D106 a file holds one definition (remove the second `---`)"),
        (b"? [a]\n: 1\n", "f.yaml:1:3: D106 a key has to be text (quote a text that begins with { or [)"),
        (b"a: &x [*x]\n", "f.yaml:1:8: D104 the alias *x has no finished anchor &x before it"),
        (b"a: *x\n", "f.yaml:1:4: D104 the alias *x has no finished anchor &x before it"),
        (
            b"b: {k: 1}\n<<: {a: 1}\n",
            "f.yaml:2:1: D106 merge keys (`<<`) are not part of YAML 1.2 (write the keys out)",
        ),
        (b"a: \x01\n", "f.yaml:1:4: D104 a character that YAML does not allow"),
        (b"a: " + b"[" * 50_000, f"f.yaml:1:{DEPTH_LIMIT + 3}: D103 nested deeper than {DEPTH_LIMIT} levels"),
    ],
)
def test_what_is_not_a_definition_says_why_and_where(content: bytes, problem: str) -> None:
    """Each trap of YAML ends as one problem with its place."""
    assert said(content) == [problem]


def test_tags_are_refused() -> None:
    """No tag makes an object."""
    assert said(b"a: !!python/object/apply:os.system [ls]\n")[0].startswith("f.yaml:1:4: D106 the tag ")


def test_size_is_bounded() -> None:
    """Too many bytes and too many values are refused, the latter while reading."""
    for more in (0, 1000):  # a reader stops behind the limit, so nobody knows how much there is
        (told,) = said(b"a: " + b"x" * (SIZE_LIMIT + more))
        assert told == "f.yaml:1:1: D103 the file has more than 1,000,000 bytes"
    assert f"more than {NODE_LIMIT:,} values" in said(b"a: [" + b"1, " * (NODE_LIMIT + 1) + b"1]")[0]


@pytest.mark.parametrize(
    ("text", "line", "col"),
    [
        ("a: x ${{ HERE }}\n", 1, 10),
        ("a: 'it''s ${{ HERE }}'\n", 1, 15),
        ('a: "\\n ${{ 1 }} ${{ HERE }}"\n', 1, 21),
        ("a: |\n  one\n    ${{ HERE }}\n", 3, 9),
        ("a: >-\n  one\n  two ${{ HERE }}\n", 3, 11),
        ("a: &x one\n  ${{ HERE }}\n", 2, 7),
        ("ü: ${{ HERE }}\n", 1, 8),
    ],
)
def test_places_inside_scalars(text: str, line: int, col: int) -> None:
    """An offset in a value leads to its line and column in every style of scalar."""
    source, root = read("f.yaml", text.encode())
    assert isinstance(root, Mapping)
    (scalar,) = root.values.values()
    assert isinstance(scalar, Scalar)
    place = source.within(scalar, str(scalar.value).index("HERE"))
    assert (place.line, place.col) == (line, col)
