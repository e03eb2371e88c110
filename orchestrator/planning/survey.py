"""What one run would do: the calls of its steps, what they are charged for, and how long it takes alone."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.planning.charges import CHARGES, VIDEO, VIDEO_OPERATION
from orchestrator.planning.graph import in_order
from orchestrator.planning.known import steps_in
from orchestrator.planning.spans import NOTHING, ONE, Span, add_to
from orchestrator.planning.weighing import CallingKinds, SubRun, Weighing, Weight, sum_of

_MAYBE: Final = Span(0.0, 1.0)
#: What leaves the units of a charge open; for the others it is a text.
_WHY_OPEN: Final = {
    VIDEO: "how long its speech is, is not known beforehand",
    "live": "how long it is on air is not known beforehand",
}


@dataclass(frozen=True, slots=True)
class Open:
    """Something that only the run will know."""

    step: str
    why: str
    #: What it leaves open: `items` of a step, or units of a charge (`minutes`, `hours`, …) that each of its items uses.
    what: str
    #: Under which the user may settle it (`Assumptions.given`).
    name: str
    #: What each item calls, by operation.
    each: tuple[tuple[str, float], ...] = ()
    #: What it may be charged for.
    charges: frozenset[str] = frozenset()


@dataclass(slots=True)
class Load:
    """What one run, or many, would do."""

    calls: dict[str, Span] = field(default_factory=dict)
    #: Units by charge (`charges.CHARGES`).
    charges: dict[str, Span] = field(default_factory=dict)
    videos: Span = NOTHING
    #: Seconds of a run that has everything for itself: pauses and rendering. Of many: all of them in a row.
    alone_s: Span = NOTHING
    #: How often each of them came up.
    open: Counter[Open] = field(default_factory=Counter)

    def add(self, other: "Load", times: Span = ONE, runs: int = 1) -> None:
        """All that the other would do, so many times; `runs` counts what it leaves open."""
        add_to(self.calls, other.calls, times)
        add_to(self.charges, other.charges, times)
        self.videos += other.videos * times
        self.alone_s += other.alone_s * times
        self.open.update({one: number * runs for one, number in other.open.items()})


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the user said of what cannot be known."""

    #: Minutes that a minute of video takes to be made.
    render_factor: float = 1.0
    #: By step: items of its `foreach`, or if these are known, units (minutes, hours, …) that each item is charged for; by
    #: step and unit (`video.minutes`) where both are open.
    given: Mapping[str, float] = field(default_factory=dict)


