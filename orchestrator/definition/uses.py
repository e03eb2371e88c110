"""Where a definition uses what it is given, and whether the values fit there: for a row exactly, before the first call."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from orchestrator.definition import media
from orchestrator.definition.certain import Undecided
from orchestrator.definition.fields import Field
from orchestrator.definition.inputs import is_absent
from orchestrator.definition.mistakes import sentence
from orchestrator.definition.problems import Code
from orchestrator.domain import expressions
from orchestrator.domain.expressions import ExpressionError, Reference
from orchestrator.metastudio import catalog, ssml
from orchestrator.metastudio.conditions.speech import text_can_be_spoken
from orchestrator.metastudio.models.base import SpeechModel

#: The shape of the platform's own ids; nothing shorter is one.
_ID: Final = re.compile(r"[0-9a-f]{32}")
_ID_FIELDS: Final = frozenset({"asset_id", "model_asset_id", "voice_asset_id", "background_asset_id"})
_VOICE_FIELD: Final = "voice_asset_id"
#: What speech previews call the id of their voice (reference 10.1).
_VOICE_OF_PREVIEWS: Final = "emotion"
#: Tags and entities of a speech.
_MARK: Final = re.compile(r"<[^<>]*>|[<>]|&[^\s;]*;?")
#: Findings that are kept for the next rows.
_MOST_KEPT: Final = 10_000
#: Conditions that are told in the words of their own check, as far as text and speech go.
_TOLD_APART: Final = frozenset({text_can_be_spoken})
#: Types of inputs whose values are paths.
_FILES: Final = frozenset({"file", "files"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value, and the input or column that it comes from."""

    name: str
    code: Code
    message: str
    suggestion: str = ""


#: What is wrong with one run's inputs and row.
Examine: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[Fault]]


@dataclass(frozen=True, slots=True)
class Use:
    """A parameter of a step."""

    step: str
    field: Field
    #: What a file that it names is used as; None: it names no file.
    file: media.Use | None = None
    names_file: bool = False
    #: Whether its step is carried out in every run that goes well.
    certain: bool = True

    @property
    def spoken(self) -> bool:
        """Whether an avatar says it."""
        return self.field.name == "text" and issubclass(self.field.model, SpeechModel)

    @property
    def takes_voice(self) -> bool:
        """Whether a voice's id is needed."""
        field = self.field
        preview = field.name == _VOICE_OF_PREVIEWS and "pitch" in field.model.model_fields
        return field.whole and (field.name == _VOICE_FIELD or preview)

    @property
    def takes_id(self) -> bool:
        """Whether an asset's id is needed."""
        return self.takes_voice or (self.field.whole and self.field.name in _ID_FIELDS)


@dataclass(frozen=True, slots=True)
class _OpenUse:
    """A parameter whose value follows from inputs and row alone."""

    use: Use
    references: tuple[Reference, ...]
    #: Whether the value is that of one name, and nothing else.
    plain: bool

    @property
    def name(self) -> str:
        """The input or the column that it comes from, the first of them."""
        return self.references[0].path[0]

    def value(self, scope: Mapping[str, Any]) -> Any:
        """What it is in `scope`; raises ExpressionError, KeyError for a name whose value is not known."""
        first = self.references[0]
        if self.plain and len(first.path) == 1:
            return scope[first.root][first.path[0]]
        return expressions.render(self.use.field.node.value, scope)


@dataclass(frozen=True, slots=True)
class _Pending:
    """Conditions of a step's parameters that inputs and row decide, and the names that these come from."""

    step: str
    conditions: Undecided
    #: By the node in which the value stands.
    names: Mapping[int, str]


