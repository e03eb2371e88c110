"""Filters of paths, as texts: no file is looked at."""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from orchestrator.domain.filters.reading import text
from orchestrator.domain.values import ExpressionError

#: Characters of a path.
_LIMIT: Final = 4_096


def basename(value: Any) -> str:
    """The file's name.

    'media/lamp.tar.gz' | basename → 'lamp.tar.gz'
    """
    return _path(value).name


def stem(value: Any) -> str:
    """The file's name without its last ending.

    'media/lamp.png' | stem → 'lamp'
    """
    return _path(value).stem


def suffix(value: Any) -> str:
    """The last ending of the file's name, with its dot; an empty text if it has none.

    'media/lamp.png' | suffix → '.png'
    """
    return _path(value).suffix


def dirname(value: Any) -> str:
    """The folder that the file lies in.

    'media/lamp.png' | dirname → 'media'
    """
    return str(_path(value).parent)


def _path(value: Any) -> PurePosixPath:
    given = text(value)
    if len(given) > _LIMIT:
        raise ExpressionError(f"a path has {_LIMIT:,} characters at most")
    return PurePosixPath(given)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "basename": basename,
    "dirname": dirname,
    "stem": stem,
    "suffix": suffix,
}
