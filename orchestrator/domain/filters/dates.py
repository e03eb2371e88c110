"""Filters of dates: texts such as 2026-03-01 and 2026-03-01T09:30:00+00:00. They know no clock: see `run.date`."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from orchestrator.domain.filters.reading import text, within
from orchestrator.domain.values import ExpressionError

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: Days that a date can be moved by.
_DAYS_LIMIT: Final = 100_000
_FORM_LIMIT: Final = 200
#: What may stand in a form, without the machine's own language and without widths.
CODES: Final[Mapping[str, tuple[str, Callable[[datetime], str]]]] = {
    "%Y": ("year", lambda at: f"{at.year:04d}"),
    "%y": ("year, two digits", lambda at: f"{at.year % 100:02d}"),
    "%m": ("month, two digits", lambda at: f"{at.month:02d}"),
    "%B": ("month, in English", lambda at: _MONTHS[at.month - 1]),
    "%b": ("month, three letters", lambda at: _MONTHS[at.month - 1][:3]),
    "%d": ("day, two digits", lambda at: f"{at.day:02d}"),
    "%e": ("day", lambda at: f"{at.day}"),
    "%j": ("day of the year, three digits", lambda at: f"{at.timetuple().tm_yday:03d}"),
    "%A": ("weekday, in English", lambda at: _DAYS[at.weekday()]),
    "%a": ("weekday, three letters", lambda at: _DAYS[at.weekday()][:3]),
    "%u": ("weekday, 1 for Monday", lambda at: f"{at.isoweekday()}"),
    "%G": ("year of the week", lambda at: f"{at.isocalendar().year:04d}"),
    "%V": ("week, two digits", lambda at: f"{at.isocalendar().week:02d}"),
    "%H": ("hour, two digits", lambda at: f"{at.hour:02d}"),
    "%M": ("minute, two digits", lambda at: f"{at.minute:02d}"),
    "%S": ("second, two digits", lambda at: f"{at.second:02d}"),
    "%%": ("a percent sign", lambda _: "%"),
}


def date(value: Any, form: Any) -> str:
    """A date in another form.

    '2026-03-01' | date('%e %B %Y') → '1 March 2026'
    '2026-03-01T09:30:00+00:00' | date('%H:%M') → '09:30'
    """
    at, wanted = _read(value)[0], text(form)
    if len(wanted) > _FORM_LIMIT:
        raise ExpressionError(f"the form of `date` has more than {_FORM_LIMIT} characters")

    def written(found: re.Match[str]) -> str:
        if found[0] not in CODES:
            raise ExpressionError(f"`date` knows no {found[0]!r}", hint=f"Known: {' '.join(CODES)}.")
        return CODES[found[0]][1](at)

    return re.sub(r"%.?", written, wanted, flags=re.DOTALL)


def add_days(value: Any, days: Any) -> str:
    """So many days later, or earlier with a negative number.

    '2026-02-27' | add_days(2) → '2026-03-01'
    """
    at, dated = _read(value)
    try:
        moved = at + timedelta(
            days=within(days, -_DAYS_LIMIT, _DAYS_LIMIT, "`add_days` moves a date by days")
        )
    except OverflowError as error:
        raise ExpressionError("there is no such date") from error
    return moved.date().isoformat() if dated else moved.isoformat()


def _read(value: Any) -> tuple[datetime, bool]:
    """The time, and whether it is a date alone."""
    given = text(value).strip()
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given, re.ASCII):
            return datetime.fromisoformat(given), True
        return datetime.fromisoformat(given[:64]), False
    except ValueError as error:
        raise ExpressionError(
            "the text is not a date", hint="Write it as 2026-03-01, or as 2026-03-01T09:30:00."
        ) from error


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {"add_days": add_days, "date": date}
