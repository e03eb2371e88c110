"""What making media needs and how it fails."""

import importlib.util

from orchestrator.errors import OrchestratorError, UsageError


class MediaMissingError(UsageError):
    """The emulator cannot make videos because PyAV or Pillow is not installed."""


class RenderError(OrchestratorError):
    """A video cannot be made from what it was to be made of."""


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
