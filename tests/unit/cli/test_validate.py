"""`validate`: formats for programs, severities, folders; and that nothing hostile gets far."""

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from orchestrator.cli.main import run
from orchestrator.definition import tree

WARNED: Final = """\
pipeline: cups
inputs: {size: {type: string, default: x}}
steps: {rest: {uses: sleep, with: {seconds: 1}}}
"""
WRONG: Final = WARNED.replace("seconds: 1", "seconds: much, more: 1")
TABLE: Final = """\
pipeline: cups
inputs: {title: {type: string, max_length: 3}}
rows: {from: "my cups.csv"}
steps: {make: {uses: asset.create, with: {asset_name: "${{ inputs.title }}", asset_type: IMAGE}}}
"""
#: What SARIF 2.1.0 asks of the part of it that is written.
_TEXT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
}
_LEVEL: Final = {"enum": ["none", "note", "warning", "error"]}
_RULE: Final = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "shortDescription": _TEXT,
        "help": _TEXT,
        "defaultConfiguration": {"type": "object", "properties": {"level": _LEVEL}},
    },
}
_PLACE: Final = {
    "type": "object",
    "required": ["artifactLocation"],
    "additionalProperties": False,
    "properties": {
        "artifactLocation": {
            "type": "object",
            "properties": {"uri": {"type": "string", "pattern": r"^[^ ]+$"}},
        },
        "region": {
            "type": "object",
            "properties": {
                "startLine": {"type": "integer", "minimum": 1},
                "startColumn": {"type": "integer", "minimum": 1},
            },
        },
    },
}
_RESULT: Final = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": _LEVEL,
        "message": _TEXT,
        "locations": {
            "type": "array",
            "items": {"type": "object", "properties": {"physicalLocation": _PLACE}},
        },
    },
}
_DRIVER: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "rules": {"type": "array", "items": _RULE}},
}
SARIF: Final = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "properties": {
                    "tool": {"type": "object", "required": ["driver"], "properties": {"driver": _DRIVER}},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": _RESULT},
                },
            },
        },
    },
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def validated(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run(["validate", *arguments])
    return code, capsys.readouterr().out


def test_warnings_alone_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Unless they are to be."""
    Path("a.yaml").write_text(WARNED)
    code, out = validated(capsys, "a.yaml")
    assert (code, out.splitlines()[0].split()[:3]) == (0, ["a.yaml:2:10:", "D701", "warning:"])
    assert validated(capsys, "a.yaml", "--strict")[0] == 2


def test_errors_and_warnings_are_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """In the closing line."""
    Path("a.yaml").write_text(WRONG)
    assert run(["validate", "a.yaml"]) == 2
    assert capsys.readouterr().err == "1 file: 2 problems, 1 warning\n"


def test_json_has_what_a_program_needs(capsys: pytest.CaptureFixture[str]) -> None:
    """Place, code, severity, words, and where the rule is explained; `valid` speaks of errors alone."""
    Path("a.yaml").write_text(WARNED)
    document = json.loads(validated(capsys, "a.yaml", "--format", "json")[1])
    assert document["valid"] is True
    assert document["files"][0]["problems"] == [
        {
            "file": "a.yaml",
            "line": 2,
            "column": 10,
            "code": "D701",
            "severity": "warning",
            "message": "nothing uses the input 'size'",
            "suggestion": "write ${{ inputs.size }} where it is needed, or remove it",
            "rule": "docs/reference/rules.md#d701",
        }
    ]


def test_sarif_is_what_its_schema_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    """With paths below the folder of the command as relative URIs, and each rule once."""
    Path("a.yaml").write_text(TABLE)
    Path("my cups.csv").write_text("title\nlong\nlonger\n")
    code, out = validated(capsys, "a.yaml", "--format", "sarif")
    document = json.loads(out)
    Draft7Validator(SARIF).validate(document)
    (told,) = document["runs"]
    first, second = told["results"]
    assert code == 2
    assert [rule["id"] for rule in told["tool"]["driver"]["rules"]] == ["D504"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20cups.csv"},
        "region": {"startLine": 2, "startColumn": 1},
    }
    assert second["ruleIndex"] == 0
    assert told["tool"]["driver"]["rules"][0]["help"]["text"].startswith(
        "D504 (error): The value of an input"
    )


def test_tables_are_named_as_the_definition_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """From the folder of the command; with the whole path where that was given. A table that an input names, too."""
    Path("flows").mkdir()
    Path("flows/a.yaml").write_text(TABLE.replace("my cups", "../cups"))
    Path("flows/b.yaml").write_text(
        "pipeline: b\ninputs: {t: {type: table, columns: {n: integer}, default: cups.csv}}\n"
        'steps: {rest: {uses: sleep, foreach: "${{ inputs.t }}", with: {seconds: 1}}}\n'
    )
    for folder in (Path(), Path("flows")):
        (folder / "cups.csv").write_text("title,n\nlong,x\n")
    Path("config.yaml").write_text(f"files: {{roots: [{tmp_path}]}}\n")

    def told(file: str) -> str:
        return validated(capsys, file, "--config", "config.yaml")[1]

    assert told("flows/a.yaml").startswith("cups.csv:2:1: D504 ")
    assert told(f"{tmp_path}/flows/a.yaml").startswith(f"{tmp_path}/cups.csv:2:1: D504 ")
    assert "the default of t: flows/cups.csv:2:6: " in told("flows/b.yaml")


def test_programs_get_more_than_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand problems of one code and column; people see twenty."""
    Path("a.yaml").write_text(TABLE)
    Path("my cups.csv").write_text("title\n" + "long\n" * 1010)
    assert len(validated(capsys, "a.yaml")[1].splitlines()) == 21
    (file,) = json.loads(validated(capsys, "a.yaml", "--json")[1])["files"]
    assert (len(file["problems"]), file["left_out"]) == (1000, 10)
    (told,) = json.loads(validated(capsys, "a.yaml", "--format", "sarif")[1])["runs"]
    assert len(told["results"]) == 1000


def test_workflow_commands_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """A comma in a file's name ends nothing."""
    Path("a,b.yaml").write_text(WARNED)
    out = validated(capsys, "a,b.yaml", "--format", "github")[1]
    assert out.startswith(
        "::warning file=a%2Cb.yaml,line=2,col=10,title=D701::nothing uses the input 'size' ("
    )


def test_a_folder_is_searched_for_definitions(capsys: pytest.CaptureFixture[str]) -> None:
    """Below it as well; other YAML files, hidden folders and links to folders are left out."""
    for name in ("flows/a.yaml", "flows/deep/b.yml", "flows/.hidden/c.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(WARNED)
    Path("flows/settings.yaml").write_text("region: cn-north-4\n")
    Path("flows/round").symlink_to(Path("flows").absolute())
    document = json.loads(validated(capsys, "flows", "--json")[1])
    assert [file["file"] for file in document["files"]] == ["flows/a.yaml", "flows/deep/b.yml"]


def test_a_folder_without_definitions_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A typo in CI must not pass for a success."""
    Path("empty").mkdir()
    assert run(["validate", "empty"]) == 2
    assert "No definition is in the folder empty." in capsys.readouterr().err


def test_no_file_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Only `--explain` goes without."""
    assert run(["validate"]) == 2
    assert "No definition is named." in capsys.readouterr().err
    assert run(["validate", "--explain", "D306"]) == 0
    assert capsys.readouterr().out.startswith("D306 (error): Steps wait for each other in a circle.")


def test_the_region_decides(capsys: pytest.CaptureFixture[str]) -> None:
    """An id of one region's voice is none in another."""
    call = "{uses: api.create_tts_audition, with: {text: Hi, emotion: aca15f9fe7912b2d5d8eb827f2d1327b}}"
    Path("a.yaml").write_text(f"pipeline: p\nsteps: {{hear: {call}}}\n")
    told = {region: validated(capsys, "a.yaml", "--region", region) for region in ("cn-north-4", "cn-east-3")}
    assert "D703" not in told["cn-north-4"][1]
    assert "D703" in told["cn-east-3"][1]


def test_run_refuses_what_only_the_review_finds(capsys: pytest.CaptureFixture[str]) -> None:
    """A voice of another region is not paid for either; a warning stops nothing."""
    Path("a.yaml").write_text(WARNED.replace("with:", "timeout: 1s, with:"))
    assert run(["run", "a.yaml", "--emulator"]) == 2
    assert "D708" in capsys.readouterr().err
    Path("a.yaml").write_text(WARNED.replace("seconds: 1", "seconds: 0.01"))
    assert run(["run", "a.yaml", "--emulator"]) == 0
    assert capsys.readouterr().err.startswith("a.yaml:2:10: D701 warning: ")


def test_the_schema_goes_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """With the line that an editor reads."""
    assert run(["schema", "--out", "s.json"]) == 0
    assert "# yaml-language-server: $schema=s.json" in capsys.readouterr().err
    assert json.loads(Path("s.json").read_text("utf-8"))["$schema"].startswith(
        "http://json-schema.org/draft-07"
    )
    assert run(["schema", "--out", "none/s.json"]) == 2


BOMB: Final = "pipeline: p\na0: &a0 [x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (BOMB, "D103 the definition has more than 20,000 values"),
        ("pipeline: " + "[" * 50_000, "D103 nested deeper than 40 levels"),
        ("pipeline: p\nsteps: {" + "a: {" * 100 + "}" * 101, "D103 nested deeper than 40 levels"),
        ("pipeline: p\nsteps: !!python/object/apply:os.system [id]\n", "D106 the tag"),
        (WARNED + 'outputs: {x: "${{ inputs.__class__.__mro__ }}"}\n', "D401"),
        (WARNED + 'outputs: {x: "${{ (1).__class__ }}"}\n', "D401"),
        (WARNED + 'outputs: {x: "${{ [x for x in inputs] }}"}\n', "D401"),
        (WARNED + 'outputs: {x: "${{ range(1000000000) | length }}"}\n', "D401"),
        (WARNED + 'outputs: {x: "${{ %s }}"}\n' % ("(" * 5000 + "1" + ")" * 5000), "D401"),
        ("pipeline: p\nrows: {from: ../../../../etc/passwd}\n" + WARNED.splitlines()[2], "D601 the table"),
        ("pipeline: p\nrows: {from: out.csv}\n" + WARNED.splitlines()[2], "through a link, out of the folders"),
    ],
    ids=[
        "aliases", "brackets", "mappings", "tag", "internals", "class", "loop", "range", "parentheses", "path", "link",
    ],
)  # fmt: skip
def test_hostile_definitions_are_refused(text: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a message of a line, whatever they are after."""
    Path("flows").mkdir()
    Path("flows/out.csv").symlink_to("/etc/hostname")
    Path("flows/a.yaml").write_text(text)
    code, out = validated(capsys, "flows/a.yaml")
    assert code == 2
    assert part in out
    assert len(out) < 2000


def test_a_huge_file_is_not_read_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """100 MB, of which no more than the limit is looked at."""
    with Path("big.yaml").open("wb") as file:
        file.write(b"pipeline: p\n")
        file.truncate(100_000_000)
    code, out = validated(capsys, "big.yaml")
    assert code == 2
    assert "D103" in out
    with Path("big.csv").open("wb") as file:
        file.write(b"sku\nc1\n")
        file.truncate(100_000_000)
    Path("a.yaml").write_text(TABLE.replace("my cups", "big"))
    code, out = validated(capsys, "a.yaml")
    assert code == 2
    assert "D601 the table is larger than" in out


def test_what_is_no_file_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe that nobody writes to would never end."""
    os.mkfifo("pipe.yaml")
    code, out = validated(capsys, "pipe.yaml")
    assert (code, "D101" in out) == (2, True)
    os.mkfifo("pipe.csv")
    Path("a.yaml").write_text(TABLE)
    code, out = validated(capsys, "a.yaml", "--rows", "pipe.csv")
    assert (code, "D601 the table is not a file" in out) == (2, True)


def test_the_limits_are_those_of_the_page() -> None:
    """`docs/reference/rules.md` names them."""
    assert (tree.SIZE_LIMIT, tree.NODE_LIMIT, tree.DEPTH_LIMIT) == (1_000_000, 20_000, 40)
