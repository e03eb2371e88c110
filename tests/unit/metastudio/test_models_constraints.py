"""Every constraint of the API document holds in the request models: what is at its edge passes, what is beyond fails."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from orchestrator.metastudio.models.base import RequestModel

MODELS = Path(__file__).parents[3] / "orchestrator" / "metastudio" / "models"

Schema = Mapping[str, Any]


@cache
def schemas() -> Mapping[str, Schema]:
    document = YAML(typ="safe").load((MODELS.parent / "spec/metastudio.openapi.yaml").read_text())
    found: Mapping[str, Schema] = document["components"]["schemas"]
    return found


@cache
def request_models() -> Mapping[str, type[RequestModel]]:
    """Each schema that we send, with its class."""
    classes = {
        name: value
        for path in MODELS.glob("*.py")
        for name, value in vars(import_module(f"orchestrator.metastudio.models.{path.stem}")).items()
        if isinstance(value, type) and issubclass(value, RequestModel) and value is not RequestModel
    }
    return {name: classes[name] for name in schemas() if name in classes}


def resolved(schema: Schema) -> Schema:
    return schemas()[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def sample(schema: Schema) -> Any:
    """The least that a schema takes."""
    schema = resolved(schema)
    if fixed := [schema["const"]] if "const" in schema else schema.get("enum"):
        return fixed[0]
    match schema.get("type", "object"):
        case "string":
            return "x" * schema.get("minLength", 0) or ("x" if "pattern" in schema else "")
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case "array":
            return [sample(schema["items"]) for _ in range(schema.get("minItems", 0))]
        case _:
            return {
                name: sample(schema["properties"][name])
                for name in schema.get("required", ())
                if not schema["properties"][name].get("readOnly")
            }


@dataclass(frozen=True)
class Trial:
    """A value for one place, whether it is allowed, and which constraint says so."""

    constraint: str
    value: Any
    allowed: bool


def trials(schema: Schema) -> Iterator[Trial]:
    """Values at and beyond each edge of a schema, but not of the models that it refers to."""
    if "enum" in schema:
        yield from (Trial("enum", value, allowed=True) for value in schema["enum"])
        yield Trial("enum", "NONE_OF_THEM", allowed=False)
        return
    match schema.get("type"):
        case "string":
            yield from _of_text(schema)
        case "integer" | "number":
            yield from _of_number(schema)
        case "array":
            yield from _of_list(schema)
        case "object" if "properties" in schema:
            yield from (trial for _, trial in _of_object(schema))


def _of_text(schema: Schema) -> Iterator[Trial]:
    if low := schema.get("minLength"):
        yield Trial("minLength", "x" * low, allowed=True)
        yield Trial("minLength", "x" * (low - 1), allowed=False)
    if "maxLength" in schema:
        yield Trial("maxLength", "x" * schema["maxLength"], allowed=True)
        yield Trial("maxLength", "x" * (schema["maxLength"] + 1), allowed=False)
    if "pattern" in schema:
        yield Trial("pattern", "a-B_9", allowed=True)
        yield Trial("pattern", "a b", allowed=False)


def _of_number(schema: Schema) -> Iterator[Trial]:
    for name, beyond in (("minimum", -1), ("maximum", 1)):
        if name in schema:
            edge = schema[name]
            yield Trial(name, edge, allowed=True)
            # A float of this size has no room for a step of one.
            step = abs(edge) if schema["type"] == "number" and abs(edge) > 2**53 else 1
            yield Trial(name, edge + beyond * step, allowed=False)
    yield Trial("type", "many", allowed=False)


def _of_list(schema: Schema) -> Iterator[Trial]:
    item = sample(schema["items"])
    if low := schema.get("minItems"):
        yield Trial("minItems", [item] * low, allowed=True)
        yield Trial("minItems", [item] * (low - 1), allowed=False)
    if "maxItems" in schema:
        yield Trial("maxItems", [item] * schema["maxItems"], allowed=True)
        yield Trial("maxItems", [item] * (schema["maxItems"] + 1), allowed=False)
    for trial in trials(schema["items"]):
        count = max(1, schema.get("minItems", 0))
        yield Trial(f"items.{trial.constraint}", [trial.value] * count, allowed=trial.allowed)


def _of_object(schema: Schema) -> Iterator[tuple[str, Trial]]:
    least = sample(schema)
    for name in least:
        rest = {key: value for key, value in least.items() if key != name}
        yield name, Trial("required", rest, allowed=False)
    for name, inner in schema["properties"].items():
        for trial in trials(inner):
            allowed = trial.allowed and not inner.get("readOnly")
            yield name, Trial(trial.constraint, {**least, name: trial.value}, allowed=allowed)
    yield "of_nobody", Trial("additionalProperties", {**least, "of_nobody": 1}, allowed=False)


def _faults(model: type[RequestModel], value: Any) -> set[int | str]:
    """The fields that a model refuses, each by itself."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return {detail["loc"][0] for detail in error.errors() if detail["type"] != "condition"}
    return set()


@pytest.mark.parametrize("name", request_models())
def test_every_constraint_of_the_document_holds(name: str) -> None:
    """At the edge it passes; beyond it fails, and the error names the field."""
    model, schema = request_models()[name], schemas()[name]
    assert _faults(model, sample(schema)) == set()
    for place, trial in _of_object(schema):
        faults = _faults(model, trial.value)
        assert faults == (set() if trial.allowed else {place}), f"{trial.constraint} of {name}.{place}"


KEYWORDS = ("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "pattern", "enum")


def _written(node: Any) -> Iterator[str]:
    """The constraints that stand in a schema; an enum says all, and a text of no characters at least is any."""
    match node:
        case {"enum": _}:
            yield "enum"
        case Mapping():
            yield from (
                key
                for key in KEYWORDS
                if key in node and (key, node[key]) not in {("minLength", 0), ("minItems", 0)}
            )
            for value in node.values():
                yield from _written(value)
        case list():
            for value in node:
                yield from _written(value)


def test_no_constraint_is_forgotten() -> None:
    """As many are tried as the document writes down, of each sort."""
    written, tried = Counter[str](), Counter[str]()
    for name in request_models():
        written.update(_written(schemas()[name].get("properties", {})))
        edges = {
            (place, trial.constraint) for place, trial in _of_object(schemas()[name]) if not trial.allowed
        }
        tried.update(constraint.rpartition(".")[2] for _, constraint in edges)
    assert {key: tried[key] for key in KEYWORDS} == {key: written[key] for key in KEYWORDS}
    assert sum(written.values()) > 400
