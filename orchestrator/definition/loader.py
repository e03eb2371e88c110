"""From a definition file to a Pipeline, or to every mistake in it at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.definition import mistakes, tree
from orchestrator.definition.fragments import expand
from orchestrator.definition.grammar import SECTIONS, DefaultsPart, PipelinePart, RetryPart, StepPart
from orchestrator.definition.inputs import spec_of
from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.lint import lint
from orchestrator.definition.misplaced import gather
from orchestrator.definition.problems import Code, DefinitionError, Problem, Severity
from orchestrator.definition.sub_pipelines import Caller, Extent, Loaded, SubPipelines
from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import GroupSpec, Pipeline, RetryPolicy, RowsSpec, Step

_ENDINGS = frozenset({".yaml", ".yml"})


def load(path: Path, *, kinds: StepKinds, roots: Sequence[Path] = ()) -> Pipeline:
    """The pipeline that `path` defines; raises DefinitionError with all of its mistakes.

    `roots`: the folders that the files which it takes in may lie in; none: its own.
    """
    pipeline, problems = check(path, kinds, roots)
    if pipeline is None:
        raise DefinitionError(problems)
    return pipeline


def check(path: Path, kinds: StepKinds, roots: Sequence[Path] = ()) -> tuple[Pipeline | None, list[Problem]]:
    """The pipeline that `path` defines and warnings, or None and every problem, in the order of the file.

    Problems of the files that it takes in follow. `roots` as of `load`.
    """
    loading = _Loading(kinds, tuple(roots) or (path.parent,))
    loaded = loading.file(path, str(path), ())
    return loaded.pipeline, list(loaded.problems)


def check_text(
    content: bytes, kinds: StepKinds, *, file: str, folder: Path, roots: Sequence[Path] = ()
) -> tuple[Pipeline | None, list[Problem]]:
    """As `check`, for a definition that is not in a file; `file` names it in problems."""
    loading = _Loading(kinds, tuple(roots) or (folder,))
    loaded = loading.text(content, file, folder / Path(file).name, ())
    return loaded.pipeline, list(loaded.problems)


@dataclass(frozen=True, slots=True)
class _Loading:
    """Reads a definition and those that it runs, each once."""

    kinds: StepKinds
    roots: Sequence[Path]
    known: dict[Path, Loaded] = field(default_factory=dict)

    def file(self, path: Path, label: str, callers: tuple[Caller, ...]) -> Loaded:
        """What the file came to; `label` names it in problems."""
        if path not in self.known:
            self.known[path] = self._file(path, label, callers)
        return self.known[path]

    def _file(self, path: Path, label: str, callers: tuple[Caller, ...]) -> Loaded:
        if path.suffix.lower() not in _ENDINGS:
            message = "a definition's name ends in .yaml or .yml"
            return Loaded(None, [Problem(label, 1, 1, Code.UNREADABLE, message)])
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would be waited for
            return Loaded(None, [Problem(label, 1, 1, Code.UNREADABLE, "the definition is not a file")])
        try:
            with path.open("rb") as file:
                content = file.read(tree.SIZE_LIMIT + 1)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            message = f"the definition cannot be read: {reason}"
            return Loaded(None, [Problem(label, 1, 1, Code.UNREADABLE, message)])
        return self.text(content, label, path, callers)

    def text(self, content: bytes, label: str, path: Path, callers: tuple[Caller, ...]) -> Loaded:
        """As `file`, for its content."""
        source, root = tree.read(label, content)
        if root is None:
            return Loaded(None, _in_order(source.problems, label))
        for title in SECTIONS:
            if isinstance(section := root.values.get(title), tree.Mapping):
                gather(source, section)
        folder = path.parent.resolve()
        try:
            root = expand(source, root, folder, self.roots)
        except DefinitionError as error:
            return Loaded(None, _in_order([*source.problems, *error.problems], label))
        part = mistakes.report(source, root, tree.Place(1, 1), PipelinePart)
        name = _text(root, "pipeline")
        here = (*callers, Caller(label, path.resolve(), name))
        subs = SubPipelines(here, folder, self.roots, self.file)
        needs = lint(source, root, self.kinds, subs)
        problems = _in_order([*source.problems, *subs.problems], label)
        if not isinstance(part, PipelinePart) or any(one.severity is Severity.ERROR for one in problems):
            return Loaded(None, problems)
        triggers = root.values["on"].plain() if "on" in root.values else {}
        pipeline = _pipeline(part, needs, triggers, folder, subs.found)
        below = subs.extent
        extent = Extent(below.names | {name}, 1 + below.levels, below.steps + len(pipeline.all_steps))
        return Loaded(pipeline, problems, extent, root.keys.get("rows"))


def _text(root: tree.Mapping, key: str) -> str:
    node = root.values.get(key)
    return node.value if isinstance(node, tree.Scalar) and isinstance(node.value, str) else ""


def _in_order(problems: list[Problem], file: str) -> list[Problem]:
    """Those of the file first. An alias, and a fragment, shows the same place twice."""
    order = {
        name: number for number, name in enumerate(dict.fromkeys([file, *(one.file for one in problems)]))
    }
    return sorted(
        dict.fromkeys(problems),
        key=lambda problem: (order[problem.file], problem.line, problem.col, problem.code),
    )


def _pipeline(
    part: PipelinePart,
    needs: Mapping[str, tuple[str, ...]],
    triggers: Any,
    folder: Path,
    run: Mapping[str, Pipeline],
) -> Pipeline:
    def steps(parts: Mapping[str, StepPart]) -> tuple[Step, ...]:
        return tuple(
            _step(name, step, needs[name], part.defaults, run.get(name)) for name, step in parts.items()
        )

    return Pipeline(
        name=part.pipeline,
        description=part.description,
        inputs={name: spec_of(declared) for name, declared in part.inputs.items()},
        rows=RowsSpec(part.rows.from_, part.rows.name, part.rows.sheet) if part.rows else None,
        steps=steps(part.steps),
        on_failure=steps(part.on_failure),
        finally_=steps(part.finally_),
        outputs=part.outputs,
        concurrency_limit=None if part.concurrency.group else part.concurrency.limit,
        group=GroupSpec(part.concurrency.group, part.concurrency.limit or 1)
        if part.concurrency.group
        else None,
        triggers=triggers,
        folder=str(folder),
    )


def _step(
    name: str, part: StepPart, needs: tuple[str, ...], defaults: DefaultsPart, run: Pipeline | None
) -> Step:
    return Step(
        id=StepId(name),
        uses=part.uses,
        with_=part.with_,
        needs=tuple(StepId(need) for need in needs),
        if_=part.if_,
        retry=_retry(part.retry, defaults.retry),
        timeout_s=part.timeout if part.timeout is not None else defaults.timeout,
        continue_on_error=part.continue_on_error,
        foreach=part.foreach,
        max_parallel=part.max_parallel,
        pipeline=run,
    )


def _retry(own: RetryPart, default: RetryPart) -> RetryPolicy:
    base = RetryPolicy()
    attempts = own.attempts or default.attempts or base.attempts
    backoff_s = own.backoff or default.backoff or base.backoff_s
    on = own.on if own.on is not None else default.on
    longest_s = max(base.max_backoff_s, backoff_s)
    return RetryPolicy(attempts, backoff_s, longest_s, base.on if on is None else frozenset(on))
