"""`orchestrator api show`: an operation, explained in a terminal's width or as JSON with its schemas."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.cli import output
from orchestrator.cli.api_facts import Facts, Parameter, Schema, facts, find_operation, schema_name
from orchestrator.cli.api_list import effect, step_name, summary
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.metastudio.operations import RATES
from orchestrator.settings import Settings

#: Wide enough for sentences, narrow enough to read them.
_NARROWEST, _USUAL, _WIDEST = 50, 80, 100
#: Where the second column begins, for names that leave it room.
_INDENT = 26
#: Levels of an answer that are listed; its example shows the rest, `--json` all.
_ANSWER_DEPTH = 2
_EFFECTS = {
    "reads": "changes nothing, so it may be repeated",
    "creates": "makes something: a second call makes, and may charge, another",
    "changes": "changes or removes something",
}


def show_operation(settings: Settings, name: str, *, as_json: bool) -> None:
    """Print what is known of an operation. Raises UsageError for an unknown one."""
    found = facts(find_operation(name))
    operation = found.operation
    rates = {region: table[operation.id] for region, table in RATES.items()}
    rate = settings.limits.get(operation.id, rates[settings.region])
    if as_json:
        output.json_result(_document(found, rate, rates))
        return
    width = _USUAL if output.is_plain(sys.stdout) else shutil.get_terminal_size().columns
    page = _Page(found, max(_NARROWEST, min(width, _WIDEST)))
    for line in page.lines(settings.region, rate, rates):
        output.result(line)


def _document(found: Facts, rate: float, rates: Mapping[str, float]) -> dict[str, Any]:
    return {
        **summary(found.operation, rate),
        "rates": dict(rates),
        "parameters": [
            {
                "name": one.name,
                "in": one.place,
                "required": one.required,
                "description": one.description,
                "schema": one.schema,
            }
            for one in found.parameters
        ],
        "body": None if found.body is None else found.schema(found.body),
        "body_required": found.operation.request_required,
        "conditions": [{"schema": name, "condition": said} for name, said in found.conditions()],
        "answer": None if found.answer is None else found.schema(found.answer),
        "items": found.operation.items or None,
        "examples": {"body": found.body_example, "answer": found.answer_example},
        "errors": [
            {"status": one.status, "meaning": one.meaning, "code": one.code, "message": one.message}
            for one in found.refusals
        ],
    }


class _Page:
    """An operation as lines of at most `width` characters, long names aside."""

    def __init__(self, found: Facts, width: int) -> None:
        self._facts = found
        self._width = width

    def lines(self, region: str, rate: float, rates: Mapping[str, float]) -> Iterator[str]:
        found, operation = self._facts, self._facts.operation
        yield from textwrap.wrap(f"{operation.id}: {operation.summary}", self._width)
        yield ""
        yield f"  {operation.method} {operation.path}"
        yield ""
        elsewhere = ", ".join(f"{name} {value:g}" for name, value in rates.items() if name != region)
        does = effect(operation)
        yield from self._item("category", f"{operation.category} (reference {operation.section})")
        yield from self._item("rate", f"{rate:g} calls per second in {region} ({elsewhere})")
        yield from self._item("step", step_name(operation.id))
        yield from self._item("does", f"{does}: {_EFFECTS[does]}")
        if operation.items:
            yield from self._item("pages", f"of `{operation.items}`; `--all-pages` prints all of them")
        yield from self._parameters(found.parameters)
        if found.body is not None:
            needed = "" if operation.request_required else " (may be left out)"
            yield from ("", f"Body{needed}", "")
            yield from self._fields(found.body, "", set())
        if any(one.required for one in found.parameters) or found.body is not None:
            yield from ("", "  * is needed")
        yield from self._conditions()
        yield from ("", "Answer", "")
        if found.answer is None:
            yield "  no body"
        else:
            yield from self._fields(found.answer, "", set(), depth=_ANSWER_DEPTH)
        yield from self._examples(operation)
        yield from self._refusals()

    def _parameters(self, parameters: Sequence[Parameter]) -> Iterator[str]:
        for place, title in (("path", "Path"), ("query", "Query"), ("header", "Headers")):
            group = [one for one in parameters if one.place == place]
            if group:
                yield from ("", title, "")
            for one in group:
                said = described({**one.schema, "description": one.description})
                yield from self._item(one.name + "*" * one.required, said)

    def _fields(
        self, schema: Schema, above: str, shown: set[str], *, depth: int | None = None
    ) -> Iterator[str]:
        """The members of an object; an object that was shown before is only referred to.

        `depth` limits the levels, and is given for what is received: nothing of that is needed.
        """
        whole = self._facts.resolved(schema)
        needed = set() if depth is not None else set(whole.get("required", ()))
        for name, member in whole.get("properties", {}).items():
            inner, target = self._inner(member)
            said = described(member)
            if target in shown:
                said = f"{said}, as above"
            yield from self._item(f"{above}{name}{'*' * (name in needed)}", said)
            if inner is not None and target not in shown and depth != 1:
                shown.add(target)
                yield from self._fields(inner, f"{above}  ", shown, depth=depth and depth - 1)

    def _conditions(self) -> Iterator[str]:
        sentences = list(dict.fromkeys(sentence for _, sentence in self._facts.conditions()))
        if sentences:
            yield from ("", "Conditions", "")
        for sentence in sentences:
            yield from textwrap.wrap(
                sentence, self._width, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False
            )

    def _inner(self, member: Schema) -> tuple[Schema | None, str]:
        """The object that a member is, or that its items are, and its name."""
        schema = member
        name = schema_name(schema)
        whole = self._facts.resolved(schema)
        while whole.get("type") == "array":
            schema = whole.get("items", {})
            name = schema_name(schema)
            whole = self._facts.resolved(schema)
        return (whole if "properties" in whole else None), name

    def _item(self, name: str, said: str) -> Iterator[str]:
        indent = " " * _INDENT
        lines = textwrap.wrap(said, self._width - _INDENT, break_long_words=False, break_on_hyphens=False)
        first = f"  {name}"
        if len(first) + 2 > _INDENT:
            yield first
        elif lines:
            yield first.ljust(_INDENT) + lines.pop(0)
        else:
            yield first
        for line in lines:
            yield indent + line

    def _examples(self, operation: AnyOperation) -> Iterator[str]:
        if self._facts.body_example is not None:
            yield from ("", "Example of a body", "")
            yield from _json_lines(self._facts.body_example)
        if self._facts.answer_example is not None:
            yield from ("", "Example of an answer", "")
            yield from _json_lines(self._facts.answer_example)
        yield from ("", "Example of a call", "")
        needed = [f"-p {one.name}=…" for one in self._facts.parameters if one.required]
        body = ["--body @FILE"] if self._facts.body is not None else []
        yield "  " + " ".join(["orchestrator api call", operation.id, *needed, *body])

    def _refusals(self) -> Iterator[str]:
        yield from ("", "Errors", "")
        for one in self._facts.refusals:
            example = f", such as {one.code} {one.message}" if one.code else ""
            yield from self._item(one.status, f"{one.meaning}{example}")
        yield from self._item("429", "too fast for the quota: APIGW.0308. The call waits and is sent again")


def described(schema: Schema) -> str:
    """A value's type in words, and what the spec says about it."""
    about = schema.get("description", "")
    return f"{words(schema)} - {about}" if about else words(schema)


