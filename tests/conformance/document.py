"""The OpenAPI document as the judge of answers: what an operation may say, and the requests that it shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

FILE = Path(__file__).parents[2] / "orchestrator" / "metastudio" / "spec" / "metastudio.openapi.yaml"
JSON = "application/json"
#: What the gateway, and IAM, say for themselves; the document describes the service's own refusals alone.
_ERROR = "ErrorResponse"
#: Bounds of fields in answers that the document contradicts itself: a file made by the large-file call may have 500 GB,
#: and is shown with its size.
_CONTRADICTED = {"file_size": frozenset({"maximum"})}

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A request body that the document shows."""

    operation: str
    name: str
    value: Any
    #: The example breaks its own table.
    broken: bool


@cache
def document() -> Mapping[str, Any]:
    """The whole document."""
    read: Mapping[str, Any] = YAML(typ="safe").load(FILE.read_text("utf-8"))
    return read


@cache
def operations() -> Mapping[str, Mapping[str, Any]]:
    """The raw description of each operation, by its id."""
    return {raw["operationId"]: raw for item in document()["paths"].values() for raw in item.values()}


def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference stands for; anything else is itself."""
    while "$ref" in node:
        found: Any = document()
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def parameters(operation: str, place: str) -> Iterator[Mapping[str, Any]]:
    """The parameters of an operation in its `query`, `path` or `header`."""
    for raw in operations()[operation].get("parameters", ()):
        if (one := resolved(raw))["in"] == place:
            yield one


def body_schema(operation: str) -> Schema | None:
    """The schema of the body that is sent; None for an operation without one."""
    content = operations()[operation].get("requestBody", {}).get("content", {})
    return content[JSON]["schema"] if JSON in content else None


def examples() -> Iterator[Example]:
    """Every example of a request."""
    for name, raw in operations().items():
        content = raw.get("requestBody", {}).get("content", {}).get(JSON, {})
        for key, example in content.get("examples", {}).items():
            yield Example(name, key, example["value"], broken="x-doc-bug" in example)


def complaints(operation: str, status: int, answer: Any) -> list[str]:
    """What is wrong with an answer (None: it has no body): its status, a type, a value, a field, a null."""
    described = operations()[operation]["responses"]
    if status >= 400:
        schema = described.get(str(status), {}).get("content", {}).get(JSON, {}).get("schema", {})
        return _misfits(schema.get("$ref", _ERROR).rsplit("/", 1)[-1], answer, extra=("request_id",))
    if str(status) not in described:
        return [f"the status {status} is none of {', '.join(described)}"]
    content = described[str(status)].get("content", {})
    if JSON not in content:
        return [] if answer is None else ["there is a body, and the document has none"]
    return _misfits(content[JSON]["schema"]["$ref"].rsplit("/", 1)[-1], answer)


def _misfits(name: str, answer: Any, extra: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{'/'.join(map(str, error.absolute_path)) or 'the answer'}: {error.message[:200]}"
        for error in _validator(name, extra).iter_errors(answer)
    ]


@cache
def _validator(name: str, extra: tuple[str, ...]) -> Draft202012Validator:
    """The schema `name`, closed: a field that it does not have is a mistake, and what is not said to be null is not."""
    schemas = {key: _closed(schema) for key, schema in document()["components"]["schemas"].items()}
    root = dict(schemas[name])
    root["properties"] = {**root.get("properties", {}), **{key: {"type": "string"} for key in extra}}
    return Draft202012Validator({**root, "components": {"schemas": schemas}})


def _closed(node: Any) -> Any:
    """For answers: objects with named fields hold no others; `required` binds requests alone."""
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, Mapping):
        return node
    closed = {
        key: {name: bound for name, bound in value.items() if name not in _CONTRADICTED[key]}
        if key in _CONTRADICTED and isinstance(value, Mapping)
        else _closed(value)
        for key, value in node.items()
        if not _binds_requests(key, value)
    }
    if isinstance(node.get("properties"), Mapping) and "additionalProperties" not in node:
        closed["additionalProperties"] = False
    return closed


def _binds_requests(key: str, value: Any) -> bool:
    return key == "required" and isinstance(value, list)
