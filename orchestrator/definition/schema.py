"""The JSON Schema (draft-07) of a definition, for editors. Made from the models that the loader itself uses."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orchestrator.definition.fragments import EXTENDS
from orchestrator.definition.grammar import PipelinePart
from orchestrator.definition.kinds import StepKinds

_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_REF: Final = "#/definitions/"
#: Keywords of OpenAPI or of later drafts that say nothing in draft-07, and titles, which only repeat names.
_FOREIGN: Final = frozenset({"discriminator", "$defs", "title"})
#: What stands for a value that is worked out later, such as ${{ inputs.title }}.
_EXPRESSION: Final[Mapping[str, Any]] = {"type": "string", "pattern": r"\$\{\{"}
#: Before the names of the parts of parameters, so that none is taken for one of the grammar's.
_PART: Final = "part "
#: What a parameter says besides its type.
_SHOWN: Final = ("description", "default", "examples", "deprecated")


def definition_schema(kinds: StepKinds | None = None) -> dict[str, Any]:
    """The schema; with `kinds`, `uses` and the parameters in `with` are described too, each part of them once."""
    schema: dict[str, Any] = {"$schema": _DIALECT, **_draft_07(PipelinePart)}
    if not kinds:
        return schema
    definitions: dict[str, Any] = schema["definitions"]
    definitions.update(_parameters(kinds))
    step = definitions["StepPart"] = _extendable(definitions["StepPart"])
    definitions[EXTENDS] = step["properties"][EXTENDS]
    step["properties"]["uses"]["enum"] = sorted(kinds)
    step["properties"]["uses"]["enumDescriptions"] = [_about(kinds[name]) for name in sorted(kinds)]
    step["allOf"] = [_branch(kind, needed=_required(kinds[kind].params)) for kind in sorted(kinds)]
    return schema


def _branch(kind: str, *, needed: bool) -> dict[str, Any]:
    then: dict[str, Any] = {"properties": {"with": {"$ref": _REF + kind}}}
    if needed:
        then = _extendable({**then, "required": ["with"]})
    return {"if": {"properties": {"uses": {"const": kind}}, "required": ["uses"]}, "then": then}


def _about(kind: object) -> str:
    return str(getattr(kind, "summary", ""))


def _required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _parameters(kinds: StepKinds) -> dict[str, Any]:
    """Each kind's parameters under its name, and their parts, those that several kinds share once."""
    models = {name: kind.params for name, kind in kinds.items()}
    found, document = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models.values())],
        by_alias=True,
        ref_template=_REF + _PART + "{model}",
    )
    parts = {
        _PART + name: _renderable(_without_foreign(part)) for name, part in document.get("$defs", {}).items()
    }
    named: dict[str, Any] = {}
    for kind, model in models.items():
        part = str(found[model, "validation"]["$ref"]).removeprefix(_REF)
        # Who else needs it finds it under the name of its first kind.
        named[kind] = parts[part]
        parts[part] = {"$ref": _REF + kind}
    used = _references([*named.values(), *parts.values()])
    return {**named, **{name: part for name, part in parts.items() if name in used}}


def _references(value: Any) -> set[str]:
    match value:
        case {"$ref": str(target)}:
            return {target.removeprefix(_REF)}
        case dict():
            return set().union(*map(_references, value.values()))
        case list():
            return set().union(*map(_references, value))
        case _:
            return set()


def _draft_07(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, ref_template=_REF + "{model}")
    converted: dict[str, Any] = _without_foreign(schema)
    if "$defs" in schema:
        converted["definitions"] = {name: _without_foreign(value) for name, value in schema["$defs"].items()}
    return converted


def _without_foreign(value: Any, *, names: bool = False) -> Any:
    """`value` without foreign keywords; in a mapping of `names`, such as properties, every key is kept."""
    match value:
        case dict():
            kept = {
                key: _without_foreign(item, names=key in {"properties", "patternProperties"} and not names)
                for key, item in value.items()
                if names or key not in _FOREIGN
            }
            if "$ref" in kept and len(kept) > 1 and not names:  # draft-07 reads nothing beside a reference
                return {"allOf": [{"$ref": kept.pop("$ref")}], **kept}
            return kept
        case list():
            return [_without_foreign(item) for item in value]
        case _:
            return value


def _renderable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object, each of whose members may be an expression instead; any other is returned as it is."""
    members = schema.get("properties")
    if not isinstance(members, dict):
        return schema
    members = {name: _or_expression(member) for name, member in members.items()}
    return _extendable({**schema, "properties": {**members, EXTENDS: {"$ref": _REF + EXTENDS}}})


def _extendable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a mapping that may get what it needs from fragments."""
    if not (needed := schema.get("required")):
        return schema
    rest = {key: item for key, item in schema.items() if key != "required"}
    # Said so, and not as a choice of two, editors name what is missing.
    return {**rest, "if": {"required": [EXTENDS]}, "then": {}, "else": {"required": needed}}


def _or_expression(member: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        key: member[key] for key in _SHOWN if key in member and (key, member[key]) != ("default", None)
    }
    rest = {key: item for key, item in member.items() if key not in _SHOWN}
    if not rest:  # anything will do
        return shown
    return {**shown, "anyOf": [*map(_inside, _alternatives(rest)), dict(_EXPRESSION)]}


def _alternatives(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match schema:
        case {"anyOf": list() as options} if len(schema) == 1:
            yield from options
        case {"allOf": [dict() as only]} if len(schema) == 1:
            yield only
        case _:
            yield schema


def _inside(schema: dict[str, Any]) -> dict[str, Any]:
    """A list whose items, or a mapping whose values, may be expressions too."""
    changed = {
        key: _or_expression(schema[key])
        for key in ("items", "additionalProperties")
        if isinstance(schema.get(key), dict)
    }
    return _renderable({**schema, **changed})
