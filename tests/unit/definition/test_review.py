"""What is found out about a definition and its values before anything is called."""

import wave
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.definition import media
from orchestrator.definition.problems import Code, Problem
from orchestrator.definition.review import Account, Review, review
from orchestrator.metastudio.operations import RATES
from orchestrator.steps.base import kinds

REGION = "cn-north-4"
EMMA = "aca15f9fe7912b2d5d8eb827f2d1327b"
SCRIPT = """\
pipeline: p
inputs:
  title: {{type: string}}
  count: {{type: integer}}
{head}
steps:
  s:
    uses: script.create
    with:
      script_name: "${{{{ inputs.title }}}}"
      model_asset_id: 0c7798664ee7178b3dba3bbef57c32e7
      voice_config: {{voice_asset_id: {voice}, speed: {speed}}}
      video_config: {{codec: {codec}, bitrate: "${{{{ inputs.count }}}}", width: {width}, height: 1080}}
      shoot_scripts: {scenes}
"""
SCENE = "[{shoot_script: {text_config: {text: Hello.}}}]"


def looked_at(folder: Path, text: str, *, region: str = REGION, values: bool = False) -> Review:
    file = folder / "p.yaml"
    file.write_text(text, "utf-8")
    return review(file, kinds(), Account(region, (), RATES[region]), values=values)


def script(
    folder: Path,
    *,
    head: str = "",
    voice: str = EMMA,
    speed: str = "100",
    codec: str = "H264",
    width: str = "1920",
    scenes: str = SCENE,
    region: str = REGION,
) -> list[Problem]:
    text = SCRIPT.format(head=head, voice=voice, speed=speed, codec=codec, width=width, scenes=scenes)
    return list(looked_at(folder, text, region=region).problems)


def test_conditions_hold_beside_an_expression(tmp_path: Path) -> None:
    """The size is refused although the bitrate of the same object is not known yet."""
    (problem,) = script(tmp_path, width="1000")
    assert (problem.line, problem.code) == (13, Code.WRONG_PARAMETER)
    assert "1000x1080" in problem.message


def test_a_condition_that_needs_the_unknown_value_is_left_open(tmp_path: Path) -> None:
    """Neither the width that an expression gives nor what depends on it is a mistake."""
    assert script(tmp_path, width='"${{ inputs.count + 1919 }}"') == []


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"speed": '"fast ${{ inputs.count }}"'}, "has to be a whole number"),
        ({"codec": '"M${{ inputs.count }}"'}, "has to be one of"),
        ({"scenes": '"all of ${{ inputs.title }}"'}, "has to be a list"),
        ({"scenes": '["${{ inputs.title }}"' + ", {sequence_no: 1, shoot_script: {}}]"}, "needs text_config"),
    ],
)
def test_text_around_an_expression_decides(changed: dict[str, str], part: str, tmp_path: Path) -> None:
    """What no value of the expression can mend is told at once."""
    assert any(part in problem.message for problem in script(tmp_path, **changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"speed": '"1${{ inputs.count }}0"'},
        {"codec": '"H${{ inputs.title }}"'},
        {"scenes": '"${{ inputs.title }}"'},
        {"scenes": '["${{ inputs.title }}"]'},
    ],
)
def test_what_may_turn_out_right_is_left_open(changed: dict[str, str], tmp_path: Path) -> None:
    """A part of a number, of a choice, a whole list, an item."""
    assert script(tmp_path, **changed) == []


def test_speech_around_an_expression_is_read(tmp_path: Path) -> None:
    """A tag that is not there is told; what the expression may bring or close is not."""
    text = "<speak>Hi <brek/> ${{ inputs.title }}</speak>"
    (problem,) = script(tmp_path, scenes=f'[{{shoot_script: {{text_config: {{text: "{text}"}}}}}}]')
    assert "there is no tag <brek>" in problem.message
    assert (
        script(tmp_path, scenes='[{shoot_script: {text_config: {text: "${{ inputs.title }} & <b"}}}]') == []
    )


def test_the_fixed_part_of_a_speech_may_be_too_long(tmp_path: Path) -> None:
    """10,000 characters beside an expression are too many whatever it is."""
    long = "a" * 10_001 + " ${{ inputs.title }}"
    found = script(tmp_path, scenes=f'[{{shoot_script: {{text_config: {{text: "{long}"}}}}}}]')
    assert any("10,002 characters to be spoken" in one.message for one in found)


