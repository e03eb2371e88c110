"""Who performs actions, and when: a dispatcher takes jobs and reports their outcome to the engine."""

from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.decide import Check, LookUp, Perform
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunState


@dataclass(frozen=True, slots=True)
class Job:
    """One action of one run. `state` is read before the first await only: it moves on with the run."""

    run_id: RunId
    #: Older runs first: seconds since 1970 of the run's creation.
    order: float
    action: Perform | LookUp | Check
    state: RunState


class Dispatcher(Protocol):
    """Performs jobs, oldest run first, a bounded number at once."""

    def dispatch(self, job: Job) -> None:
        """Take a job; it is performed as soon as there is room."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Take no more, let what runs end within `grace_s`, then abandon it: the journal knows how to go on."""
        ...
