"""Sans-IO: signs, verifies and parses the callbacks that MetaStudio sends (reference 5-146, 6-31, 7.1.1).

The signature covers the URL and the time, not the body: what a callback says is a hint to be confirmed.
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never
from urllib.parse import parse_qsl

from orchestrator.metastudio.untrusted import MalformedMessage, read_object

MAX_BODY_BYTES = 64 * 1024
#: Longest id or result that is read.
MAX_TEXT = 256
#: A live callback's key may not be longer (6-31, `key`).
MAX_LIVE_KEY = 32

_TIME = re.compile(r"[0-9a-fA-F]{1,16}", re.ASCII)
_SECRET = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
#: Milliseconds below this would lie in 1973, so they are seconds: the reference leaves the unit of callbacks open.
_SECONDS_BELOW = 10**11


class AuthType(StrEnum):
    """How callbacks prove their origin; video callbacks know only the first two (5-146, 6-31 `auth_type`)."""

    #: Nothing is added: what the registered URL holds is all the proof.
    NONE = "NONE"
    MSS_A = "MSS_A"
    MSS_A_HEAD = "MSS_A_HEAD"
    #: For Meituan alone; its formula isn't published.
    MEITUAN_DEFAULT = "MEITUAN_DEFAULT"


@dataclass(frozen=True, slots=True)
class SignatureFields:
    """Under which names signature and time are sent."""

    secret: str
    time: str


#: Query parameters of video callbacks and of questions to a third-party LLM (5-146, 7-1).
VIDEO_QUERY = SignatureFields("secret", "time_stamp")
#: Query parameters of live callbacks with MSS_A (6-31).
LIVE_QUERY = SignatureFields("hwSecret", "hwTime")
#: Headers of live callbacks with MSS_A_HEAD (6-31).
LIVE_HEADERS = SignatureFields("x-hw-mss-secret", "x-hw-mss-time")


class Verdict(StrEnum):
    """What a callback's signature is worth."""

    VALID = "valid"
    #: No signature was agreed on: worth as much as the registered URL is secret.
    UNSIGNED = "unsigned"
    #: Signed by the key holder, but long ago or in the future: perhaps replayed.
    STALE = "stale"
    FORGED = "forged"


class MalformedCallback(MalformedMessage):
    """The body of a callback can't be read."""


@dataclass(frozen=True, slots=True)
class VideoCallback:
    """What a video callback claims."""

    job_id: str
    #: SUCCEED or FAILED by the reference; any other text is kept.
    result: str
    #: Of the video, only on success.
    asset_id: str | None = None


def derive_key(master: str, run_id: str) -> str:
    """The callback key of one run, 64 hex digits: a signature then speaks for that run alone."""
    return hmac.digest(master.encode(), f"callback:{run_id}".encode(), "sha256").hex()


def derive_live_key(master: str, token: str) -> str:
    """The key of one live callback URL, MAX_LIVE_KEY hex digits; `token` is what tells the URL from others."""
    return hmac.digest(master.encode(), f"live:{token}".encode(), "sha256").hex()[:MAX_LIVE_KEY]


def sign(
    url: str, key: bytes | str, ms: int, *, decimal: bool = True, fields: SignatureFields = VIDEO_QUERY
) -> str:
    """`url` with signature and time in its query; `ms` is the epoch time.

    `decimal`: the signed time is written in decimal (7.1.1), else in hexadecimal as it is sent (5-146, 6-31).
    """
    secret, time = _signature(url, key, ms, decimal=decimal)
    return f"{url}{'&' if '?' in url else '?'}{fields.secret}={secret}&{fields.time}={time}"


def sign_headers(url: str, key: bytes | str, ms: int, *, decimal: bool = True) -> dict[str, str]:
    """The headers that prove a live callback to `url` with MSS_A_HEAD (6-31); the rest as in `sign`."""
    secret, time = _signature(url, key, ms, decimal=decimal)
    return {LIVE_HEADERS.secret: secret, LIVE_HEADERS.time: time}


