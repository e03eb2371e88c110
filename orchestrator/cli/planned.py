"""From what is to be run to its plan: each run weighed, those that the state knows looked up in it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from orchestrator.app import checked_limits, state_path
from orchestrator.domain.ids import DefinitionHash, RunKey
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunStatus, StepStatus
from orchestrator.engine.loading import load_state
from orchestrator.engine.reception import RowInput, Submission
from orchestrator.engine.run_keys import RunKeys
from orchestrator.metastudio.operations import RATES
from orchestrator.planning.budget import check_budget
from orchestrator.planning.plan import Plan, checked_assumptions, may_do_more, plan_of
from orchestrator.planning.prices import read_prices
from orchestrator.planning.survey import Assumptions, Survey
from orchestrator.planning.tally import Tally
from orchestrator.settings import Settings
from orchestrator.steps.base import kinds
from orchestrator.store.base import Store, Summary
from orchestrator.store.sqlite import SqliteStore

#: Keys that are looked up together.
_CHUNK = 500
#: Steps that are done of a run that the state knows; None: the whole run is done.
_Done: TypeAlias = frozenset[str] | None
_OVER = frozenset({StepStatus.SUCCEEDED, StepStatus.SKIPPED})


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a plan is to reckon with."""

    #: The price file; None: the one that the settings name, if they name one.
    prices: Path | None = None
    #: Minutes that a minute of video takes to be made.
    render_factor: float = 1.0
    #: By step: items of its `foreach`, or units such as minutes.
    assumed: Mapping[str, float] = field(default_factory=dict)


def plan_for(wanted: Submission, settings: Settings, reckoning: Reckoning) -> Plan:
    """What a submission would do. Calls nothing; the state, if there is one, is only read.

    Raises DefinitionError for mistakes in the price file, UsageError for an assumption about no step, StoreError when
    the state cannot be read.
    """
    path = reckoning.prices or settings.prices
    prices = read_prices(path) if path else None
    assumed = checked_assumptions(wanted.pipeline, reckoning.assumed)
    assumptions = Assumptions(reckoning.render_factor, assumed)
    known = _known(wanted, settings)
    tally = _tally(wanted, Survey(wanted.pipeline, kinds(), assumptions), known)
    worst = None
    if may_do_more(wanted.pipeline):
        failing = Survey(wanted.pipeline, kinds(), assumptions, failing=True)
        worst = _tally(wanted, failing, known).load()
    rates = {**RATES[settings.region], **checked_limits(settings)}
    return plan_of(
        wanted.pipeline,
        tally.runs,
        tally.load(),
        region=settings.region,
        rates=rates,
        prices=prices,
        worst=worst,
    )


def stay_within(budget: float, wanted: Submission, settings: Settings, reckoning: Reckoning) -> None:
    """Raises OverBudgetError unless it is sure that the submission costs no more; otherwise as `plan_for`."""
    check_budget(plan_for(wanted, settings, reckoning), budget)


def _runs(wanted: Submission) -> Sequence[RowInput]:
    if wanted.rows is not None:
        return wanted.rows
    return (RowInput(wanted.name, wanted.inputs, {}, wanted.content),)


def _tally(wanted: Submission, survey: Survey, known: Mapping[int, _Done]) -> Tally:
    """All runs added up; `known` by the number of the run."""
    tally = Tally(survey)
    for number, run in enumerate(_runs(wanted)):
        if number in known and known[number] is None:
            tally.skip()
        else:
            row = run.row if wanted.rows is not None else None
            tally.add(run.inputs, row=row, name=run.name, done=known.get(number))
    return tally


def _known(wanted: Submission, settings: Settings) -> Mapping[int, _Done]:
    """What the state knows, by the number of the run."""
    path = state_path(settings)
    if wanted.again or not path.is_file():
        return {}
    return asyncio.run(_looked_up(wanted, path))


async def _looked_up(wanted: Submission, path: Path) -> Mapping[int, _Done]:
    store = await SqliteStore(path, read_only=True).open()
    try:
        found: dict[int, _Done] = {}
        pipelines: dict[DefinitionHash, Pipeline] = {}
        keys = _keys(wanted)
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            latest = await store.latest(chunk)
            for number, key in enumerate(chunk, start):
                if key in latest:
                    found[number] = await _done(store, latest[key], pipelines)
        return found
    finally:
        await store.close()


def _keys(wanted: Submission) -> list[RunKey]:
    """The keys under which the engine knows the runs."""
    keys = RunKeys(wanted.pipeline)
    if wanted.rows is None:
        return [keys.key(wanted.inputs, content=wanted.content)]
    return [keys.key(one.inputs, row=one.row, name=one.name, content=one.content) for one in wanted.rows]


async def _done(store: Store, run: Summary, pipelines: dict[DefinitionHash, Pipeline]) -> _Done:
    if run.status is RunStatus.SUCCEEDED:
        return None
    state = await load_state(store, run.id, pipelines)
    return frozenset(str(step) for step, one in (state.steps if state else {}).items() if one.status in _OVER)
