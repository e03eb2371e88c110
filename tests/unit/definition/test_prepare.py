"""Inputs of runs: from texts and tables, all mistakes before the first call."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.definition.prepare import NAME_LIMIT, prepare
from orchestrator.definition.problems import DefinitionError, Problem
from orchestrator.domain.pipeline import Pipeline

Check = Callable[[str | bytes], tuple[Pipeline | None, list[Problem]]]

INPUTS = """\
pipeline: p
inputs:
  title: {type: string, max_length: 10}
  image: {type: file, accept: [png]}
  count: {type: integer, default: 2}
  voice: {type: timbre, default: Emma}
  note: {type: string, required: false}
"""
STEPS = 'steps: {a: {uses: any, with: {t: "${{ inputs.title }}"}}}\n'
PNG = b"\x89PNG\r\n\x1a\n"
_ANY = "steps: {a: {uses: any}}\n"
EMMA = "aca15f9fe7912b2d5d8eb827f2d1327b"


@pytest.fixture
def pipeline(check: Check, tmp_path: Path) -> Callable[[str], Pipeline]:
    """Makes the pipeline of a text; `a.png` and `sub/b.png` stand in its folder."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.png").write_bytes(PNG)

    def made(text: str) -> Pipeline:
        found, problems = check(text)
        assert found is not None, problems
        return found

    return made


def said(caught: pytest.ExceptionInfo[DefinitionError], tmp_path: Path) -> list[str]:
    return [str(problem).replace(f"{tmp_path.resolve()}", "HOME") for problem in caught.value.problems]


