"""The sliding window of one second."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.quota import Quota

T = datetime(2026, 1, 1, tzinfo=UTC)


def test_no_window_of_a_second_admits_more_than_the_rate() -> None:
    """Calls at any moments: every window holds at most the rate, and refused calls take no place."""
    quota = Quota({"a": 3})
    admitted = [n for n in range(40) if quota.admit("a", T + timedelta(milliseconds=100 * n))]
    assert admitted[:4] == [0, 1, 2, 10]
    assert all(later - earlier >= 10 for earlier, later in zip(admitted, admitted[3:], strict=False))
    assert len(admitted) == 12


def test_operations_are_counted_apart_and_unlisted_ones_are_free() -> None:
    """One operation's calls don't use up another's."""
    quota = Quota({"a": 1, "b": 1})
    assert quota.admit("a", T)
    assert quota.admit("b", T)
    assert not quota.admit("a", T)
    assert all(quota.admit("c", T) for _ in range(100))
    quota.reset()
    assert quota.admit("a", T)


def test_the_refusal_is_the_gateways(make_tenant: Callable[..., Any]) -> None:
    """429 with code, message and the request's id, whether by the quota or by plan."""
    rule = FaultRule(on="list_assets", do=Fault.THROTTLE)
    tenant = make_tenant(limits=True, region="ap-southeast-3", faults=FaultPlan(rules=(rule,)))
    body = {"asset_name": "A", "asset_type": "IMAGE"}
    for _ in range(5):
        tenant.ok("POST", "/digital-assets", body)
    over, planned = tenant.send("POST", "/digital-assets", body), tenant.send("GET", "/digital-assets")
    for answer, reason in (
        (over, "policy user over ratelimit,limit:5,time:1 second"),
        (planned, "a fault that was asked for"),
    ):
        assert answer.status == 429
        assert answer.json() == {
            "error_code": "APIGW.0308",
            "error_msg": f"The throttling threshold has been reached: {reason}",
            "request_id": answer.headers["X-Request-Id"],
        }
