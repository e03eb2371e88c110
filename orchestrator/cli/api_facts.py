"""The facts of one operation, read from the package's OpenAPI file: parameters, bodies, examples, refusals.

The whole file takes most of a second to read as YAML. Its layout is fixed (two spaces a level, one block a name), so
that only the lines of the operation, and of what it refers to, are.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from orchestrator.errors import UsageError
from orchestrator.metastudio import conditions
from orchestrator.metastudio.conditions.base import SCHEMAS_OF
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.metastudio.operations import OPERATIONS

Schema = Mapping[str, Any]

#: Parameters that follow from the account, not from the call.
_OURS = frozenset({"project_id", "X-Auth-Token", "Authorization", "X-Sdk-Date", "X-Project-Id"})
_COMPONENT = re.compile(r"#/components/(\w+)/(\w+)")
#: Notes of the spec on where a fact was found; the others say something about the value.
_PROVENANCE = re.compile(r"x-(doc-|mandatory|variant|inferred|repaired|sdk|direction|target|no-body)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the path, the query or a header."""

    name: str
    place: Literal["path", "query", "header"]
    required: bool
    description: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Refusal:
    """A way in which the service says no. The code and its text are an example, empty where there is none."""

    status: str
    meaning: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the reference says of an operation. Schemas refer to those in `schemas` as `#/$defs/NAME`."""

    operation: AnyOperation
    parameters: tuple[Parameter, ...]
    body: Schema | None
    answer: Schema | None
    schemas: Mapping[str, Schema]
    #: An example of the body and of the answer; None where the reference has none.
    body_example: Any
    answer_example: Any
    refusals: tuple[Refusal, ...]

    def resolved(self, schema: Schema) -> Schema:
        """The schema itself, or the one that it refers to, with what stands beside the reference."""
        while "$ref" in schema:
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self.schemas[schema_name(schema)], **beside}
        return schema

    def schema(self, schema: Schema) -> Schema:
        """It as a JSON Schema of its own, with the schemas that it refers to."""
        return {**schema, "$defs": {name: self.schemas[name] for name in sorted(self._reached(schema))}}

    def conditions(self) -> list[tuple[str, str]]:
        """What the body has to meet beyond the types of its fields: the schema that it is about, and a sentence."""
        if self.body is None:
            return []
        for info in pkgutil.iter_modules(conditions.__path__):
            importlib.import_module(f"{conditions.__name__}.{info.name}")
        sent = self._reached(self.body)
        return [
            (name, (condition.__doc__ or "").splitlines()[0])
            for condition, names in SCHEMAS_OF.items()
            for name in names
            if name in sent
        ]

    def _reached(self, schema: Schema) -> set[str]:
        found: set[str] = set()
        queue = [schema]
        while queue:
            for name in {target.rsplit("/", 1)[-1] for target in _refs(queue.pop())} - found:
                found.add(name)
                queue.append(self.schemas[name])
        return found


def schema_name(schema: Schema) -> str:
    """The name of the schema that this one refers to; empty if it stands for itself."""
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]


def find_operation(name: str) -> AnyOperation:
    """The operation of that id; `ListAssets`, `list-assets` and `api.list_assets` are `list_assets` as well.

    Raises UsageError for any other name.
    """
    known = {_folded(one): one for one in OPERATIONS}
    found = known.get(_folded(name.removeprefix("api.")))
    if found is None:
        near = get_close_matches(_folded(name), known, n=1)
        raise UsageError(
            f"The API has no operation {name!r}.",
            hint=f"did you mean {known[near[0]]!r}?" if near else "`orchestrator api list` shows them.",
        )
    return OPERATIONS[found]


def facts(operation: AnyOperation) -> Facts:
    """All that the reference says of the operation (its section is `operation.section`)."""
    spec = _spec()
    found = spec.operation(operation.id)
    parameters = [spec.resolved(one) for one in found.get("parameters", ())]
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {})
    answered = next(one for status, one in found["responses"].items() if status.startswith("2"))
    answer = answered.get("content", {}).get("application/json", {})
    wanted = {"body": body.get("schema"), "answer": answer.get("schema")}
    return Facts(
        operation=operation,
        parameters=tuple(
            Parameter(
                one["name"],
                one["in"],
                one.get("required", False),
                one.get("description", ""),
                _plain(one["schema"]),
            )
            for one in parameters
            if one["name"] not in _OURS
        ),
        body=None if wanted["body"] is None else _plain(wanted["body"]),
        answer=None if wanted["answer"] is None else _plain(wanted["answer"]),
        schemas=spec.schemas(wanted),
        body_example=_example(body),
        answer_example=_example(answer),
        refusals=tuple(_refusals(found["responses"])),
    )


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _refusals(responses: Mapping[str, Schema]) -> Iterator[Refusal]:
    for status, one in responses.items():
        if not status.startswith("2"):
            example = _example(one.get("content", {}).get("application/json", {})) or {}
            yield Refusal(
                status,
                one.get("description", ""),
                example.get("error_code", ""),
                example.get("error_msg", ""),
            )


def _example(content: Schema) -> Any:
    """The first one that agrees with its own table, else any."""
    examples = list(content.get("examples", {}).values())
    best = [one for one in examples if "x-doc-bug" not in one] or examples
    return best[0].get("value") if best else None


def _plain(node: Any) -> Any:
    """Without notes on provenance, and with references as JSON Schema has them."""
    match node:
        case dict():
            if "x-item-enum" in node.get("x-inferred", ()):
                # Nobody published that there are no other values.
                node = {**node, "x-known-values": node["x-item-enum"], "x-item-enum": None}
            return {
                key: value.replace("#/components/schemas/", "#/$defs/") if key == "$ref" else _plain(value)
                for key, value in node.items()
                if value is not None and not _PROVENANCE.match(str(key))
            }
        case list():
            return [_plain(one) for one in node]
        case _:
            return node


def _refs(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(target)}:
            yield target
        case dict():
            for value in node.values():
                yield from _refs(value)
        case list():
            for value in node:
                yield from _refs(value)


class _Spec:
    """The OpenAPI file, of which only the asked blocks are read."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._operations: dict[str, int] = {}
        self._components: dict[tuple[str, str], int] = {}
        self._read: dict[int, Any] = {}
        method, kind, below = 0, "", False
        for number, line in enumerate(self._lines):
            if line.startswith("      operationId: "):
                self._operations[line.split()[1]] = method
            elif line.startswith("    ") and line[4] != " " and line.endswith(":"):
                method = number
                if below:
                    self._components[kind, line.strip(" :")] = number
            elif line.startswith("  ") and line[2] != " ":
                kind = line.strip(" :")
            elif line[:1] not in {" ", "#", "-"}:
                below = line == "components:"

    def operation(self, name: str) -> Schema:
        block: Schema = self._block(self._operations[name])
        return block

    def resolved(self, node: Schema) -> Schema:
        while "$ref" in node:
            node = self._component(node["$ref"])
        return node

    def schemas(self, roots: Any) -> dict[str, Schema]:
        """Those that are reached from `roots`, by their names."""
        found: dict[str, Schema] = {}
        queue = list(_refs(roots))
        while queue:
            target = queue.pop(0)
            name = target.rsplit("/", 1)[-1]
            if name not in found:
                whole = self._component(target)
                found[name] = _plain(whole)
                queue += _refs(whole)
        return found

    def _component(self, target: str) -> Schema:
        match = _COMPONENT.fullmatch(target)
        assert match is not None, target
        block: Schema = self._block(self._components[match[1], match[2]])
        return block

    def _block(self, start: int) -> Any:
        """What stands under the key on that line."""
        if start not in self._read:
            from ruamel.yaml import YAML

            end = next(
                (
                    number
                    for number, line in enumerate(self._lines[start + 1 :], start + 1)
                    if not line.startswith("     ")
                ),
                len(self._lines),
            )
            self._read[start] = YAML(typ="safe").load("\n".join(self._lines[start + 1 : end]))
        return self._read[start]


@cache
def _spec() -> _Spec:
    return _Spec(
        files("orchestrator.metastudio").joinpath("spec/metastudio.openapi.yaml").read_text(encoding="utf-8")
    )
