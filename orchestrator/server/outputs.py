"""Serves the files that a run's steps have saved, and no others."""

from pathlib import Path

from aiohttp import web

from orchestrator.domain.run import StepStatus
from orchestrator.server.reads import RunDetail

#: What a browser may show in place. Anything else is offered for saving: a page or an SVG would run as one of ours.
_SHOWN = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".wav": "audio/wav",
    ".webm": "video/webm",
}


def saved_file(run: RunDetail, step_id: str) -> Path | None:
    """The path that a finished step recorded as its output `path`, if a file is there."""
    for step in run.steps:
        recorded = step.outputs.get("path")
        if step.id == step_id and step.status is StepStatus.SUCCEEDED and isinstance(recorded, str):
            path = Path(recorded)
            return path if path.is_file() else None
    return None


def serve(path: Path) -> web.FileResponse:
    """The file, whole or in ranges as the request asks."""
    shown = _SHOWN.get(path.suffix.lower())
    quoted = path.name.encode("ascii", "replace").decode().translate(str.maketrans('"\\?', "___"))
    kind = "inline" if shown else "attachment"
    return web.FileResponse(
        path,
        headers={
            "Content-Type": shown or "application/octet-stream",
            "Content-Disposition": f'{kind}; filename="{quoted}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, no-cache",
        },
    )
