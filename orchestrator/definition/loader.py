"""From a definition file to a Pipeline, or to every mistake in it at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.definition import mistakes, tree
from orchestrator.definition.grammar import SECTIONS, DefaultsPart, PipelinePart, RetryPart, StepPart
from orchestrator.definition.inputs import spec_of
from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.lint import lint
from orchestrator.definition.misplaced import gather
from orchestrator.definition.problems import Code, DefinitionError, Problem
from orchestrator.domain.ids import StepId
from orchestrator.domain.pipeline import Pipeline, RetryPolicy, RowsSpec, Step

_ENDINGS = frozenset({".yaml", ".yml"})


def load(path: Path, *, kinds: StepKinds) -> Pipeline:
    """The pipeline that `path` defines; raises DefinitionError with all of its mistakes."""
    pipeline, problems = check(path, kinds)
    if pipeline is None:
        raise DefinitionError(problems)
    return pipeline


def check(path: Path, kinds: StepKinds) -> tuple[Pipeline | None, list[Problem]]:
    """The pipeline that `path` defines and no problems, or None and every problem, in the order of the file."""
    if path.suffix.lower() not in _ENDINGS:
        return None, [Problem(str(path), 1, 1, Code.UNREADABLE, "a definition's name ends in .yaml or .yml")]
    try:
        with path.open("rb") as file:
            content = file.read(tree.SIZE_LIMIT + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return None, [Problem(str(path), 1, 1, Code.UNREADABLE, f"the definition cannot be read: {reason}")]
    return check_text(content, kinds, file=str(path), folder=path.parent.resolve())


def check_text(
    content: bytes, kinds: StepKinds, *, file: str, folder: Path
) -> tuple[Pipeline | None, list[Problem]]:
    """As `check`, for a definition that is not in a file; `file` names it in problems."""
    source, root = tree.read(file, content)
    if root is None:
        return None, _in_order(source.problems)
    for title in SECTIONS:
        if isinstance(section := root.values.get(title), tree.Mapping):
            gather(source, section)
    part = mistakes.report(source, root, tree.Place(1, 1), PipelinePart)
    needs = lint(source, root, kinds)
    if source.problems or not isinstance(part, PipelinePart):
        return None, _in_order(source.problems)
    triggers = root.values["on"].plain() if "on" in root.values else {}
    return _pipeline(part, needs, triggers, folder), []


def _in_order(problems: list[Problem]) -> list[Problem]:
    # An alias shows the same place twice.
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.col, problem.code))


def _pipeline(
    part: PipelinePart, needs: Mapping[str, tuple[str, ...]], triggers: Any, folder: Path
) -> Pipeline:
    def steps(parts: Mapping[str, StepPart]) -> tuple[Step, ...]:
        return tuple(_step(name, step, needs[name], part.defaults) for name, step in parts.items())

    return Pipeline(
        name=part.pipeline,
        description=part.description,
        inputs={name: spec_of(declared) for name, declared in part.inputs.items()},
        rows=RowsSpec(part.rows.from_, part.rows.name) if part.rows else None,
        steps=steps(part.steps),
        on_failure=steps(part.on_failure),
        finally_=steps(part.finally_),
        outputs=part.outputs,
        concurrency_limit=part.concurrency.limit,
        triggers=triggers,
        folder=str(folder),
    )


def _step(name: str, part: StepPart, needs: tuple[str, ...], defaults: DefaultsPart) -> Step:
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
    )


def _retry(own: RetryPart, default: RetryPart) -> RetryPolicy:
    base = RetryPolicy()
    attempts = own.attempts or default.attempts or base.attempts
    backoff_s = own.backoff or default.backoff or base.backoff_s
    on = own.on if own.on is not None else default.on
    longest_s = max(base.max_backoff_s, backoff_s)
    return RetryPolicy(attempts, backoff_s, longest_s, base.on if on is None else frozenset(on))