class Survey:
    """Weighs runs of one pipeline: as they go when all goes well, or with all that they do when they may fail."""

    def __init__(
        self,
        pipeline: Pipeline,
        kinds: CallingKinds,
        assumptions: Assumptions | None = None,
        *,
        failing: bool = False,
        inside: str = "",
    ) -> None:
        """`failing`: whether runs may fail, at the latest possible moment; then `on_failure` counts, and what `finally` does
        for those alone. `inside` names the step that starts the pipeline, if one does.
        """
        self.assumptions = assumptions or Assumptions()
        self._kinds, self._failing, self._inside = kinds, failing, inside
        self._weighing = Weighing(pipeline, kinds)
        #: Section by section, each after all that it needs.
        self.steps: Sequence[Step] = [
            *in_order(pipeline.steps),
            *(in_order(pipeline.on_failure) if failing else ()),
            *in_order(pipeline.finally_),
        ]
        #: Those that are done only if a run fails.
        self.on_failure = frozenset(str(step.id) for step in pipeline.on_failure)
        #: Those of `steps`: what else is done of a failed run is done again when it fails again.
        self.ordinary = frozenset(str(step.id) for step in pipeline.steps)
        self._by_name = {str(step.id): step for step in self.steps}
        self._within: dict[str, Survey] = {}

    def weights(
        self,
        inputs: Mapping[str, Any],
        *,
        row: Mapping[str, Any] | None = None,
        name: str = "",
        unknown_inputs: frozenset[str] = frozenset(),
    ) -> Mapping[str, Weight]:
        """What each step does in one run."""
        ends = {} if self._failing else {"failed": False, "cancelled": False}
        values: dict[str, Any] = {"inputs": inputs, "run": {"name": name, **ends}}
        if row is not None:
            values["row"] = row
        foreseen = values["steps"] = {}
        weights: dict[str, Weight] = {}
        for step in self.steps:
            weight = weights[step.id] = self._weighing.weight(step, values, unknown_inputs)
            if weight.foreseen:
                foreseen[str(step.id)] = weight.foreseen
        return weights

    def load(self, weights: Mapping[str, Weight], done: Collection[str] = ()) -> Load:
        """All steps of one run together; `done` are those that need no more calls."""
        over = frozenset(done) & self.ordinary if self._failing else frozenset(done)
        return _Run(self, weights, over).load()

    def within(self, step: Step, sub_run: SubRun) -> Load:
        """What a run does that a step starts."""
        if step.id not in self._within:
            assert step.pipeline is not None, "only a step with a pipeline starts runs"
            name = f"{self.name_of(step)}/"
            self._within[step.id] = Survey(
                step.pipeline, self._kinds, self.assumptions, failing=self._failing, inside=name
            )
        survey = self._within[step.id]
        return survey.load(survey.weights(sub_run.inputs, unknown_inputs=sub_run.unknown_inputs))

    def sources(self, step: Step) -> Iterator[str]:
        """The steps whose outputs a step uses, then those whose outputs these use, and so on."""
        near, seen = [step], {str(step.id)}
        while near:
            one = near.pop(0)
            for name in sorted(steps_in([one.with_, one.foreach]) - seen):
                seen.add(name)
                if name in self._by_name:
                    near.append(self._by_name[name])
                    yield name

    def name_of(self, step: Step) -> str:
        """The step's name, with those of the steps that start its pipeline before it."""
        return f"{self._inside}{step.id}"


