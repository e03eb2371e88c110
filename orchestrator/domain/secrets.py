"""Secrets on their way through a run: a marked name stands for the value, until a step is about to be done.

The name stands between two Unicode noncharacters, which no ordinary text holds. It is what the journal, pages and
expressions see; `filled` puts the value in at the last moment, `masked` takes it out of everything that comes back.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

OPEN: Final = "\ufdd0"
CLOSE: Final = "\ufdd1"
#: What an input or a setting of a secret may be called; names differ by more than capitals.
NAME_PATTERN: Final = r"[A-Za-z][A-Za-z0-9_]{0,63}"
#: Characters. Shorter values would be taken for innocent words wherever they are hidden.
LEAST_LENGTH: Final = 8

_MARKED: Final = re.compile(f"{OPEN}({NAME_PATTERN}){CLOSE}")
_MARKS: Final = re.compile(f"[{OPEN}{CLOSE}]")
_Event = TypeVar("_Event")


class UnknownSecretError(LookupError):
    """A run uses a secret that this process does not have."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def placeholder(name: str) -> str:
    """What stands for the secret called `name`."""
    return f"{OPEN}{name.lower()}{CLOSE}"


def variable(name: str) -> str:
    """The environment's name of the secret called `name`."""
    return f"ORCHESTRATOR_SECRETS__{name.upper()}"


def is_placeholder(value: Any) -> bool:
    """Whether the value is one secret and nothing besides."""
    return isinstance(value, str) and _MARKED.fullmatch(value) is not None


def marked(value: Any) -> bool:
    """Whether a secret, or a part of its mark, stands in the value: a text, or lists and mappings of texts."""
    match value:
        case str():
            return OPEN in value or CLOSE in value
        case Mapping():
            return any(marked(key) or marked(item) for key, item in value.items())
        case list() | tuple():
            return any(map(marked, value))
        case _:
            return False


def names_in(value: Any) -> frozenset[str]:
    """The secrets that stand in the value."""
    match value:
        case str():
            return frozenset(_MARKED.findall(value)) if OPEN in value else frozenset()
        case Mapping():
            return frozenset().union(*map(names_in, value.values()))
        case list() | tuple():
            return frozenset().union(*map(names_in, value))
        case _:
            return frozenset()


def shown(text: str) -> str:
    """The text for people: `«token»` where the secret called token stands."""
    return _MARKED.sub(r"«\1»", text) if OPEN in text else text


def displayed(value: Any) -> Any:
    """A copy of the value for people and other programs: outputs, journals, answers. As `shown`, for all texts in it."""
    match value:
        case str():
            return shown(value)
        case Mapping():
            return {displayed(key): displayed(item) for key, item in value.items()}
        case list() | tuple():
            return [displayed(item) for item in value]
        case _:
            return value


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """The value with the secrets themselves, by lower-case name. Raises UnknownSecretError."""
    match value:
        case str():
            return _MARKED.sub(lambda found: _value(found[1], values), value) if OPEN in value else value
        case Mapping():
            return {key: filled(item, values) for key, item in value.items()}
        case list() | tuple():
            return [filled(item, values) for item in value]
        case _:
            return value


def _value(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        raise UnknownSecretError(name)
    return values[name]


def spellings(value: str) -> frozenset[str]:
    """The ways in which other programs may write the text: as it is, in an address, in JSON, in Python."""
    ways = {value, quote(value), quote(value, safe=""), quote_plus(value), repr(value)[1:-1]}
    ways |= {json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    # A value with blanks around it may come back without them.
    return frozenset(way for way in {*ways, value.strip()} if len(way) >= LEAST_LENGTH)


class Mask:
    """Puts the names of some secrets back where their values stand."""

    def __init__(self, values: Mapping[str, str]) -> None:
        known = {way: name for name, value in values.items() for way in spellings(value)}
        # Longest first, lest one hides a part of another.
        longest = sorted(known, key=len, reverse=True)
        self._known = known
        self._pattern = re.compile("|".join(map(re.escape, longest))) if longest else None

    def text(self, text: str) -> str:
        """The text without values, and without marks: what comes from outside shall not pass for a secret."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: f"«{self._known[found[0]]}»", text)
        return _MARKS.sub("", shown(text)) if OPEN in text or CLOSE in text else text

    def data(self, value: Any) -> Any:
        """As `text`, for everything in lists, mappings and dataclasses."""
        match value:
            case str() if type(value) is str:
                return self.text(value)
            case str():  # a subclass says more than its text
                masked = self.text(value)
                return value if masked == value else type(value)(masked)
            case Mapping():
                return {self.data(key): self.data(item) for key, item in value.items()}
            case list() | tuple():
                return type(value)(map(self.data, value))
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return self.event(value)
            case _:
                return value

    def event(self, event: _Event) -> _Event:
        """A copy of a dataclass, such as an event of the journal."""
        changes = {
            field.name: self.data(getattr(event, field.name))
            for field in dataclasses.fields(event)  # type: ignore[arg-type]  # callers give dataclasses
            if field.init
        }
        return dataclasses.replace(event, **changes)  # type: ignore[type-var]  # as above
