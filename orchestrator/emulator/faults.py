"""Faults on purpose, seeded: what goes wrong, where, how often.

A decision depends on the seed, the rule and how many requests the rule has seen, on nothing else, so a plan plays the
same again, also across a restart.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from orchestrator.errors import UsageError
from orchestrator.metastudio.operations import OPERATIONS


class FaultPlanError(UsageError):
    """A fault plan cannot be read."""


class Fault(StrEnum):
    """What goes wrong."""

    #: Refused with `status` and `code`, nothing done.
    ERROR = "error"
    #: Refused as over the quota, nothing done.
    THROTTLE = "throttle"
    #: Answered `seconds` late.
    SLOW = "slow"
    #: Done, never answered.
    HANG = "hang"
    #: The connection is cut, nothing done.
    RESET_BEFORE = "reset_before"
    #: Done, then the connection is cut.
    RESET_AFTER = "reset_after"
    #: The connection is cut now and the work is done within `seconds` (a callback: sent that much later).
    LATE = "late"
    #: Done; the answer breaks off in the middle.
    TRUNCATE = "truncate"
    #: A proxy's HTML page with `status` (502) instead of an answer, nothing done.
    HTML = "html"
    #: Done; the answer is whole but no JSON, or of storage: its bytes are not those that were stored.
    MALFORMED = "malformed"
    #: Done; the answer is JSON whose values are all of another type.
    MISTYPED = "mistyped"
    #: The presigned URLs in the answer have expired already; of storage: refused as expired.
    EXPIRED_URL = "expired_url"
    #: The callback is never sent.
    LOST = "lost"
    #: The callback is sent twice.
    DOUBLE = "double"
    #: The callback goes behind the next one of its job; without a next one it is a minute late.
    REORDER = "reorder"
    #: A callback with a wrong signature and the opposite result goes ahead of the true one.
    FORGE = "forge"
    #: The job, review or parsing fails, with `code` where it has one.
    FAIL = "fail"
    #: The job never ends.
    STUCK = "stuck"


#: Covers every operation, neither storage nor callbacks nor outcomes.
ANY_OPERATION = "*"
CALLBACK = "callback"
VIDEO, LIVE, AVATAR, VOICE, SPEECH = "video", "live", "avatar", "voice", "speech"
REVIEW, PARSING = "review", "parsing"
STORAGE_PUT = "storage.put"
STORAGE_PART = "storage.part"
STORAGE_GET = "storage.get"

#: What may turn out badly long after the call that began it.
OUTCOMES = frozenset({VIDEO, LIVE, AVATAR, VOICE, SPEECH, REVIEW, PARSING})
_STORAGE = frozenset({STORAGE_PUT, STORAGE_PART, STORAGE_GET})
_CALLBACK_FAULTS = frozenset({Fault.LOST, Fault.LATE, Fault.DOUBLE, Fault.REORDER, Fault.FORGE})
_OUTCOME_FAULTS = frozenset({Fault.FAIL, Fault.STUCK})
_STORAGE_FAULTS = frozenset(
    {
        *(Fault.ERROR, Fault.THROTTLE, Fault.SLOW, Fault.HANG, Fault.RESET_BEFORE),
        *(Fault.RESET_AFTER, Fault.TRUNCATE, Fault.HTML, Fault.EXPIRED_URL),
    }
)
_CALL_FAULTS = _STORAGE_FAULTS | {Fault.LATE, Fault.MALFORMED, Fault.MISTYPED}
#: Every name that a rule may be on.
PLACES = (ANY_OPERATION, *OPERATIONS, *sorted(_STORAGE), CALLBACK, *sorted(OUTCOMES))


def allowed_faults(on: str) -> frozenset[Fault]:
    """What can go wrong there."""
    if on == CALLBACK:
        return _CALLBACK_FAULTS
    if on in OUTCOMES:
        return _OUTCOME_FAULTS
    if on == STORAGE_GET:
        return _STORAGE_FAULTS | {Fault.MALFORMED}
    return _STORAGE_FAULTS if on in _STORAGE else _CALL_FAULTS


class FaultRule(BaseModel):
    """One fault: where (`on`), what (`do`), and which of the requests it hits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: An operation, `*` for every operation, or storage.put, storage.part, storage.get, callback, or one of OUTCOMES.
    on: str = Field(min_length=1, max_length=100)
    do: Fault
    probability: float = Field(default=1.0, ge=0.0, le=1.0)
    #: Hits the nth request that the rule sees, counted from 1, and no other.
    nth: int | None = Field(default=None, ge=1)
    #: Hits each so-manieth request that the rule sees.
    every: int | None = Field(default=None, ge=1)
    #: Hits at most so many.
    count: int | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    code: str | None = Field(default=None, min_length=1, max_length=64)
    #: Seconds of delay for slow and late; not divided by the speed.
    seconds: float = Field(default=1.0, ge=0.0, le=86400.0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.on not in PLACES:
            near = get_close_matches(self.on, PLACES, 1)
            meant = f"; did you mean {near[0]}?" if near else "; see the list of operations"
            raise ValueError(f"nothing is called {self.on}{meant}")
        allowed = allowed_faults(self.on)
        if self.do not in allowed:
            raise ValueError(f"{self.do} does not apply to {self.on}; allowed: {', '.join(sorted(allowed))}")
        if self.nth is not None and self.every is not None:
            raise ValueError("nth and every exclude each other")
        return self


class FaultPlan(BaseModel):
    """The rules of a plan, tried in order; the first that hits wins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    rules: tuple[FaultRule, ...] = Field(default=(), max_length=1000)

    @classmethod
    def load(cls, path: Path) -> "FaultPlan":
        """The plan in a YAML or JSON file.

        Raises:
            FaultPlanError: the file cannot be read or holds no valid plan.
        """
        try:
            value = YAML(typ="rt", pure=True).load(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            raise FaultPlanError(f"{path}{_reason(error)}") from error
        try:
            return cls.model_validate({} if value is None else value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            line = _line(value, first["loc"])
            raise FaultPlanError(
                f"{path}:{line}: {explain(error)}", hint="See the fields of a fault rule."
            ) from error


@dataclass(frozen=True, slots=True)
class Hits:
    """How many requests a rule has seen and how many of them it hit."""

    seen: int = 0
    hit: int = 0


class Faults:
    """A plan being played."""

    def __init__(self, plan: FaultPlan, hits: tuple[Hits, ...] = ()) -> None:
        """`hits` go on where an earlier process stopped."""
        self.plan = plan
        self._hits = list(hits) + [Hits()] * (len(plan.rules) - len(hits))

    @property
    def hits(self) -> tuple[Hits, ...]:
        """The counters, a pair for each rule."""
        return tuple(self._hits)

    def next(self, on: str, *, operation: bool = False) -> FaultRule | None:
        """The rule that hits this request; `operation` tells that `*` covers it."""
        for index, rule in enumerate(self.plan.rules):
            if rule.on != on and not (operation and rule.on == ANY_OPERATION):
                continue
            before = self._hits[index]
            seen = before.seen + 1
            struck = self._strikes(index, rule, seen, before.hit)
            self._hits[index] = Hits(seen, before.hit + struck)
            if struck:
                return rule
        return None

    def _strikes(self, index: int, rule: FaultRule, seen: int, hit: int) -> bool:
        if rule.count is not None and hit >= rule.count:
            return False
        if (rule.nth is not None and seen != rule.nth) or (rule.every is not None and seen % rule.every):
            return False
        return self.chance(f"{index}/{seen}") < rule.probability

    def chance(self, what: str) -> float:
        """A number in [0, 1) that depends on the seed and on `what`."""
        digest = hashlib.blake2b(f"{self.plan.seed}/{what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64


def explain(error: ValidationError) -> str:
    """The mistakes of a validation in one line: field and reason of each, never the value."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = "; ".join(
        f"{'.'.join(str(part) for part in d['loc']) or 'body'}: {d['msg'].removeprefix('Value error, ')}"
        for d in details[:5]
    )
    return shown if len(details) <= 5 else f"{shown}; and {len(details) - 5} more"


def _reason(error: Exception) -> str:
    """Where in a file something is wrong, if that is known, and what, in one line."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f":{mark.line + 1}:{mark.column + 1}: {error.problem}"
    return f": {getattr(error, 'strerror', None) or ' '.join(str(error).split())}"


def _line(value: Any, where: Iterable[int | str]) -> int:
    """The line of the file, from 1, on which what `where` leads to begins, or the last on the way to it."""
    line = value.lc.line if isinstance(value, CommentedBase) else 0
    for part in where:
        if isinstance(value, CommentedMap) and part in value:
            line = value.lc.key(part)[0]
        elif isinstance(value, CommentedSeq) and isinstance(part, int):
            line = value.lc.item(part)[0]
        else:
            break
        value = value[part]
    return line + 1
