"""Regular expressions of interaction rules, tried in a time that grows with the text alone (reference table 6-21).

Python's own matching goes through every way to match, which for `^(a+)+$` is more than a lifetime holds; a rule must
not stop the emulator. Here all ways are followed at once: a pattern becomes a small program, and a text is read once,
with the set of places in that program that can be reached. The syntax is Python's, without what no such program can
do: references back, looking around, groups that don't give back.
"""

import re
import warnings
from dataclasses import dataclass, field
from functools import lru_cache

#: Longest text that a pattern is tried on.
MAX_MATCHED = 1000
#: Sets of characters in a pattern: Python takes milliseconds to prepare one.
_MAX_SETS = 30
_MAX_DEPTH = 20
#: Parts of a program besides those that are written in the pattern: what counted repetitions unfold to.
_MAX_UNFOLDED = 300
#: What was worked out before is forgotten when it has grown to so many.
_MAX_KNOWN = 256

#: A character, written as itself or not.
_ATOM = re.compile(
    r"[^\\]|\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|0[0-7]{0,2}|N\{[^}]*\}|[^0-9])", re.DOTALL
)
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?:|\?P<\w+>|\?([ims]+):|(?!\?))")
_FLAGS = re.compile(r"\(\?([ims]+)\)")
_REPEAT = re.compile(r"(?:([*+?])|\{(?!\})([0-9]*)(,?)([0-9]*)\})\??")
_SIGNS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_FLAG = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_PLACES = frozenset({"^", "$", r"\A", r"\Z", r"\b", r"\B"})

Places = frozenset[int]


class PatternError(ValueError):
    """A pattern is none, or one that isn't taken; the text tells why."""


@lru_cache(maxsize=64)
def pattern(text: str) -> "Pattern":
    """The pattern that `text` is.

    Raises:
        PatternError: it is none, or isn't taken.
    """
    if text.count("[") > _MAX_SETS:
        raise PatternError(f"more than {_MAX_SETS} sets of characters")
    try:
        _compile(text, re.NOFLAG)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(str(error) or "too large") from error
    return Pattern(_Reader(text).program())


@dataclass(frozen=True, slots=True)
class _Char:
    """Reads a character that fits."""

    fits: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Place:
    """Goes on only at a place of this kind: `number` counts the kinds of the pattern."""

    number: int


@dataclass(slots=True)
class _Fork:
    """Goes on at each of these."""

    to: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Program:
    """What is done one after the other; behind the last step the text is found."""

    steps: "list[_Step]"
    #: The kinds of places that steps ask for.
    kinds: list[re.Pattern[str]]


class Pattern:
    """A pattern that can be looked for."""

    def __init__(self, program: _Program) -> None:
        """`program` finds it."""
        self._steps, self._kinds = program.steps, program.kinds
        self._reached: dict[tuple[Places, tuple[bool, ...]], Places] = {}
        self._read: dict[tuple[Places, str], Places] = {}

    def found_in(self, text: str) -> bool:
        """Whether the beginning of `text`, as much as is looked at, holds what the pattern describes."""
        text = text[:MAX_MATCHED]
        at: Places = frozenset()
        for index in range(len(text) + 1):
            # It may begin anywhere.
            at = self._reach(at | {0}, tuple(kind.match(text, index) is not None for kind in self._kinds))
            if len(self._steps) in at:
                return True
            if index < len(text):
                at = self._after(at, text[index])
        return False

    def _reach(self, begin: Places, here: tuple[bool, ...]) -> Places:
        """Where one gets to without reading: the steps that read a character, and the end."""
        known = self._reached.get((begin, here))
        if known is not None:
            return known
        seen, todo, found = set(begin), list(begin), []
        while todo:
            at = todo.pop()
            step = self._steps[at] if at < len(self._steps) else None
            if step is None or isinstance(step, _Char):
                found.append(at)
                continue
            following = step.to if isinstance(step, _Fork) else [at + 1] if here[step.number] else []
            fresh = [one for one in following if one not in seen]
            seen.update(fresh)
            todo.extend(fresh)
        if len(self._reached) >= _MAX_KNOWN:
            self._reached.clear()
        return self._reached.setdefault((begin, here), frozenset(found))

    def _after(self, at: Places, char: str) -> Places:
        known = self._read.get((at, char))
        if known is not None:
            return known
        if len(self._read) >= _MAX_KNOWN:
            self._read.clear()
        steps = ((one, self._steps[one]) for one in at)
        read = (one + 1 for one, step in steps if isinstance(step, _Char) and step.fits.fullmatch(char))
        return self._read.setdefault((at, char), frozenset(read))