def verify(
    url: str,
    query: str | Iterable[tuple[str, str]],
    keys: Sequence[bytes | str],
    now_ms: int,
    window_s: float = 300,
    *,
    fields: SignatureFields = VIDEO_QUERY,
) -> Verdict:
    """What the signature in `query` is worth, for the callback URL that was given to MetaStudio.

    `url` is the registered one, never the one that was called. Any of `keys` may have signed, an empty one can't.
    Never raises.
    """
    try:
        pairs = (
            parse_qsl(query, keep_blank_values=True, max_num_fields=64) if isinstance(query, str) else query
        )
    except ValueError:
        return Verdict.FORGED
    return _worth(url, pairs, fields, keys, now_ms, window_s)


def verify_headers(
    url: str,
    headers: Iterable[tuple[str, str]],
    keys: Sequence[bytes | str],
    now_ms: int,
    window_s: float = 300,
) -> Verdict:
    """As `verify`, for a live callback with MSS_A_HEAD. `headers` has every line, so that a doubled one is seen."""
    pairs = ((name.lower(), value.strip()) for name, value in headers)
    return _worth(url, pairs, LIVE_HEADERS, keys, now_ms, window_s)


def verify_live(
    auth_type: AuthType,
    url: str,
    query: str | Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]],
    keys: Sequence[bytes | str],
    now_ms: int,
    window_s: float = 300,
) -> Verdict:
    """What a live callback is worth that was registered with `auth_type` (6-31); the rest as in `verify`.

    Only what was agreed on is looked at: a proof by other means doesn't count. Never raises.
    """
    match auth_type:
        case AuthType.NONE:
            return Verdict.UNSIGNED
        case AuthType.MSS_A:
            return verify(url, query, keys, now_ms, window_s, fields=LIVE_QUERY)
        case AuthType.MSS_A_HEAD:
            return verify_headers(url, headers, keys, now_ms, window_s)
        case AuthType.MEITUAN_DEFAULT:
            # What can't be checked can't be told from a forgery.
            return Verdict.FORGED
        case _:
            assert_never(auth_type)


def parse(body: bytes) -> VideoCallback:
    """The video callback in `body`; MalformedCallback for anything else."""
    try:
        data = read_object(body, what="callback", max_length=MAX_BODY_BYTES)
    except MalformedMessage as error:
        raise MalformedCallback(error.message) from error
    job_id, result, asset_id = (_string(data, name) for name in ("job_id", "result", "asset_id"))
    if not job_id or not result:
        raise MalformedCallback("The callback lacks job_id or result.")
    return VideoCallback(job_id, result, asset_id)


def _signature(url: str, key: bytes | str, ms: int, *, decimal: bool) -> tuple[str, str]:
    time = f"{ms:x}"
    return _mac(key, url, str(ms) if decimal else time).hex(), time


def _mac(key: bytes | str, url: str, time: str) -> bytes:
    secret = key.encode() if isinstance(key, str) else key
    return hmac.digest(secret, (url + time).encode(), "sha256")


def _worth(
    url: str,
    pairs: Iterable[tuple[str, str]],
    fields: SignatureFields,
    keys: Sequence[bytes | str],
    now_ms: int,
    window_s: float,
) -> Verdict:
    found = _parameters(pairs, fields)
    if found is None:
        return Verdict.FORGED
    secret, time = found
    sent = int(time, 16)
    signed = False
    # No early exit: how long it takes says nothing about which key or reading came close.
    for key in (one for one in keys if one):
        for text in (str(sent), time):
            signed |= hmac.compare_digest(_mac(key, url, text), secret)
    if not signed:
        return Verdict.FORGED
    sent_ms = sent * 1000 if sent < _SECONDS_BELOW else sent
    return Verdict.VALID if abs(now_ms - sent_ms) <= window_s * 1000 else Verdict.STALE


def _parameters(pairs: Iterable[tuple[str, str]], fields: SignatureFields) -> tuple[bytes, str] | None:
    """Secret and time, None unless each is there exactly once and well formed."""
    wanted = [(name, value) for name, value in pairs if name in {fields.secret, fields.time}]
    found = dict(wanted)
    if len(wanted) != 2 or len(found) != 2:
        return None
    secret, time = found[fields.secret], found[fields.time]
    if not _SECRET.fullmatch(secret) or not _TIME.fullmatch(time):
        return None
    return bytes.fromhex(secret), time


def _string(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MalformedCallback(f"{name} of the callback isn't a text of at most {MAX_TEXT} characters.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise MalformedCallback(f"{name} of the callback holds half a character.") from error
    return value
