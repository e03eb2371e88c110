"""Progress as plain lines on stderr: `LAMP-01  background  succeeded`."""

from types import TracebackType
from typing import Self

from orchestrator.cli import output
from orchestrator.cli.progress.board import Told


class PlainView:
    """For pipes, logs and those who want no colour."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def tell(self, told: Told) -> None:
        """One line an event."""
        output.note("  ".join(part for part in (told.run, told.step, " ".join(told.what.split())) if part))
