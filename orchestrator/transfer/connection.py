"""The edge to the HTTP library: its exceptions become ours, and a signed URL stays as it was signed and unseen."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from yarl import URL

from orchestrator.errors import RetryClass
from orchestrator.transfer.errors import TransferError


def signed_url(url: str, action: str) -> URL:
    """`url` for the HTTP library, byte for byte: requoting would break the signature.

    Raises `TransferError` when it is no HTTP URL; `action` names what it was for ("upload of a.png").
    """
    try:
        parsed = URL(url, encoded=True)
    except ValueError:
        raise _malformed(action) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise _malformed(action)
    return parsed


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turns what the HTTP library raises during `action` into `TransferError`."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise TransferError(
            f"The {action} failed: the storage's certificate is not trusted.",
            hint="Install the certificate authority on this machine (or point SSL_CERT_FILE to it).",
            retry=RetryClass.NEVER,
        ) from error
    except (aiohttp.InvalidURL, aiohttp.TooManyRedirects):
        # Not chained: these errors spell out the whole URL, signature included.
        raise _malformed(action) from None
    except TimeoutError as error:
        raise TransferError(
            f"The {action} stood still or took too long.", hint="It is tried again."
        ) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        # Not chained: some of these errors hold the request, signed URL included.
        raise TransferError(
            f"The connection was lost during the {action} ({type(error).__name__}).",
            hint="It is tried again.",
        ) from None


def _malformed(action: str) -> TransferError:
    return TransferError(f"The URL for the {action} is malformed or leads nowhere.", retry=RetryClass.NEVER)