def words(schema: Schema) -> str:
    """A type with its limits and choices, in words."""
    kind = _kind(schema)
    said = [kind, *_limits(schema)]
    if "pattern" in schema:
        said.append(f"as {schema['pattern']}")
    choices = schema.get("enum") or schema.get("x-item-enum")
    if choices:
        said.append(f"one of {', '.join(map(str, choices))}")
    if "const" in schema:
        said.append(f"always {schema['const']}")
    if known := schema.get("x-known-values"):
        said.append(f"known values: {', '.join(map(str, known))}")
    if (default := schema.get("default")) is not None:
        said.append(
            f"default {json.dumps(default, ensure_ascii=False) if default == '' else _literal(default)}"
        )
    return "; ".join(said)


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(schema: Schema) -> str:
    kind = schema.get("type", "object" if "$ref" in schema else "any value")
    if kind == "array":
        items = schema.get("items", {})
        inner, *limits = words(items).split("; ", 1)
        return f"list of {inner}s" + (f" ({limits[0]})" if limits else "")
    if schema.get("x-comma-separated"):
        return "string of values with commas between"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _limits(schema: Schema) -> Iterator[str]:
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        least, most = schema.get(low), schema.get(high)
        if least == 0 and unit:
            least = None
        if least is not None and most is not None:
            yield f"{least} to {most}{unit}"
        elif most is not None:
            yield f"at most {most}{unit}"
        elif least is not None:
            yield f"at least {least}{unit}"


def _json_lines(value: Any) -> Iterator[str]:
    yield from textwrap.indent(json.dumps(value, ensure_ascii=False, indent=2), "  ").splitlines()
