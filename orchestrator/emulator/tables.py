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
        #: In the order in which they were made, so that they are kept in it.
        self._changed: dict[str, None] = {}
        #: Records that were kept and are gone, or were and are here again, at the end of the table.
        self._gone: dict[str, None] = {}
        #: Another one after every change, so that what was worked out of the records can be kept.
        self.version = 0

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> R | None:
        """The record, or None."""
        return self._rows.get(key)

    def put(self, record: R) -> R:
        """Adds the record, or replaces the one of its id."""
        if record.id not in self._rows:
            self._changed.pop(record.id, None)
        self._rows[record.id] = record
        self._changed[record.id] = None
        self.version += 1
        if self._on_put is not None:
            self._on_put(record)
        return record

    def drop(self, key: str) -> None:
        """Removes a record."""
        if self._rows.pop(key, None) is not None:
            self._changed.pop(key, None)
            self._gone[key] = None
            self.version += 1

    def clear(self) -> None:
        """Removes all records."""
        for key in list(self._rows):
            self.drop(key)

    def load(self, body: bytes) -> None:
        """Takes a kept record in, as unchanged."""
        record = self._adapter.validate_json(body)
        self._rows[record.id] = record
        self.version += 1

    def changes(self) -> Iterator[Change]:
        """What changed and isn't kept yet: first what is gone, then what is there, in the order of its making."""
        for key in self._gone:
            yield self.kind, key, None
        for key in self._changed:
            yield self.kind, key, self._adapter.dump_json(self._rows[key])

    def kept(self) -> None:
        """Everything that changed is kept now."""
        self._changed.clear()
        self._gone.clear()

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
