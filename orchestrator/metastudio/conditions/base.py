"""The form of a condition: a function from a request model to what it doesn't meet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class Unmet:
    """A condition that a request doesn't meet. The message names the fields and what is right, never a value."""

    #: Where the mistake is, from the model on; the field itself where one is missing.
    loc: tuple[str | int, ...]
    message: str
    #: What the service would refuse it with (reference 11.2), where it has a code of its own for it.
    code: str = ""


#: Yields what a request model doesn't meet; its own fields are valid by then.
Condition: TypeAlias = Callable[[Any], Iterator[Unmet]]

C = TypeVar("C", bound=Condition)

#: The schemas that a condition holds for; the generator of the models reads it.
SCHEMAS_OF: dict[Condition, tuple[str, ...]] = {}


def holds_for(*schemas: str) -> Callable[[C], C]:
    """Marks a condition of the schemas with these names."""

    def mark(condition: C) -> C:
        SCHEMAS_OF[condition] = schemas
        return condition

    return mark
