"""The JSON Schema (draft-07) of a definition, for editors. Made from the models that the loader itself uses."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from orchestrator.definition.grammar import PipelinePart
from orchestrator.definition.kinds import API, StepKinds

_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
#: Keywords of OpenAPI or of later drafts that say nothing in draft-07.
_FOREIGN: Final = frozenset({"discriminator", "$defs"})
#: What the outline of an API call's parameters keeps beside their names.
_OUTLINED: Final = frozenset({"description", "required", "additionalProperties"})
#: A value that is worked out later may stand in place of any literal parameter.
_EXPRESSION: Final[Mapping[str, Any]] = {"type": "string", "pattern": r"\$\{\{"}


def definition_schema(kinds: StepKinds | None = None) -> dict[str, Any]:
    """The schema; with `kinds`, `uses` and the parameters in `with` are described too, those of `api.*` in outline."""
    schema: dict[str, Any] = {"$schema": _DIALECT, **_draft_07(PipelinePart)}
    definitions: dict[str, Any] = schema["definitions"]
    if kinds:
        step = definitions["StepPart"]
        step["properties"]["uses"]["enum"] = sorted(kinds)
        step["allOf"] = []
        for name, kind in sorted(kinds.items()):
            params = _draft_07(kind.params)
            inner = params.pop("definitions", {})
            if name.startswith(API):
                definitions[name] = _outline(params)
            else:
                prefix = f"{name}."
                definitions.update(
                    {prefix + key: _renderable(_prefixed(value, prefix)) for key, value in inner.items()}
                )
                definitions[name] = _renderable(_prefixed(params, prefix))
            then: dict[str, Any] = {"properties": {"with": {"$ref": f"#/definitions/{name}"}}}
            if params.get("required"):
                then["required"] = ["with"]
            step["allOf"].append(
                {"if": {"properties": {"uses": {"const": name}}, "required": ["uses"]}, "then": then}
            )
    return schema


def _draft_07(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    converted: dict[str, Any] = _without_foreign(schema)
    if "$defs" in schema:
        converted["definitions"] = {name: _without_foreign(value) for name, value in schema["$defs"].items()}
    return converted


def _without_foreign(value: Any) -> Any:
    match value:
        case dict():
            kept = {key: _without_foreign(item) for key, item in value.items() if key not in _FOREIGN}
            if "$ref" in kept and len(kept) > 1:  # draft-07 reads nothing beside a reference
                return {"allOf": [{"$ref": kept.pop("$ref")}], **kept}
            return kept
        case list():
            return [_without_foreign(item) for item in value]
        case _:
            return value


def _prefixed(value: Any, prefix: str) -> Any:
    match value:
        case dict():
            return {
                key: f"#/definitions/{prefix}{item.rsplit('/', 1)[-1]}"
                if key == "$ref"
                else _prefixed(item, prefix)
                for key, item in value.items()
            }
        case list():
            return [_prefixed(item, prefix) for item in value]
        case _:
            return value


def _outline(schema: dict[str, Any]) -> dict[str, Any]:
    """The names of an API call's parameters and what they mean; `validate` checks the rest.

    The whole models of all operations would be many times as long as everything else together.
    """
    members = schema.get("properties", {})
    shown = {
        name: {key: member[key] for key in member if key == "description"} | _choices(member)
        for name, member in members.items()
    }
    kept = {key: item for key, item in schema.items() if key in _OUTLINED}
    return {"type": "object", **kept, "properties": shown}


def _choices(member: dict[str, Any]) -> dict[str, Any]:
    """What an editor can offer for a member with few values, beside an expression."""
    options = [option for option in member.get("anyOf", [member]) if "enum" in option]
    if not options:
        return {}
    return {"anyOf": [{"enum": options[0]["enum"]}, dict(_EXPRESSION)]}


def _renderable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object, each of whose members may be an expression instead."""
    members = schema.get("properties")
    if not isinstance(members, dict):
        return schema
    return {**schema, "properties": {name: _or_expression(member) for name, member in members.items()}}


def _or_expression(member: dict[str, Any]) -> dict[str, Any]:
    if "items" in member and isinstance(member["items"], dict):
        member = {**member, "items": _or_expression(member["items"])}
    shown: dict[str, Any] = {key: member[key] for key in ("title", "description", "default") if key in member}
    return {
        **shown,
        "anyOf": [{key: item for key, item in member.items() if key not in shown}, dict(_EXPRESSION)],
    }
