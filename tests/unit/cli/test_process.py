"""A command's coroutine and the signals that stop it."""

import asyncio
import os
import signal

import pytest

from orchestrator.cli.process import StoppedError, complete


async def _signalled(number: int, log: list[str]) -> None:
    try:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()
    finally:
        log.append("closed")


def test_the_result_comes_back() -> None:
    """A coroutine that ends gives what it returns."""

    async def answer() -> int:
        return 42

    assert complete(answer()) == 42


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_everything_in_order(number: int) -> None:
    """What was opened is closed before the command ends."""
    log: list[str] = []
    with pytest.raises(StoppedError) as caught:
        complete(_signalled(number, log))
    assert (log, caught.value.exit_code) == (["closed"], 130)


def test_a_command_may_take_being_stopped_as_its_end() -> None:
    """A server that was told to stop has done its work."""

    async def serve() -> str:
        try:
            await _signalled(signal.SIGTERM, [])
        except asyncio.CancelledError:
            return "served"
        return "?"

    assert complete(serve()) == "served"


def test_an_error_passes_through() -> None:
    """Whatever goes wrong inside is the caller's to report."""

    async def fail() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        complete(fail())


def test_signals_are_left_as_they_were() -> None:
    """Afterwards Ctrl-C is Python's again."""

    async def nothing() -> None:
        return None

    complete(nothing())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
