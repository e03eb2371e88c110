"""Types of inputs with one value."""

import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from orchestrator.definition import patterns
from orchestrator.definition.input_base import (
    ENDING_PATTERN,
    Input,
    InputError,
    SpeechError,
    ending_of,
    shown,
    text_in,
)
from orchestrator.definition.problems import Code
from orchestrator.definition.timbres import UnknownTimbreError, timbre_id
from orchestrator.domain import secrets
from orchestrator.domain.nearest import did_you_mean
from orchestrator.metastudio import ssml


def _pattern(value: Any) -> Any:
    if isinstance(value, str):
        patterns.refuse_unusable(value)
    return value


#: `\d{4}` and the like, in the syntax of RE2; the whole value has to match.
Pattern = Annotated[str, BeforeValidator(_pattern), Field(max_length=500)]


class _Words(Input):
    min_length: int = Field(0, ge=0, description="Fewest characters.")
    max_length: int | None = Field(None, ge=0, description="Most characters.")
    pattern: Pattern | None = Field(
        None, description="Regular expression (RE2) that the whole value has to match."
    )

    def read(self, value: Any, region: str | None) -> str:
        """The text; raises InputError."""
        text = text_in(value)
        if len(text) < self.min_length:
            raise InputError(f"has {len(text):,} characters, fewer than {self.min_length:,}")
        if self.max_length is not None and len(text) > self.max_length:
            raise InputError(f"has {len(text):,} characters, more than {self.max_length:,}")
        if self.pattern is not None and not patterns.fits(self.pattern, text):
            raise InputError(f"does not match {self.pattern!r}")
        return text


class StringInput(_Words):
    """A text, on one line or several."""

    type: Literal["string"] = "string"


class TextInput(_Words):
    """Plain text to be spoken: 10,000 characters at most."""

    type: Literal["text"]

    def read(self, value: Any, region: str | None) -> str:
        """The text; raises InputError when it is too long to be spoken."""
        return _speakable(super().read(value, region))


class SsmlInput(_Words):
    """Speech: plain text, or SSML inside <speak>; 10,000 characters at most without its tags."""

    type: Literal["ssml"]

    def read(self, value: Any, region: str | None) -> str:
        """The text; raises SpeechError with everything that breaks a rule of SSML (reference 11.7)."""
        text = super().read(value, region)
        if errors := ssml.lint(text).errors:
            raise SpeechError(errors)
        return text


class _Bounded(Input):
    def _within(self, number: float, low: float | None, high: float | None) -> None:
        if low is not None and number < low:
            raise InputError(f"{number} is less than {low}")
        if high is not None and number > high:
            raise InputError(f"{number} is more than {high}")


class IntegerInput(_Bounded):
    """A whole number."""

    type: Literal["integer"]
    min: int | None = Field(None, description="Least value.")
    max: int | None = Field(None, description="Greatest value.")

    def read(self, value: Any, region: str | None) -> int:
        """The number; raises InputError."""
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value, re.ASCII):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{shown(value)} is not a whole number")
        self._within(value, self.min, self.max)
        return value


class NumberInput(_Bounded):
    """A number."""

    type: Literal["number"]
    min: float | None = Field(None, description="Least value.")
    max: float | None = Field(None, description="Greatest value.")

    def read(self, value: Any, region: str | None) -> float:
        """The number; raises InputError."""
        number: Any = value
        if isinstance(value, str):
            try:
                number = float(value) if len(value) <= 400 and "_" not in value else None
            except ValueError:
                number = None
        if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
            raise InputError(f"{shown(value)} is not a number")
        self._within(number, self.min, self.max)
        return number


class BooleanInput(Input):
    """true or false; in a table also yes/no, on/off, 1/0."""

    type: Literal["boolean"]
    words: ClassVar[Mapping[str, bool]] = {
        **dict.fromkeys(("true", "yes", "on", "1"), True),
        **dict.fromkeys(("false", "no", "off", "0"), False),
    }

    def read(self, value: Any, region: str | None) -> bool:
        """True or false; raises InputError."""
        if isinstance(value, str):
            value = self.words.get(value.strip().casefold(), value)
        if not isinstance(value, bool):
            raise InputError(f"{shown(value)} is neither true nor false")
        return value


