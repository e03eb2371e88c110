"""The Content-Type that the service signs into upload URLs, by file extension."""

from pathlib import Path

_BY_SUFFIX = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".mp3": "audio/mp3",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".wav": "audio/wav",
}


def content_type_of(path: Path) -> str:
    """The type to send with an upload of `path`; what the service does not name is `application/octet-stream`."""
    return _BY_SUFFIX.get(path.suffix.lower(), "application/octet-stream")
