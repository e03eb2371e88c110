"""The types of inputs: what each understands in a definition, and how it reads a value.

One model a type. The loader, the JSON Schema and the reading of values all come from it. Values arrive as text (a
table's cell, `-i KEY=VALUE`) or as data (YAML, JSON); text is read, data has to have the right type already.
"""

from typing import Annotated, Any, Final

from pydantic import Discriminator, Tag, TypeAdapter

from orchestrator.definition.input_base import ENDING_PATTERN, InputError, SpeechError, ending_of
from orchestrator.definition.input_collections import FilesInput, ListInput, MapInput, SlidesInput, TableInput
from orchestrator.definition.input_scalars import (
    AssetInput,
    BooleanInput,
    ChoiceInput,
    DateInput,
    FileInput,
    IntegerInput,
    NumberInput,
    SecretInput,
    SsmlInput,
    StringInput,
    TextInput,
    TimbreInput,
)
from orchestrator.domain import secrets
from orchestrator.domain.pipeline import InputSpec

__all__ = [
    "ENDING_PATTERN",
    "AnyInput",
    "InputError",
    "SpeechError",
    "ending_of",
    "input_of",
    "is_absent",
    "read_input",
    "spec_of",
]


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
    | Annotated[DateInput, Tag("date")]
    | Annotated[SecretInput, Tag("secret")]
    | Annotated[FileInput, Tag("file")]
    | Annotated[FilesInput, Tag("files")]
    | Annotated[TableInput, Tag("table")]
    | Annotated[SlidesInput, Tag("slides")]
    | Annotated[AssetInput, Tag("asset")]
    | Annotated[TimbreInput, Tag("timbre")],
    Discriminator(_type_of),
]
_ADAPTER: Final[TypeAdapter[AnyInput]] = TypeAdapter(AnyInput)
_COMMON: Final = frozenset({"type", "description", "required", "default"})


def spec_of(declared: AnyInput) -> InputSpec:
    """The declared input as part of a pipeline."""
    options = declared.model_dump(exclude=set(_COMMON), exclude_unset=True, by_alias=True)
    kind: str = declared.type
    if isinstance(declared, ListInput) and declared.of == "file":
        # Whatever asks for a run's files finds them by the type of the input.
        del options["of"]
        kind, options = "files", {"min_items": declared.min_items, **options}
    required = declared.required and "default" not in declared.model_fields_set
    return InputSpec(kind, required, declared.default, declared.description, options)


def input_of(spec: InputSpec) -> AnyInput:
    """The type with its constraints, as it was declared."""
    return _ADAPTER.validate_python({"type": spec.type, **spec.options})


def read_input(spec: InputSpec, value: Any, region: str | None) -> Any:
    """The value of one input for a run in `region`; raises InputError."""
    read = input_of(spec).read(value, region)
    # JSON in a cell may write the marks of a secret as escapes, which show only now.
    if spec.type != "secret" and secrets.marked(read):
        raise InputError("holds characters (U+FDD0, U+FDD1) that no text may hold", "take them out")
    return read


def is_absent(value: Any) -> bool:
    """Whether the value counts as not given: nothing, or an empty cell."""
    return value is None or (isinstance(value, str) and not value.strip())
