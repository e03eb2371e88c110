# ruff: noqa: INP001 - the tools are scripts; a package of them would be installed

"""Markdown for the reference pages: tables, and JSON Schema as people read it. A part of `tools/docs.py`."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Schema = Mapping[str, Any]


def page(title: str, source: str, *parts: str) -> str:
    """A whole page; says where it comes from, so that nobody edits it by hand."""
    note = f"<!-- Written by tools/docs.py from {source}; edit that instead, then run `make docs`. -->"
    return "\n\n".join([note, f"# {title}", *(part for part in parts if part)]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a bar in a cell is escaped. Nothing for no rows."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    titles = list(head)
    return "\n".join([f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}", *lines]) if lines else ""


def code(text: object) -> str:
    """Inline code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def summary(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


# JSON Schema, as people read it


def described(schema: Schema, link: Callable[[str], str]) -> str:
    """The type of a value in words, with its limits."""
    if "$ref" in schema:
        return link(schema["$ref"].rsplit("/", 1)[-1])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            kinds = [described(part, link) for part in schema[key] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    return _plain_type(schema, link)


def _plain_type(schema: Schema, link: Callable[[str], str]) -> str:
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {described(schema.get('items', {}), link)}{_limits(schema)}"
    if kind == "object":
        named = list(schema.get("patternProperties", {}).values())
        values = named[0] if named else schema.get("additionalProperties")
        return f"mapping to {described(values, link)}" if isinstance(values, dict) and values else "mapping"
    return f"{kind}{_limits(schema)}"


def _limits(schema: Schema) -> str:
    said = []
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        least = None if schema.get(low) == 1 and unit else schema.get(low)
        if (most := schema.get(high)) is not None:
            said.append(f"{most}{unit} at most" if least is None else f"{least} to {most}{unit}")
        elif least is not None:
            said.append(f"{least}{unit} at least")
    if "exclusiveMinimum" in schema:
        said.append(f"more than {schema['exclusiveMinimum']}")
    return f" ({', '.join(said)})" if said else ""


def members(schema: Schema, link: Callable[[str], str], whole: Schema | None = None) -> str:
    """The table of an object's members; one without a description has that of what it refers to in `whole`."""
    required = schema.get("required", ())
    known = (whole or {}).get("definitions", {})
    return table(
        ["name", "type", "needed", "meaning"],
        (
            [code(name), described(member, link), "yes" if name in required else "", _meaning(member, known)]
            for name, member in schema.get("properties", {}).items()
        ),
    )


def _meaning(member: Schema, known: Mapping[str, Schema]) -> str:
    target = str(member.get("$ref", "")).rsplit("/", 1)[-1]
    said = str(member.get("description") or summary(known.get(target, {}).get("description", "")))
    default = member.get("default")
    if default not in (None, "", {}, []) and "default" not in said:
        said = f"{said.rstrip('.')}; default {code(default)}".lstrip("; ")
    return said


def anchor_of(prefix: str) -> Callable[[str], str]:
    def link(name: str) -> str:
        return f"[{name}](#{slug(prefix + name)})"

    return link


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