class _Run:
    """The steps of one run put together."""

    def __init__(self, survey: Survey, weights: Mapping[str, Weight], done: frozenset[str]) -> None:
        self._survey, self._given, self._done = survey, weights, done
        self._load = Load()
        #: With the numbers of items that follow from other steps.
        self._weights: dict[str, Weight] = {}
        self._chances: dict[str, Span] = {}
        self._ends_s: dict[str, Span] = {}

    def load(self) -> Load:
        for step in self._survey.steps:
            self._take(step)
        self._load.alone_s = _latest(self._ends_s.values())
        return self._load

    def _take(self, step: Step) -> None:
        weight = self._with_items(step, self._given[step.id])
        self._weights[step.id] = weight
        chance = self._chance(step)
        if step.id in self._survey.on_failure:
            chance *= _MAYBE
        self._chances[step.id] = chance
        took_s = NOTHING
        if chance.high > 0 and step.id not in self._done:
            took_s = self._count(step, weight, chance)
        self._ends_s[step.id] = took_s + _latest(self._ends_s.get(need, NOTHING) for need in step.needs)

    def _chance(self, step: Step) -> Span:
        """1 for a step that is surely done, 0 for one that is surely skipped."""
        if step.if_ is not None:
            holds = self._given[step.id].holds
            return _MAYBE if holds is None else Span.exactly(float(holds))
        # Without a condition of its own, a step is skipped with what it needs.
        needs = [self._chances[need] for need in step.needs if need in self._chances]
        return Span(min((one.low for one in needs), default=1), min((one.high for one in needs), default=1))

    def _with_items(self, step: Step, weight: Weight) -> Weight:
        """The weight with the number of items, where another step or the user settles it."""
        if weight.items is not None:
            return weight
        number = self._assumed(self._survey.name_of(step))
        if number is None and (source := _results_of(step.foreach)) in self._weights:
            number = self._weights[source].items
        return weight if number is None else weight.of_items(int(number))

    def _count(self, step: Step, weight: Weight, chance: Span) -> Span:
        """Adds a step to the load; how long it takes alone."""
        subs = [self._survey.within(step, one) for one in weight.sub_runs]
        if weight.items is None:
            self._leave_open(step, weight, subs)
            return NOTHING
        add_to(self._load.calls, {name: Span.exactly(times) for name, times in weight.calls.items()}, chance)
        for name, units in weight.charges:
            self._charge(step, name, units, chance, weight.number)
        for sub in subs:
            self._load.add(sub, chance)
        took_s = Span.exactly(weight.pause_s) + _latest(sub.alone_s for sub in subs)
        if videos := weight.calls.get(VIDEO_OPERATION):
            video_s = self._video_s(step, weight)
            minutes = None if video_s is None else videos * video_s / 60
            self._load.videos += Span.exactly(videos) * chance
            self._charge(step, VIDEO, minutes, chance, weight.number)
            took_s += Span.exactly((video_s or 0.0) * self._survey.assumptions.render_factor)
        waves = math.ceil(weight.number / (step.max_parallel or weight.number or 1))
        return took_s * waves * chance

    def _leave_open(self, step: Step, weight: Weight, subs: Sequence[Load]) -> None:
        each = Counter(weight.calls)
        charges = {name for name, _ in weight.charges}
        if VIDEO_OPERATION in weight.calls:
            charges.add(VIDEO)
        for sub in subs:
            each.update({operation: span.high for operation, span in sub.calls.items()})
            charges |= sub.charges.keys() | {name for one in sub.open for name in one.charges}
        name = self._survey.name_of(step)
        why = "how many items there are follows from what other steps bring"
        self._load.open[Open(name, why, "items", name, tuple(sorted(each.items())), frozenset(charges))] += 1

    def _charge(self, step: Step, charge: str, units: float | None, chance: Span, number: int) -> None:
        """Adds what the step's items, `number` of them, are charged for; None: not known, unless the user said it."""
        name, unit = self._survey.name_of(step), CHARGES[charge].unit
        key = name if self._given[step.id].items is not None else f"{name}.{unit}"
        if units is None and (assumed := self._assumed(key)) is not None:
            units = assumed * number
        if units is not None:
            add_to(self._load.charges, {charge: Span.exactly(units)}, chance)
            return
        why = _WHY_OPEN.get(charge, "what is said is not known beforehand")
        self._load.open[Open(name, why, unit, key, charges=frozenset({charge}))] += 1

    def _assumed(self, key: str) -> float | None:
        return self._survey.assumptions.given.get(key)

    def _video_s(self, step: Step, weight: Weight) -> float | None:
        """Seconds of one video of the step, on average; None: not known."""
        if weight.speaks:
            return self._speech_s(str(step.id), weight)
        spoken = (name for name in self._survey.sources(step) if name in self._weights)
        source = next((name for name in spoken if self._weights[name].speaks), None)
        return None if source is None else self._speech_s(source, self._weights[source])

    def _speech_s(self, name: str, weight: Weight) -> float | None:
        """Seconds of speech of one script of the step `name`, with the recordings that other steps send for it."""
        total_s = weight.speech_s
        if weight.recorded:
            senders = [
                self._weights[step.id]
                for step in self._survey.steps
                if name in steps_in([step.with_, step.foreach])
                and step.id in self._weights
                and self._weights[step.id].records
            ]
            total_s = total_s if senders else None
            for sender in senders:
                total_s = sum_of(total_s, sender.recordings_s)
        return None if total_s is None or not weight.number else total_s / weight.number


def _latest(spans: Iterable[Span]) -> Span:
    known = list(spans)
    return Span(max((one.low for one in known), default=0), max((one.high for one in known), default=0))


def _results_of(foreach: str | Sequence[Any] | None) -> str:
    """The step whose results a `foreach` goes through, if it is nothing but those."""
    if not isinstance(foreach, str):
        return ""
    words = foreach.replace("${{", " ").replace("}}", " ").split()
    parts = words[0].split(".") if len(words) == 1 else []
    return parts[1] if len(parts) == 3 and parts[0] == "steps" and parts[2] == "results" else ""
