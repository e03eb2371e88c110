"""Signs requests with an access key pair: SDK-HMAC-SHA256 (reference 3.2)."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from orchestrator.metastudio.auth.credentials import AkSk

ALGORITHM = "SDK-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"


def sign(
    credentials: AkSk, *, method: str, url: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    """`headers` with Host, X-Sdk-Date, perhaps X-Security-Token, and the Authorization over all of them.

    `url` must already be percent-encoded the way it is sent; `now` is aware.
    """
    parts = urlsplit(url)
    signed = dict(headers)
    signed["Host"] = parts.netloc
    signed["X-Sdk-Date"] = now.astimezone(UTC).strftime(DATE_FORMAT)
    if credentials.security_token:
        signed["X-Security-Token"] = credentials.security_token
    lower = {name.lower(): value.strip() for name, value in signed.items()}
    names = ";".join(sorted(lower))
    canonical = "\n".join(
        (
            method.upper(),
            canonical_path(parts.path),
            canonical_query(parts.query),
            *(f"{name}:{lower[name]}" for name in sorted(lower)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    to_sign = "\n".join((ALGORITHM, signed["X-Sdk-Date"], hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(credentials.sk.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    signed["Authorization"] = (
        f"{ALGORITHM} Access={credentials.ak}, SignedHeaders={names}, Signature={signature}"
    )
    return signed


def canonical_path(path: str) -> str:
    """Each segment encoded anew, closed by a slash."""
    encoded = "/".join(quote(part, safe="~") for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def canonical_query(query: str) -> str:
    """Pairs in order of name and value, encoded anew."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
