"""What the grammar cannot say: step kinds and their parameters, names that expressions use, the order of steps.

Works on the tree rather than on the finished pipeline, so that every mistake is found even when others stand beside it.
"""

import graphlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import TypeAdapter, ValidationError

from orchestrator.definition import mistakes
from orchestrator.definition.grammar import SECTIONS
from orchestrator.definition.inputs import AnyInput, InputError, read_input, spec_of
from orchestrator.definition.kinds import API, StepKindInfo, StepKinds
from orchestrator.definition.problems import Code
from orchestrator.definition.sub_pipelines import PIPELINE_RUN, SubPipelines
from orchestrator.definition.tree import Mapping, Node, Place, Scalar, Sequence, Source
from orchestrator.definition.uploads import unfit_categories
from orchestrator.domain import expressions, secrets
from orchestrator.domain.expressions import ExpressionError, Reference
from orchestrator.domain.nearest import did_you_mean
from orchestrator.domain.pipeline import FOREACH_OUTPUTS

RUN_MEMBERS: Final = frozenset(
    {"id", "name", "created_at", "date", "failed", "failed_step", "error", "cancelled", "status"}
)
_ROOTS: Final = frozenset({"inputs", "steps", "row", "run"})
#: Known where a step with `foreach` is given its parameters.
_ITEM_ROOTS: Final = frozenset({"item", "index"})
_INPUT: Final[TypeAdapter[AnyInput]] = TypeAdapter(AnyInput)


@dataclass(slots=True)
class StepNode:
    """A step as it stands in the file."""

    name: str
    section: int
    place: Place
    node: Mapping
    kind: StepKindInfo | None = None
    #: Names of its outputs; None: not known beforehand.
    outputs: frozenset[str] | None = None
    #: Steps of the same section that have to be done first, each with the place that says so.
    needs: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Where:
    """What an expression may use where it stands."""

    roots: frozenset[str]
    #: Steps of this section and of those before are known.
    section: int = 0
    step: StepNode | None = None


def lint(source: Source, root: Mapping, kinds: StepKinds, subs: SubPipelines) -> dict[str, tuple[str, ...]]:
    """What each step has to wait for; every mistake found is noted in `source`, pipelines that steps run in `subs`."""
    return _Lint(source, root, kinds, subs).run()


