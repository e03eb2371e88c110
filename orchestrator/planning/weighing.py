"""What one step does in a run that has certain values, all of its items together."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from orchestrator.domain.pipeline import Pipeline, Step
from orchestrator.planning.charges import SCRIPT_OPERATION, VIDEO_OPERATION, charges_of
from orchestrator.planning.known import HOLE, UNKNOWN, Given, Scope, is_known, pick, steps_in
from orchestrator.planning.speech import recording_s, recordings_in, scenes_s, speed_of

#: Parameters that are seconds in which nothing happens, by step kind.
_PAUSES: Final = {"sleep": "seconds"}
_SCENES: Final = "shoot_scripts"
_SCENE: Final = "shoot_script"


class CallingKind(Protocol):
    """What a plan has to know of a step kind; `steps.base.StepKind` is one."""

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """Calls of one step with these parameters, by operation id."""
        ...

    def foresees(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Outputs that follow from the parameters alone."""
        ...

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the outputs."""
        ...


#: By the name that `uses` takes.
CallingKinds: TypeAlias = Mapping[str, CallingKind]


@dataclass(frozen=True, slots=True)
class SubRun:
    """A run that a step starts: what its inputs get, as far as that is known."""

    inputs: Mapping[str, Any]
    unknown_inputs: frozenset[str]


@dataclass(slots=True)
class Weight:
    """A step with all of its items."""

    #: None: only the run will know; the rest then is one item's.
    items: int | None = 1
    calls: dict[str, float] = field(default_factory=dict)
    #: Units by charge; None: not known.
    charges: list[tuple[str, float | None]] = field(default_factory=list)
    #: Whether it holds scenes, and seconds of their written speech, all items together; None: not known.
    speaks: bool = False
    speech_s: float | None = 0.0
    #: Whether scenes wait for a recording.
    recorded: bool = False
    #: Whether it sends recordings, and their seconds; None: not known.
    records: bool = False
    recordings_s: float | None = 0.0
    pause_s: float = 0.0
    sub_runs: list[SubRun] = field(default_factory=list)
    #: Outputs that are known beforehand.
    foreseen: dict[str, Any] = field(default_factory=dict)
    #: Whether its condition holds; None: not known, or there is none.
    holds: bool | None = None
    #: The same for weights that differ in their measures at most.
    shape: int = 0

    @property
    def number(self) -> int:
        """Items, one if nobody knows how many."""
        return 1 if self.items is None else self.items

    @property
    def measures(self) -> tuple[float, ...]:
        """What may differ between runs that do the same: seconds of speech, units of charges; 0 where not known."""
        return (self.speech_s or 0.0, self.recordings_s or 0.0, *(units or 0.0 for _, units in self.charges))

    @property
    def likeness(self) -> Hashable:
        """All but the measures."""
        return (
            *(self.items, self.speaks, self.recorded, self.records, self.pause_s, self.holds),
            *(self.speech_s is None, self.recordings_s is None),
            tuple(self.calls.items()),
            tuple((name, units is None) for name, units in self.charges),
            repr(self.sub_runs) if self.sub_runs else "",
        )

    def with_measures(self, measures: Sequence[float]) -> "Weight":
        """The weight with other measures; what is not known stays so."""
        speech_s, recordings_s, *units = measures
        return replace(
            self,
            speech_s=None if self.speech_s is None else speech_s,
            recordings_s=None if self.recordings_s is None else recordings_s,
            charges=[
                (name, None if was is None else now)
                for (name, was), now in zip(self.charges, units, strict=True)
            ],
        )

    def of_items(self, number: int) -> "Weight":
        """So many of one item, as which it was weighed."""
        more = self.with_measures([measure * number for measure in self.measures])
        calls = {operation: calls * number for operation, calls in self.calls.items()}
        return replace(more, items=number, calls=calls, sub_runs=self.sub_runs * number)


class Weighing:
    """Weighs the steps of one pipeline; equal steps of different runs are weighed once."""

    def __init__(self, pipeline: Pipeline, kinds: CallingKinds) -> None:
        self._kinds = kinds
        self._folder = Path(pipeline.folder)
        steps = (*pipeline.steps, *pipeline.on_failure, *pipeline.finally_)
        self._spoken = {step.id: _spoken(step.with_[_SCENES]) for step in steps if _SCENES in step.with_}
        #: Steps that use the output of one with scenes: what they send may be its recordings.
        self._after_script = {step.id for step in steps if steps_in(step.with_) & self._spoken.keys()}
        self._memos: dict[str, _Memo] = {}
        self._shapes: dict[Hashable, int] = {}

    def weight(self, step: Step, values: Mapping[str, Any], unknown_inputs: frozenset[str]) -> Weight:
        """What a step does in a run that has these values."""
        memo = self._memos.setdefault(step.id, _Memo())
        if (found := memo.get(values, unknown_inputs)) is None:
            scope = Scope(values, unknown_inputs)
            found = self._weighed(step, scope)
            found.holds = None if step.if_ is None else scope.truth(step.if_)
            found.shape = self._shapes.setdefault(found.likeness, len(self._shapes))
            memo.put(scope, found)
        return found

    def _weighed(self, step: Step, scope: Scope) -> Weight:
        if step.foreach is None:
            weight = Weight()
            weight.foreseen = dict(self._item(step, scope, weight))
            return weight
        items = scope.value(step.foreach)
        if not isinstance(items, list):
            weight = Weight(items=None)
            self._item(step, scope, weight)
            return weight
        weight = Weight(items=len(items))
        results = []
        for index, item in enumerate(items):
            known = {"index": index} if item is UNKNOWN else {"index": index, "item": item}
            inner = Scope({**scope.values, **known}, scope.unknown_inputs, scope.used)
            foreseen = self._item(step, inner, weight)
            if foreseen:
                results.append({**dict.fromkeys(self._kinds[step.uses].outputs, HOLE), **foreseen})
        weight.foreseen = {"total": len(items)}
        if len(results) == len(items):
            weight.foreseen["results"] = results
        return weight

    def _item(self, step: Step, scope: Scope, weight: Weight) -> Mapping[str, Any]:
        """Adds one item to the weight; the outputs that are foreseen."""
        given = Given(step.with_, scope)
        if step.pipeline is not None:
            weight.sub_runs.append(_sub_run(step.pipeline, given))
            return {}
        kind = self._kinds[step.uses]
        calls = kind.calls(given)
        for operation, times in calls.items():
            weight.calls[operation] = weight.calls.get(operation, 0) + times
        weight.charges += charges_of(calls, given)
        if step.id in self._spoken:
            scenes = scope.scenes(self._spoken[step.id])
            speech_s, recorded = scenes_s(scenes, speed_of(given.partly("voice_config")))
            weight.speaks, weight.recorded = True, weight.recorded or recorded
            weight.speech_s = sum_of(weight.speech_s, speech_s)
        elif step.id in self._after_script and not calls.keys() & {SCRIPT_OPERATION, VIDEO_OPERATION}:
            for sent in given.values():
                for file in recordings_in(sent):
                    length_s = recording_s(self._folder / file) if is_known(sent) else None
                    weight.records = True
                    weight.recordings_s = sum_of(weight.recordings_s, length_s)
        if step.uses in _PAUSES and isinstance(pause_s := given.get(_PAUSES[step.uses]), int | float):
            weight.pause_s = max(weight.pause_s, float(pause_s))
        return kind.foresees(given)


def _spoken(scenes: Any) -> Any:
    """Scenes as they are written, less what is only seen: working that out for each run would take time."""
    if not isinstance(scenes, list | tuple):
        return scenes
    return [
        {_SCENE: {key: scene[_SCENE][key] for key in ("script_type", "text_config") if key in scene[_SCENE]}}
        if isinstance(scene, Mapping) and isinstance(scene.get(_SCENE), Mapping)
        else scene
        for scene in scenes
    ]


def _sub_run(pipeline: Pipeline, given: Given) -> SubRun:
    passed = given.partly("inputs")
    passed = passed if isinstance(passed, Mapping) else {}
    inputs = {name: passed.get(name, spec.default) for name, spec in pipeline.inputs.items()}
    unknown = pipeline.inputs.keys() if given.partly("inputs") is UNKNOWN else ()
    return SubRun(
        inputs, frozenset(unknown) | {name for name, value in inputs.items() if not is_known(value)}
    )


class _Memo:
    """Weights of one step by the values that it used."""

    def __init__(self) -> None:
        self._places: tuple[tuple[str, ...], ...] = ()
        self._found: dict[str, Weight] = {}

    def get(self, values: Mapping[str, Any], unknown_inputs: frozenset[str]) -> Weight | None:
        """What was put for values that are equal wherever the step ever looked."""
        return self._found.get(self._key(values, unknown_inputs))

    def put(self, scope: Scope, weight: Weight) -> None:
        """Keep a weight for the values of its scope."""
        # What belongs to an item follows from the list that the items come from.
        used = {place for place in scope.used if place[0] in {"inputs", "row", "run", "steps"}}
        if not used <= set(self._places):
            self._places = tuple(sorted({*self._places, *used}))
            self._found.clear()
        self._found[self._key(scope.values, scope.unknown_inputs)] = weight

    def _key(self, values: Mapping[str, Any], unknown_inputs: frozenset[str]) -> str:
        return repr((sorted(unknown_inputs), [pick(values, place) for place in self._places]))


def sum_of(left: float | None, right: float | None) -> float | None:
    """None as soon as one of them is not known."""
    return None if left is None or right is None else left + right
