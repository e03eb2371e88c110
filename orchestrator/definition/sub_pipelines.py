"""Pipelines that steps run (`uses: pipeline.run`): read, checked and pinned together with the one that calls them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os.path import normpath
from pathlib import Path
from typing import Final

from orchestrator.definition.certain import holds_expression
from orchestrator.definition.files import FileRefusedError, Folders
from orchestrator.definition.inputs import InputError, is_absent, read_input
from orchestrator.definition.problems import Code, Problem, Severity
from orchestrator.definition.tree import Mapping, Node, Place, Scalar, Source
from orchestrator.domain.nearest import did_you_mean
from orchestrator.domain.pipeline import InputSpec, Pipeline

#: The step kind that runs a pipeline.
PIPELINE_RUN: Final = "pipeline.run"
#: Pipelines that run pipelines that run pipelines, …
LEVELS: Final = 5
#: Steps of a definition and of all that it runs, each as often as it is run from somewhere.
STEP_LIMIT: Final = 2000


@dataclass(frozen=True, slots=True)
class Caller:
    """A definition that is being read because another one, or a user, asks for it."""

    #: How problems name it.
    label: str
    path: Path
    pipeline: str


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is of a definition, with all that it runs."""

    #: Names of the pipelines.
    names: frozenset[str] = frozenset()
    levels: int = 0
    #: Each as often as it is run from somewhere.
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a definition file came to."""

    pipeline: Pipeline | None
    problems: Sequence[Problem]
    extent: Extent = Extent()
    #: Where it says that it has rows.
    rows: Place | None = None


Load = Callable[[Path, str, tuple[Caller, ...]], Loaded]


@dataclass(slots=True)
class SubPipelines:
    """Those that the steps of one definition run."""

    #: The definition itself, and those that led to it, the outermost first.
    callers: tuple[Caller, ...]
    folder: Path
    #: Folders that definitions may lie in.
    roots: Sequence[Path]
    load: Load
    #: By the step that runs it.
    found: dict[str, Pipeline] = field(default_factory=dict)
    #: What is wrong with them, in their own files.
    problems: list[Problem] = field(default_factory=list)
    #: Of all of them together.
    extent: Extent = Extent()

    def read(self, source: Source, step: str, given: Mapping) -> Pipeline | None:
        """The pipeline that a step with the parameters `given` runs; None after noting what is wrong with it."""
        file = given.values.get("file")
        if not isinstance(file, Scalar) or not isinstance(file.value, str) or "${{" in file.value:
            return None  # that has been said
        pipeline = self._pipeline(source, file.value, file.place)
        if pipeline is not None:
            self.found[step] = pipeline
            self._inputs(source, pipeline, given)
        return pipeline

    def _pipeline(self, source: Source, written: str, place: Place) -> Pipeline | None:
        try:
            path = Path(Folders.of([self.folder], self.roots).find(written))
        except FileRefusedError as error:
            source.report(place, Code.SUB_PIPELINE, f"the pipeline {error}", error.suggestion)
            return None
        label = normpath(Path(source.file).parent / written)
        if any(caller.path == path for caller in self.callers):
            shown = " → ".join([*(caller.label for caller in self.callers), label])
            source.report(place, Code.SUB_PIPELINE, f"pipelines run each other in a circle: {shown}")
            return None
        if len(self.callers) > LEVELS:
            self._too_deep(source, place)
            return None
        loaded = self.load(path, label, self.callers)
        self.problems += loaded.problems
        if loaded.pipeline is None:
            number = sum(one.severity is Severity.ERROR and one.file == label for one in loaded.problems)
            what = f"has {number} mistake{'s' if number > 1 else ''}" if number else "cannot be run"
            hint = "listed under its own name"
            source.report(place, Code.SUB_PIPELINE, f"the pipeline {written!r} {what}", hint)
            return None
        return loaded.pipeline if self._fits(source, place, label, loaded) else None

    def _fits(self, source: Source, place: Place, label: str, loaded: Loaded) -> bool:
        if loaded.rows is not None:
            message = "a pipeline with `rows` cannot be a step"
            hint = "remove them, and give the step that runs it `foreach`: it is run once for each item"
            source.report(
                place, Code.SUB_PIPELINE, message, f"they stand in {label}:{loaded.rows.line}; {hint}"
            )
            self.problems.append(
                Problem(label, loaded.rows.line, loaded.rows.col, Code.SUB_PIPELINE, message, hint)
            )
            return False
        callers = {caller.pipeline: caller.label for caller in self.callers}
        extent = loaded.extent
        if taken := sorted(callers.keys() & extent.names):
            message = f"the pipeline in {label} is called {taken[0]!r}, or runs one that is, as {callers[taken[0]]} is"
            source.report(place, Code.SUB_PIPELINE, message, "give one of them another name")
            return False
        if len(self.callers) - 1 + extent.levels > LEVELS:
            self._too_deep(source, place)
            return False
        mine = self.extent
        self.extent = Extent(
            mine.names | extent.names, max(mine.levels, extent.levels), mine.steps + extent.steps
        )
        if self.extent.steps > STEP_LIMIT:
            message = f"the pipelines that are run from here have more than {STEP_LIMIT:,} steps together"
            source.report(place, Code.TOO_LARGE, message)
            return False
        return True

    def _too_deep(self, source: Source, place: Place) -> None:
        message = f"pipelines run pipelines more than {LEVELS} levels deep"
        shown = " → ".join(caller.label for caller in self.callers)
        source.report(place, Code.SUB_PIPELINE, message, shown)

    def _inputs(self, source: Source, pipeline: Pipeline, given: Mapping) -> None:
        """As far as they are known without running anything."""
        inputs = given.values.get("inputs")
        if inputs is not None and not isinstance(inputs, Mapping):
            return
        values = inputs.values if inputs is not None else {}
        for name, node in values.items():
            if (spec := pipeline.inputs.get(name)) is not None:
                self._input(source, pipeline, name, spec, node)
            elif inputs is not None:
                known = f"known: {', '.join(pipeline.inputs) or 'none'}"
                message = f"the pipeline {pipeline.name!r} has no input {name!r}"
                hint = did_you_mean(name, pipeline.inputs) or known
                source.report(inputs.keys[name], Code.UNKNOWN_INPUT_GIVEN, message, hint)
        place = given.keys.get("inputs") or given.keys["file"]
        for name, spec in pipeline.inputs.items():
            missing = name not in values or is_absent(values[name].plain())
            # A secret that is not handed on is a setting.
            if missing and spec.required and is_absent(spec.default) and spec.type != "secret":
                message = f"the input {name!r} of {pipeline.name!r} has no value"
                source.report(place, Code.MISSING_INPUT, message, f"add `{name}: …` to `with.inputs`")

    def _input(self, source: Source, pipeline: Pipeline, name: str, spec: InputSpec, node: Node) -> None:
        value = node.plain()
        if holds_expression(node) or is_absent(value):
            return
        try:
            read = read_input(spec, value, None)
            if spec.type == "file":
                search = [self.folder, Path(pipeline.folder)]
                Folders.of(search, self.roots).find(read, pictures=bool(spec.options.get("accept")))
        except InputError as error:
            for part in error.parts:
                source.report(node.place, part.code, f"the input {name!r}: {part}", part.suggestion)