@pytest.mark.parametrize(
    ("voice", "region", "code"),
    [
        (EMMA, REGION, None),
        (EMMA, "ap-southeast-3", Code.OTHER_REGION),
        ("Emma", REGION, Code.OTHER_REGION),
        ("emma-2", REGION, Code.ODD_ID),
        ("f" * 32, REGION, None),
    ],
)
def test_a_voice_has_to_be_of_the_region(voice: str, region: str, code: Code | None, tmp_path: Path) -> None:
    """A published id of another region, a name for an id, and what is no id; own voices pass."""
    assert [one.code for one in script(tmp_path, voice=voice, region=region)] == ([code] if code else [])


ROWS = """\
pipeline: p
inputs:
  title: {type: string}
  image: {type: file, accept: [png, jpg]}
rows: {from: rows.csv}
steps:
  a: {uses: asset.create, with: {asset_name: "Picture of ${{ inputs.title }}", asset_type: %s}}
  u: {uses: file.upload, with: {asset_id: "${{ steps.a.asset_id }}", path: "${{ inputs.image }}"}}
"""


def test_rows_are_tried_in_the_parameters_they_go_into(tmp_path: Path) -> None:
    """A title that is too long only with what stands before it is told at its cell, before the first call."""
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    (tmp_path / "rows.csv").write_text(f"title,image\nCup,a.png\n{'x' * 250},a.png\n")
    (problem,) = looked_at(tmp_path, ROWS % "IMAGE").problems
    assert (Path(problem.file).name, problem.line, problem.col) == ("rows.csv", 3, 1)
    assert problem.message == "title: in the step a: asset_name has to have 256 characters or fewer"


def test_a_file_has_to_be_what_its_asset_needs(tmp_path: Path) -> None:
    """A picture in an asset of the type VIDEO is told at its cell."""
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    (tmp_path / "rows.csv").write_text("title,image\nCup,a.png\n")
    (problem,) = looked_at(tmp_path, ROWS % "VIDEO").problems
    assert (problem.line, problem.col, problem.code) == (2, 5, Code.MEDIA)


def test_a_cell_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    """Not examined further under what stands for it."""
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    (tmp_path / "rows.csv").write_text("title,image\nCup,none.png\n")
    assert [one.code for one in looked_at(tmp_path, ROWS % "IMAGE").problems] == [Code.FILE_MISSING]


def test_a_literal_path_is_looked_for(tmp_path: Path) -> None:
    """In `with` as in inputs, inside the folders that may be read."""
    text = "pipeline: p\nsteps:\n  u: {uses: file.upload, with: {asset_id: %s, path: %s}}\n"
    for path, code in (("none.png", Code.FILE_MISSING), ("../../none.png", Code.FILE_OUTSIDE)):
        assert [one.code for one in looked_at(tmp_path, text % ("f" * 32, path)).problems] == [code]


def test_an_unused_input_is_a_warning(tmp_path: Path) -> None:
    """It is told at its name, and the definition can be run."""
    text = "pipeline: p\ninputs: {a: {type: string, default: x}}\nsteps: {s: {uses: sleep, with: {seconds: 1}}}\n"
    found = looked_at(tmp_path, text, values=True)
    assert [str(one) for one in found.problems] == [
        (
            f"{tmp_path / 'p.yaml'}:2:10: D701 warning: nothing uses the input 'a' "
            "(write ${{ inputs.a }} where it is needed, or remove it)"
        )
    ]
    assert found.errors == ()
    assert found.prepared is not None


@pytest.mark.parametrize(
    "use", ['if: inputs.a == "x"', 'foreach: "${{ [inputs.a] }}"', 'if: "${{ inputs[run.name] }}"']
)
def test_an_input_is_used_wherever_an_expression_names_it(use: str, tmp_path: Path) -> None:
    """A condition without braces, a list, a name that is worked out."""
    head = "pipeline: p\ninputs: {a: {type: string, default: x}}\n"
    text = f"{head}steps:\n  s:\n    uses: sleep\n    {use}\n    with: {{seconds: 1}}\n"
    assert Code.UNUSED not in {one.code for one in looked_at(tmp_path, text).problems}


def test_a_timeout_has_to_be_longer_than_the_sleep(tmp_path: Path) -> None:
    """Also one that `defaults` gives."""
    text = "pipeline: p\ndefaults: {timeout: 1m}\nsteps: {s: {uses: sleep, with: {seconds: 60}}}\n"
    (problem,) = looked_at(tmp_path, text).problems
    assert (problem.line, problem.code) == (3, Code.TOO_SHORT_A_TIME)


