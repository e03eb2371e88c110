"""What the system refuses, in plain words; and folders, tried before a command relies on them."""

import errno
import os
import tempfile
from pathlib import Path

from orchestrator.errors import UsageError

_REASONS = {
    errno.EEXIST: "a file stands where a folder is needed",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EISDIR: "it is a folder",
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ECONNREFUSED: "nobody listens there",
    errno.EADDRINUSE: "the port is in use",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def reason(error: OSError) -> str:
    """Why the system refused, without numbers and names."""
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__


def ensure_writable(folder: Path, what: str, *, option: str) -> None:
    """Nothing, if files can be made in `folder`, which itself may have to be made first; it is left as it is.

    Raises UsageError that speaks of `what` and says to choose another `option`.
    """
    whole = folder.absolute()
    try:
        # What the system lets us do is told only by doing it: permissions are not all that can be in the way.
        nearest = next(place for place in (whole, *whole.parents) if os.path.lexists(place))
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UsageError(
            f"{what} {folder} cannot be written: {reason(error)}.", hint=f"Choose another {option}."
        ) from error
