"""Refusals in the API's own words: code, status and message come from the table of error codes."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from orchestrator.emulator.wire import Answer, json_answer

NOT_FOUND = "MSS.00000002"
INVALID_PARAMETER = "MSS.00000003"
INTERNAL_ERROR = "MSS.00000004"
#: Invalid, in detail: for fields that are fine by themselves.
UNFIT_TOGETHER = "MSS.20010151"
THROTTLED = "APIGW.0308"
#: Chapter 10 prints nine digits, with meanings of its own (tables 10-5, 10-6, 10-11, 10-12).
_SPEECH_CODES = {
    "MSS.00000001": "MSS.000000004",
    "MSS.00000003": "MSS.000000003",
    "MSS.00000004": "MSS.000000002",
}
#: Codes of the gateway before the service.
_GATEWAY_PREFIX = "APIGW."


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """One row of the table of error codes (reference 11.2)."""

    code: str
    status: int
    message: str


class Refusal(Exception):  # noqa: N818 - it is an answer of the API, not an error of the emulator
    """The API refuses a request."""

    def __init__(
        self, code: str, detail: str = "", *, status: int | None = None, message: str | None = None
    ) -> None:
        """`detail` follows the table's message; `status` and `message` replace the table's.

        Some codes stand in the table with status 200 because they appear inside jobs: as an answer they are a 400.
        """
        facts = error_facts().get(code)
        if message is None:
            message = facts.message.rstrip(".") if facts else ""
        self.code = code
        listed = facts.status if facts and facts.status >= 400 else 400
        self.status = status if status is not None else listed
        self.message = ": ".join(part for part in (message, detail) if part) or code
        super().__init__(f"{code} {self.message}")

    def in_the_words_of_speech(self) -> "Refusal":
        """The same with the code that chapter 10 has for it, if it has one."""
        code = _SPEECH_CODES.get(self.code, self.code)
        return Refusal(code, status=self.status, message=self.message)

    def answer(self, request_id: str = "") -> Answer:
        """The refusal as an answer: `error_code` and `error_msg`, from the gateway and of speech with `request_id`."""
        body = {"error_code": self.code, "error_msg": self.message}
        if request_id and (self.code.startswith(_GATEWAY_PREFIX) or self.code in _SPEECH_CODES.values()):
            body["request_id"] = request_id
        return json_answer(self.status, body)


@cache
def error_facts() -> dict[str, CodeFacts]:
    """The table of error codes, by code; of a code printed twice, the first row."""
    table: dict[str, CodeFacts] = {}
    source = files("orchestrator.metastudio.spec").joinpath("error-codes.csv")
    for row in csv.DictReader(source.read_text("utf-8").splitlines()):
        # Some rows have no status of their own.
        status = int(row["status"]) if row["status"].isdigit() else 400
        table.setdefault(row["code"], CodeFacts(row["code"], status, row["message"]))
    return table
