"""What a fault makes of an answer."""

from dataclasses import replace

from orchestrator.emulator.faults import Fault, FaultRule
from orchestrator.emulator.refusals import INTERNAL_ERROR, THROTTLED, Refusal
from orchestrator.emulator.wire import Answer, Delivery

_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_DELIVERIES = {Fault.HANG: Delivery.NEVER, Fault.RESET_AFTER: Delivery.CUT, Fault.TRUNCATE: Delivery.HALF}


def instead(rule: FaultRule) -> Answer | None:
    """What comes in place of the work; None: the work is done.

    Raises:
        Refusal: the fault is a refusal.
    """
    if rule.do is Fault.ERROR:
        raise Refusal(rule.code or INTERNAL_ERROR, status=rule.status)
    if rule.do is Fault.THROTTLE:
        raise Refusal(rule.code or THROTTLED, status=rule.status)
    if rule.do is Fault.HTML:
        return proxy_page(rule)
    if rule.do in {Fault.RESET_BEFORE, Fault.LATE}:
        return Answer(0, delivery=Delivery.CUT)
    return None


def afterwards(answer: Answer, rule: FaultRule) -> Answer:
    """What becomes of the answer once the work is done."""
    if rule.do is Fault.SLOW:
        return replace(answer, delay_s=rule.seconds)
    return replace(answer, delivery=_DELIVERIES.get(rule.do, Delivery.WHOLE))


def proxy_page(rule: FaultRule) -> Answer:
    """The page of a proxy that reaches nobody behind it."""
    return Answer(rule.status or 502, _PAGE, {"Content-Type": "text/html"})
