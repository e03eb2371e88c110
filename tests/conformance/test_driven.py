"""Nothing is left out: every operation is called through the official SDK, and every call counts."""

from orchestrator.metastudio.operations import OPERATIONS
from tools.docs_emulator import checked_by_sdk, operations_called


def test_every_operation_is_called_through_the_sdk() -> None:
    """By a test that fails unless the call succeeds."""
    called = checked_by_sdk()
    assert sorted(OPERATIONS.keys() - called.keys()) == []
    assert sorted(called.keys() - OPERATIONS.keys()) == []


def test_only_calls_that_have_to_succeed_count() -> None:
    """Not refused ones, nor those of another object, nor what is outside of tests."""
    source = """
def helper(sdk): sdk.show_file()
def test_it(sdk, tenant):
    sdk.show_asset(asset_id=sdk.create_digital_asset({}).asset_id)
    sdk.refused.delete_asset()
    tenant.restore_asset()
"""
    assert operations_called(source) == {"test_it": {"show_asset", "create_digital_asset"}}
