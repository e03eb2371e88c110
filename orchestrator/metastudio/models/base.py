"""The two bases of the generated models: what we send is strict, what we receive is lenient.

A schema that the API both takes and returns has two classes, `VoiceConfig` and `VoiceConfigRead`. One class can't
serve: a request with a typo has to fail here, before it costs a call, while an answer with a field that the
reference doesn't know (the service is ahead of its document) must never fail a video that is already paid for.
"""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

#: A value is hidden from reprs when its name ends so: presigned URLs and keys are as good as passwords.
_HIDDEN_ENDINGS = ("url", "urls", "url_list", "key", "keys", "secret", "token", "password")

#: Errors of a scalar; a wrong object or list is no detail that may be dropped.
_SCALAR_ERRORS = frozenset(
    {
        *("string_type", "string_unicode"),
        *("int_type", "int_parsing", "int_parsing_size", "int_from_float"),
        *("float_type", "float_parsing", "bool_type", "bool_parsing", "finite_number"),
    }
)


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
        for name, value in super().__repr_args__():
            if value is None:
                continue
            hidden = name is not None and name.lower().endswith(_HIDDEN_ENDINGS)
            yield name, "***" if hidden else value


class RequestModel(_Model):
    """A body, or a part of one, that we send: every constraint of the reference holds, unknown fields are errors.

    A field left None isn't sent, so the service's default applies.
    """

    model_config = ConfigDict(extra="forbid")


class ResponseModel(_Model):
    """A body, or a part of one, that we receive: all is optional, unknown fields and values are kept.

    Numbers written as text and text written as a number are read. A scalar that can't be read at all (`"656,"` for a
    number) becomes None, and so does an empty string in place of an object; any other misfit is an error.
    """

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="wrap")
    @classmethod
    def _read_leniently(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            if not isinstance(data, dict):
                raise
            mended = dict(data)
            for detail in error.errors(include_url=False, include_context=False):
                name = detail["loc"][0]
                raw = data.get(name)
                if len(detail["loc"]) > 1 or (detail["type"] not in _SCALAR_ERRORS and raw != ""):
                    raise
                mended[name] = (
                    round(raw) if isinstance(raw, float) and detail["type"] == "int_from_float" else None
                )
            return handler(mended)
