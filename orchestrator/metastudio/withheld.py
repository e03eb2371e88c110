"""What opens doors: presigned URLs, keys, signatures. No repr shows it, and it never becomes an output of a step.

A value is one of these by its name, by its form, or both; both tests take time in proportion to the length of a text.
"""

import re
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from pydantic import BaseModel

#: What stands in place of a hidden value.
HIDDEN: Final = "***"

#: Secrets are named so, as a field, a header or a parameter of a URL, at whatever cloud. Names are compared without
#: capitals and without what parts their words: `X-Auth-Token`, `accessKey`, `AWSAccessKeyId`.
_SECRET: Final = re.compile(
    r"(?:secrets?|token|passwords?|passwd|passphrase|signatures?|authorization|credentials?|cookies?|"
    r"encryptioninfo|accesskeyid|keypairid|"
    r"(?:access|secret|api|app|auth|sign|stream|private|security|session|encryption)keys?)\Z"
)
#: Too short to be an ending: `task` ends with `sk`.
_SECRET_WORDS: Final = frozenset({"sk", "sig", "sign", "pwd", "auth", "jwt"})
#: Words of its own only: `monkey` ends with `key`.
_KEY: Final = re.compile(r"[a-z0-9][_-]keys?\Z|[a-z0-9]Keys?\Z")
#: The reference names signed addresses this way, and those that a stream is pushed to.
_ADDRESS: Final = re.compile(r"(?:urls?|urllist)\Z")
_BETWEEN_WORDS: Final = re.compile(r"[^a-z0-9]+")

#: URLs and what comes close, without what ends them in a sentence or in JSON.
_RUN: Final = re.compile(r"[^\s\"'<>`{}|\\^]+")
_PARAMETER: Final = re.compile(r"[?&;#]([\w.~-]{1,64})=")
#: A name and a password in front of a host, or a token alone where no plain name is usual.
_USERINFO: Final = re.compile(r"//[^/?#@:]*:[^/?#@]*@|(?i:https?|wss?|rtmps?)://[^/?#@]+@")
#: As JSON inside a string has them, once or twice over.
_JSON_ESCAPES: Final = {
    r"\n": " ",
    r"\r": " ",
    r"\t": " ",
    r"\u0026": "&",
    r"\u003d": "=",
    r"\u003D": "=",
    r"\u003f": "?",
    r"\u003F": "?",
    r"\u002f": "/",
    r"\u002F": "/",
}
#: No data of the API nests so deep.
_DEEPEST: Final = 40


def is_withheld_name(name: str) -> bool:
    """Whether a field of that name holds a secret or a signed address. `key` alone is not decided by its name."""
    return _is_withheld(name if len(name) <= _LONGEST else name[-_LONGEST:])


#: Endings decide, so of longer names only the end is looked at.
_LONGEST: Final = 80


@lru_cache(maxsize=4096)
def _is_withheld(name: str) -> bool:
    return _is_secret(name) or _ADDRESS.search(_folded(name)) is not None


def _is_secret(name: str) -> bool:
    folded = _folded(name)
    return folded in _SECRET_WORDS or bool(_SECRET.search(folded) or _KEY.search(name))


def _folded(name: str) -> str:
    return _BETWEEN_WORDS.sub("", name.lower())


def opens_doors(text: str) -> bool:
    """Whether a signed URL, or one with a password, stands anywhere in the text, JSON or not."""
    if "=" not in text and "@" not in text and "%3" not in text and r"\u00" not in text:
        return False
    if "\\" in text:
        text = text.replace("\\\\", "\\")
        for escape, character in _JSON_ESCAPES.items():
            text = text.replace(escape, character)
        text = text.replace("\\", "")
    return any(_is_signed(run[0]) for run in _RUN.finditer(text))


def _is_signed(run: str) -> bool:
    if _has_secret(run):
        return True
    # A whole URL may be the value of a parameter; `%26token%3D` alone is what somebody searched for.
    return "%3f" in run.lower() and _has_secret(unquote(run))


def _has_secret(run: str) -> bool:
    slash = run.find("/")
    if slash < 0:
        return False
    if "@" in run and _USERINFO.search(run):
        return True
    return any(_is_secret_parameter(name) for name in _PARAMETER.findall(run, slash))


@lru_cache(maxsize=4096)
def _is_secret_parameter(name: str) -> bool:
    return _is_secret(name)


def without_withheld(value: Any) -> Any:
    """The same plain data without what opens doors.

    Members of objects are left out, so that using one is a mistake that shows; items of lists become None, so that
    the others keep their places. A `key` is a secret unless a `value` stands beside it: then both are a property.
    """
    match value:
        case Mapping():
            return {
                name: without_withheld(member)
                for name, member in value.items()
                if not is_withheld(str(name), member, value)
            }
        case list() | tuple():
            return [
                None if isinstance(item, str) and opens_doors(item) else without_withheld(item)
                for item in value
            ]
        case _:
            return value


def with_hidden(value: Any, depth: int = 0) -> Any:
    """The same data with `***` for what opens doors, for a repr. Models in it hide what is theirs."""
    match value:
        case str():
            return HIDDEN if opens_doors(value) else value
        case BaseModel() | None:
            return value
        case Mapping() | list() | tuple() if depth == _DEEPEST:
            return "…"
        case Mapping():
            return {
                HIDDEN if opens_doors(str(name)) else name: (
                    HIDDEN if is_withheld(str(name), None, value) else with_hidden(member, depth + 1)
                )
                for name, member in value.items()
            }
        case list() | tuple():
            return [with_hidden(item, depth + 1) for item in value]
        case _:
            return value


def is_withheld(name: str, member: Any, beside: Container[str]) -> bool:
    """Whether the `member` of that name opens doors; `beside` has the names that stand in the same object."""
    if is_withheld_name(name) or (name.lower() in {"key", "keys"} and "value" not in beside):
        return True
    return (isinstance(member, str) and opens_doors(member)) or opens_doors(name)
