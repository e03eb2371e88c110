"""Times at which a pipeline starts: five fields as in cron, and the name of a time zone."""

import re
import zoneinfo
from typing import Any, Final

from orchestrator.domain.nearest import did_you_mean

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Name, least and greatest number of each field, and the names that may stand for numbers, the first for the least.
_FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)
#: `*`, `5`, `1-5`, each with `/step`.
_PART: Final = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>[0-9]{1,4}))?", re.ASCII)


def cron(value: Any) -> Any:
    """`value`, if it is minute, hour, day, month and weekday as cron reads them; raises ValueError for the first mistake."""
    if not isinstance(value, str):
        return value
    fields = value.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"has to have 5 fields (minute, hour, day, month, weekday), such as 0 9 * * 1-5; it has {len(fields)}"
        )
    for field, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            _check(part, name, least, most, names)
    return value


def timezone(value: Any) -> Any:
    """`value`, if it names a time zone of the IANA database; raises ValueError.

    Where the system has no such database, only the form of the name is checked.
    """
    if not isinstance(value, str) or value == "UTC":
        return value
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones
        known = zoneinfo.available_timezones()
        if not known and re.fullmatch(r"[A-Z][A-Za-z0-9_+-]*(?:/[A-Z][A-Za-z0-9_+-]*){0,2}", value):
            return value
        near = did_you_mean(value, known) or "write one such as Europe/Berlin, or UTC"
        raise ValueError(f"there is no time zone {value[:60]!r}; {near}") from error
    return value


def _check(part: str, name: str, least: int, most: int, names: tuple[str, ...]) -> None:
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(
            f"the {name} {part[:20]!r} is not *, a number, a range such as 1-5, or one of these /step"
        )
    low, high = (
        _number(found[end], name, least, most, names) if found[end] is not None else None
        for end in ("low", "high")
    )
    if low is not None and high is not None and low > high:
        raise ValueError(f"the {name} range {part!r} runs backwards")
    if found["step"] is not None and not 0 < int(found["step"]) <= most:
        raise ValueError(f"the {name} step /{found['step']} is not between 1 and {most}")


def _number(text: str, name: str, least: int, most: int, names: tuple[str, ...]) -> int:
    if text.casefold() in names:
        return least + names.index(text.casefold())
    if not text.isdigit() or not least <= int(text[:9]) <= most:
        also = f" or one of {', '.join(names)}" if names else ""
        raise ValueError(f"the {name} {text[:20]!r} is not between {least} and {most}{also}")
    return int(text)