class _Reader:
    """Takes a pattern apart that Python takes."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._kinds: dict[tuple[str, int], _Place] = {}
        self._chars: dict[tuple[str, int], _Char] = {}

    def program(self) -> _Program:
        """What finds the pattern."""
        flags = 0
        while found := self._next(_FLAGS):
            flags |= _flags(found[1])
        writer = _Writer(_MAX_UNFOLDED + 4 * len(self._text))
        writer.write(self._alternatives(flags, 0))
        return _Program(writer.steps, [_compile(place, flags) for place, flags in self._kinds])

    def _alternatives(self, flags: int, depth: int) -> "_Either":
        """Reads up to the end of the group, or of all."""
        if depth > _MAX_DEPTH:
            raise PatternError("groups within groups within groups")
        rows: list[list[_Node]] = [[]]
        while self._at < len(self._text) and self._text[self._at] != ")":
            if self._text[self._at] == "|":
                self._at += 1
                rows.append([])
            else:
                rows[-1].append(self._repeated(self._item(flags, depth)))
        return _Either(rows)

    def _item(self, flags: int, depth: int) -> "_Node":
        if self._text[self._at] == "(":
            group = self._next(_GROUP)
            if group is None:
                raise PatternError(f"{self._text[self._at : self._at + 4]} is not taken in patterns")
            node = self._alternatives(flags | _flags(group[1] or ""), depth + 1)
            self._at += 1
            return node
        found = self._next(_SET) if self._text[self._at] == "[" else self._next(_ATOM)
        if found is None:
            raise PatternError("references by number are not taken in patterns")
        key = (found[0], flags)
        if found[0] in _PLACES:
            return self._kinds.setdefault(key, _Place(len(self._kinds)))
        if key not in self._chars:
            plain = found[0] if found[0] == "." or len(found[0]) > 1 else re.escape(found[0])
            self._chars[key] = _Char(_compile(plain, flags))
        return self._chars[key]

    def _repeated(self, node: "_Node") -> "_Node":
        found = self._next(_REPEAT)
        if found is None:
            return node
        if self._text.startswith("+", self._at):
            raise PatternError("repetitions that don't give back are not taken in patterns")
        if found[1]:
            return _Times(node, *_SIGNS[found[1]])
        low = int(found[2] or 0)
        exact = None if found[3] else low
        return _Times(node, low, int(found[4]) if found[4] else exact)

    def _next(self, wanted: re.Pattern[str]) -> re.Match[str] | None:
        found = wanted.match(self._text, self._at)
        self._at = self._at if found is None else found.end()
        return found


class _Writer:
    """Writes a program; counted repetitions are written out."""

    def __init__(self, most: int) -> None:
        """Writes no more than so many parts."""
        self.steps: list[_Step] = []
        self._left = most

    def write(self, node: "_Node") -> None:
        """Adds what finds the part of a pattern."""
        self._left -= 1
        if self._left < 0:
            raise PatternError("it repeats too much")
        match node:
            case _Either():
                self._write_either(node.rows)
            case _Times():
                self._write_times(node)
            case _:
                self.steps.append(node)

    def _write_either(self, rows: "list[list[_Node]]") -> None:
        fork = self._fork()
        ends = []
        for row in rows:
            fork.to.append(len(self.steps))
            for node in row:
                self.write(node)
            ends.append(self._fork())
        for end in ends:
            end.to.append(len(self.steps))

    def _write_times(self, times: "_Times") -> None:
        for _ in range(times.low):
            self.write(times.node)
        if times.high is None:
            again = len(self.steps)
            fork = self._fork()
            fork.to.append(len(self.steps))
            self.write(times.node)
            self._fork().to.append(again)
            fork.to.append(len(self.steps))
            return
        skips = []
        for _ in range(times.high - times.low):
            skips.append(self._fork())
            skips[-1].to.append(len(self.steps))
            self.write(times.node)
        for skip in skips:
            skip.to.append(len(self.steps))

    def _fork(self) -> _Fork:
        fork = _Fork()
        self.steps.append(fork)
        return fork


@dataclass(frozen=True, slots=True)
class _Either:
    """One of these sequences."""

    rows: "list[list[_Node]]"


@dataclass(frozen=True, slots=True)
class _Times:
    """Something so many times; `high` None: any more."""

    node: "_Node"
    low: int
    high: int | None


_Step = _Char | _Place | _Fork
_Node = _Char | _Place | _Either | _Times


def _flags(letters: str) -> int:
    return sum(_FLAG[letter] for letter in set(letters))


def _compile(text: str, flags: int) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # What may come to mean something else in a later Python concerns its author alone.
        warnings.simplefilter("ignore")
        return re.compile(text, flags)
