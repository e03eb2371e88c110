"""What a definition has to know of a step kind. The kinds themselves live in `orchestrator.steps` and are passed in."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class StepKindInfo:
    """Parameters and outputs of one step kind."""

    #: Model of `with`. Give it `extra="forbid"`, or unknown parameters pass unseen.
    params: type[BaseModel]
    #: Names of the outputs; None: not known beforehand, every name passes.
    outputs: frozenset[str] | None = None


#: By the name that `uses` takes.
StepKinds = Mapping[str, StepKindInfo]
