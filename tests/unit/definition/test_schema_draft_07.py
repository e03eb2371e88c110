"""What an editor makes of the schema: samples pass, common mistakes do not."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from orchestrator.definition import tree
from orchestrator.definition.fragments import EXTENDS
from orchestrator.definition.schema import definition_schema
from orchestrator.steps.base import kinds

SAMPLES = Path(__file__).parents[3] / "pipelines"
#: Bytes of the whole schema: what an editor has to load.
LARGEST = 1_000_000


@cache
def whole() -> dict[str, Any]:
    return definition_schema(kinds())


@cache
def validator() -> Draft7Validator:
    return Draft7Validator(whole())


def read(text: str) -> Any:
    _, root = tree.read("p.yaml", text.encode())
    assert root is not None
    return root.plain()


def errors(text: str) -> list[str]:
    return [error.message for error in validator().iter_errors(read(text))]


def test_the_schema_is_valid_and_small() -> None:
    """Draft-07 itself says so, and editors load it at once."""
    schema = whole()
    Draft7Validator.check_schema(schema)
    assert len(json.dumps(schema)) < LARGEST


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_sample_is_valid(sample: Path) -> None:
    """An editor marks nothing in what we ship."""
    assert errors(sample.read_text("utf-8")) == []


def test_every_operation_is_complete() -> None:
    """Each parameter of each kind is there with what the API says of it, not in outline."""
    definitions = whole()["definitions"]
    for name, kind in kinds().items():
        part = definitions[name]
        while "$ref" in part:
            part = definitions[part["$ref"].removeprefix("#/definitions/")]
        fields = {field.alias or key for key, field in kind.params.model_fields.items()}
        assert set(part.get("properties", {})) - {EXTENDS} == fields, name
    scene = definitions["part TextConfig"]["properties"]["text"]
    assert scene["description"]


STEP = "pipeline: p\nsteps:\n  a: "
SCRIPT = (
    STEP
    + """
    uses: script.create
    with:
      script_name: x
      model_asset_id: "${{ inputs.avatar }}"
      voice_config: {voice_asset_id: v, speed: %s}
      video_config: {codec: %s, bitrate: 4000, width: 1920, height: 1080}
      shoot_scripts: %s
"""
)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (STEP + "{uses: asset.creat, with: {}}", "asset.creat"),
        (STEP + "{uses: sleep}", "'with' is a required property"),
        (STEP + "{uses: sleep, with: {second: 5}}", "second"),
        (STEP + "{uses: sleep, with: {seconds: -1}}", "-1"),
        (STEP + "{uses: sleep, with: {seconds: 5}, tiemout: 5m}", "tiemout"),
        (STEP + "{uses: api.show_asset, with: {}}", "asset_id"),
        (SCRIPT % (5, "H264", "[]"), "5"),
        (SCRIPT % (100, "H265", "[]"), "H265"),
        (SCRIPT % (100, "H264", "[{shoot_script: {text_confg: {text: x}}}]"), "text_confg"),
    ],
)
def test_common_mistakes_are_marked(text: str, part: str) -> None:
    """Misspelt kinds and keys, missing parameters, wrong values, however deep they stand."""
    assert any(part in message for message in errors(text))


@pytest.mark.parametrize(
    "scenes",
    [
        '"${{ inputs.scenes }}"',
        '["${{ inputs.scene }}"]',
        '[{shoot_script: "${{ inputs.scene }}"}]',
        '[{sequence_no: "${{ inputs.n }}", shoot_script: {text_config: {text: "Hello ${{ inputs.name }}"}}}]',
    ],
)
def test_an_expression_may_stand_at_any_depth(scenes: str) -> None:
    """For a list, an item, an object, a number or a part of a text."""
    assert errors(SCRIPT % ('"${{ inputs.speed }}"', '"${{ inputs.codec }}"', scenes)) == []
