"""Which files the value of an input names: a run may read these, and its content is theirs."""

from collections.abc import Mapping
from typing import Any, Final

#: Types of inputs whose values name files on this machine.
NAMING_FILES: Final = frozenset({"file", "files", "slides"})
#: Members of a slide that name one: the deck that it comes from, and its own picture.
_OF_A_SLIDE: Final = ("deck", "image")


def paths_in(kind: str, value: Any) -> tuple[str, ...]:
    """The absolute paths in a prepared value of an input of the type `kind`, each once; none for other types."""
    match kind, value:
        case (("file" | "files" | "slides"), str()):
            return (value,)
        case "files", list():
            return tuple(dict.fromkeys(path for path in value if isinstance(path, str)))
        case "slides", list():
            named = (slide.get(name) for slide in value if isinstance(slide, Mapping) for name in _OF_A_SLIDE)
            return tuple(dict.fromkeys(path for path in named if isinstance(path, str)))
        case _:
            return ()
