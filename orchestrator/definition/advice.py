"""What a definition says that can be known to be wrong, or odd, before anything is called: a second look at its tree.

The loader asks whether the file is a definition; this asks whether what it means will do, in the region where it runs.
"""

import contextlib
import re
from collections.abc import Collection, Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.definition import media, pace
from orchestrator.definition.certain import Undecided, undecided
from orchestrator.definition.fields import fields
from orchestrator.definition.files import FileRefusedError, Folders
from orchestrator.definition.grammar import SECTIONS
from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.problems import Code
from orchestrator.definition.tree import Mapping, Node, Scalar, Sequence, Source
from orchestrator.definition.uses import Use, Uses, id_fault
from orchestrator.domain import expressions
from orchestrator.domain.expressions import Expression, ExpressionError, Literal
from orchestrator.domain.nearest import did_you_mean
from orchestrator.metastudio import ssml

#: What becomes of an uploaded main file, by the type of its asset.
_BY_ASSET: Final = {
    "IMAGE": media.Use.PICTURE,
    "VIDEO": media.Use.VIDEO,
    "AUDIO": media.Use.SOUND,
    "MUSIC": media.Use.SOUND,
}
_UPLOAD: Final = ("file.upload", "path")
#: Step kinds' parameters that name files, and what those are used as; None: nothing is asked of them.
_FILES: Final[AbstractMapping[tuple[str, str], media.Use | None]] = {
    ("avatar.train", "video"): media.Use.TRAINING_VIDEO,
    ("avatar.train", "action_video"): media.Use.TRAINING_VIDEO,
    ("avatar.train", "id_card_front"): media.Use.PHOTO,
    ("avatar.train", "id_card_back"): media.Use.PHOTO,
    ("avatar.train", "cover"): media.Use.PICTURE,
    ("avatar.train", "audio"): media.Use.SOUND,
    ("avatar.train", "authorization_letter"): None,
    ("voice.train", "authorization_letter"): None,
    ("script.audio", "recordings"): media.Use.SPEECH,
}
_MAKES_ASSETS: Final = frozenset({"asset.create", "api.create_digital_asset"})
_ASSET_OF_A_STEP: Final = re.compile(r"\s*\$\{\{\s*steps\.([A-Za-z0-9_]+)\.asset_id\s*\}\}\s*")
#: Problems of speech that no expression can undo.
_CERTAIN: Final = frozenset(
    {
        ssml.Code.UNKNOWN_TAG,
        ssml.Code.UNKNOWN_ATTRIBUTE,
        ssml.Code.WRONG_VALUE,
        ssml.Code.TOO_LONG,
        ssml.Code.TOO_LONG_WITH_TAGS,
    }
)
_TAG_WITH_EXPRESSION: Final = re.compile(r"<[^<>]*\$\{\{")


def steps_of(root: Mapping) -> Iterator[tuple[str, Mapping]]:
    """Every step that is written as one, by its name, in the order of the sections."""
    for title in SECTIONS:
        section = root.values.get(title)
        if isinstance(section, Mapping):
            for name, step in section.values.items():
                if isinstance(step, Mapping):
                    yield name, step


