"""Sans-IO: signs, verifies and parses the callbacks that MetaStudio sends (reference 5-146, 6-31, 7.1.1).

The signature covers the URL and the time, not the body: what a callback says is a hint to be confirmed.
"""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Never
from urllib.parse import parse_qsl

from orchestrator.errors import OrchestratorError

MAX_BODY_BYTES = 64 * 1024
#: Longest id or result that is read.
MAX_TEXT = 256

_TIME = re.compile(r"[0-9a-fA-F]{1,16}", re.ASCII)
_SECRET = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
#: Milliseconds below this would lie in 1973, so they are seconds: the reference leaves the unit of callbacks open.
_SECONDS_BELOW = 10**11


class Verdict(StrEnum):
    """What a callback's signature is worth."""

    VALID = "valid"
    #: Signed by the key holder, but long ago or in the future: perhaps replayed.
    STALE = "stale"
    FORGED = "forged"


class MalformedCallback(OrchestratorError):  # noqa: N818  named for what came, its base says that it is an error
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
    return hmac.new(master.encode(), f"callback:{run_id}".encode(), hashlib.sha256).hexdigest()


def sign(url: str, key: bytes | str, ms: int, *, decimal: bool = True) -> str:
    """`url` with `secret` and `time_stamp`; `ms` is the epoch time.

    `decimal`: the signed time is written in decimal (7.1.1), else in hexadecimal as it is sent (5-146).
    """
    time_stamp = f"{ms:x}"
    secret = _mac(key, url, str(ms) if decimal else time_stamp).hex()
    return f"{url}{'&' if '?' in url else '?'}secret={secret}&time_stamp={time_stamp}"


def verify(
    url: str,
    query: str | Iterable[tuple[str, str]],
    keys: Sequence[bytes | str],
    now_ms: int,
    window_s: float = 300,
) -> Verdict:
    """What the signature in `query` is worth, for the callback URL that was given to MetaStudio.

    `url` is the registered one, never the one that was called. Any of `keys` may have signed. Never raises.
    """
    found = _parameters(query)
    if found is None:
        return Verdict.FORGED
    secret, time_stamp = found
    sent = int(time_stamp, 16)
    signed = False
    # No early exit: how long it takes says nothing about which key or reading came close.
    for key in keys:
        for text in (str(sent), time_stamp):
            signed |= hmac.compare_digest(_mac(key, url, text), secret)
    if not signed:
        return Verdict.FORGED
    sent_ms = sent * 1000 if sent < _SECONDS_BELOW else sent
    return Verdict.VALID if abs(now_ms - sent_ms) <= window_s * 1000 else Verdict.STALE


def parse(body: bytes) -> VideoCallback:
    """The video callback in `body`; MalformedCallback for anything else."""
    if len(body) > MAX_BODY_BYTES:
        raise MalformedCallback(f"The callback has {len(body)} bytes, over {MAX_BODY_BYTES}.")
    try:
        data = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_int=_int,
            parse_float=_float,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedCallback("The callback isn't proper JSON.") from error
    if not isinstance(data, dict):
        raise MalformedCallback("The callback isn't a JSON object.")
    job_id, result, asset_id = (_string(data, name) for name in ("job_id", "result", "asset_id"))
    if not job_id or not result:
        raise MalformedCallback("The callback lacks job_id or result.")
    return VideoCallback(job_id, result, asset_id)


def _mac(key: bytes | str, url: str, time: str) -> bytes:
    secret = key.encode() if isinstance(key, str) else key
    return hmac.new(secret, (url + time).encode(), hashlib.sha256).digest()


def _parameters(query: str | Iterable[tuple[str, str]]) -> tuple[bytes, str] | None:
    """Secret and time, None unless each is there exactly once and well formed."""
    try:
        pairs = (
            parse_qsl(query, keep_blank_values=True, max_num_fields=64)
            if isinstance(query, str)
            else list(query)
        )
    except ValueError:
        return None
    secrets = [value for name, value in pairs if name == "secret"]
    times = [value for name, value in pairs if name == "time_stamp"]
    if len(secrets) != 1 or len(times) != 1:
        return None
    if not _SECRET.fullmatch(secrets[0]) or not _TIME.fullmatch(times[0]):
        return None
    return bytes.fromhex(secrets[0]), times[0]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key occurs twice")
    return data


def _refuse_number(text: str) -> Never:
    raise ValueError(f"{text} is no JSON number")


def _int(text: str) -> int:
    if len(text) > 32:
        raise ValueError("an integer is too long")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


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
