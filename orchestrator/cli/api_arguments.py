"""What `orchestrator api call` is given: `-p NAME=VALUE` and `--body`, sorted into path, query, headers and body."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.cli.api_facts import Facts, Schema
from orchestrator.cli.places import reason
from orchestrator.domain.nearest import did_you_mean
from orchestrator.errors import UsageError
from orchestrator.metastudio import strict_json
from orchestrator.metastudio.mistakes import explain
from orchestrator.metastudio.parameters import PARAMETERS
from orchestrator.metastudio.wire import parse_body

#: So many names are listed in a message.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Arguments:
    """Of one call, all of them checked; the body is its request model, None where none is sent."""

    path: Mapping[str, str]
    query: Mapping[str, object]
    headers: Mapping[str, str]
    body: Any = field(repr=False)


class _UnfitError(Exception):
    """A value that cannot stand where it was put; the message begins with a verb."""


def read_arguments(facts: Facts, given: Sequence[str], body: str | None) -> Arguments:
    """The arguments that were given as text.

    A `-p` names a parameter of the path, the query or a header, or a field of the body (`outer.inner` for one inside
    an object). `body` is JSON, `@FILE`, or `-` for stdin. Raises UsageError with all mistakes at once, those in the
    body after the others.
    """
    operation = facts.operation
    places = {one.name: one.place for one in facts.parameters}
    faults: list[str] = []
    sorted_: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "body": {}}
    for name, texts in _pairs(given).items():
        try:
            schema = _schema(facts, name)
            sorted_[places.get(name, "body")][name] = _value(facts, schema, texts)
        except _UnfitError as error:
            faults.append(f"{name} {error}")
    parameters, misfits = _checked(PARAMETERS.get(operation.id), {**sorted_["path"], **sorted_["query"]})
    faults += [
        misfit for misfit in misfits if misfit.split(" ")[0] not in {one.split(" ")[0] for one in faults}
    ]
    hint = f"`orchestrator api show {operation.id}` shows what it takes."
    if faults:
        listed = (
            f" {faults[0].rstrip('?.')}{'?' if faults[0].endswith('?') else '.'}"
            if len(faults) == 1
            else "".join(f"\n  {one}" for one in faults)
        )
        raise UsageError(f"{operation.id}:{listed}", hint=hint)
    try:
        request = parse_body(operation, _merged(sorted_["body"], body))
    except UsageError as error:
        error.hint = error.hint or hint
        raise
    return Arguments(
        path={name: str(value) for name, value in parameters.items() if places[name] == "path"},
        query={name: value for name, value in parameters.items() if places[name] == "query"},
        headers=sorted_["header"],
        body=request,
    )


def _pairs(given: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"-p {one!r} is not NAME=VALUE.", hint="Write -p limit=10.")
        found.setdefault(name.strip(), []).append(text)
    return found


def _checked(model: type[BaseModel] | None, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values as their types have them, and what is wrong with them."""
    if model is None:
        return {}, []
    try:
        checked = model.model_validate(values)
    except ValidationError as error:
        return {}, explain(error, model)
    return {name: getattr(checked, name) for name in checked.model_fields_set}, []


def _schema(facts: Facts, name: str) -> Schema:
    """The schema of a parameter, or of a field of the body by its dotted name."""
    parameters = {one.name: one.schema for one in facts.parameters}
    if name in parameters:
        return parameters[name]
    if facts.body is None:
        raise _UnfitError(_unknown("is no parameter of it", name, parameters))
    schema, above = facts.body, ""
    for part in name.split("."):
        whole = facts.resolved(schema)
        if "properties" not in whole:
            raise _UnfitError(f"cannot be set: {above.rstrip('.')} has no named fields")
        if part not in whole["properties"]:
            names = [f"{above}{one}" for one in whole["properties"]]
            raise _UnfitError(
                _unknown("is no parameter or field of it", name, names if above else [*parameters, *names])
            )
        schema = whole["properties"][part]
        above = f"{above}{part}."
    return schema


def _unknown(what: str, name: str, names: Iterable[str]) -> str:
    known = list(names)
    if near := did_you_mean(name, known):
        return f"{what}: {near}"
    return what if len(known) > _FEW else f"{what}: it knows {', '.join(known) or 'none'}"


def _value(facts: Facts, schema: Schema, texts: Sequence[str]) -> Any:
    """Objects and lists of what the text says; a scalar stays text, its model reads it."""
    whole = facts.resolved(schema)
    kind, text = whole.get("type"), texts[0]
    if kind == "array":
        if len(texts) == 1 and text.lstrip().startswith("["):
            return _json(text, list, "a JSON list")
        return [_value(facts, whole.get("items", {}), [one]) for one in texts]
    if len(texts) > 1:
        raise _UnfitError("is given twice, and is no list")
    return _json(text, dict, "a JSON object") if kind == "object" else text


def _json(text: str, kind: type, words: str) -> Any:
    try:
        value = strict_json.loads(text)
    except ValueError as error:
        raise _UnfitError(f"has to be {words}: {error}") from error
    if not isinstance(value, kind):
        raise _UnfitError(f"has to be {words}")
    return value


def _merged(fields: Mapping[str, Any], body: str | None) -> Mapping[str, Any] | None:
    if body is None and not fields:
        return None
    whole: dict[str, Any] = {} if body is None else _object(body)
    # An object goes before what is put into it, whichever came first.
    for name, value in sorted(fields.items(), key=lambda field: field[0].count(".")):
        *outer, last = name.split(".")
        place = whole
        for part in outer:
            inside = place.setdefault(part, {})
            if not isinstance(inside, dict):
                raise UsageError(f"-p {name} cannot be put into {part}, which is no object in --body.")
            place = inside
        if last in place:
            raise UsageError(f"{name} is given twice.", hint="Give it in --body or with -p.")
        place[last] = value
    return whole


def _object(given: str) -> dict[str, Any]:
    where, text = _text(given)
    try:
        value = strict_json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{where} is no JSON: {error}.", hint='Write --body \'{"name": "x"}\', --body @FILE or --body -.'
        ) from error
    if not isinstance(value, dict):
        raise UsageError(f"{where} has to be a JSON object.")
    return value


def _text(given: str) -> tuple[str, str]:
    """What to call it, and what it says."""
    try:
        if given in {"-", "@-"}:
            return "The body from stdin", sys.stdin.read().removeprefix("\ufeff")
        if given.startswith("@"):
            return f"The body in {given[1:]}", Path(given[1:]).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"--body {given} cannot be read: {reason(error)}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--body {given} is not UTF-8 text.") from error
    return "--body", given
