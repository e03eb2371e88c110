"""Where a command's words go: results to stdout, everything else to stderr."""

import contextlib
import json
import os
import sys
from typing import Any, TextIO

import typer

from orchestrator.cli.places import reason
from orchestrator.errors import OrchestratorError

#: What a shell reports of a program that SIGPIPE ended.
_PIPE_CLOSED = 141

_RED, _CYAN = "31;1", "36;1"


class OutputError(OrchestratorError):
    """Results cannot be written."""


def is_plain(stream: TextIO) -> bool:
    """Whether colour and live progress are off: no terminal, a dumb one, or NO_COLOR (https://no-color.org)."""
    return not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def speaks_unicode(stream: TextIO) -> bool:
    """Whether marks such as ✓ can be written."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def result(text: str) -> None:
    """A part of the command's result. When the reader has gone (`| head`), the command ends quietly.

    Raises OutputError when it cannot be written for any other reason.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go(sys.stdout)
        raise typer.Exit(_PIPE_CLOSED) from None
    except OSError as error:
        raise unwritable(error) from error


def unwritable(error: OSError) -> OutputError:
    """The error of a command whose results cannot be written."""
    _let_go(sys.stdout)
    return OutputError(
        f"The results cannot be written: {reason(error)}.", hint="Make room, or send stdout elsewhere."
    )


def json_result(value: Any, *, one_line: bool = False) -> None:
    """A JSON document; `one_line` for streams of them."""
    unicode = speaks_unicode(sys.stdout)
    result(json.dumps(value, ensure_ascii=not unicode, indent=None if one_line else 2))


def note(text: str) -> None:
    """Something to know that is no result."""
    remark(f"{text}\n")


def remark(text: str) -> None:
    """Text to stderr as it is. What a command does is the same when nobody can read it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _let_go(sys.stderr)


def complain(message: str, hint: str = "") -> None:
    """What went wrong and what to do about it."""
    note(f"{_styled('error:', _RED)} {message}")
    if hint:
        note(f"{_styled(' hint:', _CYAN)} {hint}")


def _let_go(stream: TextIO) -> None:
    """Nothing reaches the stream any more: Python flushes it once more at its end, which would complain."""
    # Streams in memory have no descriptor, and need none.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _styled(text: str, style: str) -> str:
    return text if is_plain(sys.stderr) else f"\x1b[{style}m{text}\x1b[0m"
