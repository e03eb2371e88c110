"""Where a region's services are (reference Table 1-1), and the region of an address."""

import re
from urllib.parse import urlsplit

from orchestrator.errors import UsageError

#: A URL as it is sent, without query and fragment.
_SENDABLE = re.compile(r"[^\x00-\x20\x7f-\U0010ffff?#\\]+")
#: Names of at most 63 letters between the dots, or an IPv6 address; no user in front.
_HOST = re.compile(r"(?:[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
_LONGEST_HOST = 253


def api_endpoint(region: str) -> str:
    """Root of the API in `region`."""
    return f"https://metastudio.{region}.myhuaweicloud.com"


def iam_endpoint(region: str, endpoint: str) -> str:
    """Root of the IAM that belongs to the API's `endpoint`: the region's, but an emulator plays IAM as well."""
    return endpoint if is_local(endpoint) else f"https://iam.{region}.myhuaweicloud.com"


def region_of(endpoint: str) -> str:
    """The region that an endpoint of the API names. Raises UsageError when it names none."""
    found = re.fullmatch(r"metastudio\.([a-z0-9-]+)\.myhuaweicloud\.com", urlsplit(endpoint).hostname or "")
    if found is None:
        raise UsageError("The region isn't known.", hint="Give `region`, such as cn-north-4.")
    return found[1]


def checked_address(address: str, what: str) -> str:
    """`address` as it is. Raises UsageError, which calls it `what`, unless it is http or https and a host that can be
    looked up, perhaps with a port and a path.
    """
    if not _is_address(address):
        raise UsageError(
            f"{what} is no address of a host.", hint="Write https:// and the host, without a user or a query."
        )
    return address


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and port != 0
        and _SENDABLE.fullmatch(text) is not None
        and _HOST.fullmatch(parts.netloc) is not None
        and len(parts.netloc) <= _LONGEST_HOST
    )


def is_local(endpoint: str) -> bool:
    """Whether an address is on this machine."""
    return urlsplit(endpoint).hostname in {"127.0.0.1", "::1", "localhost"}
