"""Temporary keys, as IAM gives them out, and what they open."""

import hashlib
import json
from typing import Any

import pytest

from orchestrator.emulator.config import EmulatorConfig
from orchestrator.emulator.signature import sign
from orchestrator.emulator.wire import Answer, Request

WHERE = "/v3.0/OS-CREDENTIAL/securitytokens"
ORDER = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 3600}}}}


def ask(tenant: Any, body: Any = None, **headers: str) -> Answer:
    raw = json.dumps(ORDER if body is None else body).encode()
    answer = tenant.emulator.handle(Request("POST", WHERE, headers, raw))
    assert isinstance(answer, Answer)
    return answer


def key(tenant: Any) -> dict[str, str]:
    answer = ask(tenant, **{"X-Auth-Token": tenant.emulator.config.token})
    assert answer.status == 201
    credential: dict[str, str] = answer.json()["credential"]
    return credential


def use(tenant: Any, access: str, secret: str, token: str | None) -> Answer:
    """A listing signed with a key."""
    headers = {"Host": "x", "X-Sdk-Date": tenant.clock.now.strftime("%Y%m%dT%H%M%SZ")}
    if token is not None:
        headers["X-Security-Token"] = token
    request = Request("GET", f"/v1/{tenant.emulator.config.project_id}/digital-assets", headers)
    names = tuple(sorted(name.lower() for name in headers))
    signature = sign(request, names, secret, headers["X-Sdk-Date"])
    headers["Authorization"] = (
        f"SDK-HMAC-SHA256 Access={access}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    answer = tenant.emulator.handle(request)
    assert isinstance(answer, Answer)
    return answer


def test_a_temporary_key_serves_until_it_ends(tenant: Any, clock: Any) -> None:
    """With its security token, for as long as was asked for."""
    made = key(tenant)
    assert made["expires_at"] == "2026-11-22T13:00:00.000000Z"
    assert use(tenant, made["access"], made["secret"], made["securitytoken"]).status == 200
    clock.pass_s(3600)
    answer = use(tenant, made["access"], made["secret"], made["securitytoken"])
    assert (answer.status, answer.json()["error_code"]) == (401, "MSS.00000001")
    assert "expired" in answer.json()["error_msg"]


def test_key_and_security_token_belong_together(tenant: Any) -> None:
    """Without the token, with another one, with another key or secret: 401 and what is wrong."""
    config: EmulatorConfig = tenant.emulator.config
    one, other = key(tenant), key(tenant)
    for access, secret, token, reason in (
        (one["access"], one["secret"], None, "unknown access key"),
        (one["access"], one["secret"], other["securitytoken"], "another access key"),
        (one["access"], other["secret"], one["securitytoken"], "does not match"),
        (config.ak, config.sk, one["securitytoken"], "another access key"),
        (one["access"], one["secret"], "made up", "unknown"),
        (one["access"], one["secret"], "\udcff", "unknown"),
    ):
        answer = use(tenant, access, secret, token)
        assert (answer.status, answer.json()["error_code"]) == (401, "MSS.00000001")
        assert reason in answer.json()["error_msg"]


def test_a_token_is_no_security_token_and_the_other_way_round(tenant: Any) -> None:
    """They are kept apart, and neither is kept itself."""
    made = key(tenant)
    tenant.headers["X-Auth-Token"] = made["securitytoken"]
    assert tenant.refused("GET", "/digital-assets") == (401, "MSS.00000001")
    kept = {record.id for record in tenant.emulator.world.tokens}
    assert not kept & {made["securitytoken"], hashlib.sha256(made["securitytoken"].encode()).hexdigest()}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"auth": 1},
        {"auth": {"identity": {"methods": ["assume_role"]}}},
        {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 899}}}},
        {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": True}}}},
        {"auth": {"identity": {"methods": ["token"], "token": "x"}}},
        [],
    ],
)
def test_a_malformed_order_is_a_bad_request(tenant: Any, body: Any) -> None:
    """IAM answers 400 in its own form."""
    answer = ask(tenant, body, **{"X-Auth-Token": tenant.emulator.config.token})
    assert (answer.status, answer.json()["error"]["code"]) == (400, 400)


def test_a_stranger_gets_no_key(tenant: Any) -> None:
    """401 in IAM's form; a quarter of an hour is what a key serves without being told."""
    assert ask(tenant).status == 401
    short = {"auth": {"identity": {"methods": ["token"]}}}
    answer = ask(tenant, short, **{"X-Auth-Token": tenant.emulator.config.token})
    assert answer.json()["credential"]["expires_at"].startswith("2026-11-22T12:15:00")