def test_one_run_gets_given_values_and_defaults(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """Without a table there is one set of inputs, read by type, files as absolute paths."""
    prepared = prepare(
        pipeline(INPUTS + STEPS), {"title": "012", "image": "a.png", "count": "7"}, region="cn-north-4"
    )
    assert prepared.rows == ()
    assert prepared.inputs == {
        "title": "012",
        "image": str(tmp_path.resolve() / "a.png"),
        "count": 7,
        "voice": EMMA,
        "note": None,
    }


def test_a_table_makes_one_run_a_row(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """A cell goes before a given value, that before the default; other columns are there as `row`."""
    (tmp_path / "sub" / "t.csv").write_text("sku,title,image,count\n001,One,b.png,\n002,Two,a.png,9\n")
    made = pipeline(INPUTS + 'rows: {name: "${{ row.sku }} ${{ inputs.count }}"}\n' + STEPS)
    prepared = prepare(made, {"count": "5"}, tmp_path / "sub" / "t.csv", region="cn-north-4")
    assert [row.name for row in prepared.rows] == ["001 5", "002 9"]
    first, second = prepared.rows
    assert first.row == {"sku": "001", "title": "One", "image": "b.png", "count": ""}
    assert first.inputs["image"] == str(tmp_path.resolve() / "sub" / "b.png")
    assert second.inputs["image"] == str(tmp_path.resolve() / "a.png")
    assert (first.inputs["count"], second.inputs["count"], first.inputs["voice"]) == (5, 9, EMMA)
    assert prepared.inputs == {"count": 5, "voice": EMMA, "note": None}


def test_rows_without_a_name_are_numbered(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """The table of the definition itself is read, and rows are called row-1, row-2."""
    (tmp_path / "t.csv").write_text("title,image\nOne,a.png\n\nTwo,a.png\n")
    prepared = prepare(pipeline(INPUTS + "rows: {from: t.csv}\n" + STEPS), {}, region="cn-north-4")
    assert [row.name for row in prepared.rows] == ["row-1", "row-2"]


def test_every_mistake_of_a_table_is_reported_with_line_and_column(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """All rows are checked before anything starts."""
    (tmp_path / "empty.png").touch()
    (tmp_path / "t.csv").write_text(
        "sku,title,image,count\n"
        "a,One,a.pgn,1\n"
        "b,,a.png,x\n"
        "a,Much too long,empty.png,1\n"
        "c/d,Four,b.png,1\n"
        "e,Five,../../etc/passwd.png,1\n"
    )
    made = pipeline(INPUTS + 'rows: {from: t.csv, name: "${{ row.sku }}"}\n' + STEPS)
    with pytest.raises(DefinitionError) as caught:
        prepare(made, {}, region="cn-north-4")
    assert said(caught, tmp_path) == [
        'HOME/t.csv:2:7: D507 image: "a.pgn" is not a file of type png',
        "HOME/t.csv:3:3: D502 title is empty",
        'HOME/t.csv:3:10: D504 count: "x" is not a whole number',
        "HOME/t.csv:4:1: D605 the name 'a' is taken by the row in line 2 (each run needs a name of its own)",
        "HOME/t.csv:4:3: D504 title: has 13 characters, more than 10",
        "HOME/t.csv:4:17: D507 image: 'empty.png' is empty",
        (
            "HOME/t.csv:5:1: D605 the row's name 'c/d' holds characters that a file name cannot have "
            "(`| slug` makes a usable name)"
        ),
        "HOME/t.csv:5:10: D505 image: 'b.png' does not exist in HOME (did you mean 'a.png'?)",
        (
            "HOME/t.csv:6:8: D506 image: '../../etc/passwd.png' leads out of the folders that may be read "
            "(those are HOME; see the setting files.roots)"
        ),
    ]


def test_mistakes_of_given_values_are_all_reported(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """Unknown, missing, wrong: all at once, each with what to do."""
    with pytest.raises(DefinitionError) as caught:
        prepare(
            pipeline(INPUTS + STEPS),
            {"titel": "x", "image": "c.png", "count": "x", "voice": "Ema"},
            region="cn-north-4",
        )
    assert said(caught, tmp_path) == [
        "p: D503 -i titel: the pipeline has no input 'titel' (did you mean 'title'?)",
        "p: D502 the input 'title' has no value (give it with -i title=VALUE)",
        "p: D505 -i image: 'c.png' does not exist in HOME (did you mean 'a.png'?)",
        'p: D504 -i count: "x" is not a whole number',
        "p: D504 -i voice: there is no timbre 'Ema' (did you mean 'Emma'?)",
    ]


def test_columns_that_the_definition_uses_have_to_be_there(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """A misspelt column is found before the first row starts, wherever it is used."""
    (tmp_path / "t.csv").write_text("title,image,colour\nx,a.png,red\n")
    made = pipeline(
        INPUTS + "rows: {from: t.csv}\n"
        'steps: {a: {uses: any, if: row.flag, with: {t: "${{ row.color }}"}}}\noutputs: {x: "${{ row.title }}"}\n'
    )
    with pytest.raises(DefinitionError) as caught:
        prepare(made, {}, region="cn-north-4")
    assert said(caught, tmp_path) == [
        "HOME/t.csv:1:1: D606 the definition uses the column 'color', which the table does not have (did you mean 'colour'?)",
        (
            "HOME/t.csv:1:1: D606 the definition uses the column 'flag', which the table does not have "
            "(its columns: title, image, colour)"
        ),
    ]


def test_a_required_input_without_a_column_is_one_problem(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """Not one problem a row, and a similar column is pointed out."""
    (tmp_path / "t.csv").write_text("titel,image\nx,a.png\ny,a.png\n")
    with pytest.raises(DefinitionError) as caught:
        prepare(pipeline(INPUTS + STEPS), {}, tmp_path / "t.csv", region="cn-north-4")
    assert said(caught, tmp_path) == [
        (
            "HOME/t.csv:1:1: D502 the input 'title' has no value: the table 't.csv' has no column 'title' "
            "(did you mean 'titel'? its columns: titel, image; -i title=VALUE gives one value for all rows)"
        )
    ]


def test_a_name_from_a_column_that_is_not_there_is_one_problem(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """Not one for each row, whose name nobody knows."""
    (tmp_path / "t.csv").write_text("SKU,title,image\n" + "a,x,a.png\n" * 30)
    made = pipeline(INPUTS + 'rows: {from: t.csv, name: "${{ row.sku | slug }}"}\n' + STEPS)
    with pytest.raises(DefinitionError) as caught:
        prepare(made, {}, region="cn-north-4")
    assert said(caught, tmp_path) == [
        "HOME/t.csv:1:1: D606 the definition uses the column 'sku', which the table does not have (did you mean 'SKU'?)"
    ]


def test_an_empty_name_says_what_to_do(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """An empty cell is to be filled in; one of signs alone needs letters."""
    (tmp_path / "t.csv").write_text("sku,title,image\n,x,a.png\n!!,x,a.png\n")
    made = pipeline(INPUTS + 'rows: {from: t.csv, name: "${{ row.sku | slug }}"}\n' + STEPS)
    with pytest.raises(DefinitionError) as caught:
        prepare(made, {}, region="cn-north-4")
    assert said(caught, tmp_path) == [
        "HOME/t.csv:2:1: D605 the row's name is empty (fill in the cell)",
        "HOME/t.csv:3:1: D605 the row's name is empty (write letters or digits that a name can be made of)",
    ]


def test_what_many_rows_share_is_listed_shortly(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """Twenty of one code and column, and how many more there are; the error holds all of them."""
    rows = "".join(f"s{number},x,a.png,many\n" for number in range(1500))
    (tmp_path / "t.csv").write_text(f"sku,title,image,count\n{rows}b,,a.png,1\nc,x\n")
    made = pipeline(INPUTS + 'rows: {from: t.csv, name: "${{ row.sku }}"}\n' + STEPS)
    with pytest.raises(DefinitionError) as caught:
        prepare(made, {}, region="cn-north-4")
    told = caught.value.message.replace(str(tmp_path.resolve()), "HOME").splitlines()
    assert len(caught.value.problems) == 1502
    assert [line.split(": ")[1].split()[0] for line in told] == ["D504"] * 21 + ["D502", "D502"]
    assert told[20] == "HOME/t.csv: D504 and 1,480 more like this"


def test_links_that_lead_out_are_refused(
    pipeline: Callable[[str], Pipeline], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A link counts as what it leads to; `roots` widens what may be read."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "c.png").write_bytes(PNG)
    (tmp_path / "link.png").symlink_to(outside / "c.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    made = pipeline(INPUTS + STEPS)
    with pytest.raises(DefinitionError, match="D506"):
        prepare(made, {"title": "x", "image": "link.png"}, region="cn-north-4")
    with pytest.raises(DefinitionError, match="D506"):
        prepare(made, {"title": "x", "image": str(outside / "c.png")}, region="cn-north-4")
    with pytest.raises(DefinitionError, match="D505"):
        prepare(made, {"title": "x", "image": "loop.png"}, region="cn-north-4")
    prepared = prepare(made, {"title": "x", "image": "link.png"}, region="cn-north-4", roots=[outside])
    assert prepared.inputs["image"] == str(outside.resolve() / "c.png")


def test_what_exists_outside_is_not_told(pipeline: Callable[[str], Pipeline]) -> None:
    """A path outside gets the same answer whether it exists or not."""
    made = pipeline(INPUTS + "  any_file: {type: file, required: false}\n" + STEPS)
    answers = []
    for path in ("/etc/passwd", "/etc/passwt"):
        with pytest.raises(DefinitionError) as caught:
            prepare(made, {"title": "x", "image": "a.png", "any_file": path}, region="cn-north-4")
        answers.append(str(caught.value).replace(path, "PATH"))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("sub.png", "D507"),
        ("a.gif", "D507"),
        ("/etc/passwd", "D507"),
        ("https://example.com/a.png", "D505"),
        ("x" * 5000 + ".png", "D505"),
    ],
)
def test_odd_paths(pipeline: Callable[[str], Pipeline], tmp_path: Path, path: str, code: str) -> None:
    """A folder, an address and an endless name are problems, not crashes."""
    (tmp_path / "sub.png").mkdir()
    with pytest.raises(DefinitionError, match=code):
        prepare(pipeline(INPUTS + STEPS), {"title": "x", "image": path}, region="cn-north-4")


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "a/b", "a\\b", "a\x07b", "x" * (NAME_LIMIT + 1), "产" * 70]
)
def test_names_that_are_no_file_names_are_refused(
    pipeline: Callable[[str], Pipeline], tmp_path: Path, name: str
) -> None:
    """A run's name becomes part of file names."""
    (tmp_path / "t.csv").write_text(f'sku,title,image\n"{name}",x,a.png\n')
    made = pipeline(INPUTS + 'rows: {from: t.csv, name: "${{ row.sku }}"}\n' + STEPS)
    with pytest.raises(DefinitionError, match="D605"):
        prepare(made, {}, region="cn-north-4")


def test_rows_declared_without_a_table_need_one(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """`rows` without `from` waits for --rows; a table outside the definition's folder is refused."""
    with pytest.raises(DefinitionError, match="give it with --rows TABLE"):
        prepare(pipeline(INPUTS + 'rows: {name: "${{ row.a }}"}\n' + STEPS), {}, region="cn-north-4")
    with pytest.raises(DefinitionError, match="leads out of the folders"):
        prepare(pipeline(INPUTS + "rows: {from: ../t.csv}\n" + STEPS), {}, region="cn-north-4")
    with pytest.raises(DefinitionError, match="does not exist"):
        prepare(pipeline(INPUTS + "rows: {from: t.csv}\n" + STEPS), {}, region="cn-north-4")


def test_problems_of_given_values_stand_where_the_definition_asks(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """With the definition's file, each problem has its place there: an input's declaration, `rows`."""
    file = tmp_path / "p.yaml"

    def told(text: str, given: dict[str, str]) -> list[str]:
        file.write_text(text)
        with pytest.raises(DefinitionError) as caught:
            prepare(pipeline(text), given, region="cn-north-4", file=file)
        return said(caught, tmp_path)

    assert told(
        INPUTS + "  missing: {type: file, default: x.png}\n" + STEPS,
        {"titel": "x", "image": "a.png", "count": "x"},
    ) == [
        "HOME/p.yaml:2:1: D503 -i titel: the pipeline has no input 'titel' (did you mean 'title'?)",
        "HOME/p.yaml:3:3: D502 the input 'title' has no value (give it with -i title=VALUE)",
        'HOME/p.yaml:5:3: D504 -i count: "x" is not a whole number',
        "HOME/p.yaml:8:25: D505 the default of missing: 'x.png' does not exist in HOME (did you mean 'a.png'?)",
    ]
    assert told(INPUTS + "rows: {name: '${{ row.a }}'}\n" + STEPS, {}) == [
        "HOME/p.yaml:8:1: D601 the pipeline 'p' needs a table (give it with --rows TABLE)"
    ]
    assert told(INPUTS + "rows: {from: t.csv}\n" + STEPS, {}) == [
        "HOME/p.yaml:8:8: D601 the table 't.csv' does not exist in HOME"
    ]


def test_a_definition_that_has_gone_is_still_named(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """The place is lost, the file's name is not."""
    with pytest.raises(DefinitionError) as caught:
        prepare(pipeline("pipeline: p\n" + _ANY), {"x": "1"}, region="r", file=tmp_path / "gone.yaml")
    assert said(caught, tmp_path) == [
        "HOME/gone.yaml: D503 -i x: the pipeline has no input 'x' (known: none)"
    ]


def test_a_malformed_row_does_not_hide_the_others(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """Rows before and behind it are checked as well; nothing starts."""
    (tmp_path / "t.csv").write_text('title,image,count\na,a.png,x\nb,a.png,1,2\nc,a.png,"1"2\nd,a.png,y\n')
    with pytest.raises(DefinitionError) as caught:
        prepare(pipeline(INPUTS + STEPS), {}, tmp_path / "t.csv", region="cn-north-4")
    assert [(problem.line, problem.col, str(problem.code)) for problem in caught.value.problems] == [
        (2, 9, "D504"),
        (3, 11, "D604"),
        (4, 12, "D604"),
        (5, 9, "D504"),
    ]


def test_a_link_that_leads_out_is_called_so(
    pipeline: Callable[[str], Pipeline], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where a second folder is searched; whether the link's end exists is not told."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "c.png").write_bytes(PNG)
    answers = []
    for target in ("c.png", "none.png"):
        (tmp_path / "sub" / "link.png").unlink(missing_ok=True)
        (tmp_path / "sub" / "link.png").symlink_to(outside / target)
        (tmp_path / "sub" / "t.csv").write_text("title,image\nx,link.png\n")
        with pytest.raises(DefinitionError) as caught:
            prepare(pipeline(INPUTS + STEPS), {}, tmp_path / "sub" / "t.csv", region="cn-north-4")
        answers += said(caught, tmp_path)
    assert answers[0].startswith(
        "HOME/sub/t.csv:2:3: D506 image: 'link.png' leads, through a link, out of the folders that may be read"
    )
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.png", b"just text", "'x.png' is not a PNG picture"),
        ("x.PNG", b"\xff\xd8\xff\xe0", r"is not a PNG picture \(its content is a JPEG picture: name it so\)"),
        ("x.jpeg", b"GIF89a", r"is not a JPEG picture \(its content is a GIF picture"),
        ("x.gif", b"GIF8", "is not a GIF picture"),
    ],
)
def test_pictures_have_to_begin_like_pictures(
    check: Check, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    """A text called .jpg is found before it is uploaded."""
    (tmp_path / name).write_bytes(content)
    made, _ = check("pipeline: p\ninputs: {i: {type: file, accept: [png, jpg, gif]}}\n" + _ANY)
    assert made is not None
    with pytest.raises(DefinitionError, match=f"D507.*{words}"):
        prepare(made, {"i": name}, region="cn-north-4")


@pytest.mark.parametrize(
    ("name", "content", "accept"),
    [
        ("x.jpg", b"\xff\xd8\xff\xe1", "[jpg]"),
        ("x.gif", b"GIF87a", "[gif]"),
        ("x.mp3", b"anything", "[mp3]"),
        ("x.jpg", b"anything", "[]"),
    ],
)
def test_other_files_are_taken_as_they_are(
    check: Check, tmp_path: Path, name: str, content: bytes, accept: str
) -> None:
    """Only pictures that the definition asks for are looked into."""
    (tmp_path / name).write_bytes(content)
    made, _ = check(f"pipeline: p\ninputs: {{i: {{type: file, accept: {accept}}}}}\n" + _ANY)
    assert made is not None
    assert prepare(made, {"i": name}, region="cn-north-4").inputs == {"i": str(tmp_path.resolve() / name)}


def test_results_of_an_earlier_run_are_no_columns(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """Unless the pipeline uses them: the results of one may be the table of another."""
    (tmp_path / "t.csv").write_text(
        "sku,title,run_status,run_error,run_id,video,image\na,x,failed,no,1,v.mp4,a.png\n"
    )
    outputs = 'outputs: {video: "${{ inputs.title }}"}\n'
    prepared = prepare(
        pipeline(INPUTS + STEPS + outputs), {}, tmp_path / "t.csv", region="cn-north-4", roots=[tmp_path]
    )
    assert prepared.rows[0].row == {"sku": "a", "title": "x", "image": "a.png"}
    assert prepared.table is not None
    assert (prepared.table.columns, prepared.table.delimiter) == (("sku", "title", "image"), ",")
    chained = INPUTS + 'rows: {name: "${{ row.run_id }}"}\n' + STEPS + outputs
    prepared = prepare(pipeline(chained), {}, tmp_path / "t.csv", region="cn-north-4", roots=[tmp_path])
    assert prepared.rows[0].row == {"sku": "a", "title": "x", "run_id": "1", "image": "a.png"}


def test_only_a_workbook_has_sheets(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """`sheet` beside another table is a mistake of the definition; a table given in its place has none to have."""
    (tmp_path / "t.csv").write_text("title,image\nx,a.png\n")
    made = pipeline(INPUTS + "rows: {from: t.csv, sheet: Cups}\n" + STEPS)
    with pytest.raises(DefinitionError) as caught:
        prepare(made, {}, region="cn-north-4")
    assert said(caught, tmp_path) == [
        "p: D602 the table 't.csv' is no workbook and has no sheets (leave `sheet` out)"
    ]
    assert len(prepare(made, {}, tmp_path / "t.csv", region="cn-north-4").rows) == 1


def test_columns_of_items_have_to_be_there(pipeline: Callable[[str], Pipeline], tmp_path: Path) -> None:
    """Those that `foreach` uses, too."""
    (tmp_path / "t.csv").write_text("title,image\nx,a.png\n")
    made = pipeline(INPUTS + 'rows: {from: t.csv}\nsteps: {a: {uses: any, foreach: "${{ row.parts }}"}}\n')
    with pytest.raises(DefinitionError, match="uses the column 'parts'"):
        prepare(made, {}, region="cn-north-4")


def test_a_table_full_of_mistakes_is_told_without_near_names(
    pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    """Every mistake is there; what takes long to find out is only done for the first of them."""
    lines = "".join(f"x,b{number}.png\n" for number in range(600))
    (tmp_path / "t.csv").write_text(f"title,image\n{lines}")
    with pytest.raises(DefinitionError) as caught:
        prepare(pipeline(INPUTS + STEPS), {}, tmp_path / "t.csv", region="cn-north-4")
    hints = [problem.suggestion for problem in caught.value.problems]
    assert (len(hints), bool(hints[0]), bool(hints[-1])) == (600, True, False)
