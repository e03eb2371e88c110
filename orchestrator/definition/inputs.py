"""The types of inputs: what each understands in a definition, and how it reads a value.

One model a type. The loader, the JSON Schema and the reading of values all come from it. Values arrive as text (a
table's cell, `-i KEY=VALUE`) or as data (YAML, JSON); text is read, data has to have the right type already.
"""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from orchestrator.definition.problems import Code
from orchestrator.definition.timbres import UnknownTimbreError, timbre_id
from orchestrator.domain.nearest import did_you_mean
from orchestrator.domain.pipeline import InputSpec
from orchestrator.metastudio import ssml

#: Of a file's name.
ENDING_PATTERN: Final = r"^\.?[A-Za-z0-9]{1,16}$"


class InputError(ValueError):
    """A value does not fit its input."""

    def __init__(self, message: str, suggestion: str = "", code: Code = Code.WRONG_INPUT) -> None:
        self.suggestion = suggestion
        self.code = code
        super().__init__(message)

    @property
    def parts(self) -> tuple["InputError", ...]:
        """What is wrong, one by one."""
        return (self,)


class SpeechError(InputError):
    """A speech breaks rules; each has its line and column inside the text."""

    def __init__(self, problems: Iterable[ssml.Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(error.args[0] for error in self.parts), self.problems[0].suggestion)

    @property
    def parts(self) -> tuple[InputError, ...]:
        """An error for each problem."""
        return tuple(
            InputError(
                f"{one.message} (line {one.line}, column {one.column} of the text: {one.code})",
                one.suggestion,
            )
            for one in self.problems
        )


def _pattern(value: Any) -> Any:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return value


#: `\d{4}` and the like; the whole value has to match.
Pattern = Annotated[str, BeforeValidator(_pattern), Field(max_length=500)]


class _Input(BaseModel, ABC):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    description: str = Field("", description="What the input is for.")
    required: bool = Field(True, description="Whether a run needs a value; not with a default.")
    default: Any = Field(None, description="The value when none is given.")

    @abstractmethod
    def read(self, value: Any, region: str | None) -> Any:
        """The value for a run in `region` (None: any region), as plain data; raises InputError."""


class _Words(_Input):
    min_length: int = Field(0, ge=0, description="Fewest characters.")
    max_length: int | None = Field(None, ge=0, description="Most characters.")
    pattern: Pattern | None = Field(None, description="Regular expression that the whole value has to match.")

    def read(self, value: Any, region: str | None) -> str:
        text = _text(value)
        if len(text) < self.min_length:
            raise InputError(f"has {len(text):,} characters, fewer than {self.min_length:,}")
        if self.max_length is not None and len(text) > self.max_length:
            raise InputError(f"has {len(text):,} characters, more than {self.max_length:,}")
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
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


class _Bounded(_Input):
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
            raise InputError(f"{_shown(value)} is not a whole number")
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
            raise InputError(f"{_shown(value)} is not a number")
        self._within(number, self.min, self.max)
        return number


class BooleanInput(_Input):
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
            raise InputError(f"{_shown(value)} is neither true nor false")
        return value


class ChoiceInput(_Input):
    """One of the listed texts."""

    type: Literal["choice"]
    choices: list[str] = Field(min_length=1, description="The values to choose from.")

    def read(self, value: Any, region: str | None) -> str:
        """The chosen text; raises InputError."""
        text = _text(value).strip()
        if text not in self.choices:
            raise InputError(
                f"{_shown(text)} is not one of {', '.join(self.choices)}", did_you_mean(text, self.choices)
            )
        return text


class ListInput(_Input):
    """A list; in a table a JSON list, or texts with commas between them."""

    type: Literal["list"]
    min_items: int = Field(0, ge=0, description="Fewest members.")
    max_items: int | None = Field(None, ge=0, description="Most members.")

    def read(self, value: Any, region: str | None) -> list[Any]:
        """The list; raises InputError."""
        if isinstance(value, str):
            value = (
                _json(value)
                if value.lstrip().startswith("[")
                else [part.strip() for part in value.split(",")]
            )
        if not isinstance(value, list):
            raise InputError(f"{_shown(value)} is not a list", 'write ["a", "b"] or a, b')
        if len(value) < self.min_items or (self.max_items is not None and len(value) > self.max_items):
            most = "" if self.max_items is None else f" and at most {self.max_items}"
            raise InputError(f"has {len(value)} members; there have to be at least {self.min_items}{most}")
        return value


class MapInput(_Input):
    """A mapping; in a table a JSON object."""

    type: Literal["map"]

    def read(self, value: Any, region: str | None) -> dict[str, Any]:
        """The mapping; raises InputError."""
        if isinstance(value, str):
            value = _json(value)
        if not isinstance(value, dict):
            raise InputError(f"{_shown(value)} is not a mapping", 'write {"key": "value"}')
        return value


class FileInput(_Input):
    """A file on this machine, relative to the table's folder or the definition's."""

    type: Literal["file"]
    accept: list[Annotated[str, Field(pattern=ENDING_PATTERN)]] = Field(
        default_factory=list, description="Accepted file name endings, such as png."
    )

    def read(self, value: Any, region: str | None) -> str:
        """The path as written, its ending checked; raises InputError. Whether the file is there is `files`' question."""
        path = _text(value)
        if not path.strip():
            raise InputError("is empty; a file is needed")
        if "\0" in path:
            raise InputError("is not a path")
        if self.accept and ending_of(path) not in {
            ending_of(f".{ending.lstrip('.')}") for ending in self.accept
        }:
            message = f"{_shown(path)} is not a file of type {', '.join(self.accept)}"
            raise InputError(message, code=Code.FILE_REFUSED)
        return path


class AssetInput(_Input):
    """The id of an asset."""

    type: Literal["asset"]

    def read(self, value: Any, region: str | None) -> str:
        """The id; raises InputError."""
        text = _text(value).strip()
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", text):
            raise InputError(f"{_shown(text)} is not an asset id", "ids have 1 to 64 letters and digits")
        return text


class TimbreInput(_Input):
    """A timbre by its published name, or by its id."""

    type: Literal["timbre"]

    def read(self, value: Any, region: str | None) -> str:
        """The timbre's id in the region (its name when there is no region); raises InputError."""
        try:
            return timbre_id(_text(value).strip(), region)
        except UnknownTimbreError as error:
            raise InputError(str(error), error.suggestion) from error


def _type_of(value: Any) -> str | None:
    kind = value.get("type", "string") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) else str(kind)


