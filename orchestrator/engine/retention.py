"""Forgets finished runs once they are old enough."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from orchestrator.store.base import Store, StoreError

#: Seconds between two rounds.
_EVERY_S = 3600.0
#: Runs looked at in one transaction: a few milliseconds in which nobody else writes.
_AT_ONCE = 100

log = structlog.get_logger(__name__)


async def forget(store: Store, before: datetime) -> int:
    """Forget every run that was over by `before` and that nobody needs any more; how many those were.

    As `Store.prune`, to its end: a run that goes frees its child runs for the next round. Raises StoreError.
    """
    total = 0
    while forgotten := await _round(store, before):
        total += forgotten
    return total


async def _round(store: Store, before: datetime) -> int:
    forgotten, after = 0, None
    while True:
        found = await store.prune(before, after=after, limit=_AT_ONCE)
        forgotten, after = forgotten + found.runs, found.after
        if after is None:
            return forgotten


class Retention:
    """Keeps finished runs for a time and no longer, as long as `run` runs."""

    def __init__(self, store: Store, keep: timedelta, *, clock: Callable[[], datetime]) -> None:
        """`keep`: how long a run is kept after its end."""
        self._store, self._keep, self._clock = store, keep, clock

    async def run(self) -> None:
        """One round at once, then one an hour, until cancelled."""
        while True:
            try:
                forgotten = await forget(self._store, self._clock() - self._keep)
            except StoreError as error:
                # Whether work can go on without the state is for those to say who do the work.
                log.warning("finished runs could not be forgotten", error=error.message)
            else:
                if forgotten:
                    log.info("finished runs forgotten", runs=forgotten, kept_s=self._keep.total_seconds())
            await asyncio.sleep(_EVERY_S)
