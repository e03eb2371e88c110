"""Signing, tokens and errors through the official SDK (reference 3.2, 11.2)."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped] # ships no types
from huaweicloudsdkcore.exceptions.exceptions import (  # type: ignore[import-untyped] # ships no types
    ClientRequestException,
)
from huaweicloudsdkcore.region.region import Region  # type: ignore[import-untyped] # ships no types
from huaweicloudsdkmetastudio import v1  # type: ignore[import-untyped] # ships no types

from tests.conformance.conftest import Tenant, listening
from tests.conformance.flows import asset
from tests.conformance.official import Official


@dataclass
class Key:
    """A temporary key, as IAM gives it."""

    access: str
    secret: str
    security_token: str


def iam(tenant: Tenant, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[Any, Any]:
    """Body and headers of IAM's answer."""
    data = json.dumps(body).encode()
    asked = urllib.request.Request(f"{tenant.server.endpoint}{path}", data, headers or {})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer), answer.headers


def token_of(tenant: Tenant) -> str:
    config = tenant.config
    user = {"name": config.user, "password": config.password, "domain": {"name": config.domain}}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": config.region}},
        }
    }
    _, headers = iam(tenant, "/v3/auth/tokens", body)
    return str(headers["X-Subject-Token"])


def temporary_key(tenant: Tenant) -> Key:
    body = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}
    answer, _ = iam(tenant, "/v3.0/OS-CREDENTIAL/securitytokens", body, {"X-Auth-Token": token_of(tenant)})
    given = answer["credential"]
    return Key(given["access"], given["secret"], given["securitytoken"])


def refusal(client: Any) -> Any:
    """What the SDK raises for a call."""
    with pytest.raises(ClientRequestException) as caught:
        client.list_assets(v1.ListAssetsRequest())
    return caught.value


def test_calls_are_signed_by_the_sdk(sdk: Official) -> None:
    """With a path, a query of any characters, and a body."""
    name = "Kessel \u2013 \u6c34\u58f6 & more/+%20"
    asset_id = asset(sdk, asset_name=name, tags=["a b", "c+d"])
    assert [one.asset_id for one in sdk.list_assets(name=name, tag="c+d").assets] == [asset_id]
    assert sdk.show_asset(asset_id=asset_id).asset_name == name


def test_a_temporary_key_serves_until_it_expires(tenant: Tenant) -> None:
    """With its security token, which belongs to it."""
    key = temporary_key(tenant)
    config = tenant.config
    made = BasicCredentials(key.access, key.secret, config.project_id)
    sdk = tenant.sdk(made.with_security_token(key.security_token))
    assert sdk.list_assets().count == 0
    mixed = BasicCredentials(config.ak, config.sk, config.project_id)
    assert tenant.sdk(mixed.with_security_token(key.security_token)).refused.list_assets()[0] == 401
    tenant.pass_s(901)
    assert sdk.refused.list_assets() == (401, "MSS.00000001")


def test_a_token_serves_until_it_expires(tenant: Tenant) -> None:
    """In place of a signature."""
    token = token_of(tenant)
    url = f"{tenant.server.endpoint}/v1/{tenant.config.project_id}/digital-assets"
    asked = urllib.request.Request(url, headers={"X-Auth-Token": token})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert json.load(answer)["count"] == 0
    tenant.pass_s(24 * 3600 + 1)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(asked, timeout=20)


def test_the_sdk_finds_the_project_by_itself(tenant: Tenant) -> None:
    """A key without a project asks IAM for that of the region."""
    config = tenant.config
    credentials = BasicCredentials(config.ak, config.sk).with_iam_endpoint(tenant.server.endpoint)
    region = Region(config.region, tenant.server.endpoint)
    client = v1.MetaStudioClient.new_builder().with_credentials(credentials).with_region(region).build()
    tenant.clients.append(client)
    assert client.list_assets(v1.ListAssetsRequest()).count == 0


def test_errors_say_code_message_and_request(tenant: Tenant) -> None:
    """A wrong secret and a wrong project, as the SDK's exceptions."""
    config = tenant.config
    wrong_secret = refusal(tenant.sdk(BasicCredentials(config.ak, "wrong", config.project_id)).client)
    assert (wrong_secret.status_code, wrong_secret.error_code) == (401, "MSS.00000001")
    assert wrong_secret.error_msg
    assert wrong_secret.request_id
    wrong_project = refusal(tenant.sdk(BasicCredentials(config.ak, config.sk, "f" * 32)).client)
    assert wrong_project.error_code == "MSS.00020006"


def test_the_rate_of_the_region_is_kept() -> None:
    """Calls above it are throttled by the gateway; of a 429 the SDK keeps no more than the status."""
    with listening(limits=True) as tenant:
        sdk = tenant.sdk()
        asset_id = asset(sdk)
        assert {one for one in (outcome(sdk, asset_id) for _ in range(60)) if one} == {(429, "429")}
        throttled = tenant.control("journal?code=APIGW.0308")
        assert {one["operation"] for one in throttled["requests"]} == {"show_asset"}


def outcome(sdk: Official, asset_id: str) -> tuple[int, str] | None:
    """Status and code of a refusal; None when the asset is shown."""
    try:
        sdk.client.show_asset(v1.ShowAssetRequest(asset_id=asset_id))
    except ClientRequestException as refused:
        return refused.status_code, refused.error_code
    return None
