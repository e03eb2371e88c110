"""The page of the emulator names everything that can be asked of it."""

import re
from pathlib import Path

import pytest

from orchestrator.emulator.control import PREFIX, VERBS
from orchestrator.emulator.faults import PLACES, Fault, FaultRule, allowed_faults
from orchestrator.metastudio.operations import OPERATIONS

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/emulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("method", "name"), sorted(VERBS))
def test_every_control_has_its_row(method: str, name: str) -> None:
    """Method and path."""
    assert f"| `{method} {PREFIX}{name}` |" in PAGE


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_its_row(fault: Fault) -> None:
    """What becomes of the work, and what the caller sees."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{fault}` |"))
    assert re.search(r"\w", row.split("|", 2)[2])


@pytest.mark.parametrize("field", sorted(FaultRule.model_fields))
def test_every_field_of_a_rule_is_explained(field: str) -> None:
    """In the table of the fields."""
    assert re.search(rf"^\| (`\w+`, )?`{field}`(, `\w+`)? \| ", PAGE, re.MULTILINE)


@pytest.mark.parametrize("place", [place for place in PLACES if place not in OPERATIONS])
def test_every_place_lists_its_faults(place: str) -> None:
    """Neither more nor fewer than a rule may have there."""
    table = PAGE.split("| `on` | `do` |")[1].split("\n\n")[0].splitlines()
    rows = {row.split(" | ")[0]: row.split(" | ")[1] for row in table if row.startswith("| ")}
    listed = next(faults for places, faults in rows.items() if f"`{place}`" in places)
    named = set(re.findall(r"`(\w+)`", listed))
    if "the same" in listed:
        named |= set(re.findall(r"`(\w+)`", rows["| `storage.put`, `storage.part`"]))
    assert named == {fault.value for fault in allowed_faults(place)}
