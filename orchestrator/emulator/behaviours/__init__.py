"""What the emulated operations do: one module for each category of the API.

A module names its behaviours in `BEHAVIOURS`; each is a function called as its operation is. Adding a file here is all
that a further category takes.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from orchestrator.emulator.behaviours.base import Behaviour


@cache
def behaviours() -> Mapping[str, Behaviour]:
    """Every behaviour by the id of its operation."""
    found: dict[str, Behaviour] = {}
    for module in iter_modules(__path__):
        for behaviour in getattr(import_module(f"{__name__}.{module.name}"), "BEHAVIOURS", ()):
            found[behaviour.__name__] = behaviour
    return MappingProxyType(found)
