"""Tables of records: what the emulated world keeps, and what in it changes by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from orchestrator.emulator.behaviours.base import Moment


class Record(Protocol):
    """A row of a table."""

    @property
    def id(self) -> str:
        """The key."""


R = TypeVar("R", bound=Record)

#: Kind, id, and the JSON of the record or None for one that is gone.
Change = tuple[str, str, bytes | None]


class Table(Generic[R]):
    """Records of one kind by id, in the order of their making, and which of them changed."""

    def __init__(self, kind: str, record: type[R], on_put: Callable[[R], None] | None = None) -> None:
        """`kind` names the table where it is kept; `on_put` hears of every record that is put."""
        self.kind = kind
        self._on_put = on_put
        self._record = record
        self._rows: dict[str, R] = {}
        self._changed: set[str] = set()

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> R | None:
        """The record, or None."""
        return self._rows.get(key)

    def put(self, record: R) -> R:
        """Adds the record, or replaces the one of its id."""
        self._rows[record.id] = record
        self._changed.add(record.id)
        if self._on_put is not None:
            self._on_put(record)
        return record

    def drop(self, key: str) -> None:
        """Removes a record."""
        if self._rows.pop(key, None) is not None:
            self._changed.add(key)

    def clear(self) -> None:
        """Removes all records."""
        for key in list(self._rows):
            self.drop(key)

    def load(self, body: bytes) -> None:
        """Takes a kept record in, as unchanged."""
        record = self._adapter.validate_json(body)
        self._rows[record.id] = record

    def take_changes(self) -> Iterator[Change]:
        """What changed since the last time."""
        for key in self._changed:
            row = self._rows.get(key)
            yield self.kind, key, None if row is None else self._adapter.dump_json(row)
        self._changed = set()

    @property
    def _adapter(self) -> TypeAdapter[R]:
        return _adapter_of(self._record)


@cache
def _adapter_of(record: type[R]) -> TypeAdapter[R]:
    """Reads and writes records as JSON; making one takes milliseconds, so it is made when it is needed, and once."""
    return TypeAdapter(record)


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A kind of record that a category of the API brings along; its table is `world[kind]`."""

    #: Names the table where it is kept.
    name: str
    record: type[R]
    #: When a record changes by itself next; None: only by a call.
    due_at: Callable[[R], datetime | None] | None = None
    #: Lets the change happen by putting the changed record; the moment's time is the one it was due at.
    on_due: Callable[[Moment, R], None] | None = None


AnyKind = Kind[Any]
