"""Where the process that works on a state can be spoken to: a line in a file beside the state."""

import contextlib
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

#: Listening on every address is speaking on this one, for those on the same machine.
_SPOKEN = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, not listened on


def announce(state: Path, url: str) -> None:
    """Say that whoever works on `state` answers at `url`."""
    file = _file(state)
    unfinished = file.with_name(file.name + ".tmp")
    unfinished.write_text(f"{url}\n", "utf-8")
    unfinished.replace(file)


def withdraw(state: Path) -> None:
    """Nobody answers for `state`; what a killed process left is taken away."""
    with contextlib.suppress(FileNotFoundError):
        _file(state).unlink()


def announced(state: Path) -> str | None:
    """Where the process that works on `state` says that it answers; None: it says nothing.

    A killed one cannot take its word back: only while somebody holds the state does it mean anything.
    """
    try:
        url = _file(state).read_text("utf-8").strip()
    except (OSError, ValueError):
        return None
    parts = urlsplit(url)
    spoken = _SPOKEN.get(parts.hostname or "")
    if spoken is None:
        return url or None
    return urlunsplit(parts._replace(netloc=f"{spoken}:{parts.port}"))


def _file(state: Path) -> Path:
    return state.with_name(state.name + ".admin")
