"""What is certain of parameters although expressions stand in them.

A value that an expression gives is known later; what stands around it is not. So the conditions between fields are tried
with the unknown values left open: one that never asks for them holds, or not, whatever they will be.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ValidationError

from orchestrator.definition.fields import (
    Loc,
    alternatives,
    by_key,
    field_type,
    is_model,
    members,
    only_model,
)
from orchestrator.definition.tree import Mapping, Node, Scalar, Sequence
from orchestrator.domain.expressions import ExpressionError, Literal, parse


class _AskedError(Exception):
    """A condition needs a value that is not known yet."""


class _Unknown:
    """Stands for a value that is not known: whoever asks for it is stopped."""

    def _asked(self, *_: object) -> NoReturn:
        raise _AskedError

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __str__ = __format__ = _asked
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __hash__ = __getattr__ = _asked


_UNKNOWN: Final = _Unknown()


def unmet(model: type[BaseModel], given: Mapping) -> list[tuple[Loc, str]]:
    """The place and the message of each condition that `given` can never meet, whatever its expressions will be."""
    found: list[tuple[Loc, str]] = []
    _partial(model, given, (), found)
    return found


def holds_expression(node: Node) -> bool:
    """Whether the value of `node` is known only when it is rendered."""
    match node:
        case Scalar():
            return isinstance(node.value, str) and "${{" in node.value
        case Sequence():
            return any(map(holds_expression, node.items))
        case Mapping():
            return any(map(holds_expression, node.values.values()))


def fixed_texts(text: str) -> list[str] | None:
    """What stays as it is of a text around its expressions; None for nothing but one expression, whose type is open."""
    try:
        parts = parse(text).parts
    except ExpressionError:
        return None
    literals = [part.text for part in parts if isinstance(part, Literal)]
    return literals or (None if len(parts) == 1 else [])


def could_become(text: str, choices: list[str]) -> bool:
    """Whether a text with expressions may turn out to be one of `choices`."""
    try:
        parts = parse(text).parts
    except ExpressionError:
        return True
    form = "".join(re.escape(part.text) if isinstance(part, Literal) else ".*" for part in parts)
    return any(re.fullmatch(form, choice, re.DOTALL) for choice in choices)


def _partial(model: type[BaseModel], given: Mapping, loc: Loc, found: list[tuple[Loc, str]]) -> BaseModel:
    keys = {name: key for key, name in by_key(model).items()}
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        key = keys[name]
        child = given.values.get(key)
        if child is not None:
            values[key] = _value(model, name, child, (*loc, key), found)
        elif info.is_required():
            values[key] = _UNKNOWN
    made = model.model_construct(**values)
    for condition in getattr(model, "CONDITIONS", ()):
        found.extend(
            ((*loc, *one.loc), one.message)
            for one in _certainly(condition, made)
            if _is_written(given, one.loc)
        )
    return made


def _certainly(condition: Any, made: BaseModel) -> Iterator[Any]:
    try:
        yield from condition(made)
    except (_AskedError, TypeError):  # TypeError: a function of the language that takes texts alone
        return


def _is_written(given: Mapping, loc: Loc) -> bool:
    """Whether what is found wrong does not itself come from an expression, which may turn out to be nothing."""
    node: Node = given
    for part in loc:
        if isinstance(node, Mapping) and str(part) in node.values:
            node = node.values[str(part)]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            break
    return not (isinstance(node, Scalar) and holds_expression(node))


def _value(model: type[BaseModel], name: str, node: Node, loc: Loc, found: list[tuple[Loc, str]]) -> Any:
    annotations = tuple(alternatives(model.model_fields[name].annotation))
    if isinstance(node, Mapping) and (nested := only_model(annotations)) is not None:
        return _partial(nested, node, loc, found)
    inner = only_model(tuple(one for each in annotations for one in members(each, list)))
    if isinstance(node, Sequence) and inner is not None:
        return [
            _partial(inner, item, (*loc, index), found) if isinstance(item, Mapping) else _UNKNOWN
            for index, item in enumerate(node.items)
        ]
    if holds_expression(node) or any(map(is_model, annotations)):
        return _UNKNOWN if holds_expression(node) or node.plain() is not None else None
    try:
        return field_type(model, name).validate_python(node.plain())
    except ValidationError:
        return _UNKNOWN