@dataclass
class Advice:
    """The second look. `folders` are where literal paths are looked for."""

    source: Source
    root: Mapping
    kinds: StepKinds
    region: str
    folders: Folders

    def __post_init__(self) -> None:
        inputs = self.root.values.get("inputs")
        self._inputs = inputs if isinstance(inputs, Mapping) else Mapping(self.root.place)

    def uses(self) -> Uses:
        """The parameters in which the values of a run can be tried. Steps with an `if` may not run, so they are left out."""
        certain = self._certain_steps()
        always = [
            replace(use, certain=use.step in certain)
            for step, use in self._all_uses()
            if "if" not in step.values
        ]
        types = {name: _type(node) for name, node in self._inputs.values.items()}
        return Uses(always, types, self.region, tuple(self._undecided(certain)))

    def _certain_steps(self) -> frozenset[str]:
        """Steps that are carried out in every run that goes well: nothing that they wait for is skipped."""
        skipped: set[str] = set()
        steps = dict(steps_of(self.root))
        waits = {name: _waits_for(step) for name, step in steps.items()}
        left = {name for name, step in steps.items() if "if" in step.values}
        left |= _children(self.root, "on_failure").keys()
        while left:
            skipped |= left
            left = {name for name, others in waits.items() if name not in skipped and others & skipped}
        # A list may have no items, and what waits for them goes on.
        return frozenset(name for name in waits.keys() - skipped if "foreach" not in steps[name].values)

    def _undecided(self, steps: Collection[str]) -> Iterator[tuple[str, Undecided]]:
        for name, step in steps_of(self.root):
            kind, given = self.kinds.get(_text(step, "uses")), step.values.get("with")
            if name in steps and kind is not None and isinstance(given, Mapping):
                for one in undecided(kind.params, given):
                    yield name, one

    def note(self) -> None:
        """Notes every problem in the source."""
        self._unused_inputs()
        self._defaults()
        for _, use in self._all_uses():
            self._literal(use)
        for place, message, suggestion in pace.timeouts(self.root, steps_of(self.root)):
            self.source.report(place, Code.TOO_SHORT_A_TIME, message, suggestion)

    def runs(self) -> Iterator[str]:
        """The files of the definitions that steps run, as they are written, as far as they may be read."""
        for _, step in steps_of(self.root):
            given = step.values.get("with")
            written = _text(given, "file") if isinstance(given, Mapping) else ""
            if _text(step, "uses") == "pipeline.run" and written and "${{" not in written:
                with contextlib.suppress(FileRefusedError):  # the loader has told
                    self.folders.find(written)
                    yield written

    def _all_uses(self) -> Iterator[tuple[Mapping, Use]]:
        steps = dict(steps_of(self.root))
        for name, step in steps.items():
            kind = self.kinds.get(_text(step, "uses"))
            given = step.values.get("with")
            if kind is None or not isinstance(given, Mapping):
                continue
            for field in fields(kind.params, given):
                place = (_text(step, "uses"), str(field.loc[0]))
                if place == _UPLOAD:
                    yield step, Use(name, field, _upload_use(given, steps), names_file=True)
                else:
                    yield step, Use(name, field, _FILES.get(place), names_file=place in _FILES)

    def _unused_inputs(self) -> None:
        used: set[str] = set()
        for key, node in self.root.values.items():
            for reference in _references(node) if key != "inputs" else ():
                if reference.root == "inputs" and not reference.path:
                    return  # all of them, or whichever an expression names
                if reference.root == "inputs":
                    used.add(self._meant(reference.path[0]))
        for name in self._inputs.values.keys() - used:
            hint = f"write ${{{{ inputs.{name} }}}} where it is needed, or remove it"
            self.source.report(self._inputs.keys[name], Code.UNUSED, f"nothing uses the input {name!r}", hint)

    def _meant(self, name: str) -> str:
        """An input under a wrong name is told where it stands, and not as unused as well."""
        known = self._inputs.values
        return name if name in known else next((near for near in known if did_you_mean(name, [near])), name)

    def _defaults(self) -> None:
        for name, node in self._inputs.values.items():
            default = node.values.get("default") if isinstance(node, Mapping) else None
            if not isinstance(default, Scalar) or not isinstance(default.value, str):
                continue
            kind = _type(node)
            if kind == "ssml":
                self._doubts(default)
            elif kind in {"asset", "timbre"} and (
                kind == "asset" or re.fullmatch("[0-9a-f]{32}", default.value)
            ):
                self._id(default, f"the default of {name!r}", voice=kind == "timbre")

    def _literal(self, use: Use) -> None:
        node = use.field.node
        if not isinstance(node.value, str):
            return
        if "${{" in node.value:
            if use.spoken:
                self._partly_spoken(node, node.value)
        elif use.spoken:
            self._doubts(node)
        elif use.takes_id:
            self._id(node, use.field.dotted, voice=use.takes_voice)
        elif use.names_file:
            self._file(node, node.value, use.file)

    def _id(self, node: Scalar, name: str, *, voice: bool) -> None:
        if (fault := id_fault(name, str(node.value), self.region, voice=voice)) is not None:
            self.source.report(node.place, *fault)

    def _doubts(self, node: Scalar) -> None:
        for one in ssml.lint(str(node.value), video=True).warnings:
            place = f"line {one.line}, column {one.column} of the text: {one.code}"
            self.source.report(node.place, Code.SPEECH_DOUBT, f"{one.message} ({place})", one.suggestion)

    def _partly_spoken(self, node: Scalar, text: str) -> None:
        """What is wrong with a speech whatever its expressions bring. One that makes a part of a tag is left alone."""
        if _TAG_WITH_EXPRESSION.search(text):
            return
        try:
            parts = expressions.parse(text).parts
        except ExpressionError:
            return
        if sum(isinstance(part, Expression) for part in parts) == len(parts):
            return
        known = "".join(part.text if isinstance(part, Literal) else "" for part in parts)
        for one in ssml.lint(known).errors:
            if one.code in _CERTAIN:
                self.source.report(
                    node.place,
                    Code.WRONG_PARAMETER,
                    f"{one.message} (of the text: {one.code})",
                    one.suggestion,
                )

    def _file(self, node: Scalar, written: str, use: media.Use | None) -> None:
        try:
            found = self.folders.find(written)
            for one in media.findings(Path(found), use, written):
                self.source.report(node.place, one.code, one.message, one.suggestion)
        except FileRefusedError as error:
            self.source.report(node.place, error.code, str(error), error.suggestion)
        except OSError as error:
            message = f"{written!r} cannot be read: {(error.strerror or type(error).__name__).lower()}"
            self.source.report(node.place, Code.FILE_MISSING, message)


