"""Object storage without a socket, as simulations use it."""

from collections.abc import Callable
from typing import Any

from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.storage import StorageRules
from orchestrator.emulator.wire import Delivery, Request

MD5_OF_ABC = "kAFQmDzST7DWlj99KOF/cg=="


def file_of(tenant: Any) -> tuple[str, Request]:
    body = {
        "asset_id": tenant.asset(),
        "file_name": "a.png",
        "file_type": "png",
        "asset_file_category": "MAIN",
    }
    made = tenant.ok("POST", "/files", {**body, "file_md5": MD5_OF_ABC, "file_size": 3})
    target = made["upload_url"].removeprefix("http://storage.invalid")
    return made["file_id"], Request("PUT", target, {"Content-MD5": MD5_OF_ABC, "Content-Length": "3"}, b"abc")


def test_a_put_is_judged_as_over_http(tenant: Any) -> None:
    """The file can be confirmed afterwards; wrong bytes are refused."""
    rules = StorageRules(tenant.emulator)
    file_id, put = file_of(tenant)
    wrong = Request(put.method, put.target, put.headers, b"abd")
    assert (rules.put(wrong).status, b"BadDigest" in rules.put(wrong).body) == (400, True)
    assert rules.put(put).headers["ETag"] == '"900150983cd24fb0d6963f7d28e17f72"'
    tenant.ok("POST", f"/files/{file_id}/complete", {"state": "CREATED"})


def test_faults_cut_a_put(make_tenant: Callable[..., Any]) -> None:
    """Before the work, and after it."""
    rules = tuple(
        FaultRule(on="storage.put", do=do, count=1) for do in (Fault.RESET_BEFORE, Fault.RESET_AFTER)
    )
    tenant = make_tenant(faults=FaultPlan(rules=rules))
    storage = StorageRules(tenant.emulator)
    file_id, put = file_of(tenant)
    assert storage.put(put).delivery is Delivery.CUT
    assert tenant.send("POST", f"/files/{file_id}/complete", {"state": "CREATED"}).status == 400
    assert storage.put(put).delivery is Delivery.CUT
    tenant.ok("POST", f"/files/{file_id}/complete", {"state": "CREATED"})


def test_a_review_takes_its_time(make_tenant: Callable[..., Any], clock: Any) -> None:
    """The file is UPLOADED and its asset CREATING until the review is over."""
    tenant = make_tenant(review_s=60.0)
    file_id, put = file_of(tenant)
    StorageRules(tenant.emulator).put(put)
    tenant.ok("POST", f"/files/{file_id}/complete", {"state": "CREATED"})
    for state in (("CREATING", "UPLOADED"), ("ACTIVED", "CREATED")):
        (asset,) = tenant.ok("GET", "/digital-assets")["assets"]
        assert (asset["asset_state"], asset["files"][0]["state"]) == state
        clock.pass_s(60)
    tenant.ok("DELETE", f"/files/{file_id}")
    assert tenant.ok("GET", "/digital-assets")["assets"][0]["asset_state"] == "CREATING"