class ChoiceInput(Input):
    """One of the listed texts."""

    type: Literal["choice"]
    choices: list[str] = Field(min_length=1, description="The values to choose from.")

    def read(self, value: Any, region: str | None) -> str:
        """The chosen text; raises InputError."""
        text = text_in(value).strip()
        if text not in self.choices:
            raise InputError(
                f"{shown(text)} is not one of {', '.join(self.choices)}", did_you_mean(text, self.choices)
            )
        return text


def _date(value: Any) -> str:
    """Also of a point in time at midnight, as spreadsheet programs write dates. Raises ValueError."""
    found = re.fullmatch(r"\s*([0-9]{4}-[0-9]{2}-[0-9]{2})([T ]00:00(:00(\.0+)?)?)?\s*", str(value), re.ASCII)
    if not isinstance(value, str) or found is None:
        raise ValueError("has to be a date such as 2026-03-01")
    try:
        return date.fromisoformat(found[1]).isoformat()
    except ValueError as error:
        raise ValueError("is a day that no month has") from error


Day = Annotated[
    str, BeforeValidator(_date), Field(json_schema_extra={"format": "date", "examples": ["2026-03-01"]})
]


class DateInput(Input):
    """A day, as 2026-03-01; expressions write it in other ways."""

    type: Literal["date"]
    min: Day | None = Field(None, description="First day.")
    max: Day | None = Field(None, description="Last day.")

    def read(self, value: Any, region: str | None) -> str:
        """The day as 2026-03-01; raises InputError."""
        try:
            day = _date(value)
        except ValueError as error:
            raise InputError(f"{shown(value)} {error}") from error
        if self.min is not None and day < self.min:
            raise InputError(f"{day} is before {self.min}")
        if self.max is not None and day > self.max:
            raise InputError(f"{day} is after {self.max}")
        return day


class SecretInput(Input):
    """A password, a token: its value is a setting (`secrets`), and appears neither in the journal nor in a log."""

    type: Literal["secret"]
    from_: str | None = Field(
        None,
        alias="from",
        pattern=f"^{secrets.NAME_PATTERN}$",
        description="Name of the setting below `secrets`; the input's own name if left out.",
    )

    @field_validator("default", mode="before")
    @classmethod
    def _no_default(cls, value: Any) -> Any:
        if value is not None:
            raise ValueError("a secret has no default here: set it in the settings, below `secrets`")
        return value

    def read(self, value: Any, region: str | None) -> str:
        """What stands for the secret; raises InputError for anything but that."""
        if not secrets.is_placeholder(value):
            raise InputError(
                "is a secret, which is neither given with -i nor in a table: others see both",
                "set it in the environment or in the config file, below `secrets`",
            )
        return str(value)


class FileInput(Input):
    """A file on this machine, relative to the table's folder or the definition's."""

    type: Literal["file"]
    accept: list[Annotated[str, Field(pattern=ENDING_PATTERN)]] = Field(
        default_factory=list, description="Accepted file name endings, such as png."
    )

    def read(self, value: Any, region: str | None) -> str:
        """The path as written, its ending checked; raises InputError. Whether the file is there is `files`' question."""
        path = text_in(value)
        if not path.strip():
            raise InputError("is empty; a file is needed")
        if "\0" in path:
            raise InputError("is not a path")
        if self.accept and ending_of(path) not in {
            ending_of(f".{ending.lstrip('.')}") for ending in self.accept
        }:
            message = f"{shown(path)} is not a file of type {', '.join(self.accept)}"
            raise InputError(message, code=Code.FILE_REFUSED)
        return path


class AssetInput(Input):
    """The id of an asset."""

    type: Literal["asset"]

    def read(self, value: Any, region: str | None) -> str:
        """The id; raises InputError."""
        text = text_in(value).strip()
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", text):
            raise InputError(f"{shown(text)} is not an asset id", "ids have 1 to 64 letters and digits")
        return text


class TimbreInput(Input):
    """A timbre by its published name, or by its id."""

    type: Literal["timbre"]

    def read(self, value: Any, region: str | None) -> str:
        """The timbre's id in the region (its name when there is no region); raises InputError."""
        try:
            return timbre_id(text_in(value).strip(), region)
        except UnknownTimbreError as error:
            raise InputError(str(error), error.suggestion) from error


def _speakable(spoken: str) -> str:
    if len(spoken) > ssml.SPOKEN_LIMIT:
        raise InputError(
            f"has {len(spoken):,} characters to be spoken, more than {ssml.SPOKEN_LIMIT:,}", "split the text"
        )
    return spoken
