"""Many runs of one pipeline added up. Runs that do the same are weighed as one, with the mean of their speech."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from orchestrator.planning.spans import Span
from orchestrator.planning.survey import Load, Survey
from orchestrator.planning.weighing import Weight


@dataclass(frozen=True, slots=True)
class Runs:
    """How many runs there are, by what happens to them."""

    total: int
    #: Done already: nothing is called for them.
    done: int = 0
    #: Begun already: they go on where they stopped.
    begun: int = 0

    @property
    def anew(self) -> int:
        """Runs that begin."""
        return self.total - self.done - self.begun

    @property
    def working(self) -> int:
        """Runs that have something to do."""
        return self.total - self.done


#: The shapes of a run's steps, and the steps that are done.
_Alike: TypeAlias = tuple[tuple[int, ...], frozenset[str]]


@dataclass(slots=True)
class _Group:
    """Runs that differ in their measures at most."""

    weights: Mapping[str, Weight]
    runs: int = 0
    measures: dict[str, list[float]] = field(default_factory=dict)


class Tally:
    """Takes one run after the other."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._groups: dict[_Alike, _Group] = {}
        self._total = self._done = self._begun = 0

    def add(
        self,
        inputs: Mapping[str, Any],
        *,
        row: Mapping[str, Any] | None = None,
        name: str = "",
        done: frozenset[str] | None = None,
    ) -> None:
        """One more run; `done`, if it has begun already, are the steps that need no more calls."""
        self._total += 1
        self._begun += done is not None
        weights = self._survey.weights(inputs, row=row, name=name)
        alike = (tuple(weight.shape for weight in weights.values()), done or frozenset())
        group = self._groups.get(alike)
        if group is None:
            group = self._groups[alike] = _Group(weights)
            group.measures = {step: [0.0] * len(weight.measures) for step, weight in weights.items()}
        group.runs += 1
        for step, weight in weights.items():
            sums = group.measures[step]
            for place, measure in enumerate(weight.measures):
                sums[place] += measure

    def skip(self) -> None:
        """One more run that is done already."""
        self._total += 1
        self._done += 1

    @property
    def runs(self) -> Runs:
        """How many there are."""
        return Runs(self._total, self._done, self._begun)

    def load(self) -> Load:
        """What all of them do together."""
        total = Load()
        for (_, done), group in self._groups.items():
            mean = {
                step: weight.with_measures([measure / group.runs for measure in group.measures[step]])
                for step, weight in group.weights.items()
            }
            total.add(self._survey.load(mean, done), Span.exactly(group.runs), group.runs)
        return total
