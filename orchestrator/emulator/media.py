"""What making media needs and how it fails."""

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import OrchestratorError, UsageError


class MediaMissingError(UsageError):
    """The emulator cannot make videos because PyAV or Pillow is not installed."""


#: Materials in several parts are put together in memory, up to this size.
_MAX_JOINED_BYTES = 256 * 1024 * 1024


class RenderError(OrchestratorError):
    """A video cannot be made from what it was to be made of."""

    def __init__(self, message: str = "", *, code: str = "MSS.45000014") -> None:
        """`code` is what the job fails with (reference 11.2); by default a picture cannot be read."""
        super().__init__(message)
        self.code = code


class RenderStoppedError(OrchestratorError):
    """The rendering was given up because the emulator stops."""


def require_media() -> None:
    """Passes when videos can be made.

    Raises:
        MediaMissingError: naming what is missing, and the command that installs it.
    """
    missing = [
        name for name, module in (("av", "av"), ("pillow", "PIL")) if importlib.util.find_spec(module) is None
    ]
    if missing:
        raise MediaMissingError(
            f"the emulator makes real videos and needs {' and '.join(missing)}.",
            hint='Run: pip install "metastudio-orchestrator[media]"',
        )


def opened(parts: Sequence[Path]) -> Path | io.BytesIO:
    """The file that lies in storage in these parts, for whatever reads media.

    Raises:
        RenderError: a part is missing, or the parts are too large to be put together.
    """
    try:
        size = sum(part.stat().st_size for part in parts)
        if len(parts) == 1:
            return parts[0]
        if size > _MAX_JOINED_BYTES:
            raise RenderError("a material of the video is too large", code="MSS.45000011")
        return io.BytesIO(b"".join(part.read_bytes() for part in parts))
    except OSError as error:
        raise RenderError("a material of the video is gone", code="MSS.45000001") from error
