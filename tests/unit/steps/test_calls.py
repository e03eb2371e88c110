"""What step kinds say of the calls that they make, before they make them."""

import pytest

from orchestrator.definition.kinds import API
from orchestrator.metastudio.operations import OPERATIONS
from orchestrator.steps.base import kinds

#: Kinds that call nothing, or whose steps are another pipeline's.
SILENT = {"approve", "notify.webhook", "pipeline.run", "sleep"}


@pytest.mark.parametrize("name", sorted(set(kinds()) - SILENT))
def test_every_kind_says_what_it_calls(name: str) -> None:
    """Without any parameters, too, and only operations that there are."""
    calls = kinds()[name].calls({})
    assert calls
    assert set(calls) <= set(OPERATIONS)
    assert all(times >= 0 for times in calls.values())


@pytest.mark.parametrize("name", sorted(SILENT))
def test_some_kinds_call_nothing(name: str) -> None:
    """They wait, or speak with somebody else."""
    assert not kinds()[name].calls({})


def test_a_step_of_one_operation_calls_it_once() -> None:
    """`api.` and its name."""
    assert kinds()[f"{API}list_assets"].calls({}) == {"list_assets": 1}
