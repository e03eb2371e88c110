"""Refusals in the API's own words: code, status and message come from the table of error codes."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from orchestrator.emulator.wire import Answer, json_answer

NOT_FOUND = "MSS.00000002"
INVALID_PARAMETER = "MSS.00000003"
INTERNAL_ERROR = "MSS.00000004"
THROTTLED = "APIGW.0308"
#: Not of the API: no behaviour is emulated for the operation yet.
NOT_EMULATED = "EMULATOR.0501"


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """One row of the table of error codes (reference 11.2)."""

    code: str
    status: int
    message: str


class Refusal(Exception):  # noqa: N818 - it is an answer of the API, not an error of the emulator
    """The API refuses a request."""

    def __init__(self, code: str, detail: str = "", *, status: int | None = None) -> None:
        """`detail` follows the table's message; `status` replaces the table's.

        Some codes stand in the table with status 200 because they appear inside jobs: as an answer they are a 400.
        """
        facts = error_facts().get(code)
        message = facts.message.rstrip(".") if facts else ""
        self.code = code
        listed = facts.status if facts and facts.status >= 400 else 400
        self.status = status if status is not None else listed
        self.message = ": ".join(part for part in (message, detail) if part) or code
        super().__init__(f"{code} {self.message}")

    def answer(self) -> Answer:
        """The refusal as an answer: `error_code` and `error_msg`."""
        return json_answer(self.status, {"error_code": self.code, "error_msg": self.message})


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
