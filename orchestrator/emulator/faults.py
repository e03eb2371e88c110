"""Faults on purpose, seeded: what goes wrong, where, how often.

A decision depends on the seed, the rule and how many requests the rule has seen, on nothing else, so a plan plays the
same again, also across a restart.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from orchestrator.errors import UsageError


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
    #: The presigned URLs in the answer have expired already.
    EXPIRED_URL = "expired_url"
    #: The callback is never sent.
    LOST = "lost"
    #: The callback is sent twice.
    DOUBLE = "double"
    #: A callback with a wrong signature and the opposite result goes ahead of the true one.
    FORGE = "forge"
    #: The video job ends as FAILED with `code`.
    FAIL = "fail"


CALLBACK = "callback"
VIDEO = "video"
STORAGE_PUT = "storage.put"
STORAGE_PART = "storage.part"
STORAGE_GET = "storage.get"

_STORAGE = frozenset({STORAGE_PUT, STORAGE_PART, STORAGE_GET})
_CALLBACK_FAULTS = frozenset({Fault.LOST, Fault.LATE, Fault.DOUBLE, Fault.FORGE})
_STORAGE_FAULTS = frozenset(
    {
        *(Fault.ERROR, Fault.THROTTLE, Fault.SLOW, Fault.HANG, Fault.RESET_BEFORE),
        *(Fault.RESET_AFTER, Fault.TRUNCATE, Fault.HTML),
    }
)
_CALL_FAULTS = (_STORAGE_FAULTS | {Fault.LATE, Fault.EXPIRED_URL}) - _CALLBACK_FAULTS | {Fault.LATE}


class FaultRule(BaseModel):
    """One fault: where (`on`), what (`do`), and which of the requests it hits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: An operation, `*` for every operation, or storage.put, storage.part, storage.get, callback, video.
    on: str = Field(min_length=1, max_length=100)
    do: Fault
    probability: float = Field(default=1.0, ge=0.0, le=1.0)
    #: Hits the nth request that the rule sees, counted from 1, and no other.
    nth: int | None = Field(default=None, ge=1)
    #: Hits at most so many.
    count: int | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    code: str | None = Field(default=None, min_length=1, max_length=64)
    #: Seconds of delay for slow and late; not divided by the speed.
    seconds: float = Field(default=1.0, ge=0.0, le=86400.0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.on == CALLBACK:
            allowed = _CALLBACK_FAULTS
        elif self.on == VIDEO:
            allowed = frozenset({Fault.FAIL})
        else:
            allowed = _STORAGE_FAULTS if self.on in _STORAGE else _CALL_FAULTS
        if self.do not in allowed:
            raise ValueError(f"{self.do} does not apply to {self.on}; allowed: {', '.join(sorted(allowed))}")
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
            value = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
            return cls.model_validate(value or {})
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            raise FaultPlanError(f"{path}: {error}") from error
        except ValidationError as error:
            raise FaultPlanError(
                f"{path}: {explain(error)}", hint="See the fields of a fault rule."
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
            if rule.on != on and not (operation and rule.on == "*"):
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
        if rule.nth is not None and seen != rule.nth:
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
        f"{'.'.join(str(part) for part in d['loc']) or 'body'}: {d['msg']}" for d in details[:5]
    )
    return shown if len(details) <= 5 else f"{shown}; and {len(details) - 5} more"
