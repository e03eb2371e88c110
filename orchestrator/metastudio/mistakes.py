"""What a request model refuses, in words: each mistake with the path of its field, none with its value."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.domain.nearest import did_you_mean

#: A longer list of choices is not printed whole when one of them was probably meant.
_MANY = 12


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence a mistake, such as `shoot_scripts[0].sequence_no has to be greater than or equal to 0`."""
    found = dict.fromkeys(_sentence(detail, model) for detail in error.errors(include_url=False))
    return list(found)


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, path = detail["type"], detail["loc"]
    name = dotted(path)
    if kind == "extra_forbidden":
        return f"{name} is no field of {_owner(path)}: {_meant(str(path[-1]), path, model)}"
    if kind == "missing":
        return f"{name} is missing"
    if kind in {"literal_error", "enum"}:
        return f"{name} has to be one of {_choices(detail)}"
    said = re.sub(r"^(Value error|Assertion failed), ", "", detail["msg"])
    said = re.sub(r"^(Input|Value|String|List|Dictionary|Number|Data|Tuple) should ", "has to ", said)
    said = re.sub(r"a valid dictionary or (object to extract fields from|instance of \w+)", "an object", said)
    between = " " if said.startswith("has to ") else ": "
    return f"{name or 'the body'}{between}{said.rstrip('.')}"


def dotted(path: Sequence[int | str]) -> str:
    """`shoot_scripts[0].text` for the location of a validation error; empty for the whole."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _owner(path: Sequence[int | str]) -> str:
    return dotted(path[:-1]) or "the body"


def _meant(name: str, path: Sequence[int | str], model: type[BaseModel]) -> str:
    owners = list(_owners(path, model))
    known = [field for owner in owners for field in owner.model_fields]
    if near := did_you_mean(name, known):
        return near
    inside = [
        field
        for owner in owners
        for field, info in owner.model_fields.items()
        if any(name in inner.model_fields for inner in _models(info.annotation))
    ]
    if inside:
        return f"it belongs in {' or '.join(inside)}"
    return f"it knows {', '.join(known)}"


def _owners(path: Sequence[int | str], model: type[BaseModel]) -> Iterable[type[BaseModel]]:
    """The models that the parent of the last part of `path` may be."""
    owners = [model]
    for part in path[:-1]:
        if isinstance(part, str):
            annotations = [
                info.annotation
                for owner in owners
                for field, info in owner.model_fields.items()
                if part in {field, info.alias}
            ]
            owners = [inner for annotation in annotations for inner in _models(annotation)]
    return owners


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _choices(detail: ErrorDetails) -> str:
    choices = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    given = detail["input"]
    near = did_you_mean(given, choices) if isinstance(given, str) else ""
    if near and len(choices) > _MANY:
        return f"{len(choices)} values: {near}"
    return f"{', '.join(choices)}{f': {near}' if near else ''}"
