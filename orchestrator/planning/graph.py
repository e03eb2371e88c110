"""A pipeline's steps as a graph: in layers, as Mermaid, as DOT."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.pipeline import Pipeline, Step


@dataclass(frozen=True, slots=True)
class Node:
    """A step in its place."""

    step: Step
    #: From 1; steps of one layer may run side by side. 0 for those of `on_failure`.
    layer: int
    #: `steps`, `on_failure` or `finally`.
    section: str

    @property
    def remarks(self) -> Iterator[str]:
        """What is special about it, in a few words."""
        if self.section != "steps":
            yield self.section
        if self.step.foreach is not None:
            most = f", {self.step.max_parallel} at once" if self.step.max_parallel else ""
            yield f"for each item{most}"
        if self.step.if_ is not None:
            yield f"if {_plain(self.step.if_)}"
        if self.step.continue_on_error:
            yield "may fail"


def in_order(steps: Iterable[Step]) -> list[Step]:
    """The steps, each behind all that it needs; otherwise in their order."""
    layers = _layers(steps := list(steps))
    return sorted(steps, key=lambda step: layers[step.id])


def nodes(pipeline: Pipeline) -> list[Node]:
    """All steps, layer by layer; those of `finally` come last, those of `on_failure` before them."""
    found = []
    last = 0
    for section, steps in (
        ("steps", pipeline.steps),
        ("on_failure", pipeline.on_failure),
        ("finally", pipeline.finally_),
    ):
        layers = _layers(steps)
        found += [Node(step, last + layers[step.id], section) for step in in_order(steps)]
        last = max((node.layer for node in found), default=0)
    return found


def mermaid(pipeline: Pipeline) -> str:
    """A Mermaid flowchart, as Markdown pages show it."""
    ids = {str(node.step.id): f"s{number}" for number, node in enumerate(nodes(pipeline))}
    lines = ["flowchart TD"]
    for node in nodes(pipeline):
        label = "<br/>".join(_escaped(text, _MERMAID) for text in _label(node))
        lines.append(f'  {ids[node.step.id]}["{label}"]')
    lines += [f"  {ids[before]} --> {ids[after]}" for before, after in _edges(pipeline)]
    return "\n".join(lines)


def dot(pipeline: Pipeline) -> str:
    """A graph for Graphviz."""
    lines = [f'digraph "{_escaped(pipeline.name, _DOT)}" {{', "  node [shape=box];"]
    for node in nodes(pipeline):
        label = "\\n".join(_escaped(text, _DOT) for text in _label(node))
        lines.append(f'  "{node.step.id}" [label="{label}"];')
    lines += [f'  "{before}" -> "{after}";' for before, after in _edges(pipeline)]
    return "\n".join([*lines, "}"])


_MERMAID = {'"': "#quot;", "<": "#lt;", ">": "#gt;"}
_DOT = {"\\": "\\\\", '"': '\\"'}


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)


def _label(node: Node) -> list[str]:
    return [str(node.step.id), node.step.uses, *node.remarks]


def _edges(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    known = {node.step.id for node in nodes(pipeline)}
    for node in nodes(pipeline):
        yield from ((need, node.step.id) for need in node.step.needs if need in known)


def _layers(steps: Sequence[Step]) -> dict[str, int]:
    """How many steps have to be done one after the other for each, itself included."""
    layers: dict[str, int] = {}
    waiting = {str(step.id): step for step in steps}
    while waiting:
        ready = [name for name, step in waiting.items() if not waiting.keys() & set(step.needs)]
        for name in ready:
            needs = [layers[need] for need in waiting[name].needs if need in layers]
            layers[name] = 1 + max(needs, default=0)
        for name in ready:
            del waiting[name]
        if not ready:
            break  # a loaded pipeline has no cycle
    return layers


def _plain(condition: str) -> str:
    return " ".join(condition.replace("${{", " ").replace("}}", " ").split())
