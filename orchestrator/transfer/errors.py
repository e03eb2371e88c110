"""What can go wrong with a transfer, and what object storage means by its error codes."""

import re
from dataclasses import dataclass

from orchestrator.errors import OrchestratorError, RetryClass

#: Storage answers errors in a short XML document; more than this is not one.
ERROR_BODY_BYTES = 64 * 1024

_CODE = re.compile(rb"<Code>\s*([A-Za-z0-9._-]{1,64})\s*</Code>")
_MESSAGE = re.compile(rb"<Message>\s*([^<]{1,300}?)\s*</Message>")
_QUERY = re.compile(r"\?\S+")


class TransferError(OrchestratorError):
    """A file could not be sent or fetched.

    `retry`: what repeating may achieve. `status` and `code`: the storage's answer, if there was one. `expired`: the URL
    is no longer accepted, a new one has to be asked for. `md5_rejected`: the bytes are not those that were
    hashed, so hash again.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        retry: RetryClass = RetryClass.LATER,
        status: int | None = None,
        code: str = "",
        expired: bool = False,
        md5_rejected: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry = retry
        self.status = status
        self.code = code
        self.expired = expired
        self.md5_rejected = md5_rejected

    @property
    def repeatable(self) -> bool:
        """Whether the very same request, with the same URL and bytes, may work when repeated."""
        return self.retry is RetryClass.LATER and not self.expired and not self.md5_rejected


class LocalFileError(TransferError):
    """A local file is missing or can't be read or written."""


class FileChangedError(TransferError):
    """A file changed while it was being read."""

    @property
    def repeatable(self) -> bool:
        """Never: the request was made for bytes that are gone."""
        return False


def file_changed(name: str) -> FileChangedError:
    """The error for a file that is no longer what was looked at first."""
    return FileChangedError(
        f"{name} changed while it was being read.",
        hint="Let whatever writes the file finish; it is then hashed and sent from the start.",
    )


@dataclass(frozen=True, slots=True)
class _Meaning:
    retry: RetryClass
    hint: str
    expired: bool = False
    md5_rejected: bool = False


_RENEW = _Meaning(RetryClass.LATER, "The URL is asked for anew.", expired=True)
_AGAIN = _Meaning(RetryClass.LATER, "It is tried again.")
_REHASH = _Meaning(
    RetryClass.LATER,
    "The bytes are not those that were hashed: the file is hashed and registered again.",
    md5_rejected=True,
)
_ACCOUNT = _Meaning(
    RetryClass.SUPPORT, "The storage behind the service has a problem: open a ticket with Huawei Cloud."
)
_WRONG = _Meaning(RetryClass.NEVER, "The storage will refuse this request again as it is.")
_TOO_LARGE = _Meaning(RetryClass.NEVER, "The limit is 5 GiB a request and 100 parts a file.")

_BY_CODE = {
    "AccessDenied": _RENEW,
    "ExpiredToken": _RENEW,
    "RequestExpired": _RENEW,
    "NoSuchUpload": _RENEW,
    "RequestTimeTooSkewed": _Meaning(
        RetryClass.LATER,
        "The URL is asked for anew; if this stays, set this machine's clock (NTP).",
        expired=True,
    ),
    "SignatureDoesNotMatch": _Meaning(
        RetryClass.LATER,
        "The URL is asked for anew; if this stays, the headers sent differ from those that were signed.",
        expired=True,
    ),
    "BadDigest": _REHASH,
    "InvalidDigest": _REHASH,
    "RequestTimeout": _AGAIN,
    "IncompleteBody": _AGAIN,
    "EntityTooLarge": _TOO_LARGE,
    "InArrearOrInsufficientBalance": _ACCOUNT,
    "InsufficientStorageSpace": _ACCOUNT,
}


def _by_status(status: int) -> _Meaning:
    if status in {401, 403, 404, 410}:
        return _RENEW
    if status in {307, 408, 409, 425, 429} or status >= 500:
        return _AGAIN
    return _TOO_LARGE if status == 413 else _WRONG


def refusal(action: str, status: int, body: bytes) -> TransferError:
    """The error for the answer `status`, `body` of the storage to `action` (such as "upload of a.png").

    The code and message come from the XML error document when there is one. Nothing of a URL's query gets in.
    """
    code_match, message_match = _CODE.search(body), _MESSAGE.search(body)
    code = code_match[1].decode("ascii") if code_match else ""
    said = message_match[1].decode("utf-8", "replace") if message_match else ""
    meaning = _BY_CODE.get(code) or _by_status(status)
    detail = " ".join(part for part in (str(status), code) if part)
    text = _QUERY.sub("?…", " ".join(said.split()))
    return TransferError(
        f"The storage refused the {action}: {detail}{f' ({text})' if text else ''}.",
        hint=meaning.hint,
        retry=meaning.retry,
        status=status,
        code=code,
        expired=meaning.expired,
        md5_rejected=meaning.md5_rejected,
    )
