"""The emulator without a socket: who gets in, what is refused, and how."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.emulator.behaviours import behaviours
from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.core import Emulator
from orchestrator.emulator.faults import Fault, FaultPlan, FaultRule
from orchestrator.emulator.wire import Delivery, Request
from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import OPERATIONS


def test_identity_follows_from_the_seed() -> None:
    """The same seed gives the same key, secret, project and token; another seed gives others."""
    one, same, other = EmulatorConfig(seed=1), EmulatorConfig(seed=1), EmulatorConfig(seed=2)
    assert (one.ak, one.sk, one.project_id, one.token) == (same.ak, same.sk, same.project_id, same.token)
    assert one.sk != other.sk
    assert one.sk not in repr(one)


def test_an_unknown_region_is_a_usage_error() -> None:
    """The message lists the regions."""
    with pytest.raises(UsageError, match="cn-east-3"):
        Emulator(EmulatorConfig(region="mars-1"))


def test_every_answer_has_a_request_id(tenant: Any) -> None:
    """Answers and refusals alike, each its own."""
    ids = {
        tenant.send("GET", path).headers["X-Request-Id"]
        for path in ("/digital-assets", "/digital-assets/x", "/nothing")
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "neither"),
        ({"X-Auth-Token": "wrong"}, "unknown"),
        ({"X-Auth-Token": "\udcff"}, "unknown"),
        ({"Authorization": "Basic x"}, "Authorization"),
    ],
)
def test_without_credentials_nothing_is_done(tenant: Any, headers: dict[str, str], reason: str) -> None:
    """401 MSS.00000001 with what is wrong, and no asset."""
    config = tenant.emulator.config
    body = b'{"asset_name": "A", "asset_type": "IMAGE"}'
    answer = tenant.emulator.handle(Request("POST", f"/v1/{config.project_id}/digital-assets", headers, body))
    assert (answer.status, answer.json()["error_code"]) == (401, "MSS.00000001")
    assert reason in answer.json()["error_msg"]
    assert not list(tenant.emulator.world.assets)


def test_another_project_is_refused(tenant: Any) -> None:
    """In the path and in X-Project-Id."""
    answer = tenant.emulator.handle(
        Request("GET", "/v1/other/digital-assets", {"X-Auth-Token": tenant.emulator.config.token})
    )
    assert (answer.status, answer.json()["error_code"]) == (403, "MSS.00020006")
    tenant.headers["X-Project-Id"] = "other"
    assert tenant.refused("GET", "/digital-assets") == (403, "MSS.00020006")


def test_iam_gives_a_token_that_ends(tenant: Any, clock: Any) -> None:
    """A token from the password login serves until it expires."""
    config = tenant.emulator.config
    login = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {
                        "name": config.user,
                        "password": config.password,
                        "domain": {"name": config.domain},
                    }
                },
            },
            "scope": {"project": {"name": config.region}},
        }
    }
    answer = tenant.emulator.handle(Request("POST", "/v3/auth/tokens", {}, json.dumps(login).encode()))
    assert answer.status == 201
    assert answer.json()["token"]["project"]["id"] == config.project_id
    tenant.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    assert tenant.send("GET", "/digital-assets").status == 200
    projects = tenant.emulator.handle(Request("GET", f"/v3/projects/?name={config.region}", tenant.headers))
    assert [row["id"] for row in projects.json()["projects"]] == [config.project_id]
    clock.pass_s(config.token_s + 1)
    assert tenant.refused("GET", "/digital-assets") == (401, "MSS.00000001")


@pytest.mark.parametrize("body", [b"{}", b"[", b'{"auth": 1}', b'{"auth": {"identity": []}}'])
def test_a_malformed_login_is_a_bad_request(tenant: Any, body: bytes) -> None:
    """IAM answers 400 in its own form."""
    answer = tenant.emulator.handle(Request("POST", "/v3/auth/tokens", {}, body))
    assert (answer.status, answer.json()["error"]["code"]) == (400, 400)


def test_every_operation_has_a_behaviour() -> None:
    """All of the API, and nothing beside it."""
    assert set(behaviours()) == set(OPERATIONS)


def test_an_unknown_path_is_not_found(tenant: Any) -> None:
    """404 MSS.00000002, also for a known path with another method."""
    assert tenant.refused("GET", "/nothing/here") == (404, "MSS.00000002")
    assert tenant.refused("PATCH", "/digital-assets") == (404, "MSS.00000002")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"asset_type": "IMAGE"}, "asset_name"),
        ({"asset_name": "A", "asset_type": "PHOTO"}, "asset_type"),
        ({"asset_name": "A" * 257, "asset_type": "IMAGE"}, "asset_name"),
        ({"asset_name": "A", "asset_type": "IMAGE", "tags": ["x"] * 51}, "tags"),
        ({"asset_name": "A", "asset_type": "IMAGE", "asset_order": -1}, "asset_order"),
    ],
)
def test_a_wrong_field_is_named(tenant: Any, body: dict[str, Any], field: str) -> None:
    """400 MSS.00000003 with the field in the message."""
    answer = tenant.send("POST", "/digital-assets", body)
    assert (answer.status, answer.json()["error_code"]) == (400, "MSS.00000003")
    assert field in answer.json()["error_msg"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"asset_name": NaN}',
        b"\xff\xfe",
        b'{"a": ' * 5000 + b"1" + b"}" * 5000,
        b'{"asset_name": "\\ud800", "asset_type": "IMAGE"}',
        b'{"asset_order": ' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "list", "open", "nan", "bytes", "deep", "surrogate", "huge"],
)
def test_a_body_that_is_no_json_object_is_a_bad_request(tenant: Any, body: bytes) -> None:
    """Whatever the body holds, the answer is a 400."""
    config = tenant.emulator.config
    request = Request("POST", f"/v1/{config.project_id}/digital-assets", {"X-Auth-Token": config.token}, body)
    answer = tenant.emulator.handle(request)
    assert (answer.status, answer.json()["error_code"]) == (400, "MSS.00000003")


def test_the_rate_table_of_the_region_is_enforced(make_tenant: Callable[..., Any], clock: Any) -> None:
    """Beijing grants 10 creations a second and Singapore 5; the rest get 429 APIGW.0308 and are counted."""
    for region, rate in (("cn-north-4", 10), ("ap-southeast-3", 5)):
        tenant = make_tenant(region=region, limits=True)
        body = {"asset_name": "A", "asset_type": "IMAGE"}
        statuses = [tenant.send("POST", "/digital-assets", body).status for _ in range(12)]
        assert statuses == [200] * rate + [429] * (12 - rate)
        assert tenant.refused("POST", "/digital-assets", body) == (429, "APIGW.0308")
        clock.pass_s(1)
        assert tenant.send("POST", "/digital-assets", body).status == 200
        assert tenant.emulator.world.count("throttled/create_digital_asset", 0) == 13 - rate


def planned(make_tenant: Callable[..., Any], **rule: Any) -> Any:
    return make_tenant(faults=FaultPlan(rules=(FaultRule(**{"on": "create_digital_asset", **rule}),)))


@pytest.mark.parametrize(
    ("do", "delivery", "made"),
    [
        (Fault.HANG, Delivery.NEVER, 1),
        (Fault.RESET_BEFORE, Delivery.CUT, 0),
        (Fault.RESET_AFTER, Delivery.CUT, 1),
        (Fault.TRUNCATE, Delivery.HALF, 1),
        (Fault.SLOW, Delivery.WHOLE, 1),
        (Fault.HTML, Delivery.WHOLE, 0),
        (Fault.ERROR, Delivery.WHOLE, 0),
        (Fault.THROTTLE, Delivery.WHOLE, 0),
    ],
)
def test_each_fault_does_the_work_or_not(
    make_tenant: Callable[..., Any], do: Fault, delivery: Delivery, made: int
) -> None:
    """What the caller sees, and whether there is an asset all the same."""
    tenant = planned(make_tenant, do=do, nth=1)
    answer = tenant.send("POST", "/digital-assets", {"asset_name": "A", "asset_type": "IMAGE"})
    assert answer.delivery is delivery
    assert len(tenant.emulator.world.assets) == made
    assert answer.delay_s == (1.0 if do is Fault.SLOW else 0.0)
    assert tenant.ok("POST", "/digital-assets", {"asset_name": "B", "asset_type": "IMAGE"})


def test_an_error_fault_has_the_code_and_status_asked_for(make_tenant: Callable[..., Any]) -> None:
    """Status and code are the plan's."""
    tenant = planned(make_tenant, do=Fault.ERROR, status=503, code="MSS.00020008")
    assert tenant.refused("POST", "/digital-assets", {"asset_name": "A", "asset_type": "IMAGE"}) == (
        503,
        "MSS.00020008",
    )


