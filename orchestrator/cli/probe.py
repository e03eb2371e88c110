"""Whether a video plays: asked of FFmpeg, through PyAV."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.progress.words import size
from orchestrator.errors import OrchestratorError, UsageError


class UnplayableError(OrchestratorError):
    """A video cannot be played."""


@dataclass(frozen=True, slots=True)
class Video:
    """What a player would show. `seconds` is the length, `bytes` the file's size."""

    path: Path
    width: int
    height: int
    codec: str
    seconds: float
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return {
            "path": str(self.path),
            "width": self.width,
            "height": self.height,
            "codec": self.codec,
            "seconds": round(self.seconds, 3),
            "bytes": self.bytes,
        }

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.codec}, {self.seconds:.1f} s, {size(self.bytes)}"


def probe(path: Path) -> Video:
    """The video at `path`, after decoding a picture of it. Raises UnplayableError; UsageError without PyAV."""
    try:
        import av
    except ImportError as error:
        raise UsageError(
            "Looking into videos needs PyAV.", hint="Install metastudio-orchestrator[media]."
        ) from error
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            next(container.decode(stream))
            return Video(
                path=path,
                width=stream.codec_context.width,
                height=stream.codec_context.height,
                codec=stream.codec_context.name,
                seconds=(container.duration or 0) / av.time_base,
                bytes=path.stat().st_size,
            )
    except (av.FFmpegError, OSError, IndexError, StopIteration) as error:
        raise UnplayableError(
            f"{path} cannot be played ({type(error).__name__}).", hint="Run the demo again."
        ) from error
