"""What a definition has to know of a step kind. The kinds themselves live in `orchestrator.steps` and are passed in."""

from collections.abc import Mapping
from typing import Final, Protocol

from pydantic import BaseModel

#: Kinds whose names begin so are calls of the API: there are many, and their models are loaded when one is used.
API: Final = "api."


class StepKindInfo(Protocol):
    """Parameters and outputs of one step kind, asked for only when a definition uses it."""

    @property
    def params(self) -> type[BaseModel]:
        """Model of `with`. Give it `extra="forbid"`, or unknown parameters pass unseen."""
        ...

    @property
    def outputs(self) -> frozenset[str] | None:
        """Names of the outputs; None: not known beforehand, every name passes."""
        ...


#: By the name that `uses` takes.
StepKinds = Mapping[str, StepKindInfo]