def _upload_use(given: Mapping, steps: AbstractMapping[str, Mapping]) -> media.Use | None:
    """What an upload's file is used as, if the definition makes its asset and says of which type."""
    category = given.values.get("category")
    if isinstance(category, Scalar) and category.value != "MAIN":
        return None
    asset = given.values.get("asset_id")
    made_by = _ASSET_OF_A_STEP.fullmatch(str(asset.value)) if isinstance(asset, Scalar) else None
    maker = steps.get(made_by[1]) if made_by else None
    if maker is None or _text(maker, "uses") not in _MAKES_ASSETS:
        return None
    parameters = maker.values.get("with")
    return _BY_ASSET.get(_text(parameters, "asset_type")) if isinstance(parameters, Mapping) else None


def _waits_for(step: Mapping) -> frozenset[str]:
    needs = step.values.get("needs")
    named = needs.plain() if needs is not None else []
    used = {one.path[0] for one in _references(step) if one.root == "steps" and one.path}
    return frozenset([named] if isinstance(named, str) else named or []) | used


def _children(node: Mapping, key: str) -> AbstractMapping[str, Node]:
    found = node.values.get(key)
    return found.values if isinstance(found, Mapping) else {}


def _references(node: Node) -> Iterator[expressions.Reference]:
    match node:
        case Scalar(value=str() as text):
            try:
                # A condition may stand without its braces.
                found = expressions.condition(text) if "${{" not in text else expressions.parse(text)
            except ExpressionError:
                return
            for expression in found.expressions:
                yield from expression.references()
        case Sequence():
            for item in node.items:
                yield from _references(item)
        case Mapping():
            for item in node.values.values():
                yield from _references(item)


def _text(node: Mapping, key: str) -> str:
    found = node.values.get(key)
    return found.value if isinstance(found, Scalar) and isinstance(found.value, str) else ""


def _type(node: Node) -> str:
    return (_text(node, "type") or "string") if isinstance(node, Mapping) else "string"
