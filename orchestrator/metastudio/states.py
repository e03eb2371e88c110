"""The states that the API's things go through: which are final, and which moves the reference tells of.

Read from `spec/states.yaml` when first asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from orchestrator.domain.nearest import did_you_mean
from orchestrator.errors import UsageError


class Kind(StrEnum):
    """What the values of a machine are."""

    STATE = "state"
    #: Why something failed.
    CAUSE = "cause"
    #: `true` or `false` instead of states.
    BOOLEAN = "boolean"
    #: How an action ended.
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class State:
    """One value of a state field."""

    name: str
    meaning: str
    #: No further change is expected by itself; a user's action may still bring one.
    terminal: bool
    #: The reference doesn't say so in words.
    terminal_inferred: bool = False
    #: `user` or `admin`: nothing goes on until they act. Empty: it goes on by itself.
    waits_for: str = ""
    #: Who brings it about, where that is neither the service's work nor a user's call; else empty.
    by: str = ""
    #: What a user may do in it.
    settable: bool = False
    cancellable: bool = False
    deletable: bool = False
    updatable: bool = False
    #: Only the things of NA users, a class of customers, get there.
    na_users_only: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A change of state that the reference tells of."""

    #: What brings it about.
    by: str
    #: From any of these; None: from any state that isn't named a target.
    sources: frozenset[str] | None = None
    #: To one of these; None: the reference doesn't say where it leads.
    targets: frozenset[str] | None = None
    #: Error codes when the state doesn't allow it.
    error_codes: tuple[str, ...] = ()
    #: The reference doesn't say so in words.
    inferred: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class StateMachine:
    """All that is known of one kind of thing."""

    name: str
    kind: Kind
    #: `Model.field`: where the state is found.
    fields: tuple[str, ...]
    #: Tables or sections of the reference.
    source: str
    #: None where the reference names no beginning.
    initial: str | None
    states: Mapping[str, State]
    moves: tuple[Move, ...]
    note: str = ""

    @property
    def terminal(self) -> frozenset[str]:
        """States from which no further change is expected by itself."""
        return frozenset(name for name, state in self.states.items() if state.terminal)

    def is_terminal(self, state: str) -> bool:
        """Whether to stop watching. A state that isn't known is no end: the service is ahead of its reference."""
        return state in self.states and self.states[state].terminal

    def moves_from(self, state: str) -> tuple[Move, ...]:
        """The moves that the reference tells of for something in `state`; those out of any state are among them."""
        return tuple(
            move
            for move in self.moves
            if (state not in (move.targets or ()) if move.sources is None else state in move.sources)
        )

    def tells_of(self, source: str, target: str) -> bool:
        """Whether the reference tells of a move from `source` to `target`. It doesn't tell of all there are."""
        return source != target and any(target in (move.targets or ()) for move in self.moves_from(source))


@cache
def machines() -> Mapping[str, StateMachine]:
    """Every machine by name."""
    text = files("orchestrator.metastudio").joinpath("spec", "states.yaml").read_text("utf-8")
    document = YAML(typ="safe", pure=True).load(text)
    return MappingProxyType({name: _machine(name, facts) for name, facts in document["machines"].items()})


def machine(name: str) -> StateMachine:
    """The machine `name`, such as `video_job`. Raises UsageError when there is none."""
    if name not in machines():
        near = did_you_mean(name, machines())
        raise UsageError(f"There are no states of {name!r}.", hint=near[:1].upper() + near[1:])
    return machines()[name]


def machine_of(field: str) -> StateMachine | None:
    """The machine of a model's field, such as `DigitalHumanVideo.state`; None for a field without one."""
    return next((one for one in machines().values() if field in one.fields), None)


def _machine(name: str, facts: Mapping[str, Any]) -> StateMachine:
    return StateMachine(
        name=name,
        kind=Kind(facts.get("kind", "state")),
        fields=tuple(facts["field"]),
        source=str(facts["source"]),
        initial=facts.get("initial"),
        states=MappingProxyType({key: _state(key, value) for key, value in facts["states"].items()}),
        moves=tuple(_move(one) for one in facts.get("transitions", ())),
        note=facts.get("note", ""),
    )


def _state(name: str, facts: Mapping[str, Any]) -> State:
    return State(
        name=name,
        meaning=facts["meaning"],
        terminal=facts["terminal"],
        terminal_inferred="terminal" in facts.get("inferred", ()),
        waits_for=facts.get("waits_for", ""),
        by=facts.get("by", ""),
        settable=facts.get("user_settable", False),
        cancellable=facts.get("cancellable", False),
        deletable=facts.get("deletable", False),
        updatable=facts.get("updatable", False),
        na_users_only=facts.get("na_users_only", False),
    )


def _move(facts: Mapping[str, Any]) -> Move:
    return Move(
        by=facts["by"],
        sources=frozenset(facts["from"]) if "from" in facts else None,
        targets=frozenset(facts["to"]) if "to" in facts else None,
        error_codes=tuple(facts.get("else_error", "").replace(" or ", " ").split()),
        inferred=facts.get("inferred", False),
        note=facts.get("note", ""),
    )
