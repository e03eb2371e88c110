"""Files copied from another emulator's object storage."""

import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TIMEOUT_S = 30.0


def fetch(params: Mapping[str, Any], path: Path) -> None:
    """What `url` gives."""
    url = str(params["url"])
    if not url.startswith(("http://", "https://")):
        raise ValueError("only object storage is fetched from")
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer,  # noqa: S310 - the scheme is checked above
        path.open("wb") as file,
    ):
        shutil.copyfileobj(answer, file)
