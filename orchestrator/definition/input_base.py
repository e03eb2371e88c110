"""What all types of inputs have in common: what a definition says of them, and how refusals are told."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.definition.problems import Code
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


class Input(BaseModel, ABC):
    """What every type understands."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    description: str = Field("", description="What the input is for.")
    required: bool = Field(True, description="Whether a run needs a value; not with a default.")
    default: Any = Field(None, description="The value when none is given.")

    @abstractmethod
    def read(self, value: Any, region: str | None) -> Any:
        """The value for a run in `region` (None: any region), as plain data; raises InputError."""


def text_in(value: Any) -> str:
    """The text that is given; raises InputError for anything else."""
    if not isinstance(value, str):
        raise InputError(f"{shown(value)} is not a text", "write it in quotes")
    return value


def shown(value: Any) -> str:
    """The value as messages quote it: as JSON, 60 characters at most."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def json_in(text: str) -> Any:
    """What a JSON text says; raises InputError."""
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
