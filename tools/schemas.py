# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""The schemas of the API document: which belong together, which are sent, which are received."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

#: Module of each API category.
MODULES = {
    "Digital Asset Management": "digital_asset",
    "File Management": "file",
    "Video Script Management": "video_script",
    "Video Production Management": "video_production",
    "Virtual Avatar Video Production Management": "avatar_video",
    "Intelligent Live Room Management": "live_room",
    "Livestreaming Task Management": "live_task",
    "Live Product Management": "live_product",
    "Image Modeling Management": "image_modeling",
    "Voice Modeling Task Management": "voice_modeling",
    "TTS Management": "tts",
    "Third-Party LLM Callback": "llm",
    "Callbacks": "callback",
}
COMMON = "common"
#: Schemas that no HTTP operation names: commands and messages of a livestream (chapters 11.5 and 11.6).
LIVE_COMMAND = "live_command"
#: Others that no reference leads to, by prefix: JSON inside a string, events of a stream.
UNNAMED = {"LiveEvent": "callback", "Llm": "llm"}
#: Live commands that we send; the rest is received.
LIVE_COMMANDS_SENT = ("PlayTextInfo", "PlayAudioInfo", "PlayTextConfig", "CleanUpInsertCommand")

Schema = Mapping[str, Any]


def ref_name(ref: str) -> str:
    return ref.rsplit("/", 1)[-1]


def refs(node: Any) -> Iterator[str]:
    """Names of the schemas that `node` names, itself and below."""
    if isinstance(node, Mapping):
        target = node.get("$ref")
        if isinstance(target, str) and "/schemas/" in target:
            yield ref_name(target)
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


@dataclass
class Api:
    """The OpenAPI document with the questions that the writers ask of it."""

    document: Mapping[str, Any]
    schemas: Mapping[str, Schema] = field(init=False)

    def __post_init__(self) -> None:
        self.schemas = {}
        for name, schema in self.document["components"]["schemas"].items():
            self._add(name, schema)

    def _add(self, name: str, schema: Schema) -> None:
        """Objects written inside a property become schemas of their own, before the one that holds them."""
        properties = dict(schema.get("properties", {}))
        for key, value in properties.items():
            if value.get("properties"):
                inner = name.removesuffix("Message") + key[0].upper() + key[1:]
                self._add(inner, value)
                properties[key] = {"$ref": f"#/components/schemas/{inner}"}
        self.schemas = {**self.schemas, name: {**schema, "properties": properties} if properties else schema}

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield path, method.upper(), operation

    def closure(self, roots: Iterable[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(roots)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += refs(self.schemas[name])
        return found

    @cached_property
    def _roots(self) -> tuple[set[str], set[str], dict[str, set[str]]]:
        sent: set[str] = set(LIVE_COMMANDS_SENT)
        received: set[str] = set()
        used_by: dict[str, set[str]] = {}
        outbound = [(operation, False) for _, _, operation in self.operations()]
        inbound = [(item["post"], True) for item in self.document["components"]["pathItems"].values()]
        for operation, is_inbound in outbound + inbound:
            body = set(refs(operation.get("requestBody", {})))
            answer = set(refs(operation["responses"]))
            ours, theirs = (answer, body) if is_inbound else (body, answer)
            sent |= ours
            received |= theirs
            for name in self.closure(ours | theirs):
                used_by.setdefault(name, set()).add(MODULES[operation["tags"][0]])
        return sent, received, used_by

    @cached_property
    def sent(self) -> set[str]:
        return self.closure(self._roots[0])

    @cached_property
    def received(self) -> set[str]:
        return self.closure(self._roots[1] | (set(self.schemas) - self.sent))

    @cached_property
    def module_of(self) -> dict[str, str]:
        used_by = self._roots[2]
        modules = {}
        for name in self.schemas:
            users = used_by.get(name, set())
            if not users:
                users = {
                    next((to for prefix, to in UNNAMED.items() if name.startswith(prefix)), LIVE_COMMAND)
                }
            modules[name] = users.pop() if len(users) == 1 else COMMON
        for name in [name for name, module in modules.items() if module == COMMON]:
            modules |= dict.fromkeys(self.closure([name]), COMMON)
        return modules

    def read_name(self, name: str) -> str:
        """The lenient class of a schema; its strict one has the plain name when both exist."""
        target = self.schemas[name].get("$ref")
        return f"{name}Read" if name in self.sent and not target else name

    def ordered(self) -> list[str]:
        """All schemas, each behind those that it uses, else as in the document."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            for used in refs(self.schemas[name]):
                if used not in order:
                    visit(used)
            order.setdefault(name)

        for name in self.schemas:
            visit(name)
        return list(order)
