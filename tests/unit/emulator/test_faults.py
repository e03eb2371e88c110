"""Fault plans: which request is hit, and that a plan plays the same again."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.emulator.faults import (
    PLACES,
    Fault,
    FaultPlan,
    FaultPlanError,
    FaultRule,
    Faults,
    allowed_faults,
)
from orchestrator.emulator.wire import Delivery

ASSET = {"asset_name": "A", "asset_type": "IMAGE"}


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


def test_every_so_manieth_request_is_hit() -> None:
    """`every` goes on until `count` hits."""
    rule = FaultRule(on="create_file", do=Fault.HANG, every=3, count=2)
    assert plays(Faults(FaultPlan(rules=(rule,))), "create_file", 20) == [3, 6]
    with pytest.raises(ValidationError, match="exclude each other"):
        FaultRule(on="create_file", do=Fault.HANG, every=3, nth=3)


def test_the_first_rule_that_hits_wins() -> None:
    """A rule behind it neither sees nor counts that request."""
    rules = (
        FaultRule(on="show_asset", do=Fault.HANG, nth=2),
        FaultRule(on="*", do=Fault.SLOW, every=2),
    )
    faults = Faults(FaultPlan(rules=rules))
    hit = [faults.next("show_asset", operation=True) for _ in range(3)]
    assert [rule and rule.do for rule in hit] == [None, Fault.HANG, Fault.SLOW]
    assert [(hits.seen, hits.hit) for hits in faults.hits] == [(3, 1), (2, 1)]


def test_a_probability_depends_on_the_seed_alone() -> None:
    """The same seed hits the same requests, another seed others, each about as often as asked."""
    rules = (FaultRule(on="show_asset", do=Fault.SLOW, probability=0.3),)
    first, again, other = (
        plays(Faults(FaultPlan(seed=s, rules=rules)), "show_asset", 1000) for s in (1, 1, 2)
    )
    assert first == again != other
    assert 250 < len(first) < 350


def test_counters_go_on_in_another_process() -> None:
    """A plan that is taken up with its counters goes on where it was."""
    plan = FaultPlan(rules=(FaultRule(on="show_asset", do=Fault.SLOW, nth=5),))
    faults = Faults(plan)
    assert plays(faults, "show_asset", 3) == []
    assert plays(Faults(plan, faults.hits), "show_asset", 3) == [2]


@pytest.mark.parametrize(
    ("on", "do"),
    [
        *(("callback", "hang"), ("video", "slow"), ("review", "lost"), ("storage.put", "late")),
        *(("storage.put", "malformed"), ("storage.get", "mistyped"), ("create_file", "lost")),
    ],
)
def test_a_fault_that_makes_no_sense_there_is_refused(on: str, do: str) -> None:
    """Callbacks, videos, storage and operations have faults of their own."""
    with pytest.raises(ValidationError, match="does not apply"):
        FaultRule(on=on, do=Fault(do))


@pytest.mark.parametrize("place", PLACES)
def test_each_place_takes_every_fault_that_applies_there(place: str) -> None:
    """What is offered is what is taken."""
    faults = allowed_faults(place)
    assert faults
    assert {FaultRule(on=place, do=fault).do for fault in faults} == faults


def test_a_misspelt_place_is_refused() -> None:
    """With what was probably meant; such a rule would never hit."""
    with pytest.raises(ValidationError, match="did you mean create_file"):
        FaultRule(on="create_fil", do=Fault.HANG)


def test_a_plan_is_read_from_yaml_and_json(tmp_path: Path) -> None:
    """Both spell the same plan."""
    yaml, text = tmp_path / "plan.yaml", tmp_path / "plan.json"
    yaml.write_text("seed: 7\nrules:\n  - {on: callback, do: lost, nth: 1}\n")
    text.write_text('{"seed": 7, "rules": [{"on": "callback", "do": "lost", "nth": 1}]}')
    assert FaultPlan.load(yaml) == FaultPlan.load(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("seed: 1\nrules:\n  - {on: video, do: fail}\n  - on: video\n    do: melt\n", ":5: rules.1.do: "),
        ("rules:\n  - {on: video, do: slow}", ":2: rules.0: "),
        ("seed: 1\nrules: [", ":2:9: expected"),
        ("seed: 1\nseed: 2", ":2:1: found duplicate key"),
        ("[1]", ":1: body: "),
        ("seed: 1\nsed: 1", ":2: sed: "),
        ("\x00", ": unacceptable character"),
        ("&a [*a]", ":1: body: "),
    ],
)
def test_an_unreadable_plan_is_a_usage_error(tmp_path: Path, text: str, where: str) -> None:
    """The message says file, line and what is wrong."""
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(FaultPlanError, match=re.escape(f"plan.yaml{where}")):
        FaultPlan.load(path)


def test_a_plan_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(FaultPlanError, match=r"nowhere\.yaml: No such file or directory"):
        FaultPlan.load(tmp_path / "nowhere.yaml")


def test_a_malformed_answer_is_whole_but_no_json(make_tenant: Callable[..., Any]) -> None:
    """The work is done; with a body or without one."""
    tenant = make_tenant(faults=FaultPlan(rules=(FaultRule(on="*", do=Fault.MALFORMED),)))
    answer = tenant.send("POST", "/digital-assets", ASSET)
    assert (answer.status, answer.delivery) == (200, Delivery.WHOLE)
    with pytest.raises(ValueError, match="Unterminated string"):
        json.loads(answer.body)
    (asset,) = tenant.emulator.world.assets
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(tenant.send("DELETE", f"/digital-assets/{asset.id}").body)


def test_a_mistyped_answer_is_json_that_lies(make_tenant: Callable[..., Any]) -> None:
    """The work is done; each value is of another type, and what had no body has a list."""
    tenant = make_tenant(faults=FaultPlan(rules=(FaultRule(on="*", do=Fault.MISTYPED),)))
    answer = tenant.send("POST", "/digital-assets", ASSET)
    (asset,) = tenant.emulator.world.assets
    assert answer.json() == {"asset_id": [asset.id]}
    listed = tenant.send("GET", "/digital-assets").json()
    assert listed["count"] == {"value": 1}
    assert list(listed["assets"]) == ["0"]
    gone = tenant.send("DELETE", f"/digital-assets/{asset.id}")
    assert (gone.status, gone.json()) == (200, [])


def test_a_refusal_stays_itself(make_tenant: Callable[..., Any]) -> None:
    """A fault of the answer needs a success."""
    rules = (FaultRule(on="show_asset", do=Fault.MALFORMED),)
    tenant = make_tenant(faults=FaultPlan(rules=rules))
    assert tenant.refused("GET", "/digital-assets/nope") == (404, "MSS.10001001")
