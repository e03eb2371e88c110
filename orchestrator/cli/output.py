"""Where a command's words go: results to stdout, everything else to stderr."""

import json
import os
import sys
from typing import Any, TextIO

import typer

#: What a shell reports of a program that SIGPIPE ended.
_PIPE_CLOSED = 141

_RED, _CYAN = "31;1", "36;1"


def is_plain(stream: TextIO) -> bool:
    """Whether colour and live progress are off: no terminal, a dumb one, or NO_COLOR (https://no-color.org)."""
    return not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def speaks_unicode(stream: TextIO) -> bool:
    """Whether marks such as ✓ can be written."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def result(text: str) -> None:
    """A part of the command's result. When the reader has gone (`| head`), the command ends quietly."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end, which would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_PIPE_CLOSED) from None


def json_result(value: Any, *, one_line: bool = False) -> None:
    """A JSON document; `one_line` for streams of them."""
    unicode = speaks_unicode(sys.stdout)
    result(json.dumps(value, ensure_ascii=not unicode, indent=None if one_line else 2))


def note(text: str) -> None:
    """Something to know that is no result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def complain(message: str, hint: str = "") -> None:
    """What went wrong and what to do about it."""
    note(f"{_styled('error:', _RED)} {message}")
    if hint:
        note(f"{_styled(' hint:', _CYAN)} {hint}")


def _styled(text: str, style: str) -> str:
    return text if is_plain(sys.stderr) else f"\x1b[{style}m{text}\x1b[0m"
