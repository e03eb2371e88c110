from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote, urlencode

import pytest

from orchestrator.metastudio.auth.aksk import sign
from orchestrator.metastudio.auth.credentials import AkSk, Token, TokenLogin

HOST = "https://metastudio.cn-north-4.myhuaweicloud.com"
AT = datetime(2025, 8, 19, 8, 0, 0, tzinfo=UTC)
JSON = {"Content-Type": "application/json", "X-Project-Id": "p1"}
KEYS = AkSk("AKEXAMPLE0000000", "sk-example-not-a-real-secret")

Vector = tuple[str, str, list[tuple[str, str]], dict[str, str], str, str, str]

#: Made with the signer of huaweicloudsdkcore 3.1: method, path, query, headers, body, signed names, signature.
VECTORS: list[Vector] = [
    (
        "GET",
        "/v1/p1/digital-assets",
        [("limit", "10"), ("offset", "0"), ("name", "a b+c/ü")],
        JSON,
        "",
        "content-type;host;x-project-id;x-sdk-date",
        "6b63c969e9d75f1cd41ae4068edd536afb14d94ae6014518a56963f160250248",
    ),
    (
        "POST",
        "/v1/p1/digital-assets",
        [],
        JSON,
        '{"asset_name":"手册","asset_type":"IMAGE"}',
        "content-type;host;x-project-id;x-sdk-date",
        "4ebadd073a251f33526479d7ba847b5cd03e91d559d877357cbe9e0739cafb9f",
    ),
    (
        "GET",
        "/v1/p1/digital-assets",
        [("asset_id", "b"), ("asset_id", "a"), ("asset_id", "c d"), ("is_movable", "true"), ("tag", "")],
        JSON,
        "",
        "content-type;host;x-project-id;x-sdk-date",
        "012cc7d2edbef0fd493dd0c4b8c9836cde766580fbf3367817f2a8e7dd2b98c4",
    ),
    (
        "DELETE",
        "/v1/p1/files/%E4%B8%AD%20~x*",
        [("mode", "force")],
        {**JSON, "X-Security-Token": "TOKEN=="},
        "",
        "content-type;host;x-project-id;x-sdk-date;x-security-token",
        "a5cdc0c04fe2ef3704762adac4598f14221f640880f0c2c23ef0e53ec60aa105",
    ),
    (
        "PUT",
        "/v1/p1/products/a%2Fb",
        [],
        {**JSON, "X-App-UserId": " u 1 "},
        "{}",
        "content-type;host;x-app-userid;x-project-id;x-sdk-date",
        "5e7149c72e3a462408e2cc971fab9c3ae997d5ca5f00e8a8d21ec06cff01350b",
    ),
]


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector[0]} {vector[1]}" for vector in VECTORS])
def test_signatures_equal_those_of_the_official_sdk(vector: Vector) -> None:
    """Order, encoding, trailing slash and header trimming are the SDK's."""
    method, path, query, headers, body, names, signature = vector
    url = HOST + path + ("?" + urlencode(query, quote_via=quote, safe="~") if query else "")
    signed = sign(KEYS, method=method, url=url, headers=headers, body=body.encode(), now=AT)
    assert signed["Authorization"] == (
        f"SDK-HMAC-SHA256 Access=AKEXAMPLE0000000, SignedHeaders={names}, Signature={signature}"
    )


def test_a_temporary_key_sends_and_signs_its_token() -> None:
    """The security token comes from the credentials and gives the same signature as in the SDK."""
    keys = AkSk(KEYS.ak, KEYS.sk, security_token="TOKEN==")
    url = f"{HOST}/v1/p1/files/%E4%B8%AD%20~x*?mode=force"
    signed = sign(keys, method="DELETE", url=url, headers=JSON, body=b"", now=AT)
    assert signed["X-Security-Token"] == "TOKEN=="
    assert VECTORS[3][6] in signed["Authorization"]


def test_the_date_is_in_utc() -> None:
    """A local time is converted."""
    local = AT.astimezone(timezone(timedelta(hours=8)))
    signed = sign(KEYS, method="GET", url=HOST, headers={}, body=b"", now=local)
    assert signed["X-Sdk-Date"] == "20250819T080000Z"


def test_no_repr_shows_a_secret() -> None:
    """Credentials may stand in a traceback."""
    shown = repr(
        [AkSk("ak", "s3cret", "s3cret"), TokenLogin("u", "s3cret", "d", "p", "https://iam"), Token("s3cret")]
    )
    assert "s3cret" not in shown
    assert "ak" in shown
