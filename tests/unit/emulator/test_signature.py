"""The judge of AK/SK signatures, against vectors that the vendor's own signer printed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.emulator.signature import WrongSignatureError, check_signature
from orchestrator.emulator.wire import Request

AK = "ABCDEFGHIJKLMNOPQRST"
KEYS = {AK: "0123456789abcdefghijABCDEFGHIJ0123456789"}
SENT = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)
PROJECT = "4e7d52b0d5017778827f1ce6420070e6"
BASE = {"X-Sdk-Date": "20261122T113000Z", "Host": "127.0.0.1:8080"}
JSON = {"Content-Type": "application/json"}


def signed(
    method: str, target: str, headers: dict[str, str], names: str, signature: str, *, body: bytes = b""
) -> Request:
    authorization = f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders={names}, Signature={signature}"
    return Request(method, target, {**BASE, **headers, "Authorization": authorization}, body)


LIST = signed(
    "GET",
    f"/v1/{PROJECT}/digital-assets?limit=5&name=new%20kettle%20%26%20co&tag=a%2Cb%2F%C3%BC~%2A",
    {**JSON, "X-Project-Id": PROJECT},
    "content-type;host;x-project-id;x-sdk-date",
    "21f441b7808618fa163bafbd2fafc7900fc242b79368c3cd21d53c5ae6d2cca3",
)
CREATE = signed(
    "POST",
    f"/v1/{PROJECT}/digital-assets",
    JSON,
    "content-type;host;x-sdk-date",
    "aba19bc8bc78a978eec0d192e7d0ab566876952b878450e42170a9dea1a810b3",
    body='{"asset_name": "Kessel \u2013 neu", "asset_type": "IMAGE"}'.encode(),
)
DELETE = signed(
    "DELETE",
    f"/v1/{PROJECT}/files/abc",
    {},
    "host;x-sdk-date",
    "c5b1ba88d5557523813c7749d568c4b63283610c982b6fa97388caf75580fd34",
)
UNSIGNED_BODY = signed(
    "PUT",
    f"/v1/{PROJECT}/files/a%20b?z=1&a=",
    {"Content-Type": "text/plain", "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"},
    "content-type;host;x-sdk-content-sha256;x-sdk-date",
    "968e59c80112af323fd4765e01d1837263ce28f85a7a54bef79684ef0862adb3",
    body=b"raw",
)

#: Nothing to send: the vendor's signer declares an unsigned payload and yet signs the digest of nothing.
EMPTY_BODY = signed(
    "PUT",
    f"/v1/{PROJECT}/files/a",
    {"Content-Type": "text/plain", "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"},
    "content-type;host;x-sdk-content-sha256;x-sdk-date",
    "170561244ddee9afd516a1dc84583b0989dae821408b6e3803d494caff7744df",
)


@pytest.mark.parametrize(
    "request_",
    [LIST, CREATE, DELETE, UNSIGNED_BODY, EMPTY_BODY],
    ids=["list", "create", "delete", "put", "empty"],
)
def test_what_the_vendors_signer_signed_is_accepted(request_: Request) -> None:
    """A vector of the official signer passes and names its access key."""
    assert check_signature(request_, KEYS, SENT) == AK


@pytest.mark.parametrize("blank", ["%20", "+"])
def test_both_spellings_of_a_blank_are_one_value(blank: str) -> None:
    """A query whose blanks arrive as plus signs is the query that was signed."""
    assert check_signature(replace(LIST, target=LIST.target.replace("%20", blank)), KEYS, SENT)


@pytest.mark.parametrize(
    "forged",
    [
        replace(CREATE, method="PUT"),
        replace(CREATE, target=CREATE.target + "s"),
        replace(CREATE, target=CREATE.target + "?a=1"),
        replace(CREATE, body=CREATE.body + b" "),
        replace(CREATE, headers={**CREATE.headers, "Host": "elsewhere"}),
        replace(CREATE, headers={**CREATE.headers, "Content-Type": "text/plain"}),
    ],
)
def test_any_change_breaks_the_signature(forged: Request) -> None:
    """Method, path, query, body and signed headers are all covered."""
    with pytest.raises(WrongSignatureError, match="does not match"):
        check_signature(forged, KEYS, SENT)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_off_is_refused(minutes: int) -> None:
    """A time more than 15 minutes away is refused, a nearer one is not."""
    assert check_signature(CREATE, KEYS, SENT + timedelta(minutes=minutes * 14 / 16))
    with pytest.raises(WrongSignatureError, match="15 minutes"):
        check_signature(CREATE, KEYS, SENT + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("Authorization", "Bearer x", "is not"),
        (
            "Authorization",
            "SDK-HMAC-SHA256 Access=no, SignedHeaders=host;x-sdk-date, Signature=" + "0" * 64,
            "unknown",
        ),
        (
            "Authorization",
            f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders=host, Signature={'0' * 64}",
            "not signed: x-sdk",
        ),
        (
            "Authorization",
            f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders=host;x-a;x-sdk-date, Signature={'0' * 64}",
            "not sent: x-a",
        ),
        (
            "Authorization",
            f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders=x-sdk-date;host, Signature={'0' * 64}",
            "sorted",
        ),
        ("X-Sdk-Date", "yesterday", "written as"),
        ("X-Sdk-Date", "\udcff", "written as"),
    ],
)
def test_malformed_headers_say_what_is_wrong(header: str, value: str, message: str) -> None:
    """Each way to get the headers wrong has its own message, and none is an exception of another kind."""
    with pytest.raises(WrongSignatureError, match=message):
        check_signature(replace(DELETE, headers={**DELETE.headers, header: value}), KEYS, SENT)
