"""The page of the emulator: what it holds and what was asked of it, to look at and to steer by."""

from functools import cache
from importlib.resources import files

from orchestrator.emulator.wire import Answer

#: The files by the name they are asked for below `/_emulator/`, and their types.
PAGE = {
    "": ("index.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@cache
def page(name: str) -> Answer:
    """One of the files in `PAGE`."""
    file, kind = PAGE[name]
    body = files(__package__).joinpath(file).read_bytes()
    return Answer(200, body, {"Content-Type": kind, **_HEADERS})
