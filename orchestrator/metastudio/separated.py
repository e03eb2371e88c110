"""Query parameters that hold several values in one text, separated by commas."""

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

T = TypeVar("T")


def _apart(value: Any) -> Any:
    """The parts of a text; anything else is left to the list's own check."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


#: A list, or a text with its items separated by commas.
Separated = Annotated[list[T], BeforeValidator(_apart, json_schema_input_type=list[T] | str)]
