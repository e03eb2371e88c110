"""What can go wrong in a call of the API: by cause, by code and status, and whether the server may have acted.

Retry classes come from the table of error codes (reference 11.2), read when the first error needs it.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from orchestrator.errors import OrchestratorError, RetryClass


class Executed(StrEnum):
    """May the server have acted on a call that failed?"""

    #: Surely not: it never left, was refused, or only reads. It may be sent again at once.
    NO = "no"
    #: Perhaps: look for what it may have made before sending it again.
    UNKNOWN = "unknown"


class CallError(OrchestratorError):
    """A call of the MetaStudio API failed."""

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        operation: str = "",
        executed: Executed = Executed.NO,
        retry: RetryClass = RetryClass.LATER,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        """`retry_after_s` is what the server asked for, None if it didn't."""
        super().__init__(message, hint=hint)
        self.operation = operation
        self.executed = executed
        self.retry = retry
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        where = f"{self.operation}: " if self.operation else ""
        trace = f" (request id {self.request_id})" if self.request_id else ""
        return f"{where}{super().__str__()}{trace}"


class ConnectFailed(CallError):  # noqa: N818  named for what happened, its base says that it is an error
    """MetaStudio could not be reached; the request never left."""

    exit_code = 3
    #: Stands where an API error has the server's code.
    code = "UNREACHABLE"


class AnswerLost(CallError):  # noqa: N818  named for what happened, its base says that it is an error
    """The request left, but its answer didn't come back whole."""


class ApiError(CallError):
    """MetaStudio refused a call."""

    def __init__(
        self,
        *,
        status: int,
        code: str = "",
        api_message: str = "",
        operation: str = "",
        executed: Executed = Executed.NO,
        retry: RetryClass = RetryClass.NEVER,
        hint: str = "",
        request_id: str = "",
        retry_after_s: float | None = None,
        detail: str = "",
    ) -> None:
        """`code` and `api_message` as the server sent them, empty if it sent none; `detail` stands in for the message."""
        self.status = status
        self.code = code
        self.api_message = api_message
        said = ", ".join(
            part for part in (f"{code} {api_message or detail}".strip(), f"HTTP {status}") if part
        )
        super().__init__(
            f"{said}.",
            hint=hint,
            operation=operation,
            executed=executed,
            retry=retry,
            request_id=request_id,
            retry_after_s=retry_after_s,
        )


class InvalidRequest(ApiError):  # noqa: N818  named for what happened, its base says that it is an error
    """The request itself is wrong, or the state of what it names doesn't allow it: unchanged, it fails again."""


class Unauthorized(ApiError):  # noqa: N818  named for what happened, its base says that it is an error
    """MetaStudio didn't accept the credentials."""


class Forbidden(ApiError):  # noqa: N818  named for what happened, its base says that it is an error
    """The account may not do this."""


class QuotaExceeded(Forbidden):
    """The account has used up, or never had, what this needs: a resource, a quota, a permission."""


class NotFound(ApiError):  # noqa: N818  named for what happened, its base says that it is an error
    """There is no such thing."""


class Busy(ApiError):  # noqa: N818  named for what happened, its base says that it is an error
    """Refused for a cause that passes: something is full, or isn't ready yet."""


class SupportNeeded(ApiError):  # noqa: N818  named for what happened, its base says that it is an error
    """Only Huawei Cloud's support can remove the cause."""


class Throttled(ApiError):  # noqa: N818  named for what happened, its base says that it is an error
    """The tenant's calls per second for this operation are used up; the call was surely not executed."""


class ServerError(ApiError, AnswerLost):
    """MetaStudio failed while it worked on the call, so it may have acted."""


#: What `error_class` may say.
FAMILIES: tuple[type[ApiError], ...] = (
    Throttled,
    Busy,
    QuotaExceeded,
    InvalidRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    SupportNeeded,
    ServerError,
)

#: The gateway's throttle (reference chapter 1).
THROTTLE_CODE = "APIGW.0308"

_STATUS_CLASSES: Mapping[int, type[ApiError]] = {401: Unauthorized, 403: Forbidden}
_RETRY_CLASSES: Mapping[RetryClass, type[ApiError]] = {
    RetryClass.NEVER: InvalidRequest,
    RetryClass.LATER: Busy,
    RetryClass.QUOTA: QuotaExceeded,
    RetryClass.SUPPORT: SupportNeeded,
}

