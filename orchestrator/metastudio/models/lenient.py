"""Makes the validation of an answer lenient: what doesn't fit is left out where it stands, and the rest is read.

It changes the schema that pydantic built, so that the reading stays in pydantic's own loop: a page of assets costs no
more than with strict models, however much of it doesn't fit, and every level is read once.
"""

import math
from collections.abc import Callable
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_wrap_validator_function, with_default_schema

#: The schema behind a reference.
Resolve = Callable[[CoreSchema], CoreSchema]

#: A schema around another one, in its member `schema`.
_AROUND = frozenset({"nullable", "function-before", "function-after", "function-wrap"})
_SCALARS = frozenset({str, int, float, bool})


def loosen(schema: CoreSchema, resolve: Resolve) -> None:
    """Changes the schema of a model: a field that doesn't fit reads as its default. In a list, an empty object stands
    for what is none, so that a page keeps its length; scalars that don't fit aren't there, nor are members of an
    object. A schema that was changed before stays as it is.
    """
    inner = _model(schema, resolve)["schema"]
    while inner["type"] in _AROUND:
        inner = inner["schema"]
    for field in inner["fields"].values():
        default = field["schema"]
        if default["type"] == "default" and default.get("on_error", "raise") == "raise":
            default["schema"] = _loose(default["schema"], resolve)
            default["on_error"] = "default"


def _loose(schema: Any, resolve: Resolve) -> Any:
    kind = schema["type"]
    if kind in _AROUND:
        schema["schema"] = _loose(schema["schema"], resolve)
    elif kind == "list":
        schema["items_schema"] = _item(schema["items_schema"], resolve)
    elif kind == "dict" and "values_schema" in schema:
        schema["values_schema"] = with_default_schema(
            _loose(schema["values_schema"], resolve), on_error="omit"
        )
    elif kind == "int":
        return no_info_wrap_validator_function(_whole, schema)
    return schema


def _item(schema: Any, resolve: Resolve) -> CoreSchema:
    model = _model(schema, resolve)
    if model["type"] == "model":
        return with_default_schema(schema, default_factory=model["cls"], on_error="default")
    return with_default_schema(_loose(schema, resolve), on_error="omit")


def _model(schema: Any, resolve: Resolve) -> Any:
    found = cast("Any", resolve(schema))
    while found["type"] in _AROUND:
        found = resolve(found["schema"])
    return found


def _whole(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """The whole number, or the one next to a fraction, written as a number or as text."""
    try:
        return read(value)
    except ValidationError:
        if not isinstance(value, (str, float)):
            raise
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise
        return round(number)


def left_out(answer: BaseModel, data: Any) -> bool:
    """Whether `answer` lacks an object, a list or a part of one that is in the `data` that it was read from.

    A scalar that couldn't be read doesn't count.
    """
    if not isinstance(data, dict):
        return True
    for name, info in type(answer).model_fields.items():
        sent, read = data.get(info.alias or name), getattr(answer, name)
        if sent is None or (sent == "" and read is None):
            continue
        if _SCALARS.isdisjoint(get_args(info.annotation)) and _lost(read, sent):
            return True
    return False


def _lost(read: Any, sent: Any) -> bool:
    match read:
        case BaseModel():
            return left_out(read, sent)
        case list():
            if not isinstance(sent, list) or len(read) != len(sent):
                return True
            return any(_lost(*pair) for pair in zip(read, sent, strict=True))
        case dict():
            return not isinstance(sent, dict) or len(read) != len(sent)
        case _:
            return read is None
