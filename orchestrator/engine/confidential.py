"""The secrets of a run: put in right before a step is done, taken out of everything that comes of it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from orchestrator.domain import secrets
from orchestrator.domain.pipeline import Step
from orchestrator.domain.run import RunState
from orchestrator.domain.secrets import Mask, UnknownSecretError
from orchestrator.errors import RetryClass
from orchestrator.steps.base import StepError

_Event = TypeVar("_Event")


def secrets_of(state: RunState) -> frozenset[str]:
    """The names of the secrets that a run may use, and hand on: those that its own inputs stand for."""
    specs = state.pipeline.inputs
    values = (state.inputs.get(name) for name, spec in specs.items() if spec.type == "secret")
    return frozenset().union(*map(secrets.names_in, values))


class Confidential:
    """What one run may use of the secrets that this process has: those that its inputs stand for, and no other."""

    def __init__(self, state: RunState, known: Mapping[str, str]) -> None:
        """`known`: the values by name, in lower case."""
        names = secrets_of(state)
        self._values = {name: known[name] for name in names if name in known}
        self._mask = Mask(self._values) if names else None

    def filled(self, step: Step, params: Any) -> Any:
        """The step's parameters with the secrets in them. Raises StepError for one that this process does not have."""
        # What another run is given is journaled by that run, which puts the secrets in itself.
        if self._mask is None or step.pipeline is not None:
            return params
        try:
            return secrets.filled(params, self._values)
        except UnknownSecretError as error:
            raise StepError(
                f"The secret {error.name!r} is not set.",
                hint=f"Set {secrets.variable(error.name)}, start the process anew and resume the run.",
                code="SECRET",
                retry=RetryClass.SUPPORT,
            ) from error

    def masked(self, event: _Event) -> _Event:
        """The event as it may be written down: «token» where the secret called token stood."""
        return event if self._mask is None or event is None else self._mask.event(event)
