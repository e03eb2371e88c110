"""The journal: the last requests, numbered, without what is secret in them."""

from collections import deque
from typing import Any

from orchestrator.emulator.wire import Answer, Delivery, Request

#: Query parameters of the API that are as good as a password.
_SECRET_PARAMETERS = frozenset({"auth_key"})


class Journal:
    """The newest requests, and which of them aren't kept yet."""

    def __init__(self, size: int) -> None:
        """At most `size` requests are remembered."""
        self.entries: deque[dict[str, Any]] = deque(maxlen=size)
        #: The highest number given to a request, or to a reset.
        self.noted = 0
        self.unkept: list[dict[str, Any]] = []
        #: Requests kept so far are to be forgotten.
        self.afresh = False

    def note(
        self,
        request: Request,
        operation: str,
        answer: Answer,
        *,
        at: str,
        code: str,
        fault: str,
        request_id: str,
    ) -> None:
        """Adds a request; queries of presigned URLs stay out."""
        self.noted += 1
        entry: dict[str, Any] = {
            "number": self.noted,
            "at": at,
            "operation": operation,
            "method": _as_text(request.method),
            "target": _as_text(_shown_target(request, operation)),
            "status": answer.status,
            "request_id": request_id,
        }
        if code:
            entry["error_code"] = code
        if fault:
            entry["fault"] = fault
        if answer.delivery is not Delivery.WHOLE:
            entry["delivery"] = answer.delivery.value
        self.entries.append(entry)
        self.unkept.append(entry)

    def take_back(self) -> None:
        """Removes the last request: it gets another answer."""
        self.entries.pop()
        self.unkept.pop()
        self.noted -= 1

    def clear(self) -> None:
        """Forgets everything, what was kept included."""
        self.entries.clear()
        self.unkept.clear()
        self.afresh = True
        # A number that no request has: who goes on from one before sees that the journal began anew.
        self.noted += 1

    def kept(self) -> None:
        """Everything is kept now."""
        self.unkept.clear()
        self.afresh = False


def is_text(sent: str) -> bool:
    """Whether it came as UTF-8: other bytes are lone surrogates here, which nothing can be written with."""
    return not any("\ud800" <= character <= "\udfff" for character in sent)


def _as_text(sent: str) -> str:
    """What was sent, with a mark for what is no text."""
    return sent.encode("utf-8", "replace").decode()


def _shown_target(request: Request, operation: str) -> str:
    secret = operation.startswith("storage.") or any(name in _SECRET_PARAMETERS for name, _ in request.query)
    return request.path if secret else request.target
