"""What is certain of parameters although expressions stand in them.

A value that an expression gives is known later; what stands around it is not. So the conditions between fields are tried
with the unknown values left open: one that never asks for them holds, or not, whatever they will be.
"""

import re
from collections.abc import Collection, Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias

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
from orchestrator.metastudio.conditions.base import Condition, Unmet

#: Values that expressions give, by the `id` of the node in which they stand.
Known: TypeAlias = AbstractMapping[int, Any]


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
    return [
        ((*part.loc, *one.loc), one.message)
        for part in _parts(model, given)
        for condition in part.conditions
        for one in part.unmet(condition, {})[0]
    ]


def undecided(model: type[BaseModel], given: Mapping) -> list["Undecided"]:
    """The conditions that hang on what the expressions in `given` will be."""
    found = []
    for part in _parts(model, given):
        open_ = tuple(one for one in part.conditions if part.unmet(one, {})[1])
        if open_:
            found.append(Undecided(part, open_))
    return found


@dataclass(frozen=True, slots=True)
class Undecided:
    """Conditions of one object that can be tried once more is known of it."""

    _part: "_Part"
    conditions: tuple[Condition, ...]

    @property
    def scalars(self) -> Iterator[Scalar]:
        """The values in the object that expressions give."""
        return _scalars(self._part.given)

    def without(self, conditions: Collection[Condition]) -> "Undecided":
        """But for some conditions."""
        return Undecided(self._part, tuple(one for one in self.conditions if one not in conditions))

    def unmet(self, known: Known) -> Iterator[tuple[Scalar | None, str]]:
        """What is not met with the values `known`: the value to change (None: another one, or one that is missing)."""
        for condition in self.conditions:
            for one in self._part.unmet(condition, known)[0]:
                node = _node(self._part.given, one.loc)
                yield node if isinstance(node, Scalar) and id(node) in known else None, one.message


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


@dataclass(slots=True)
class _Part:
    """An object among the parameters: what is known of it, and its members that hold expressions."""

    model: type[BaseModel]
    given: Mapping
    loc: Loc
    fixed: dict[str, Any] = field(default_factory=dict)
    open: dict[str, "_Open"] = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return tuple(getattr(self.model, "CONDITIONS", ()))

    def made(self, known: Known) -> BaseModel:
        values = {key: _made(member, known) for key, member in self.open.items()}
        return self.model.model_construct(**self.fixed, **values)

    def unmet(self, condition: Condition, known: Known) -> tuple[list[Unmet], bool]:
        """What is not met, and whether that hangs on more than is known."""
        found, open_ = [], False
        try:
            for one in condition(self.made(known)):
                node = _node(self.given, one.loc)
                # What is found wrong may itself come from an expression, which may turn out to be nothing.
                if isinstance(node, Scalar) and holds_expression(node) and id(node) not in known:
                    open_ = True
                else:
                    found.append(one)
        except (_AskedError, TypeError):  # TypeError: a function of the language that takes texts alone
            open_ = True
        return found, open_


@dataclass(frozen=True, slots=True)
class _Expression:
    """A value that an expression gives."""

    node: Scalar
    model: type[BaseModel]
    name: str


_Open: TypeAlias = _Part | _Expression | list[Any]


def _made(member: Any, known: Known) -> Any:
    match member:
        case _Part():
            return member.made(known)
        case _Expression(node, model, name):
            value = known.get(id(node), _UNKNOWN)
            return value if value is None or value is _UNKNOWN else _valid(model, name, value)
        case list():
            return [_made(one, known) for one in member]
        case _:
            return member


def _parts(model: type[BaseModel], given: Mapping) -> list[_Part]:
    """Every object in the parameters, those inside before those around them."""
    found: list[_Part] = []
    _part(model, given, (), found)
    return found


def _part(model: type[BaseModel], given: Mapping, loc: Loc, found: list[_Part]) -> _Part:
    part = _Part(model, given, loc)
    keys = {name: key for key, name in by_key(model).items()}
    for name, info in model.model_fields.items():
        key = keys[name]
        child = given.values.get(key)
        if child is not None:
            _take(part, name, key, child, found)
        elif info.is_required():
            part.fixed[key] = _UNKNOWN
    found.append(part)
    return part


def _take(part: _Part, name: str, key: str, node: Node, found: list[_Part]) -> None:
    model, loc = part.model, (*part.loc, key)
    annotations = tuple(alternatives(model.model_fields[name].annotation))
    inner = only_model(tuple(one for each in annotations for one in members(each, list)))
    if isinstance(node, Mapping) and (nested := only_model(annotations)) is not None:
        part.open[key] = _part(nested, node, loc, found)
    elif isinstance(node, Sequence) and inner is not None:
        part.open[key] = [
            _part(inner, item, (*loc, index), found) if isinstance(item, Mapping) else _UNKNOWN
            for index, item in enumerate(node.items)
        ]
    elif isinstance(node, Scalar) and holds_expression(node):
        part.open[key] = _Expression(node, model, name)
    elif holds_expression(node) or any(map(is_model, annotations)):
        part.fixed[key] = _UNKNOWN if holds_expression(node) or node.plain() is not None else None
    else:
        part.fixed[key] = _valid(model, name, node.plain())
        return
    if not holds_expression(node) and key in part.open:
        part.fixed[key] = _made(part.open.pop(key), {})


def _valid(model: type[BaseModel], name: str, value: Any) -> Any:
    try:
        return field_type(model, name).validate_python(value)
    except ValidationError:
        return _UNKNOWN


def _node(given: Mapping, loc: Loc) -> Node:
    """What stands at `loc`, or the last on the way there."""
    node: Node = given
    for part in loc:
        if isinstance(node, Mapping) and str(part) in node.values:
            node = node.values[str(part)]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            break
    return node


def _scalars(node: Node) -> Iterator[Scalar]:
    match node:
        case Scalar():
            if holds_expression(node):
                yield node
        case Sequence():
            for item in node.items:
                yield from _scalars(item)
        case Mapping():
            for item in node.values.values():
                yield from _scalars(item)
