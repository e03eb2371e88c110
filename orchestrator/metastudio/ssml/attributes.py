"""Whether the value of an attribute is one that it may have."""

import re
from decimal import Decimal
from typing import Final, assert_never

from orchestrator.domain.nearest import did_you_mean
from orchestrator.metastudio.ssml.grammar import Attribute, Form

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s)", re.ASCII)
_NEAR_DURATION: Final = re.compile(
    r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*([a-z]*)\.?\s*", re.ASCII | re.IGNORECASE
)
_UNITS: Final = {"": "ms", "msec": "ms", "sec": "s", "secs": "s", "second": "s", "seconds": "s"}


def mistake(attribute: Attribute, value: str) -> tuple[str, str]:
    """What is wrong with `value` and what to do; two empty texts when nothing is."""
    match attribute.form:
        case Form.TEXT:
            if value.strip() or not attribute.required:
                return "", ""
            return "is empty", f"such as {attribute.example}" if attribute.example else ""
        case Form.CHOICE:
            if value in attribute.values:
                return "", ""
            near = did_you_mean(value, attribute.values) if len(value) <= 40 else ""
            return f"has to be one of {', '.join(attribute.values)}", near
        case Form.INTEGER:
            return _integer(attribute, value)
        case Form.DURATION:
            return _duration(attribute, value)
        case unknown:
            assert_never(unknown)


def _integer(attribute: Attribute, value: str) -> tuple[str, str]:
    unit = f" {attribute.unit}" if attribute.unit else ""
    message = f"has to be a whole number from {attribute.least} to {attribute.most}{unit}"
    if re.fullmatch("[0-9]{1,9}", value) and _within(attribute, Decimal(value)):
        return "", ""
    near = re.fullmatch(r"\s*\+?0*([0-9]{1,9})(?:\.0+)?\s*%?\s*", value, re.ASCII)
    if near and near[1] != value and _within(attribute, Decimal(near[1])):
        return message, f"write {near[1]}, nothing else"
    return message, ""


def _duration(attribute: Attribute, value: str) -> tuple[str, str]:
    length = milliseconds(value)
    if length is not None and _within(attribute, length):
        return "", ""
    message = f"has to be {attribute.least}ms to {attribute.most}ms, written like {attribute.example} or 1s"
    near = _NEAR_DURATION.fullmatch(value) if length is None else None
    if near:
        unit = near[2].lower()
        meant = near[1] + _UNITS.get(unit, unit)
        length = milliseconds(meant)
        if length is not None and _within(attribute, length):
            return message, f"did you mean {meant!r}?"
    return message, ""


def milliseconds(value: str) -> Decimal | None:
    """The length of a duration such as `200ms` or `1.5s`; None: it is none."""
    found = _DURATION.fullmatch(value)
    return Decimal(found[1]) * (1 if found[2] == "ms" else 1000) if found else None


def _within(attribute: Attribute, number: Decimal) -> bool:
    assert attribute.least is not None
    assert attribute.most is not None
    return attribute.least <= number <= attribute.most
