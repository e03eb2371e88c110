"""What the emulated operations do: one module for each category of the API.

A module names its behaviours in `BEHAVIOURS`; each is a function called as its operation is. What it keeps beside the
world's own tables it names in `KINDS`. Adding a file here is all that a further category takes.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType

from orchestrator.emulator.behaviours.base import Behaviour
from orchestrator.emulator.tables import AnyKind


@cache
def behaviours() -> Mapping[str, Behaviour]:
    """Every behaviour by the id of its operation."""
    found: dict[str, Behaviour] = {}
    for module in _modules():
        for behaviour in getattr(module, "BEHAVIOURS", ()):
            found[behaviour.__name__] = behaviour
    return MappingProxyType(found)


@cache
def kinds() -> tuple[AnyKind, ...]:
    """Every kind of record that a category brings along."""
    return tuple(kind for module in _modules() for kind in getattr(module, "KINDS", ()))


def _modules() -> Iterator[ModuleType]:
    for module in iter_modules(__path__):
        yield import_module(f"{__name__}.{module.name}")
