# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""Writes `orchestrator/metastudio/parameters.py`: what each operation takes in its path and in its query.

A part of `tools/generate.py`, which calls it with the document and its own way of writing a field.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
#: Python text of one field: name, schema, required.
Field = Callable[[str, Schema, bool], str]

_TITLE = "What each operation takes in its path and in its query: one model an operation that takes anything."


def parameters_text(document: Schema, header: str, field: Field) -> str:
    """The module's text. Raises ValueError when a parameter has the name of a body's field."""
    classes: list[str] = []
    names: dict[str, str] = {}
    for operation in _operations(document):
        found = [one for one in _resolved(document, operation) if one["name"] != "project_id"]
        if not found:
            continue
        _refuse_clash(document, operation, {one["name"] for one in found})
        identity = operation["operationId"]
        names[identity] = _class_name(identity)
        fields = [_field(one, field) for one in found]
        about = f'    """Reference {operation["x-doc-section"]}: {operation["summary"]}."""\n\n'
        classes.append(f"class {names[identity]}(RequestModel):\n{about}{''.join(fields)}\n\n")
    body = "".join(classes)
    typing = [word for word in ("Annotated", "Literal") if f"{word}[" in body]
    return "".join(
        [
            header.format(title=_TITLE),
            "from collections.abc import Mapping\nfrom types import MappingProxyType\n",
            f"from typing import {', '.join(typing)}\n\nfrom pydantic import Field\n\n" if typing else "",
            "from orchestrator.metastudio.models.base import RequestModel\n",
            "from orchestrator.metastudio.separated import Separated\n\n\n",
            body,
            "#: By operation id; those that are not here take no parameters.\n",
            "PARAMETERS: Mapping[str, type[RequestModel]] = MappingProxyType({",
            *(f"{identity!r}: {name}," for identity, name in names.items()),
            "})\n",
        ]
    )


def _operations(document: Schema) -> Iterator[Schema]:
    for item in document["paths"].values():
        yield from item.values()


def _resolved(document: Schema, operation: Schema) -> Iterator[Schema]:
    shared = document["components"]["parameters"]
    for one in operation.get("parameters", ()):
        parameter = shared[one["$ref"].rsplit("/", 1)[-1]] if "$ref" in one else one
        if parameter["in"] in {"path", "query"}:
            yield parameter


def _class_name(identity: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in identity.split("_")) + "Parameters"


def _field(parameter: Schema, field: Field) -> str:
    schema = dict(parameter["schema"])
    for key in ("description", "x-known-values"):
        if key in parameter:
            schema.setdefault(key, parameter[key])
    required = parameter["in"] == "path" or parameter.get("required", False)
    if parameter["in"] == "path":
        schema.setdefault("minLength", 1)  # without it, the path would be another resource's
    items = schema.get("x-item-enum")
    if items and "x-item-enum" in schema.get("x-inferred", ()):
        schema["x-known-values"], items = items, None  # nobody published that there are no others
    text = field(parameter["name"], schema, required)
    if not schema.get("x-comma-separated"):
        return text
    inner = f"Literal[{', '.join(map(repr, items))}]" if items else "str"
    return text.replace(": str", f": Separated[{inner}]", 1)


def _refuse_clash(document: Schema, operation: Schema, parameters: Iterable[str]) -> None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    target = content.get("schema", {}).get("$ref")
    if target is None:
        return
    fields = document["components"]["schemas"][target.rsplit("/", 1)[-1]].get("properties", {})
    if clash := set(parameters) & set(fields):
        raise ValueError(
            f"{operation['operationId']}: {', '.join(sorted(clash))} is a parameter and a field."
        )