def id_fault(name: str, value: str, region: str, *, voice: bool) -> tuple[Code, str, str] | None:
    """Code, message and suggestion for what stands where an asset's id is needed, if it cannot be right in `region`."""
    if (timbre := catalog.timbre_of(value)) is not None:
        if value in timbre.ids.values() and timbre.ids.get(region) != value:
            where = ", ".join(sorted(one for one, known in timbre.ids.items() if known == value))
            own = timbre.ids.get(region)
            hint = f"in {region} it is {own}" if own else f"{region} does not have it"
            message = f"{name}: {value} is the voice {timbre.name!r} of {where}, not of {region}"
            return Code.OTHER_REGION, message, hint
        return None
    if _ID.fullmatch(value):
        return None
    if voice and (near := _voice_named(value, region)):
        return Code.OTHER_REGION, f"{name}: an id is needed, and {value!r} is the name of a voice", near
    return Code.ODD_ID, f"{name}: {value!r} does not look like an id", "ids have 32 digits and letters a to f"


def _voice_named(value: str, region: str) -> str:
    try:
        timbre = catalog.timbre(value)
    except catalog.UnknownEntryError:
        return ""
    own = timbre.ids.get(region)
    return f"write {own}, or use an input of the type timbre" if own else f"{region} does not have it"


