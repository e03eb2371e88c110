"""The judge of AK/SK signatures (SDK-HMAC-SHA256), written apart from the signer that it judges.

Reference 3.2 and the signing guide that it names. A signature is checked over what arrived, byte for byte where the
scheme allows: the signed headers, the path segment by segment, the query sorted, the digest of the body.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from orchestrator.emulator.wire import Request

ALGORITHM = "SDK-HMAC-SHA256"
#: How far a request's clock may be from the server's.
MAX_SKEW = timedelta(minutes=15)

_AUTHORIZATION = re.compile(
    r"^SDK-HMAC-SHA256\s+Access=(?P<access>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<sign>[0-9a-f]{64})$"
)
_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_REQUIRED = frozenset({"host", "x-sdk-date"})
_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


class WrongSignatureError(ValueError):
    """A request is not signed as it should be; the message says what is wrong, never what would be right."""


@dataclass(frozen=True, slots=True)
class _Claim:
    access: str
    headers: tuple[str, ...]
    signature: str


def check_signature(request: Request, secrets: Mapping[str, str], now: datetime) -> str:
    """The access key that signed `request`.

    `secrets` maps access keys to secret keys; `now` is compared with the request's own time.

    Raises:
        WrongSignatureError: the header is malformed, a needed header is not signed, the access key is unknown, the
            time is too far off, or the signature is not the one that the secret key gives.
    """
    claim = _claim(request)
    secret = secrets.get(claim.access)
    if secret is None:
        raise WrongSignatureError("unknown access key")
    sent = _sent_at(request, now)
    expected = sign(request, claim.headers, secret, sent)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise WrongSignatureError("the signature does not match the request")
    return claim.access


def access_key_of(request: Request) -> str:
    """The access key that a request claims to be signed with, unchecked.

    Raises:
        WrongSignatureError: the header is malformed.
    """
    return _claim(request).access


def sign(request: Request, signed: tuple[str, ...], secret: str, sent: str) -> str:
    """The signature, 64 hex digits, over the headers named in `signed`; `sent` is the value of X-Sdk-Date."""
    text = f"{ALGORITHM}\n{sent}\n{_digest(canonical_request(request, signed).encode('utf-8', 'surrogateescape'))}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def canonical_request(request: Request, signed: tuple[str, ...]) -> str:
    """The text whose digest is signed: method, path, query, headers, their names, the body's digest."""
    segments = unquote(request.path).split("/")
    path = "/".join(quote(segment, safe="~") for segment in segments)
    query = "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(request.query)
    )
    headers = "".join(f"{name}:{(request.header(name) or '').strip()}\n" for name in signed)
    return "\n".join(
        (
            request.method.upper(),
            path if path.endswith("/") else path + "/",
            query,
            headers,
            ";".join(signed),
            _payload_digest(request, signed),
        )
    )


def _claim(request: Request) -> _Claim:
    match = _AUTHORIZATION.match((request.header("Authorization") or "").strip())
    if match is None:
        raise WrongSignatureError(
            f"the Authorization header is not '{ALGORITHM} Access=…, SignedHeaders=…, Signature=…'"
        )
    names = tuple(match["headers"].split(";"))
    if names != tuple(sorted({name.lower() for name in names})):
        raise WrongSignatureError("SignedHeaders is not a sorted list of lower-case names")
    missing = _REQUIRED - set(names)
    if missing:
        raise WrongSignatureError(f"not signed: {', '.join(sorted(missing))}")
    absent = [name for name in names if request.header(name) is None]
    if absent:
        raise WrongSignatureError(f"signed but not sent: {', '.join(absent)}")
    return _Claim(match["access"], names, match["sign"])


def _sent_at(request: Request, now: datetime) -> str:
    sent = (request.header("X-Sdk-Date") or "").strip()
    try:
        at = datetime.strptime(sent, _DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise WrongSignatureError("X-Sdk-Date is not written as YYYYMMDD'T'HHMMSS'Z'") from error
    if abs(at - now) > MAX_SKEW:
        raise WrongSignatureError("X-Sdk-Date is more than 15 minutes off: check the clock")
    return sent


def _payload_digest(request: Request, signed: tuple[str, ...]) -> str:
    if not request.body:
        # The vendor's signer takes the digest of nothing, whatever it declares.
        return _digest(b"")
    declared = request.header("X-Sdk-Content-Sha256")
    if declared is not None and "x-sdk-content-sha256" in signed and declared.strip() == _UNSIGNED_PAYLOAD:
        return _UNSIGNED_PAYLOAD
    return _digest(request.body)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
