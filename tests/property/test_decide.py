"""`decide` with what the engine asks about messages and wishes, under everything that can happen in any order.

The world (`decide_world`) objects by itself to whatever must not be: a request sent twice, something begun in a paused
run, an event after the end, a job that goes on although its run was cancelled, a journal that leads elsewhere, …
Chance plays thousands of schedules; the state machine plays fewer, and makes small what it finds. With
`HYPOTHESIS_PROFILE=deep` both play a hundred times as many.
"""

import os
import re
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.property.decide_facts import pipeline
from tests.property.decide_world import PAUSES_S, WISHES, World, schedule

Move = tuple[str, str, str]
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "life-of-a-step.md"
_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
#: A deep search takes as long as it takes.
pytestmark = [pytest.mark.timeout(0)] if _DEEP else []
PROFILE = settings(
    max_examples=8000 if _DEEP else 60,
    stateful_step_count=60 if _DEEP else 40,
    derandomize=not _DEEP,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Runs(RuleBasedStateMachine):
    """One run of any pipeline: every rule is something that may happen at any time."""

    world: World

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.data = data
        self.world = World(pipeline(self._pick), self._pick, watches=True)
        self.world.begin()

    def _pick(self, options: Any) -> Any:
        return self.data.draw(st.sampled_from(options))

    @precondition(lambda self: self.world.work)
    @rule(times=st.integers(1, 6))
    def work_goes_on(self, times: int) -> None:
        for _ in range(times):
            if self.world.work:
                self.world.goes_on()

    @rule(seconds=st.sampled_from(PAUSES_S))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def the_process_dies(self) -> None:
        self.world.crash()

    @precondition(lambda self: self.world.happenings())
    @rule()
    def something_happens_outside(self) -> None:
        self._pick(self.world.happenings())()

    @rule(wish=st.sampled_from(WISHES))
    def somebody_wants_something(self, wish: str) -> None:
        self.world.wish(wish)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.finish()
            self.world.crash()


TestRuns: Any = Runs.TestCase
TestRuns.settings = PROFILE


@cache
def played() -> tuple[set[Move], set[Move]]:
    """The changes of status of all steps and of all runs that chance brings about."""
    steps, runs = set[Move](), set[Move]()
    for seed in range(400_000 if _DEEP else 3500):
        try:
            world = schedule(Random(seed))
        except Exception as error:
            error.add_note(f"schedule(Random({seed}))")
            raise
        steps |= world.step_moves
        runs |= world.run_moves
    return steps, runs


def test_no_schedule_harms_a_run() -> None:
    """Whatever happens in whatever order, a run ends as it should, and nothing is made twice, lost or begun unasked."""
    played()


def test_the_diagram_of_a_step_is_what_happens_to_steps() -> None:
    """Each arrow of the page is gone by some step, with the events on its label, and no step goes another way."""
    assert drawn(0) == {(str(was), str(now), type_) for was, now, type_ in played()[0]}


def test_the_diagram_of_a_run_is_what_happens_to_runs() -> None:
    """As for steps; only a table run, whose rows went on one by one, succeeds after it has failed."""
    of_tables = {("failed", "succeeded", "run.succeeded")}
    assert drawn(1) == {(str(was), str(now), type_) for was, now, type_ in played()[1]} | of_tables


def drawn(number: int) -> set[Move]:
    """The arrows of one of the page's diagrams, an entry for each event that their labels name."""
    diagram = PAGE.read_text("utf-8").split("```mermaid")[number + 1].split("```")[0]
    arrows = re.findall(r"^    (\w+) --> (\w+): (.+)$", diagram, re.MULTILINE)
    return {(was, now, type_) for was, now, label in arrows for type_ in re.findall(r"\w+\.\w+", label)}
