"""What all tests share: logs stay out of their output, and can still be captured."""

import structlog
from structlog.typing import EventDict, WrappedLogger


def _drop(_logger: WrappedLogger, _method: str, _event: EventDict) -> EventDict:
    raise structlog.DropEvent


structlog.configure(processors=[_drop])
