"""A command's coroutine, carried to its end or until somebody asks it to stop."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from orchestrator.cli import output
from orchestrator.errors import OrchestratorError

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: How long a thread may keep the interpreter when another one wants it. The event loop hands it to the store's thread for
#: each system call that it makes, and would wait for up to the interpreter's own 5 ms to have it back.
SWITCH_S = 0.0005


class StoppedError(OrchestratorError):
    """Stopped before the end."""

    exit_code = 130


def complete(main: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns.

    SIGINT and SIGTERM cancel it, so that everything it opened is closed in order; unless it returns nevertheless,
    StoppedError follows. A second signal ends the process at once, which the journal survives.
    """
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner() as runner:
        return runner.run(_stoppable(main))


async def _stoppable(main: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(main)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        output.note("stopping …")
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if stopping:
            raise StoppedError from None
        raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
