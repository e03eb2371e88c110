"""What a fault makes of an answer."""

import json
from dataclasses import replace
from typing import Any

from orchestrator.emulator.faults import Fault, FaultRule
from orchestrator.emulator.quota import throttled
from orchestrator.emulator.refusals import INTERNAL_ERROR, THROTTLED, Refusal
from orchestrator.emulator.wire import JSON_TYPE, Answer, Delivery

_AS_JSON = {"Content-Type": JSON_TYPE}
_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
#: Faults that only touch the way of a finished answer.
DELIVERIES = {Fault.HANG: Delivery.NEVER, Fault.RESET_AFTER: Delivery.CUT, Fault.TRUNCATE: Delivery.HALF}


def instead(rule: FaultRule) -> Answer | None:
    """What comes in place of the work; None: the work is done.

    Raises:
        Refusal: the fault is a refusal.
    """
    if rule.do is Fault.ERROR:
        raise Refusal(rule.code or INTERNAL_ERROR, status=rule.status)
    if rule.do is Fault.THROTTLE:
        raise throttled("a fault that was asked for", code=rule.code or THROTTLED, status=rule.status)
    if rule.do is Fault.HTML:
        return proxy_page(rule)
    if rule.do in {Fault.RESET_BEFORE, Fault.LATE}:
        return Answer(0, delivery=Delivery.CUT)
    return None


def afterwards(answer: Answer, rule: FaultRule) -> Answer:
    """What becomes of the answer once the work is done."""
    if rule.do is Fault.SLOW:
        return replace(answer, delay_s=rule.seconds)
    if rule.do is Fault.MALFORMED:
        # Cut in the middle of a name, with a head that fits: nothing but the parser notices.
        return replace(answer, body=answer.body[:-1] + b',"' if answer.body else b'{"')
    if rule.do is Fault.MISTYPED:
        lie = _mistyped(json.loads(answer.body)) if answer.body else []
        return replace(answer, body=json.dumps(lie, ensure_ascii=False).encode(), headers=_AS_JSON)
    return replace(answer, delivery=DELIVERIES.get(rule.do, Delivery.WHOLE))


def proxy_page(rule: FaultRule) -> Answer:
    """The page of a proxy that reaches nobody behind it."""
    return Answer(rule.status or 502, _PAGE, {"Content-Type": "text/html"})


def _mistyped(value: Any) -> Any:
    """The object with every value of a type that it does not have."""
    if not isinstance(value, dict):
        return {"value": value}
    return {name: _another_type(item) for name, item in value.items()}


def _another_type(value: Any) -> Any:
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(value)}
    return [value] if isinstance(value, str) else {"value": value}
