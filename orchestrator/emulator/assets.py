"""The table of assets, which knows their order: a page of a hundred thousand costs what the page costs."""

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.emulator.records import Asset, AssetState
from orchestrator.emulator.tables import Table

_Place = tuple[datetime, int, str]


class Assets(Table[Asset]):
    """Assets by id and by the time of their making; what is deleted for good stays in the table but has no place."""

    def __init__(self) -> None:
        """An empty table."""
        super().__init__("asset", Asset)
        self._places: list[_Place] = []
        #: Loaded assets are put in order when that is first asked for.
        self._unsorted = False
        self._serials = 0
        self._selected: tuple[Hashable, int, Sequence[Asset]] | None = None

    def put(self, record: Asset) -> Asset:
        """Adds the asset, or replaces the one of its id, which keeps its place."""
        before = self.get(record.id)
        if before is None:
            self._serials += 1
        kept = replace(record, serial=self._serials if before is None else before.serial)
        if _place(before) != _place(kept):
            self._displace(_place(before))
            self._put_in_place(_place(kept))
        return super().put(kept)

    def drop(self, key: str) -> None:
        """Removes an asset."""
        self._displace(_place(self.get(key)))
        super().drop(key)

    def clear(self) -> None:
        """Removes all assets."""
        self._places.clear()
        super().clear()

    def load(self, body: bytes) -> None:
        """Takes a kept asset in, as unchanged."""
        record = self._adapter.validate_json(body)
        self._rows[record.id] = record
        self._serials = max(self._serials, record.serial)
        self.version += 1
        place = _place(record)
        if place is not None:
            self._places.append(place)
            self._unsorted = True

    @property
    def placed(self) -> int:
        """How many assets there are, deleted ones left out."""
        return len(self._places)

    def stretch(self, start: int, stop: int, *, newest_first: bool = False) -> list[Asset]:
        """Assets from `start` to before `stop` in the order of their making, deleted ones left out."""
        if newest_first:
            start, stop = max(0, self.placed - stop), max(0, self.placed - start)
        rows = [self._rows[key] for _, _, key in self._ordered()[start:stop]]
        return rows[::-1] if newest_first else rows

    def selected(self, what: Hashable, select: Callable[[], Sequence[Asset]]) -> Sequence[Asset]:
        """What `select` gives; asked again for the same `what` before any asset changed, it isn't called again.

        A client that walks through the pages of a filtered list has the filter run once.
        """
        kept = self._selected
        if kept is None or kept[:2] != (what, self.version):
            kept = (what, self.version, select())
            self._selected = kept
        return kept[2]

    def _ordered(self) -> list[_Place]:
        if self._unsorted:
            self._places.sort()
            self._unsorted = False
        return self._places

    def _put_in_place(self, place: _Place | None) -> None:
        if place is not None:
            # Nearly always the newest, which is appended.
            insort(self._ordered(), place)

    def _displace(self, place: _Place | None) -> None:
        if place is None:
            return
        places = self._ordered()
        index = bisect_left(places, place)
        if index < len(places) and places[index] == place:
            del places[index]


def _place(asset: Asset | None) -> _Place | None:
    if asset is None or asset.state is AssetState.DELETED:
        return None
    return asset.created_at, asset.serial, asset.id
