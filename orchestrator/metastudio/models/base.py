"""The two bases of the generated models: what we send is strict, what we receive is lenient.

A schema that the API both takes and returns has two classes, `VoiceConfig` and `VoiceConfigRead`. One class can't
serve: a request with a typo has to fail here, before it costs a call, while an answer with a field that the
reference doesn't know (the service is ahead of its document) must never fail a video that is already paid for.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from orchestrator.metastudio.conditions.base import Condition
from orchestrator.metastudio.models.lenient import loosen
from orchestrator.metastudio.withheld import HIDDEN, is_withheld, with_hidden


class _Model(BaseModel):
    model_config = ConfigDict(
        # Start-up stays light: a validator is built when its model is first used.
        defer_build=True,
        coerce_numbers_to_str=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        # Error messages reach logs, inputs may hold presigned URLs and keys.
        hide_input_in_errors=True,
        protected_namespaces=(),
        frozen=True,
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # Presigned URLs and keys are as good as passwords.
        shown = [(name, value) for name, value in super().__repr_args__() if value is not None]
        names = {name for name, _ in shown if name is not None}
        for name, value in shown:
            hidden = name is not None and is_withheld(name, None, names)
            yield name, HIDDEN if hidden else with_hidden(value)


class RequestModel(_Model):
    """A body, or a part of one, that we send: every constraint of the reference holds, unknown fields are errors.

    A field left None isn't sent, so the service's default applies. What the reference asks of several fields together
    is in `CONDITIONS`; all that aren't met are reported at once, as errors of the type `condition`, each with the
    location of the field to change and, in its context, the service's own error code if it has one.
    """

    model_config = ConfigDict(extra="forbid")

    CONDITIONS: ClassVar[tuple[Condition, ...]] = ()

    @model_validator(mode="after")
    def _meet_conditions(self) -> Self:
        unmet = [one for condition in self.CONDITIONS for one in condition(self)]
        if unmet:
            errors = [
                InitErrorDetails(
                    type=PydanticCustomError("condition", "{what}", {"what": one.message, "code": one.code}),
                    loc=one.loc,
                    input=None,
                )
                for one in unmet
            ]
            raise ValidationError.from_exception_data(type(self).__name__, errors, hide_input=True)
        return self


class SpeechModel(RequestModel):
    """A request whose `text` is spoken."""

    @field_validator("text", mode="before", check_fields=False)
    @classmethod
    def _without_mark(cls, text: Any) -> Any:
        # Editors put a byte order mark in front of a file; nobody means to say it.
        return text.removeprefix("\ufeff") if isinstance(text, str) else text


class ResponseModel(_Model):
    """A body, or a part of one, that we receive: all is optional, unknown fields and values are kept.

    Numbers written as text and text written as a number are read, and a fraction where a whole number is due is
    rounded. What can't be read at all (`"656,"` for a number, text for an object) is None, at its own level: the rest
    of the answer is read. Among objects in a list, what is none, null too, is an empty one; among scalars it is left
    out. Only a body that is no object is an error. Values and fields that the service, its document and its examples spell differently are read as
    `spelling` says.
    """

    model_config = ConfigDict(extra="allow")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        loosen(schema, handler.resolve_ref_schema)
        return schema
