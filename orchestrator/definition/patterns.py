"""Regular expressions of definitions, by RE2: whatever the pattern and the text, the time grows only with their lengths.

Python's own may take for ever for an innocent pattern, and nothing else runs meanwhile: no callback, no health check.
"""

from functools import lru_cache
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # comes without types

_QUIET: Final = re2.Options()
_QUIET.log_errors = False


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, _QUIET)


def refuse_unusable(pattern: str) -> None:
    """Raises ValueError for what is no regular expression of RE2, saying why."""
    try:
        _compiled(pattern)
    except re2.error as error:
        why = error.args[0]
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"not a regular expression that RE2 knows: {said}") from error


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text matches. Raises ValueError as `refuse_unusable`."""
    refuse_unusable(pattern)
    return _compiled(pattern).fullmatch(text) is not None
