"""Signs requests with an access key pair: SDK-HMAC-SHA256 (reference 3.2), as the official SDK does.

Where the SDK would send something else, the signatures differ because the requests do: for a body that isn't JSON it
signs `UNSIGNED-PAYLOAD` (every body of this API is JSON), it sorts a list of numbers by value (we write every
parameter as text first), and it keeps a foreign `Host` header (ours always names the host that the URL leads to).
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from orchestrator.metastudio.auth.credentials import AkSk

ALGORITHM = "SDK-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"

#: Made anew by every signing; what a caller gave under these names, however written, is replaced.
_OURS = frozenset({"authorization", "host", "x-sdk-date"})


def sign(
    credentials: AkSk, *, method: str, url: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    """`headers` with Host, X-Sdk-Date, perhaps X-Security-Token, and the Authorization over all of them.

    `url` must already be percent-encoded the way it is sent; `now` is aware.
    """
    parts = urlsplit(url)
    sent_at = now.astimezone(UTC).strftime(DATE_FORMAT)
    # Values go as they are signed: who verifies trims no more than the blanks of HTTP.
    sent = {name: value.strip() for name, value in headers.items() if name.lower() not in _OURS}
    sent |= {"Host": parts.netloc, "X-Sdk-Date": sent_at}
    if credentials.security_token:
        sent = {name: value for name, value in sent.items() if name.lower() != "x-security-token"}
        sent["X-Security-Token"] = credentials.security_token.strip()
    # Gateways drop headers with an underscore, so those are sent, but not signed.
    signed = {name.lower(): value for name, value in sent.items() if "_" not in name}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        (
            method.upper(),
            canonical_path(parts.path),
            canonical_query(parts.query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    to_sign = "\n".join((ALGORITHM, sent_at, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(credentials.sk.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    sent["Authorization"] = (
        f"{ALGORITHM} Access={credentials.ak}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def canonical_path(path: str) -> str:
    """Each segment encoded anew, closed by a slash."""
    encoded = "/".join(quote(part, safe="~") for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def canonical_query(query: str) -> str:
    """Pairs in order of name and value, encoded anew."""
    # A plus sign stands for itself in a URL; only forms write a blank so.
    pairs = sorted(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
