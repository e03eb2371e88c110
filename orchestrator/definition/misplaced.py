"""Keys of steps that are indented too little and so stand beside the steps: put where they were meant to be.

What was meant is plain enough to go on and check the rest; the mistake itself is noted once for each step.
"""

from typing import Final

from orchestrator.definition.grammar import StepPart
from orchestrator.definition.problems import Code
from orchestrator.definition.tree import Mapping, Node, Scalar, Source

_STEP_KEYS: Final = frozenset(field.alias or name for name, field in StepPart.model_fields.items())


def gather(source: Source, section: Mapping) -> None:
    """Moves such keys of a section of steps into the step before them."""
    step, noted = "", False
    for name, node in list(section.values.items()):
        if name not in _STEP_KEYS or _is_step(node):
            step, noted = name, False
            continue
        if not noted:
            noted = True
            message = f"`{name}` belongs to a step, but stands where the name of one does"
            hint = "indent it more than the name of its step"
            source.report(section.keys[name], Code.WRONG_VALUE, message, hint)
        place = section.keys.pop(name)
        del section.values[name]
        owner = section.values.get(step)
        if isinstance(owner, Scalar) and owner.value is None:
            owner = section.values[step] = Mapping(owner.place)
        if isinstance(owner, Mapping) and name not in owner.values:
            owner.values[name], owner.keys[name] = node, place


def _is_step(node: Node) -> bool:
    """Whether it is a step after all, one that is called like a key."""
    return isinstance(node, Mapping) and "uses" in node.values
