"""The filters and tests of the expression language. What they make is bounded before it is made.

Each is a function of one thought with examples in its docstring, from which the reference page is made.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2.runtime import Undefined

from orchestrator.domain.filters import data, dates, lists, numbers, paths, speech, texts
from orchestrator.domain.filters.lists import concat
from orchestrator.domain.scenes import scenes
from orchestrator.domain.values import is_number

__all__ = ["FILTERS", "GROUPS", "TESTS", "concat"]

#: By what they are for.
GROUPS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = {
    "Any value": data.FILTERS,
    "Texts": texts.FILTERS,
    "Numbers": numbers.FILTERS,
    "Lists": lists.FILTERS,
    "Dates": dates.FILTERS,
    "Paths": paths.FILTERS,
    "Speech and scenes": {"scenes": scenes, **speech.FILTERS},
}
#: Every filter by its name; `concat`, which `~` becomes, is not one to be written.
FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    name: made for group in GROUPS.values() for name, made in sorted(group.items())
}
#: Every test (`is …`) by its name.
TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: isinstance(value, bool),
    "defined": lambda value: not isinstance(value, Undefined),
    "mapping": lambda value: isinstance(value, Mapping),
    "none": lambda value: value is None,
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "undefined": lambda value: isinstance(value, Undefined),
}
