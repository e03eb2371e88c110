"""From a step's parameters to the models of the API that they are made of."""

from typing import TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def part_of(params: BaseModel, model: type[M]) -> M:
    """The fields of `params` that `model` has, as far as they were given."""
    names = params.model_fields_set & model.model_fields.keys()
    given = {name: getattr(params, name) for name in names}
    return model.model_validate({name: value for name, value in given.items() if value is not None})
