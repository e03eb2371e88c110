"""Values that occur in two spellings: one of the wire, one that a document, an example or a repair of either prints.

Reading settles on the spelling that the field's own table lists, so that `job.state == "SUCCEED"` holds for each of
SUCCEED, SUCCESS and SUCESS, while `result.ret_status` of a batch reads SUCCESS for them (its table says SUCCESS).
Requests are strict: they take the spelling of the wire alone.
"""

from typing import Any, Final

from pydantic import BeforeValidator

#: Spellings of the same value.
TWINS: Final = (
    frozenset({"SUCCEED", "SUCCESS", "SUCESS"}),
    frozenset({"EXCUTE_SUCCESS", "EXECUTE_SUCCESS"}),
    frozenset({"EXCUTE_FAILED", "EXECUTE_FAILED"}),
    frozenset({"BUSINESS_CARD_TEMPLET", "BUSINESS_CARD_TEMPLATE"}),
    frozenset({"SHARED_TO_OHTERS", "SHARED_TO_OTHERS"}),
    frozenset({"SHARED_FROM_OHTERS", "SHARED_FROM_OTHERS"}),
    frozenset({"TRAINING_FINISH", "MOUNTING_FINISH"}),
)

#: Names of fields that occur in a second spelling, by that of the wire.
FIELD_TWINS: Final = {"commond_result": "command_result"}


def doubtful(values: list[Any]) -> list[str]:
    """Those of a field's known values that come in another spelling too, which isn't a known value itself."""
    return [
        value
        for value in values
        for twins in TWINS
        if value in twins and sum(one in twins for one in values) == 1
    ]


def spelt(*values: str) -> BeforeValidator:
    """Reads the other spellings of `values` as these."""
    other = {twin: value for value in values for twins in TWINS if value in twins for twin in twins}

    def read(value: Any) -> Any:
        return other.get(value, value) if isinstance(value, str) else value

    return BeforeValidator(read)