def test_a_schedule_has_to_fit_the_quota(tmp_path: Path) -> None:
    """1,440 runs a day of 700 rows are more than 10 calls a second let through."""
    text = (
        'pipeline: p\non: {schedule: {cron: "%s"}}\nrows: {from: rows.csv}\n'
        "steps: {a: {uses: asset.create, with: {asset_name: x, asset_type: IMAGE}}}\n"
    )
    (tmp_path / "rows.csv").write_text("sku\n" + "c\n" * 700)
    (problem,) = looked_at(tmp_path, text % "*/1 * * * *").problems
    assert (problem.line, problem.code) == (2, Code.RATE)
    assert "1,440 runs a day of 700 rows each make 1,008,000 calls of create_digital_asset" in problem.message
    assert looked_at(tmp_path, text % "0,30 8-18 * * *").problems == ()


def _sound(path: Path, *, seconds: int = 1) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(100)
        sound.writeframes(b"\x80" * 100 * seconds)


def test_files_are_judged_by_their_content(tmp_path: Path) -> None:
    """A wrong ending, a torn picture, a wrong type for its use."""
    picture, named, torn, sound = (tmp_path / name for name in ("a.png", "a.jpg", "torn.png", "a.wav"))
    Image.new("RGB", (4, 3)).save(picture)
    named.write_bytes(picture.read_bytes())
    torn.write_bytes(picture.read_bytes()[:20])
    _sound(sound)
    assert list(media.findings(picture, media.Use.PICTURE)) == []
    assert list(media.findings(sound, media.Use.SPEECH)) == []
    for path, use, part in (
        (named, None, "is called .jpg but begins like a file of type png"),
        (torn, None, "cannot be read as a picture"),
        (sound, media.Use.PICTURE, "is of type wav"),
        (picture, media.Use.TRAINING_VIDEO, "is of type png"),
    ):
        (found,) = media.findings(path, use)
        assert part in found.message


def test_a_large_recording_is_refused_without_reading_it(tmp_path: Path) -> None:
    """101 MiB of a sparse file: its begin and its size are all that is looked at."""
    path = tmp_path / "talk.mp3"
    with path.open("wb") as file:
        file.write(b"ID3")
        file.truncate(101 * 1024 * 1024)
    (found,) = media.findings(path, media.Use.SPEECH)
    assert "100 MiB at most" in found.message


def test_a_training_video_is_measured(tmp_path: Path) -> None:
    """Frame and length are told as what the review behind the API turns down."""
    av = pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48)))
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    found = list(media.findings(path, media.Use.TRAINING_VIDEO))
    assert [one.code for one in found] == [Code.MEDIA_DOUBT, Code.MEDIA_DOUBT]
    assert "is 64x48" in found[0].message
    assert "180 s at least" in found[1].message


def test_a_definition_that_is_run_as_a_step_is_looked_at_too(tmp_path: Path) -> None:
    """Once, at its own places, although two steps run it."""
    (tmp_path / "child.yaml").write_text(
        "pipeline: child\nsteps: {s: {uses: api.show_asset, with: {asset_id: bad}}}\n", "utf-8"
    )
    step = "{uses: pipeline.run, with: {file: child.yaml}}"
    found = looked_at(tmp_path, f"pipeline: p\nsteps:\n  a: {step}\n  b: {step}\n").problems
    assert [(Path(one.file).name, one.line, one.code) for one in found] == [("child.yaml", 2, Code.ODD_ID)]


def test_a_secret_is_never_told(tmp_path: Path) -> None:
    """Not even when it stands where it cannot be right."""
    text = (
        "pipeline: p\ninputs: {key: {type: secret}}\n"
        'steps: {s: {uses: api.show_asset, with: {asset_id: "${{ inputs.key }}"}}}\n'
    )
    file = tmp_path / "p.yaml"
    file.write_text(text, "utf-8")
    found = review(file, kinds(), Account(REGION), {"key": "hunter2"})
    assert "hunter2" not in " ".join(map(str, found.problems))


