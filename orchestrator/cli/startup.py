"""What every working command begins with: its settings, its logs, its arguments read."""

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from orchestrator import logs
from orchestrator.cli.output import is_plain, remark
from orchestrator.errors import UsageError
from orchestrator.settings import Settings


def start(flags: Mapping[str, Any], config: Path | None, *, quiet: bool = False) -> Settings:
    """The effective settings, with logging set up by them. `quiet`: only errors, unless somebody set a level.

    Raises UsageError with everything that is wrong in the settings.
    """
    settings = Settings.load(flags, config)
    level = settings.log.level
    if quiet and settings.origins["log.level"] == "default":
        level = "error"
    configure_logs(level, settings.log.format, secrets=settings.secret_values())
    return settings


def configure_logs(level: str, fmt: logs.LogFormat = "auto", *, secrets: Iterable[str] = ()) -> None:
    """Logging to stderr: in colour only where colour is wanted, above live progress where there is some."""
    if fmt == "auto":
        fmt = "console" if sys.stderr.isatty() else "json"
    logs.configure(level, fmt, secrets=secrets, stream=cast("TextIO", _CurrentStderr()))


def key_values(given: Sequence[str] | None) -> dict[str, str]:
    """`KEY=VALUE` arguments as a mapping. Raises UsageError."""
    values: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"-i {text!r} is not KEY=VALUE.", hint='Write -i title="A title".')
        if key in values:
            raise UsageError(f"-i {key} is given twice.", hint="Give each input once.")
        values[key] = value
    return values


class _CurrentStderr(io.TextIOBase):
    """Whatever stderr is at the moment: live progress puts itself in between, so that log lines appear above it."""

    def write(self, text: str, /) -> int:
        remark(text)
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether log lines are coloured."""
        return not is_plain(sys.stderr)
