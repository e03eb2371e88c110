"""The JSON Schema: what the loader takes, for editors."""

import json
from typing import Any

from orchestrator.definition.grammar import PipelinePart
from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.schema import definition_schema


def references(value: Any) -> set[str]:
    match value:
        case dict():
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        case list():
            return set().union(*map(references, value))
        case _:
            return set()


def test_the_schema_is_draft_07_and_whole(kinds: StepKinds) -> None:
    """Every reference leads to a definition, and no keyword of a later draft is left."""
    schema = definition_schema(kinds)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert {ref.removeprefix("#/definitions/") for ref in references(schema)} <= schema["definitions"].keys()
    text = json.dumps(schema)
    assert "$defs" not in text
    assert "prefixItems" not in text
    assert "discriminator" not in text


def test_the_schema_has_the_keys_of_the_grammar() -> None:
    """Both come from one description."""
    schema = definition_schema()
    assert schema["properties"].keys() == {
        field.alias or name for name, field in PipelinePart.model_fields.items()
    }
    assert schema["additionalProperties"] is False
    assert all(member.get("description") or "$ref" in member for member in schema["properties"].values())


def test_parameters_of_step_kinds_are_described(kinds: StepKinds) -> None:
    """`uses` lists the kinds, and each member of `with` may be an expression instead."""
    schema = definition_schema(kinds)
    step = schema["definitions"]["StepPart"]
    assert step["properties"]["uses"]["enum"] == ["any", "thing.make", "thing.use"]
    assert {branch["if"]["properties"]["uses"]["const"] for branch in step["allOf"]} == set(kinds)
    name = schema["definitions"]["thing.make"]["properties"]["name"]
    assert {"type": "string", "pattern": r"\$\{\{"} in name["anyOf"]
