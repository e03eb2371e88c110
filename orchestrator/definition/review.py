"""Everything that can be known of a definition and of what it is given, before anything is called."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import normpath
from pathlib import Path
from typing import Any

from orchestrator.definition import pace, tree
from orchestrator.definition.advice import Advice
from orchestrator.definition.files import Folders
from orchestrator.definition.fragments import expand
from orchestrator.definition.kinds import StepKinds
from orchestrator.definition.loader import check
from orchestrator.definition.places import Places
from orchestrator.definition.prepare import Prepared, prepare
from orchestrator.definition.problems import Code, DefinitionError, Problem, Severity
from orchestrator.definition.secret_inputs import Trust
from orchestrator.definition.uses import Examine, Fault, Uses
from orchestrator.domain.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Review:
    """What was found, in the order of the files; `prepared` is what to run, None with errors or without values."""

    pipeline: Pipeline | None
    prepared: Prepared | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems with which nothing is run."""
        return tuple(one for one in self.problems if one.severity is Severity.ERROR)


@dataclass(frozen=True, slots=True)
class Account:
    """What of the settings decides whether a definition will do."""

    region: str
    #: Folders that definitions may read; none: their own.
    roots: Sequence[Path] = ()
    #: Calls a second, by operation; those that are missing are not checked.
    rates: Mapping[str, float] | None = None
    #: Names of the secrets that are set, in lower case; None: not known.
    secrets: Collection[str] | None = None
    #: Whether the definition is to be run now; otherwise a secret that is not set is only a warning.
    runs: bool = True


def review(
    file: Path,
    kinds: StepKinds,
    account: Account,
    given: Mapping[str, Any] | None = None,
    rows: Path | None = None,
    *,
    values: bool = False,
) -> Review:
    """Everything wrong or odd with the definition at `file`, with the inputs `given`, and with its table (or `rows`).

    Without any of these, what else it will be given is not known yet: only the defaults are looked at, unless `values`.
    """
    pipeline, found = check(file, kinds, account.roots)
    advices = list(_advices(file, kinds, account, {file.resolve()}))
    advice = advices[0] if advices else None
    problems = list(found)
    for one in advices:
        one.note()
        problems += one.source.problems
    prepared = None
    if pipeline is not None:
        uses = advice.uses() if advice else Uses((), {}, account.region)
        known = values or given or rows or (pipeline.rows and pipeline.rows.from_)
        asked = pipeline if known else _with_defaults_alone(pipeline)
        try:
            prepared = prepare(
                asked,
                given or {},
                rows,
                region=account.region,
                roots=account.roots,
                file=file,
                examine=uses.examine if known else _of_defaults(pipeline, uses.examine),
                trust=Trust(account.secrets, needed=account.runs),
            )
            problems += prepared.warnings
        except DefinitionError as error:
            problems += error.problems
        problems += _overbooked(file, pipeline, kinds, account, len(prepared.rows) if prepared else 0)
        prepared = prepared if known else None
    ordered = _in_order(problems, str(file))
    failed = any(one.severity is Severity.ERROR for one in ordered)
    return Review(pipeline, None if failed else prepared, ordered)


def _with_defaults_alone(pipeline: Pipeline) -> Pipeline:
    """The pipeline as far as it can be tried without being given anything."""
    inputs = {name: replace(spec, required=False) for name, spec in pipeline.inputs.items()}
    return replace(pipeline, rows=None, inputs=inputs)


def _of_defaults(pipeline: Pipeline, examine: Examine) -> Examine:
    """Looks at the defaults alone: no other value is known."""
    without = {name for name, spec in pipeline.inputs.items() if spec.default is None}

    def known(inputs: Mapping[str, Any], row: Mapping[str, Any]) -> Iterable[Fault]:
        return examine({name: value for name, value in inputs.items() if name not in without}, row)

    return known


def _advices(file: Path, kinds: StepKinds, account: Account, seen: set[Path]) -> Iterator[Advice]:
    """The definition's own, then those of the definitions that it runs, each once."""
    advice = _advice(file, kinds, account)
    if advice is None:
        return
    yield advice
    for written in advice.runs():
        below = Path(normpath(file.parent / written))
        if below.resolve() not in seen:
            seen.add(below.resolve())
            yield from _advices(below, kinds, account, seen)


def _advice(file: Path, kinds: StepKinds, account: Account) -> Advice | None:
    """None for what is no definition. What the loader has told of its reading is not told again."""
    home = file.parent.resolve()
    if not file.is_file():
        return None
    try:
        with file.open("rb") as stream:
            source, root = tree.read(str(file), stream.read(tree.SIZE_LIMIT + 1))
        if root is None:
            return None
        root = expand(source, root, home, tuple(account.roots) or (home,))
    except (OSError, DefinitionError):
        return None
    source.problems.clear()
    return Advice(source, root, kinds, account.region, Folders.of([home], account.roots))


def _overbooked(
    file: Path, pipeline: Pipeline, kinds: StepKinds, account: Account, rows: int
) -> list[Problem]:
    schedule = pipeline.triggers.get("schedule")
    if not isinstance(schedule, Mapping) or account.rates is None:
        return []
    each: Counter[str] = Counter()
    for step in pipeline.steps:
        calls = getattr(kinds[step.uses], "calls", None)
        if calls is not None and step.if_ is None:
            each.update(calls(step.with_))
    found = pace.overbooked(str(schedule["cron"]), each, max(rows, 1), account.rates)
    if found is None:
        return []
    _, message, suggestion = found
    places = Places(file, pipeline.name)
    return [places.problem(("on", "schedule", "cron"), Code.RATE, message, suggestion)]


def _in_order(problems: Sequence[Problem], first: str) -> tuple[Problem, ...]:
    def key(problem: Problem) -> tuple[bool, str, int, int, str]:
        return (problem.file != first, problem.file, problem.line, problem.col, problem.code)

    return tuple(sorted(dict.fromkeys(problems), key=key))
