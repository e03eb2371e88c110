"""What the cells of a workbook stand for, as text: shared texts, numbers, dates by their number format.

ISO/IEC 29500-1: 18.4.8 (si), 18.8.30 (numFmt), 18.17.4 (dates).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal

from orchestrator.definition.workbook_xml import DamagedError, Handlers

#: Cells with a value, and different texts, of one table.
VALUE_LIMIT: Final = 5_000_000
#: What XML cannot hold is written so inside of texts: _x000D_ is a carriage return.
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
#: Numbers of date and time formats that mean what the program's language says (Chinese, Japanese, Korean).
_ASIAN_DATES: Final = frozenset({*range(27, 32), 36, *range(50, 55), 57, 58})
_ASIAN_TIMES: Final = frozenset({*range(32, 36), 55, 56})

#: How a number is meant.
Kind = Literal["number", "date", "datetime", "time", "duration"]


class Styles:
    """The number formats of a workbook."""

    def __init__(self) -> None:
        self._formats: dict[str, str] = {}
        self._used: list[str] = []
        self._in_cells = False

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """The beginning of an element."""
        if name == "numFmt":
            self._formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name in {"cellXfs", "cellStyleXfs"}:
            self._in_cells = name == "cellXfs"
        elif name == "xf" and self._in_cells:
            self._used.append(attributes.get("numFmtId", "0"))
        elif name == "cellStyles":
            self._in_cells = False

    def kinds(self) -> list[Kind]:
        """What a number is, by the number of its cell's format."""
        known = {number: self._kind(number) for number in set(self._used)}
        return [known[number] for number in self._used]

    def _kind(self, number: str) -> Kind:
        from openpyxl.styles.numbers import (  # noqa: PLC0415  # slow to import, and only workbooks need it
            STRIP_RE,
            builtin_format_code,
            is_date_format,
            is_timedelta_format,
        )

        known = int(number) if number.isascii() and number.isdigit() else -1
        code = self._formats.get(number) or builtin_format_code(known)
        if code is None:
            return "date" if known in _ASIAN_DATES else "time" if known in _ASIAN_TIMES else "number"
        if len(code) > 255 or not is_date_format(code):
            return "number"
        if is_timedelta_format(code):
            return "duration"
        letters = STRIP_RE.sub("", code.split(";")[0]).lower()
        has_time = any(letter in letters for letter in "hs")
        has_date = any(letter in letters for letter in "dy") or not has_time
        return "date" if not has_time else "datetime" if has_date else "time"


class TextsReader:
    """The texts that cells share, in their order; formatting and reading aids are left out."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.handlers = Handlers(self._begin, self._end, self._text)
        self._parts: list[str] = []
        self._heard = False
        self._aid = False

    def _begin(self, name: str, _: Mapping[str, str]) -> None:
        if name == "t":
            self._heard = not self._aid
        elif name == "rPh":
            self._aid = True

    def _text(self, text: str) -> None:
        if self._heard:
            self._parts.append(text)

    def _end(self, name: str) -> None:
        if name == "t":
            self._heard = False
        elif name == "rPh":
            self._aid = False
        elif name == "si":
            if len(self.texts) >= VALUE_LIMIT:
                raise DamagedError(f"the workbook has more than {VALUE_LIMIT:,} texts", suggestion="split it")
            self.texts.append(unescaped("".join(self._parts)))
            self._parts.clear()


def unescaped(text: str) -> str:
    """A text of a workbook as it is shown."""
    return _ESCAPED.sub(lambda found: _character(found[1]), text) if "_x" in text else text


def _character(code: str) -> str:
    character = chr(int(code, 16))
    # Half of a pair of characters is none.
    return character if character.isprintable() or character in "\t\r\n" else ""


def plain(text: str) -> str:
    """A number with the 15 digits that spreadsheet programs show, no exponent and no empty decimals."""
    plain = format(Decimal(f"{float(text):.15g}"), "f")
    return "0" if plain == "-0" else plain


def dated(text: str, kind: Kind, *, since_1904: bool) -> str:
    """A date, a time or a duration in ISO form; a number that is none stays one."""
    from openpyxl.utils.datetime import (  # noqa: PLC0415  # slow to import, and only workbooks need it
        MAC_EPOCH,
        WINDOWS_EPOCH,
        from_excel,
    )

    days = float(text)
    if kind == "duration":
        seconds = round(abs(days) * 86_400)
        sign = "-" if days < 0 else ""
        return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if kind == "time":
        days %= 1
    elif kind == "date":
        days //= 1
    try:
        found = from_excel(days, epoch=MAC_EPOCH if since_1904 else WINDOWS_EPOCH)
    except (OverflowError, ValueError):
        return plain(text)
    shown = str(found.isoformat())
    return shown[:10] if kind == "date" else shown
