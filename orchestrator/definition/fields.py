"""The fields of a step kind's parameters as a definition fills them in, and what they have to be one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter

from orchestrator.definition.tree import Mapping, Node, Place, Scalar, Sequence

#: Names and indexes from the parameters on.
Loc: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One value that stands below `with`, and the field that it fills."""

    model: type[BaseModel]
    name: str
    node: Scalar
    key: Place
    loc: Loc
    #: Whether the value is the field's own, not a member of a list or mapping in it.
    whole: bool

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """What the field takes, without the conditions between fields."""
        return field_type(self.model, self.name)

    @property
    def dotted(self) -> str:
        """`shoot_scripts[0].text`."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.loc)[1:]


def fields(model: type[BaseModel], given: Mapping, loc: Loc = ()) -> Iterator[Field]:
    """Every text, number and so on in `given` whose field `model` knows, in the order of the file."""
    names = by_key(model)
    for key, child in given.values.items():
        if (name := names.get(key)) is not None:
            annotations = tuple(alternatives(model.model_fields[name].annotation))
            yield from _below(model, name, annotations, child, given.keys[key], (*loc, key), whole=True)


def _below(
    model: type[BaseModel],
    name: str,
    annotations: tuple[Any, ...],
    node: Node,
    key: Place,
    loc: Loc,
    *,
    whole: bool = False,
) -> Iterator[Field]:
    match node:
        case Scalar():
            yield Field(model, name, node, key, loc, whole)
        case Sequence():
            inner = tuple(one for each in annotations for one in members(each, list))
            for index, item in enumerate(node.items):
                yield from _below(model, name, inner, item, item.place, (*loc, index))
        case Mapping():
            if (nested := only_model(annotations)) is not None:
                yield from fields(nested, node, loc)
                return
            inner = tuple(one for each in annotations for one in members(each, dict))
            for at, item in node.values.items():
                yield from _below(model, name, inner, item, node.keys[at], (*loc, at))


@cache
def by_key(model: type[BaseModel]) -> dict[str, str]:
    """The model's own names of its fields by the keys that a definition gives them."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


@cache
def field_type(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """The type and the constraints of one field, read as the model reads it."""
    info = model.model_fields[name]
    annotation: Any = info.annotation
    for constraint in info.metadata:
        annotation = Annotated[annotation, constraint]
    if only_model(tuple(alternatives(info.annotation))) is not None:
        return TypeAdapter(annotation)  # a model has a configuration of its own
    lenient = bool(model.model_config.get("coerce_numbers_to_str"))
    return TypeAdapter(
        annotation, config=ConfigDict(coerce_numbers_to_str=lenient, hide_input_in_errors=True)
    )


def only_model(annotations: tuple[Any, ...]) -> type[BaseModel] | None:
    """The one model among the alternatives; None when there is none, or a choice."""
    models = [one for one in annotations if is_model(one)]
    return models[0] if len(models) == 1 else None


def members(annotation: Any, container: type) -> Iterator[Any]:
    """What a list (or the values of a mapping) may consist of."""
    if get_origin(annotation) is container:
        yield from alternatives(get_args(annotation)[-1])


def alternatives(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation, without what `Annotated` adds."""
    if get_origin(annotation) is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for one in get_args(annotation):
            yield from alternatives(one)
    else:
        yield annotation


def is_model(annotation: Any) -> bool:
    """Whether it is the class of a model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
