"""Reads JSON that strangers send: strict where two readers could differ, bounded in size and depth."""

import re
from typing import Any

from orchestrator.errors import OrchestratorError
from orchestrator.metastudio import strict_json

MAX_DEPTH = 32

#: What Python holds but neither UTF-8 nor PostgreSQL's JSON does: half a character, and NUL.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class MalformedMessage(OrchestratorError):  # noqa: N818  named for what came, its base says that it is an error
    """What came from outside can't be read."""


def read_json(body: bytes | str, *, what: str, max_length: int) -> Any:
    """The value in `body`, whose length is bytes or characters; `what` names it in errors.

    Raises MalformedMessage for anything but plain JSON: too long, not UTF-8, a key twice in one object, NaN, infinite,
    endless numbers, nested over MAX_DEPTH.
    """
    if len(body) > max_length:
        unit = "bytes" if isinstance(body, bytes) else "characters"
        raise MalformedMessage(f"The {what} has {len(body)} {unit}, over {max_length}.")
    try:
        value = strict_json.loads(body)
        refuse_depth(value, MAX_DEPTH)
    except ValueError as error:
        raise MalformedMessage(f"The {what} isn't proper JSON.") from error
    return value


def read_object(body: bytes | str, *, what: str, max_length: int) -> dict[str, Any]:
    """As `read_json`, but only for an object."""
    value = read_json(body, what=what, max_length=max_length)
    if not isinstance(value, dict):
        raise MalformedMessage(f"The {what} isn't a JSON object.")
    return value


def unfolded(value: Any, *, what: str, max_length: int) -> Any:
    """`value`, or the object or list that it holds as JSON text; a text that is no such thing stays as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return read_json(value, what=what, max_length=max_length)
    except MalformedMessage:
        return value


def mended(value: Any) -> Any:
    """`value` with U+FFFD for what can't be stored or sent on: viewers' names are cut in the middle of an emoji."""
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case list():
            return [mended(one) for one in value]
        case dict():
            return {mended(name): mended(one) for name, one in value.items()}
        case _:
            return value


def refuse_depth(value: Any, most: int) -> None:
    """Raises ValueError when `value` nests objects and lists over `most` levels."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise ValueError("it is nested too deeply")
