"""The pages agree with the code: nothing that a user can touch lacks its place, no link leads nowhere."""

import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from orchestrator.cli.main import app
from orchestrator.definition.kinds import API
from orchestrator.domain.run import StepStatus
from orchestrator.emulator.behaviours import behaviours
from orchestrator.emulator.faults import Fault
from orchestrator.metastudio.operation import AnyOperation
from orchestrator.metastudio.operations import OPERATIONS, RATES
from orchestrator.settings import Settings
from orchestrator.steps.base import StepKind, kinds

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(generator().PAGES))
def test_a_reference_page_is_what_the_generator_writes(name: str) -> None:
    """`make docs` would change nothing."""
    assert text(f"reference/{name}") == generator().PAGES[name]()


def test_every_relative_link_resolves() -> None:
    """Pages and headings that are linked to exist."""
    assert generator().broken_links() == []


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing page and a missing heading are both reported."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# Top\n[a](docs/none.md) [b](#bottom) [c](#top) `[d](none)`\n")
    monkeypatch.setattr(generator(), "ROOT", tmp_path)
    assert generator().broken_links() == ["README.md: docs/none.md", "README.md: #bottom"]


def finds(kind: StepKind[Any]) -> bool:
    return type(kind).find is not StepKind.find


def command_names(command: Any, name: str) -> Iterator[str]:
    yield name
    for below, child in getattr(command, "commands", {}).items():
        yield from command_names(child, f"{name} {below}")


@pytest.mark.parametrize("name", [*command_names(get_command(app), "orchestrator")])
def test_every_command_has_its_section(name: str) -> None:
    """A command without a section, or one whose help says nothing, fails."""
    section = rf"^## {re.escape(name)}\n\n```\nUsage: {re.escape(name)} .*\n\n  [A-Z]"
    assert re.search(section, text("reference/cli.md"), re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in Settings().shown() if not name.startswith("limits.")])
def test_every_setting_has_its_row_with_a_meaning(name: str) -> None:
    """A setting without a row, or a row that says nothing, fails."""
    row = next(line for line in text("reference/settings.md").splitlines() if line.startswith(f"| `{name}` "))
    assert re.search(r"\w", row.split(" | ")[-1].removeprefix("Secret."))


@pytest.mark.parametrize("name", sorted(name for name in kinds() if not name.startswith(API)))
def test_every_step_kind_has_its_section_and_parameters(name: str) -> None:
    """A kind without a section, or a parameter that it does not list, fails."""
    section = text("reference/steps.md").split(f"\n## {name}\n")[1].split("\n## ")[0]
    for parameter in kinds()[name].params.model_json_schema(by_alias=True).get("properties", {}):
        assert f"| `{parameter}` |" in section


@pytest.mark.parametrize(
    "kind", sorted(name for name, kind in kinds().items() if finds(kind) and not name.startswith(API))
)
def test_every_kind_that_adopts_is_explained(kind: str) -> None:
    """A kind that looks for what it made tells how."""
    assert f"| `{kind}` |" in text("explanation/adoption.md")


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS.values() if not one.reads], ids=lambda o: o.id
)
def test_every_operation_that_changes_something_tells_what_a_lost_answer_means(
    operation: AnyOperation,
) -> None:
    """One that makes something has a row of its own; the others stand among those that are repeated."""
    found, repeated = text("reference/adoption.md").split("\n## Repeated\n")
    own_row = f"\n| `{operation.id}` |"
    assert (own_row in found) is operation.creates
    assert (f"`{operation.id}`" in repeated) is not operation.creates


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_has_its_row(operation: AnyOperation) -> None:
    """With its category, its rates, a step kind that exists, and whether the emulator plays it."""
    section = text("reference/operations.md").split(f"\n## {operation.category}\n")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{operation.id}` |"))
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    *_, step, emulated = cells
    assert cells[5:8] == [f"{RATES[region][operation.id]:g}" for region in RATES]
    assert step.strip("`") in kinds()
    assert (emulated == "yes") == (operation.id in behaviours())


def test_every_operation_has_a_step_kind() -> None:
    """Whatever else carries it out, `api.` and its name does."""
    assert [name for name in OPERATIONS if f"{API}{name}" not in kinds()] == []
    assert "## `api.<operation>`" in text("reference/steps.md")


def test_every_code_of_our_own_is_explained() -> None:
    """A code that the package gives to an error stands in the reference."""
    given = {
        code
        for folder in ("steps", "engine", "transfer", "domain")
        for path in (ROOT / "orchestrator" / folder).rglob("*.py")
        for code in re.findall(
            r"""\bcode(?::\s*str)?\s*=\s*"([A-Z]+(?:_[A-Z]+)*)\"""", path.read_text("utf-8")
        )
    }
    assert given
    assert given - set(generator().OWN_CODES) == set()


def test_every_status_of_a_step_stands_in_its_diagram() -> None:
    """The state diagram knows every status and no other."""
    diagram = text("explanation/life-of-a-step.md").split("```mermaid")[1].split("```")[0]
    drawn = set(re.findall(r"^\s+(\w+) --> ", diagram, re.MULTILINE)) | set(re.findall(r"--> (\w+)", diagram))
    assert drawn == {status.value for status in StepStatus}


def test_every_fault_of_the_emulator_is_explained() -> None:
    """A fault that a plan may name stands in the guide."""
    page = text("howto/rehearse-with-the-emulator.md")
    assert [fault.value for fault in Fault if f"`{fault.value}`" not in page] == []


def test_no_page_names_a_place_of_somebodys_machine() -> None:
    """Pages speak of the product alone."""
    for path in generator().documents():
        assert not re.search(r"/root/|/tmp/|/home/", path.read_text(encoding="utf-8")), path
