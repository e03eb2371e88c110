"""Many runs added up, and set against the quota, the prices and a budget."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.pipeline import Pipeline
from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.planning.charges import CHARGES
from orchestrator.planning.prices import Prices
from orchestrator.planning.spans import NOTHING, Span, named
from orchestrator.planning.survey import Load, Open
from orchestrator.planning.tally import Runs


@dataclass(frozen=True, slots=True)
class Calls:
    """One operation's calls, and what the quota makes of them."""

    operation: str
    category: str
    calls: Span
    #: Granted calls a second.
    rate: float

    @property
    def takes_s(self) -> Span:
        """Seconds for all of them at the granted rate."""
        return self.calls * (1 / self.rate)


@dataclass(frozen=True, slots=True)
class Resource:
    """What the runs use of one resource type."""

    charge: str
    code: str
    units: Span
    #: Of so many units as the charge is counted by; None: not in the price file, or there is none.
    price: float | None

    @property
    def amount(self) -> Span:
        """What it costs; nothing where there is no price."""
        return self.units * ((self.price or 0.0) / CHARGES[self.charge].per)


@dataclass(frozen=True, slots=True)
class Cost:
    """What it costs, as far as that is known."""

    currency: str
    amount: Span
    #: Resource types that are used and have no price.
    unpriced: tuple[str, ...]
    #: Steps that leave open how much is used of something that has a price.
    open: tuple[Open, ...]


@dataclass(frozen=True, slots=True)
class Duration:
    """How long it takes at least: replies, transfers, people and trainings come on top."""

    #: Of the operation that takes longest; None: nothing is called.
    bottleneck: Calls | None
    #: Of a run that has everything for itself, on average.
    alone_s: Span
    #: Runs side by side; None: as many as there are.
    limit: int | None
    #: What the runs before the last ones take because no more go side by side.
    queued_s: Span
    total_s: Span


@dataclass(frozen=True, slots=True)
class Plan:
    """What a definition with its rows would do."""

    pipeline: Pipeline
    region: str
    runs: Runs
    load: Load
    calls: tuple[Calls, ...]
    resources: tuple[Resource, ...]
    duration: Duration
    #: None: there are no prices.
    cost: Cost | None
    #: The same for runs that fail after they have done all they can; the most of it counts for a budget.
    worst: "Worst"


@dataclass(frozen=True, slots=True)
class Worst:
    """What the runs do at most, with all that they do when they fail."""

    load: Load
    #: What `on_failure`, and steps of `finally` that wait for a failure, add at most.
    calls: tuple[tuple[str, float], ...]
    #: The whole use.
    resources: tuple[Resource, ...]
    cost: Cost | None


def plan_of(
    pipeline: Pipeline,
    runs: Runs,
    load: Load,
    *,
    region: str,
    rates: Mapping[str, float],
    prices: Prices | None,
    worst: Load | None = None,
) -> Plan:
    """The plan for runs of a pipeline. `rates`: granted calls a second by operation; `worst`: of runs that may fail."""
    calls = tuple(
        Calls(name, OPERATIONS[name].category, span, rates[name]) for name, span in named(load.calls)
    )
    resources, cost = _priced(load, prices)
    duration = _duration(pipeline, runs, load, calls)
    worst = worst or load
    more = (
        (name, span.high - load.calls.get(name, NOTHING).high) for name, span in sorted(worst.calls.items())
    )
    failing = Worst(worst, tuple(one for one in more if one[1] > 0), *_priced(worst, prices))
    return Plan(pipeline, region, runs, load, calls, resources, duration, cost, failing)


def _priced(load: Load, prices: Prices | None) -> tuple[tuple[Resource, ...], Cost | None]:
    resources = tuple(_resource(name, span, prices) for name, span in named(load.charges))
    return resources, _cost(prices, load, resources) if prices else None


def _resource(name: str, units: Span, prices: Prices | None) -> Resource:
    code = prices.code_of(name) if prices else CHARGES[name].code
    return Resource(name, code, units, prices.resources.get(code) if prices else None)


def _cost(prices: Prices, load: Load, resources: Sequence[Resource]) -> Cost:
    amount = NOTHING
    for operation, span in load.calls.items():
        amount += span * prices.calls.get(operation, 0.0)
    for resource in resources:
        amount += resource.amount
    unpriced = [resource.code for resource in resources if resource.price is None]
    return Cost(
        prices.currency,
        amount,
        tuple(unpriced),
        tuple(one for one in sorted(load.open, key=_name) if _may_cost(one, prices)),
    )


def _may_cost(one: Open, prices: Prices) -> bool:
    # A resource without a price may cost as well.
    return any(prices.resources.get(prices.code_of(charge), 1.0) > 0 for charge in one.charges) or any(
        prices.calls.get(operation, 0.0) > 0 for operation, _ in one.each
    )


def _name(one: Open) -> str:
    return one.step


def _duration(pipeline: Pipeline, runs: Runs, load: Load, calls: tuple[Calls, ...]) -> Duration:
    """As long as the slowest bucket takes for its calls, or the runs one set after the other; then the last run."""
    bottleneck = max(calls, key=lambda one: one.takes_s.high, default=None)
    limit = _limit(pipeline)
    if not runs.working:
        return Duration(None, NOTHING, limit, NOTHING, NOTHING)
    alone_s = load.alone_s * (1 / runs.working)
    quota_s = bottleneck.takes_s if bottleneck else NOTHING
    sets_before = math.ceil(runs.working / min(limit or runs.working, runs.working)) - 1
    queued_s = alone_s * sets_before
    total_s = Span(max(quota_s.low, queued_s.low), max(quota_s.high, queued_s.high)) + alone_s
    return Duration(bottleneck, alone_s, limit, queued_s, total_s)


def _limit(pipeline: Pipeline) -> int | None:
    limits = [pipeline.concurrency_limit, pipeline.group.limit if pipeline.group else None]
    return min((limit for limit in limits if limit is not None), default=None)


def checked_assumptions(pipeline: Pipeline, given: Mapping[str, float]) -> Mapping[str, float]:
    """`given` by step. Raises UsageError for a step that the pipeline, and those that it runs, do not have."""
    names = list(_names(pipeline))
    units = {charge.unit for charge in CHARGES.values()}
    for name, value in given.items():
        step, _, unit = name.partition(".")
        if step not in names or (unit and unit not in units):
            raise UsageError(
                f"--assume names {name!r}, which is no step of {pipeline.name}.",
                hint=f"Its steps: {', '.join(names)}.",
            )
        if not 0 <= value < math.inf:
            raise UsageError(f"--assume {name} needs a number from 0 on.", hint=f"Write --assume {name}=3.")
    return given


def may_do_more(pipeline: Pipeline) -> bool:
    """Whether runs of the pipeline, or those that they start, may do something only when they fail."""
    steps = (*pipeline.steps, *pipeline.on_failure, *pipeline.finally_)
    return bool(pipeline.on_failure or pipeline.finally_) or any(
        step.pipeline is not None and may_do_more(step.pipeline) for step in steps
    )


def _names(pipeline: Pipeline, inside: str = "") -> Iterable[str]:
    for step in (*pipeline.steps, *pipeline.on_failure, *pipeline.finally_):
        yield f"{inside}{step.id}"
        if step.pipeline is not None:
            yield from _names(step.pipeline, f"{inside}{step.id}/")