SPEECHES = """\
pipeline: p
inputs: {wide: {type: integer, required: false}, after: {type: string, required: false}}
rows: {from: rows.csv}
steps:
%s  s:
    uses: script.create
%s    with:
      script_name: x
      model_asset_id: 0c7798664ee7178b3dba3bbef57c32e7
      voice_config: {voice_asset_id: aca15f9fe7912b2d5d8eb827f2d1327b}
      video_config: {codec: H264, bitrate: 4000, width: "${{ inputs.wide }}", height: 1080}
      shoot_scripts: [{shoot_script: {text_config: {text: '${{ row["speaker text"] }}'}}}]
"""


def speeches(folder: Path, *, before: str = "", more: str = "") -> list[str]:
    (folder / "rows.csv").write_text("title,speaker text,wide\nCup,Hello.,1920\nPot,,1920\nPan,Hi.,1000\n")
    problems = looked_at(folder, SPEECHES % (before, more)).problems
    return [f"{one.line}:{one.col} {one.code} {one.message} ({one.suggestion})" for one in problems[1:]]


def test_conditions_hold_for_the_values_of_a_row(tmp_path: Path) -> None:
    """A cell without speech and a width that does not fit the height are told at their cells."""
    empty, wide = speeches(tmp_path)
    assert empty == (
        "3:5 D504 speaker text: in the step s, script_type TEXT, the default, needs text_config with a text that is "
        "not empty (fill in the cell)"
    )
    assert wide.startswith("4:9 D504 wide: in the step s, width and height are 1000x1080")


@pytest.mark.parametrize(
    ("before", "more"),
    [
        ("", "    if: row.title\n"),
        ("", "    foreach: [1, 2]\n"),
        ("  w: {uses: sleep, if: row.title, with: {seconds: 1}}\n", "    needs: w\n"),
    ],
)
def test_conditions_are_left_open_where_a_step_may_be_skipped(before: str, more: str, tmp_path: Path) -> None:
    """It may be skipped just because the cell is empty."""
    assert speeches(tmp_path, before=before, more=more) == []


def test_conditions_hold_behind_a_repeated_step(tmp_path: Path) -> None:
    """It may have nothing to repeat, but it is not skipped."""
    before = "  w: {uses: sleep, foreach: [1], with: {seconds: 1}}\n"
    assert len(speeches(tmp_path, before=before, more="    needs: w\n")) == 2


def test_an_input_without_a_value_is_told_where_one_is_needed(tmp_path: Path) -> None:
    """Not while nobody has been asked for its value."""
    text = (
        "pipeline: p\ninputs: {name: {type: string, required: false}}\n"
        'steps: {a: {uses: asset.create, with: {asset_name: "${{ inputs.name }}", asset_type: IMAGE}}}\n'
    )
    assert looked_at(tmp_path, text).problems == ()
    (problem,) = looked_at(tmp_path, text, values=True).problems
    assert problem.message == "name: in the step a, asset_name needs a value"


def test_what_cannot_be_read_is_not_told_again_as_missing(tmp_path: Path) -> None:
    """Neither where its value goes, nor where a condition asks for it."""
    (tmp_path / "rows.csv").write_text("title,speaker text,wide\nCup,Hello.,wide\n")
    problems = looked_at(tmp_path, SPEECHES % ("", "")).problems
    assert [one.message for one in problems[1:]] == ['wide: "wide" is not a whole number']


def test_a_long_speech_is_told_in_a_sentence(tmp_path: Path) -> None:
    """With its subject."""
    (tmp_path / "rows.csv").write_text(f"title,speaker text,wide\nCup,{'a' * 10_001},1920\n")
    problems = looked_at(tmp_path, SPEECHES % ("", "")).problems
    assert "speaker text: in the step s, the text has 10,001 characters" in problems[1].message


def test_a_secret_that_is_not_set_stops_only_a_run(tmp_path: Path) -> None:
    """What calls nothing goes on with a warning."""
    file = tmp_path / "p.yaml"
    file.write_text(
        "pipeline: p\ninputs: {key: {type: secret}}\n"
        'steps: {s: {uses: notify.webhook, with: {url: "https://x.example", headers: {k: "${{ inputs.key }}"}}}}\n'
    )
    told = {
        runs: review(file, kinds(), Account(REGION, secrets=(), runs=runs), values=True)
        for runs in (True, False)
    }
    assert [one.code for one in told[True].errors] == [Code.MISSING_INPUT]
    assert (told[False].errors, [one.code for one in told[False].problems]) == ((), [Code.SECRET_NOT_SET])
    assert told[False].prepared is not None
