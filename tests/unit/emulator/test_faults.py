"""Fault plans: which request is hit, and that a plan plays the same again."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.emulator.faults import Fault, FaultPlan, FaultPlanError, FaultRule, Faults


def plays(faults: Faults, on: str, times: int) -> list[int]:
    return [n for n in range(1, times + 1) if faults.next(on, operation=True) is not None]


def test_the_nth_request_and_no_other_is_hit() -> None:
    """`nth` counts the requests that the rule sees."""
    faults = Faults(FaultPlan(rules=(FaultRule(on="create_file", do=Fault.HANG, nth=3),)))
    assert faults.next("list_assets", operation=True) is None
    assert plays(faults, "create_file", 10) == [3]


def test_a_count_bounds_the_hits() -> None:
    """After `count` hits a rule is spent; `*` covers every operation but neither storage nor callbacks."""
    faults = Faults(FaultPlan(rules=(FaultRule(on="*", do=Fault.SLOW, count=2),)))
    assert faults.next("storage.put") is None
    assert plays(faults, "show_asset", 10) == [1, 2]


def test_a_probability_depends_on_the_seed_alone() -> None:
    """The same seed hits the same requests, another seed others, each about as often as asked."""
    rules = (FaultRule(on="a", do=Fault.SLOW, probability=0.3),)
    first, again, other = (plays(Faults(FaultPlan(seed=s, rules=rules)), "a", 1000) for s in (1, 1, 2))
    assert first == again != other
    assert 250 < len(first) < 350


def test_counters_go_on_in_another_process() -> None:
    """A plan that is taken up with its counters goes on where it was."""
    plan = FaultPlan(rules=(FaultRule(on="a", do=Fault.SLOW, nth=5),))
    faults = Faults(plan)
    assert plays(faults, "a", 3) == []
    assert plays(Faults(plan, faults.hits), "a", 3) == [2]


@pytest.mark.parametrize(
    ("on", "do"), [("callback", "hang"), ("video", "slow"), ("storage.put", "late"), ("create_file", "lost")]
)
def test_a_fault_that_makes_no_sense_there_is_refused(on: str, do: str) -> None:
    """Callbacks, videos, storage and operations have faults of their own."""
    with pytest.raises(ValidationError, match="does not apply"):
        FaultRule(on=on, do=Fault(do))


def test_a_plan_is_read_from_yaml_and_json(tmp_path: Path) -> None:
    """Both spell the same plan."""
    yaml, text = tmp_path / "plan.yaml", tmp_path / "plan.json"
    yaml.write_text("seed: 7\nrules:\n  - {on: callback, do: lost, nth: 1}\n")
    text.write_text('{"seed": 7, "rules": [{"on": "callback", "do": "lost", "nth": 1}]}')
    assert FaultPlan.load(yaml) == FaultPlan.load(text)


@pytest.mark.parametrize("text", ["rules: [{on: a, do: melt}]", "rules: [", "[1]", "sed: 1", "\x00"])
def test_an_unreadable_plan_is_a_usage_error(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(FaultPlanError, match=r"plan\.yaml"):
        FaultPlan.load(path)
