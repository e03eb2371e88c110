"""Texts that only the tenant's own emulators can read, as the service seals what it hands from region to region."""

import base64
import binascii
import hashlib
import hmac
import zlib
from itertools import count

_TAG_BYTES = 16
_IV_BYTES = 12


def seal(text: str, secret: str, iv: str, bound: str) -> str:
    """The text, unreadable; `bound` isn't in it but has to be the same for `unseal`."""
    clear = zlib.compress(text.encode(), 9)
    hidden = _mixed(clear, secret, iv)
    return base64.b64encode(hidden + _tag(hidden, secret, iv, bound)).decode()


def unseal(sealed: str, secret: str, iv: str, bound: str) -> str | None:
    """The text, or None when it was sealed otherwise."""
    try:
        raw = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        return None
    hidden, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(hidden, secret, iv, bound)):
        return None
    return zlib.decompress(_mixed(hidden, secret, iv)).decode()


def initial_vector(seed: str) -> str:
    """An initialisation vector in Base64, of 12 bytes as AES-GCM has."""
    return base64.b64encode(hashlib.sha256(seed.encode()).digest()[:_IV_BYTES]).decode()


def _mixed(data: bytes, secret: str, iv: str) -> bytes:
    """The data under a stream of keyed digests; mixing twice gives it back."""
    stream = bytearray()
    for block in count():
        if len(stream) >= len(data):
            break
        stream += hmac.digest(secret.encode(), f"{iv}/{block}".encode(), "sha256")
    return bytes(one ^ other for one, other in zip(data, stream, strict=False))


def _tag(hidden: bytes, secret: str, iv: str, bound: str) -> bytes:
    return hmac.digest(f"tag/{secret}".encode(), f"{iv}/{bound}/".encode() + hidden, "sha256")[:_TAG_BYTES]
