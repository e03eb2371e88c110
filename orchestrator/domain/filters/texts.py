"""Filters of texts."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.domain.filters.reading import text, whole, within
from orchestrator.domain.values import (
    MEMBER_WORK,
    ExpressionError,
    bounded_text,
    refuse_secret,
    spend,
    text_of,
)

#: Characters of a text that `slug` looks at, and of what it makes.
_SLUG_READS: Final = 1_000
_SLUG_MAKES: Final = 80
_WORD: Final = re.compile(r"\S+")


def upper(value: Any) -> str:
    """In capitals.

    'Lamp' | upper → 'LAMP'
    """
    return text(value).upper()


def lower(value: Any) -> str:
    """In small letters.

    'Lamp' | lower → 'lamp'
    """
    return text(value).lower()


def title(value: Any) -> str:
    """Each word with a capital first letter; the rest stays as it is.

    'the USB lamp' | title → 'The USB Lamp'
    """
    given = text(value)
    spend(10 * len(given))  # word by word
    return _WORD.sub(lambda word: word[0][0].upper() + word[0][1:], given)


def trim(value: Any) -> str:
    """Without blanks and line ends around it.

    '  Lamp ' | trim → 'Lamp'
    """
    return text(value).strip()


def truncate(value: Any, length: Any, end: Any = "…") -> str:
    """At most `length` characters, `end` included; cut between words where there is one to cut at.

    'A lamp for small rooms' | truncate(12) → 'A lamp for…'
    'Lamp' | truncate(12) → 'Lamp'
    """
    given, tail = text(value), text(end)
    most = within(length, 1, 1_000_000, "`truncate` takes a number of characters")
    if len(given) <= most:
        return given
    if len(tail) > most:
        raise ExpressionError("the end of `truncate` is longer than the whole may be")
    kept = given[: most - len(tail)]
    if not given[len(kept)].isspace() and " " in kept.strip():
        kept = kept[: kept.rindex(" ")]
    return kept.rstrip() + tail


def split(value: Any, separator: Any = None) -> list[str]:
    """The parts between `separator`, or between blanks without one; blanks around them are dropped.

    'red, green' | split(',') → ['red', 'green']
    'red  green' | split → ['red', 'green']
    """
    given = text(value)
    if separator is None:
        spend(MEMBER_WORK * (len(given) // 2 + 1))
        return given.split()
    by = text(separator)
    if not by:
        raise ExpressionError("`split` needs something to split at")
    spend(MEMBER_WORK * (given.count(by) + 1))
    return [part.strip() for part in given.split(by)]


def replace(value: Any, old: Any, new: Any) -> str:
    """Every `old` replaced by `new`, letter by letter: there are no patterns.

    'a-b-c' | replace('-', ' ') → 'a b c'
    """
    given, old, new = text(value), text(old), text(new)
    if not old:
        raise ExpressionError("`replace` needs something to look for")
    size = len(given) + given.count(old) * (len(new) - len(old))
    spend(size)
    return bounded_text(size, lambda: given.replace(old, new))


def slug(value: Any) -> str:
    """Letters and digits with `-` between them, fit for names of runs and files; 80 characters at most.

    'Größe 42: neu!' | slug → 'grösse-42-neu'
    """
    given = text_of(value)
    refuse_secret(given)
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", given[:_SLUG_READS]).casefold())
    return "-".join(words)[:_SLUG_MAKES].rstrip("-")


def string(value: Any) -> str:
    """As text: true and false, numbers as written, lists and mappings as JSON.

    12 | string → '12'
    """
    return text_of(value)


def pad(value: Any, width: Any, fill: Any = "0") -> str:
    """As text, filled up at the left.

    7 | pad(3) → '007'
    """
    given, sign = text_of(value), text(fill)
    refuse_secret(given)
    if len(sign) != 1:
        raise ExpressionError("`pad` fills up with one character")
    return given.rjust(within(whole(width), 0, 1_000, "`pad` takes a width"), sign)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "lower": lower,
    "pad": pad,
    "replace": replace,
    "slug": slug,
    "split": split,
    "string": string,
    "title": title,
    "trim": trim,
    "truncate": truncate,
    "upper": upper,
}
