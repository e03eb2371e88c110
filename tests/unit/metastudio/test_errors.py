import csv
from importlib.resources import files

import pytest

from orchestrator.errors import OrchestratorError, RetryClass
from orchestrator.metastudio.errors import FAMILIES as ALL_FAMILIES
from orchestrator.metastudio.errors import (
    AnswerLost,
    ApiError,
    Busy,
    ConnectFailed,
    Executed,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    ServerError,
    SupportNeeded,
    Throttled,
    Unauthorized,
    api_error,
    hint_for,
    retry_class,
)

CODES = list(
    csv.DictReader(files("orchestrator.metastudio").joinpath("spec/error-codes.csv").read_text().splitlines())
)


def _error(status: int, code: str = "", message: str = "", *, reads: bool = False) -> ApiError:
    return api_error(
        status=status, code=code, api_message=message, operation="create_file", reads=reads, request_id="r1"
    )


def test_every_code_of_the_reference_has_its_class_and_a_hint() -> None:
    """The table decides what repeating may achieve, and each code says what to do."""
    assert len(CODES) == 674
    for row in CODES:
        assert retry_class(int(row["status"] or 200), row["code"]) == RetryClass(row["retry"])
        assert hint_for(int(row["status"] or 200), row["code"]).endswith(".")


FAMILIES: dict[RetryClass, set[type[ApiError]]] = {
    RetryClass.NEVER: {InvalidRequest, Unauthorized, Forbidden, NotFound},
    RetryClass.LATER: {Busy, Throttled},
    RetryClass.QUOTA: {QuotaExceeded},
    RetryClass.SUPPORT: {SupportNeeded},
}


def test_every_code_of_the_reference_becomes_an_error_of_its_family() -> None:
    """Family, retry class and, when the service sends no message, the reference's words about the code."""
    for row in CODES:
        status, retry = int(row["status"] or 400), RetryClass(row["retry"])
        error = _error(status, row["code"])
        assert (error.code, error.retry) == (row["code"], retry)
        assert str(error).startswith(f"create_file: {row['code']} "), row
        assert type(error) in ALL_FAMILIES, row
        assert type(error) in (FAMILIES[retry] if status < 500 else {ServerError}), row
        assert (error.executed is Executed.UNKNOWN) == (status >= 500 or status < 300), row


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, RetryClass.NEVER),
        (401, RetryClass.NEVER),
        (404, RetryClass.NEVER),
        (408, RetryClass.LATER),
        (429, RetryClass.LATER),
        (500, RetryClass.LATER),
        (501, RetryClass.NEVER),
        (503, RetryClass.LATER),
    ],
)
def test_an_unknown_code_falls_back_to_its_status(status: int, expected: RetryClass) -> None:
    """A code that the service added later is classed by its status."""
    assert retry_class(status, "MSS.99999999") == expected


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "MSS.10001003", InvalidRequest),
        (400, "", InvalidRequest),
        (409, "", InvalidRequest),
        (408, "", Busy),
        (400, "MSS.45000010", Busy),
        (429, "MSS.20010011", Busy),
        (400, "MSS.00020012", QuotaExceeded),
        (403, "MSS.00020011", QuotaExceeded),
        (401, "MSS.00022007", QuotaExceeded),
        (401, "MSS.00020002", Unauthorized),
        (401, "MSS.00023003", SupportNeeded),
        (403, "MSS.00020006", Forbidden),
        (404, "MSS.99999999", NotFound),
        (401, "", Unauthorized),
        (403, "", Forbidden),
        (404, "", NotFound),
        (429, "APIGW.0308", Throttled),
        (403, "APIGW.0308", Throttled),
        (429, "", Throttled),
        (500, "MSS.00000004", ServerError),
        (502, "", ServerError),
    ],
)
def test_code_and_status_choose_the_error(status: int, code: str, kind: type[ApiError]) -> None:
    """Each kind that a caller may want to catch has its class."""
    assert type(_error(status, code)) is kind


def test_a_full_service_is_no_throttle() -> None:
    """429 with a code of the service itself isn't about calls per second: it waits for capacity, not for a permit."""
    error = _error(429, "MSS.20010011", "Too many video production tasks.")
    assert not isinstance(error, Throttled)
    assert (error.retry, error.executed) == (RetryClass.LATER, Executed.NO)


@pytest.mark.parametrize(
    ("status", "reads", "expected"),
    [
        (400, False, Executed.NO),
        (429, False, Executed.NO),
        (408, False, Executed.UNKNOWN),
        (500, False, Executed.UNKNOWN),
        (504, False, Executed.UNKNOWN),
        (200, False, Executed.UNKNOWN),
        (501, False, Executed.NO),
        (500, True, Executed.NO),
    ],
)
def test_only_a_refusal_is_surely_not_executed(status: int, reads: bool, expected: Executed) -> None:
    """A server error leaves a writing call open; a reading one has nothing to leave open."""
    assert _error(status, reads=reads).executed is expected


@pytest.mark.parametrize("status", [200, 403, 429, 503])
def test_a_throttled_call_was_surely_not_executed(status: int) -> None:
    """The gateway throttles before the service sees the call, whatever the status that carries its code."""
    error = _error(status, "APIGW.0308")
    assert (type(error), error.executed) == (Throttled, Executed.NO)


def test_a_server_error_is_an_answer_lost() -> None:
    """Who looks for what a lost call made catches both with one name."""
    assert isinstance(_error(500), AnswerLost)


def test_the_message_says_what_why_and_what_to_do() -> None:
    """Code, message, status, hint and request id stand in one line."""
    text = str(_error(400, "MSS.10001003", "The asset name is too long."))
    for part in (
        "create_file",
        "MSS.10001003",
        "The asset name is too long.",
        "HTTP 400",
        "Change the request",
        "r1",
    ):
        assert part in text


def test_exit_codes_tell_unreachable_from_failed() -> None:
    """A command that can't reach the API ends with 3."""
    assert ConnectFailed("x").exit_code == 3
    assert _error(400).exit_code == 1
    assert isinstance(ConnectFailed(), OrchestratorError)