_HINTS = {
    RetryClass.NEVER: "Change the request: sent again as it is, it is refused again.",
    RetryClass.LATER: "This passes by itself: try again later.",
    RetryClass.QUOTA: "Buy or free quota, or get the permission, then retry.",
    RetryClass.SUPPORT: "Give the code and the request id to Huawei Cloud's support.",
}
#: Where a status says more than the retry class.
_STATUS_HINTS = {
    (
        401,
        RetryClass.NEVER,
    ): "Check the access key, the secret key, the project and the clock of this machine.",
    (
        403,
        RetryClass.NEVER,
    ): "The account, the project or the state of the thing doesn't allow this: change one of them.",
    (404, RetryClass.NEVER): "Check the id, the project and the region.",
    (413, RetryClass.NEVER): "The request is too large: make it smaller.",
}
_CODE_HINTS = {
    THROTTLE_CODE: "The tenant's calls per second are used up: lower `limits` if others share the tenant, or wait.",
    "MSS.20010006": "The text didn't pass the content review: change it.",
    "MSS.20010011": "Too many video jobs run at once: wait until one ends.",
    "MSS.20010056": "Too many video jobs run at once: wait until one ends.",
    "MSS.20010039": "The key of the live report URL is wrong: take the URL as the service returned it.",
}


def api_error(
    *,
    status: int,
    code: str,
    api_message: str,
    operation: str,
    reads: bool,
    request_id: str = "",
    retry_after_s: float | None = None,
    detail: str = "",
) -> ApiError:
    """The error of an answer that isn't a success, classed by its code, else by its status.

    A 5xx and a 408 leave open whether a writing call was executed; so does an error inside a 2xx. But whatever its
    status, a throttled call was surely not executed (the gateway throttles before the service sees a call), and
    neither was one that is not implemented (501). Where the server sent no message, what the table says about its
    code stands in, or `detail`.
    """
    retry = retry_class(status, code)
    known = _codes().get(code)
    family = error_class(status, code)
    surely_not = reads or family is Throttled or status == 501
    unknown = not surely_not and (status >= 500 or status == 408 or status < 300)
    return family(
        status=status,
        code=code,
        api_message=api_message,
        operation=operation,
        executed=Executed.UNKNOWN if unknown else Executed.NO,
        retry=retry,
        hint=hint_for(status, code),
        request_id=request_id,
        retry_after_s=retry_after_s,
        detail=known.message.rstrip(".") if known is not None else detail,
    )


def error_class(status: int, code: str) -> type[ApiError]:
    """The family of an answer with this status and code (empty if it has none): the exception that is raised.

    Throttled: calls come too fast. ServerError: any 5xx. NotFound: 404. Then, by the code's retry class: QuotaExceeded,
    Busy (later), SupportNeeded; and what has to be changed first (never) by its status: Unauthorized, Forbidden, else
    InvalidRequest.
    """
    # A 429 with a code of the service itself means that something is full, not that calls come too fast.
    if code == THROTTLE_CODE or (status == 429 and code not in _codes()):
        return Throttled
    if status >= 500:
        return ServerError
    if status == 404:
        return NotFound
    retry = retry_class(status, code)
    by_retry = _RETRY_CLASSES[retry]
    return _STATUS_CLASSES.get(status, by_retry) if retry is RetryClass.NEVER else by_retry


def retry_class(status: int, code: str) -> RetryClass:
    """What sending the same request again may achieve; an unknown code falls back to its status (reference 11.1)."""
    known = _codes().get(code)
    if known is not None:
        return known.retry
    if status in (408, 425, 429) or (status >= 500 and status != 501) or status < 400:
        return RetryClass.LATER
    return RetryClass.NEVER


def hint_for(status: int, code: str) -> str:
    """What to do about an error, one sentence."""
    retry = retry_class(status, code)
    return _CODE_HINTS.get(code) or _STATUS_HINTS.get((status, retry)) or _HINTS[retry]


@dataclass(frozen=True, slots=True)
class _Code:
    retry: RetryClass
    message: str


@cache
def _codes() -> Mapping[str, _Code]:
    table = files("orchestrator.metastudio").joinpath("spec/error-codes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(table.splitlines())
    return {row["code"]: _Code(RetryClass(row["retry"]), row["message"]) for row in rows}