@dataclass
class Uses:
    """The parameters that depend on nothing but inputs and row; `examine` tries the values of one run in them."""

    uses: Sequence[Use]
    #: Type of each input.
    types: Mapping[str, str]
    region: str
    #: By step, the conditions between its parameters that hang on expressions; of steps that are carried out for certain.
    conditions: Sequence[tuple[str, Undecided]] = ()
    _seen: dict[tuple[str, media.Use | None], tuple[media.Finding, ...]] = field(default_factory=dict)
    #: Tags and entities of speeches with which nothing is wrong.
    _harmless: set[tuple[str, ...] | None] = field(default_factory=set)
    _ids: dict[str, tuple[Code, str, str] | None] = field(default_factory=dict)

    def examine(self, inputs: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Fault]:
        """What is wrong with the values of one run, as far as they are known. Files of inputs have absolute paths."""
        scope = {"inputs": inputs, "row": row}
        said: set[tuple[str, str]] = set()
        for fault in self._all_faults(inputs, scope):
            if (fault.name, fault.message) not in said:
                said.add((fault.name, fault.message))
                yield fault

    def _all_faults(
        self, inputs: Mapping[str, Any], scope: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Fault]:
        known: dict[int, Any] = {}
        for one in self._open:
            try:
                value = one.value(scope)
            except (ExpressionError, KeyError):
                continue  # told when the step runs: a default or an `if` may be meant
            known[id(one.use.field.node)] = value
            if value is not None:
                yield from self._faults(one, value)
            elif one.use.certain and one.use.field.whole and not _takes_nothing(one.use.field):
                message = f"in the step {one.use.step}, {one.use.field.dotted} needs a value"
                yield self._fault(one.name, message, scope)
        for pending in self._pending:
            for scalar, unmet in pending.conditions.unmet(known):
                at = [id(scalar)] if scalar is not None else pending.names.keys() & known.keys()
                name = next((pending.names[node] for node in at), "")
                if name:
                    yield self._fault(name, f"in the step {pending.step}, {unmet}", scope)
        yield from self._unused_files(inputs)

    @staticmethod
    def _fault(name: str, message: str, scope: Mapping[str, Mapping[str, Any]]) -> Fault:
        empty = name in scope["row"] and is_absent(scope["row"][name])
        return Fault(name, Code.WRONG_INPUT, f"{name}: {message}", "fill in the cell" if empty else "")

    @cached_property
    def _open(self) -> list[_OpenUse]:
        found = []
        for use in self.uses:
            text = use.field.node.value
            if not isinstance(text, str) or "${{" not in text or expressions.problems(text):
                continue
            references = tuple(sorted(expressions.references(text), key=lambda one: one.offset))
            if references and all(self._is_open(one) for one in references):
                found.append(
                    _OpenUse(use, references, len(references) == 1 and _is_plain(use, references[0]))
                )
        return found

    @cached_property
    def _pending(self) -> list[_Pending]:
        named = {id(one.use.field.node): one.name for one in self._open}
        found = []
        for step, conditions in self.conditions:
            left = conditions.without(_TOLD_APART)
            names = {id(node): named[id(node)] for node in left.scalars if id(node) in named}
            if left.conditions and names:
                found.append(_Pending(step, left, names))
        return found

    def _is_open(self, reference: Reference) -> bool:
        """Whether it names a value that may be looked at, and told."""
        if not reference.path or reference.root not in {"inputs", "row"}:
            return False
        return reference.root == "row" or self.types.get(reference.path[0]) != "secret"

    @cached_property
    def _used_files(self) -> frozenset[str]:
        return frozenset(one.name for one in self._open if one.use.names_file and len(one.references) == 1)

    def _unused_files(self, inputs: Mapping[str, Any]) -> Iterator[Fault]:
        for name, kind in self.types.items():
            if kind in _FILES and name not in self._used_files:
                yield from self._files_of(name, inputs.get(name), None)

    def _faults(self, one: _OpenUse, value: Any) -> Iterator[Fault]:
        use, name = one.use, one.name
        type_ = self.types.get(name, "") if one.references[0].root == "inputs" else ""
        if use.field.whole:
            try:
                use.field.adapter.validate_python(value)
            except ValidationError as error:
                for detail in error.errors(include_url=False, include_input=False):
                    message = f"{use.step}: {use.field.dotted} {sentence(detail)}"
                    yield Fault(name, Code.WRONG_INPUT, f"{name}: in the step {message}")
                return
        if use.names_file and one.plain and type_ in _FILES:
            yield from self._files_of(name, value, use.file)
        if not isinstance(value, str):
            return
        if use.spoken:
            yield from self._speech(name, use, value, checked=one.plain and type_ in {"ssml", "text"})
        if use.takes_id and (fault := self._id(use, value)) is not None:
            code, message, suggestion = fault
            yield Fault(name, code, f"{name}: in the step {use.step}, {message}", suggestion)

    def _speech(self, name: str, use: Use, text: str, *, checked: bool) -> Iterator[Fault]:
        # What the input has looked at can only be doubtful, and that hangs on its tags: those of most rows are alike.
        marks = tuple(_MARK.findall(text)) if checked and "<phoneme" not in text else None
        if marks in self._harmless:
            return
        found = ssml.lint(text, video=True)
        if marks is not None and not found.problems and len(self._harmless) < _MOST_KEPT:
            self._harmless.add(marks)
        for one in found.problems:
            error = one.severity is ssml.Severity.ERROR
            if not (error and checked):
                at = f"line {one.line}, column {one.column} of the text: {one.code}"
                said = f"the text {one.message}" if one.message.startswith("has ") else one.message
                message = f"{name}: in the step {use.step}, {said} ({at})"
                yield Fault(name, Code.WRONG_INPUT if error else Code.SPEECH_DOUBT, message, one.suggestion)

    def _id(self, use: Use, value: str) -> tuple[Code, str, str] | None:
        key = f"{use.field.name} {value}"
        if key not in self._ids:
            self._ids[key] = id_fault(use.field.name, value, self.region, voice=use.takes_voice)
        return self._ids[key]

    def _files_of(self, name: str, value: Any, use: media.Use | None) -> Iterator[Fault]:
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, str):
                yield from self._file(name, path, use)

    def _file(self, name: str, path: str, use: media.Use | None) -> Iterator[Fault]:
        key = (path, use)
        if key not in self._seen:
            try:
                self._seen[key] = tuple(media.findings(Path(path), use))
            except OSError:  # gone since it was found
                self._seen[key] = ()
        for one in self._seen[key]:
            yield Fault(name, one.code, f"{name}: {one.message}", one.suggestion)


def _is_plain(use: Use, reference: Reference) -> bool:
    text = str(use.field.node.value)
    return re.fullmatch(r"\s*\$\{\{\s*" + re.escape(str(reference)) + r"\s*\}\}\s*", text) is not None


def _takes_nothing(field: Field) -> bool:
    """Whether the field may be left without a value."""
    try:
        field.adapter.validate_python(None)
    except ValidationError:
        return False
    return True