def test_a_late_request_is_done_after_its_caller_is_gone(make_tenant: Callable[..., Any], clock: Any) -> None:
    """The connection is cut at once; the asset appears later, once."""
    tenant = planned(make_tenant, do=Fault.LATE, seconds=30, nth=1)
    body = {"asset_name": "A", "asset_type": "IMAGE"}
    assert tenant.send("POST", "/digital-assets", body).delivery is Delivery.CUT
    assert tenant.ok("GET", "/digital-assets")["count"] == 0
    clock.pass_s(30)
    assert tenant.ok("GET", "/digital-assets")["count"] == 1
    clock.pass_s(60)
    assert tenant.ok("GET", "/digital-assets")["count"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/digital-assets", {"asset_type": "IMAGE"}), ("GET", "/digital-assets?limit=0", None)],
)
def test_a_late_request_of_a_wrong_form_is_refused_at_once(
    make_tenant: Callable[..., Any], method: str, path: str, body: Any
) -> None:
    """It gets its refusal, as with any other fault of the answer, and nothing is put off."""
    tenant = planned(make_tenant, on="*", do=Fault.LATE, seconds=30)
    assert tenant.refused(method, path, body) == (400, "MSS.00000003")
    assert len(tenant.emulator.world.late_calls) == 0


def test_two_emulators_of_one_seed_give_the_same_answers(make_tenant: Callable[..., Any]) -> None:
    """A simulation that is played again is the same to the last id."""
    answers = [
        [make.asset(), make.script(), make.video(make.script())] for make in (make_tenant(), make_tenant())
    ]
    assert answers[0] == answers[1]