AnyInput = Annotated[
    Annotated[StringInput, Tag("string")]
    | Annotated[TextInput, Tag("text")]
    | Annotated[SsmlInput, Tag("ssml")]
    | Annotated[IntegerInput, Tag("integer")]
    | Annotated[NumberInput, Tag("number")]
    | Annotated[BooleanInput, Tag("boolean")]
    | Annotated[ChoiceInput, Tag("choice")]
    | Annotated[ListInput, Tag("list")]
    | Annotated[MapInput, Tag("map")]
    | Annotated[FileInput, Tag("file")]
    | Annotated[AssetInput, Tag("asset")]
    | Annotated[TimbreInput, Tag("timbre")],
    Discriminator(_type_of),
]
_ADAPTER: Final[TypeAdapter[AnyInput]] = TypeAdapter(AnyInput)
_COMMON: Final = frozenset({"type", "description", "required", "default"})


def spec_of(declared: AnyInput) -> InputSpec:
    """The declared input as part of a pipeline."""
    options = declared.model_dump(exclude=set(_COMMON), exclude_unset=True)
    required = declared.required and "default" not in declared.model_fields_set
    return InputSpec(declared.type, required, declared.default, declared.description, options)


def read_input(spec: InputSpec, value: Any, region: str | None) -> Any:
    """The value of one input for a run in `region`; raises InputError."""
    return _ADAPTER.validate_python({"type": spec.type, **spec.options}).read(value, region)


def is_absent(value: Any) -> bool:
    """Whether the value counts as not given: nothing, or an empty cell."""
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{_shown(value)} is not a text", "write it in quotes")
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError("is not JSON") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def ending_of(path: str) -> str:
    """The ending of a file's name, without its dot, in one spelling for each type; empty if there is none."""
    ending = path.rsplit(".", 1)[-1].casefold() if "." in path else ""
    return {"jpeg": "jpg", "tiff": "tif"}.get(ending, ending)


def _speakable(spoken: str) -> str:
    if len(spoken) > ssml.SPOKEN_LIMIT:
        raise InputError(
            f"has {len(spoken):,} characters to be spoken, more than {ssml.SPOKEN_LIMIT:,}", "split the text"
        )
    return spoken
