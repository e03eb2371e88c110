"""Who performs actions, and when: a dispatcher takes jobs and reports their outcome to the engine."""

from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.decide import StepAction
from orchestrator.domain.ids import RunId, StepId
from orchestrator.domain.run import RunState


@dataclass(frozen=True, slots=True)
class Job:
    """One action of one run. `state` is read before the first await only: it moves on with the run."""

    run_id: RunId
    #: Older runs first: seconds since 1970 of the run's creation.
    order: float
    action: StepAction
    state: RunState


class Dispatcher(Protocol):
    """Performs jobs, oldest run first, a bounded number at once."""

    def dispatch(self, job: Job) -> None:
        """Take a job of a run that has been admitted; it is performed as soon as there is room."""
        ...

    def withdraw(self, run_id: RunId, step: StepId) -> None:
        """Give up the step's job, if there is one: nothing that it might still do is wanted."""
        ...

    @property
    def room(self) -> int:
        """How many more runs may begin: started ones end before new ones begin."""
        ...

    @property
    def room_to_go_on(self) -> int:
        """How many more runs that have begun may go on after a rest."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Take no more, let what runs end within `grace_s`, then abandon it: the journal knows how to go on."""
        ...