class _Lint:
    def __init__(self, source: Source, root: Mapping, kinds: StepKinds, subs: SubPipelines) -> None:
        self._source = source
        self._subs = subs
        self._root = root
        self._kinds = kinds
        self._inputs = _children(root, "inputs")
        self._secrets = {
            name: secrets.placeholder(name)
            for name, _, node in _entries(self._inputs)
            if isinstance(node, Mapping) and _is_secret(node)
        }
        self._steps: dict[str, StepNode] = {}

    def run(self) -> dict[str, tuple[str, ...]]:
        self._collect()
        for name, place, node in _entries(self._inputs):
            self._input(name, place, node)
        for step in self._steps.values():
            self._uses(step)
        for step in self._steps.values():
            self._needs(step)
            self._step_expressions(step)
        if (outputs := _children(self._root, "outputs")) is not None:
            self._expressions(outputs, _Where(_ROOTS))
        if (rows := _children(self._root, "rows")) is not None:
            if (named := rows.values.get("name")) is not None:
                self._expressions(named, _Where(frozenset({"row", "inputs"})))
            self._fixed(rows.values.get("from"))
        if (concurrency := _children(self._root, "concurrency")) is not None:
            self._expressions(concurrency.values.get("group"), _Where(frozenset({"row", "inputs"})))
        for place, message, suggestion in unfit_categories(
            {name: step.node for name, step in self._steps.items()}
        ):
            self._source.report(place, Code.WRONG_PARAMETER, message, suggestion)
        self._cycles()
        return {step.name: tuple(step.needs) for step in self._steps.values()}

    def _collect(self) -> None:
        for section, title in enumerate(SECTIONS):
            for name, place, node in _entries(_children(self._root, title)):
                if name in self._steps:
                    other = self._steps[name]
                    message = f"the step {name!r} stands in `{SECTIONS[other.section]}` too (line {other.place.line})"
                    self._source.report(place, Code.NAME_TWICE, message, "steps share one set of names")
                elif isinstance(node, Mapping):
                    self._steps[name] = StepNode(name, section, place, node)

    def _input(self, name: str, place: Place, node: Node) -> None:
        default = node.values.get("default") if isinstance(node, Mapping) else None
        if default is None:
            return
        if self._fixed(default):
            return
        try:
            declared = _INPUT.validate_python(node.plain())
        except ValidationError:
            return  # the grammar has said what is wrong
        if default.plain() is None:
            return
        try:
            read_input(spec_of(declared), default.plain(), None)
        except InputError as error:
            at = default.place if isinstance(default, Scalar) else place
            for part in error.parts:
                self._source.report(
                    at, Code.WRONG_DEFAULT, f"the default of {name!r}: {part}", part.suggestion
                )

    def _uses(self, step: StepNode) -> None:
        uses = step.node.values.get("uses")
        if not isinstance(uses, Scalar) or not isinstance(uses.value, str) or self._fixed(uses):
            return
        step.kind = self._kinds.get(uses.value)
        if step.kind is None:
            near = did_you_mean(uses.value, self._kinds)
            own = sorted(name for name in self._kinds if not name.startswith(API))
            known = f"known: {', '.join(own[:20])}, and {API}<operation> for each operation of the API"
            self._source.report(
                uses.place, Code.UNKNOWN_KIND, f"there is no step kind {uses.value!r}", near or known
            )
            return
        given, place = step.node.values.get("with"), step.node.keys.get("with", step.place)
        if given is None or isinstance(given, Mapping):
            mistakes.report(
                self._source, given or Mapping(place), place, step.kind.params, mistakes.PARAMETERS
            )
        step.outputs = step.kind.outputs
        if uses.value == PIPELINE_RUN:
            step.outputs = self._sub_pipeline(step, given)

    def _sub_pipeline(self, step: StepNode, given: Node | None) -> frozenset[str] | None:
        """What the pipeline hands back that the step runs; None: it cannot be read."""
        if not isinstance(given, Mapping) or self._fixed(given.values.get("file")):
            return None
        pipeline = self._subs.read(self._source, step.name, given)
        return None if pipeline is None else frozenset(pipeline.outputs)

    def _needs(self, step: StepNode) -> None:
        needs = step.node.values.get("needs")
        for node in needs.items if isinstance(needs, Sequence) else [needs]:
            if not isinstance(node, Scalar) or not isinstance(node.value, str) or self._fixed(node):
                continue
            other = self._steps.get(node.value)
            if other is step:
                self._source.report(
                    node.place, Code.SELF_REFERENCE, f"the step {step.name!r} waits for itself"
                )
            elif other is None:
                peers = [
                    name
                    for name, peer in self._steps.items()
                    if peer.section == step.section and peer is not step
                ]
                near = did_you_mean(node.value, peers)
                self._source.report(node.place, Code.UNKNOWN_NEED, f"there is no step {node.value!r}", near)
            elif other.section == step.section:
                step.needs.setdefault(other.name, node.place)
            elif other.section > step.section:
                message = f"the step {other.name!r} runs later, in `{SECTIONS[other.section]}`"
                self._source.report(node.place, Code.UNKNOWN_NEED, message)

    def _step_expressions(self, step: StepNode) -> None:
        where = _Where(_ROOTS, step.section, step)
        items = step.node.values.get("foreach")
        if items is not None:
            self._expressions(items, where)
        elif "max_parallel" in step.node.values:
            place = step.node.keys["max_parallel"]
            self._source.report(place, Code.NEEDS_KEY, "`max_parallel` has no meaning without `foreach`")
        if (given := step.node.values.get("with")) is not None:
            self._expressions(given, where if items is None else replace(where, roots=_ROOTS | _ITEM_ROOTS))
        condition = step.node.values.get("if")
        if isinstance(condition, Scalar) and isinstance(condition.value, str):
            if "${{" in condition.value:
                self._expressions(condition, where)
            else:
                self._condition(condition, condition.value, where)

    def _condition(self, scalar: Scalar, text: str, where: _Where) -> None:
        try:
            found = expressions.condition(text).expressions
        except ExpressionError as error:
            self._source.report(
                self._source.within(scalar, error.offset), Code.EXPRESSION, error.message, error.hint
            )
            return
        for reference in (name for expression in found for name in expression.references()):
            self._reference(reference, self._source.within(scalar, reference.offset), where)
        self._misuses(scalar, expressions.condition(text))

    def _expressions(self, node: Node | None, where: _Where) -> None:
        for scalar, text in _texts(node):
            mistakes_found = expressions.problems(text)
            for offset, message in mistakes_found:
                self._source.report(self._source.within(scalar, offset), Code.EXPRESSION, message)
            if not mistakes_found:
                for reference in sorted(expressions.references(text), key=lambda name: name.offset):
                    self._reference(reference, self._source.within(scalar, reference.offset), where)
                self._misuses(scalar, expressions.parse(text))

    def _misuses(self, scalar: Scalar, template: expressions.Template) -> None:
        for offset, message in expressions.misuses(template, self._secrets) if self._secrets else ():
            self._source.report(self._source.within(scalar, offset), Code.EXPRESSION, message)

    def _reference(self, name: Reference, place: Place, where: _Where) -> None:
        if name.root not in where.roots:
            near = did_you_mean(name.root, where.roots) or f"known here: {', '.join(sorted(where.roots))}"
            self._source.report(
                place, Code.UNKNOWN_ROOT, f"there is no {name.root!r} to take values from here", near
            )
            return
        match name.root:
            case "inputs" if name.path:
                known = self._inputs.values if self._inputs else {}
                if name.path[0] not in known:
                    near = did_you_mean(name.path[0], known) or "declare it under `inputs`"
                    self._source.report(
                        place, Code.UNKNOWN_INPUT, f"there is no input {name.path[0]!r}", near
                    )
            case "run" if name.path and name.path[0] not in RUN_MEMBERS:
                near = did_you_mean(name.path[0], RUN_MEMBERS) or f"known: {', '.join(sorted(RUN_MEMBERS))}"
                self._source.report(place, Code.UNKNOWN_MEMBER, f"a run has no {name.path[0]!r}", near)
            case "row" if _children(self._root, "rows") is None:
                message = "`row` is known only in a definition with `rows`"
                self._source.report(
                    place, Code.UNKNOWN_MEMBER, message, "add `rows`, or use an input of the column's name"
                )
            case "steps":
                self._step_reference(name, place, where)
            case _:
                return

    def _step_reference(self, name: Reference, place: Place, where: _Where) -> None:
        if not name.path:
            self._source.report(place, Code.UNKNOWN_STEP, "the step is not named", "write steps.NAME.OUTPUT")
            return
        step = self._steps.get(name.path[0])
        if step is None:
            near = did_you_mean(
                name.path[0], [known for known in self._steps if not where.step or known != where.step.name]
            )
            self._source.report(place, Code.UNKNOWN_STEP, f"there is no step {name.path[0]!r}", near)
            return
        if step is where.step:
            self._source.report(place, Code.SELF_REFERENCE, f"the step {step.name!r} uses its own outputs")
            return
        if step.section > where.section:
            message = f"the step {step.name!r} runs later, in `{SECTIONS[step.section]}`"
            self._source.report(place, Code.UNKNOWN_STEP, message)
            return
        outputs = FOREACH_OUTPUTS if "foreach" in step.node.values else step.outputs
        if len(name.path) > 1 and outputs is not None and name.path[1] not in outputs:
            # Outputs are many, and some name is always a little like another.
            alike = [output for output in outputs if output[:1] == name.path[1][:1].lower()]
            near = did_you_mean(name.path[1], alike) or f"known: {', '.join(sorted(outputs)) or 'none'}"
            self._source.report(
                place, Code.UNKNOWN_OUTPUT, f"the step {step.name!r} has no output {name.path[1]!r}", near
            )
        if where.step is not None and step.section == where.step.section:
            where.step.needs.setdefault(step.name, place)

    def _fixed(self, node: Node | None) -> bool:
        """Whether an expression stands in `node`, where only a fixed value may; it is noted."""
        found = False
        for scalar, text in _texts(node):
            if "${{" in text:
                found = True
                place = self._source.within(scalar, text.index("${{"))
                self._source.report(place, Code.NO_EXPRESSION_HERE, "only a fixed value may stand here")
        return found

    def _cycles(self) -> None:
        waits = {step.name: dict(step.needs) for step in self._steps.values()}
        while True:
            try:
                graphlib.TopologicalSorter(waits).prepare()
            except graphlib.CycleError as error:
                # Each step of the list is waited for by the next; report it from the file's first step on.
                circle: list[str] = list(reversed(error.args[1][1:]))
                first = min(range(len(circle)), key=lambda at: self._steps[circle[at]].place.start)
                circle = circle[first:] + circle[:first]
                place = self._steps[circle[0]].place
                shown = " → ".join([*circle, circle[0]])
                self._source.report(place, Code.CYCLE, f"steps wait for each other in a circle: {shown}")
                waits[circle[0]].pop(circle[1])
            else:
                return


def _is_secret(declared: Mapping) -> bool:
    kind = declared.values.get("type")
    return isinstance(kind, Scalar) and kind.value == "secret"


def _children(node: Mapping, key: str) -> Mapping | None:
    found = node.values.get(key)
    return found if isinstance(found, Mapping) else None


def _entries(node: Mapping | None) -> Iterator[tuple[str, Place, Node]]:
    if node is not None:
        for name, value in node.values.items():
            yield name, node.keys[name], value


def _texts(node: Node | None) -> Iterator[tuple[Scalar, str]]:
    match node:
        case Scalar(value=str() as text):
            yield node, text
        case Sequence():
            for item in node.items:
                yield from _texts(item)
        case Mapping():
            for value in node.values.values():
                yield from _texts(value)
        case _:
            return
