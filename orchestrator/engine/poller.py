"""Finds what no callback told: asks in batches, rarely at first often enough, with quota that nobody else wants."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from orchestrator.errors import OrchestratorError
from orchestrator.steps.base import StepKind, Surroundings
from orchestrator.store.base import Store, Wait

_BATCH = 100

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """Seconds after which a wait is polled first, and the longest pause between two polls (it doubles)."""

    first_s: float = 15.0
    max_s: float = 300.0

    def next_at(self, polls: int, now: datetime) -> datetime:
        """When to poll again after `polls` fruitless polls."""
        return now + timedelta(seconds=min(self.first_s * 2.0 ** min(polls, 30), self.max_s))


class Poller:
    """One task for all waits; what is waited for lives in the store."""

    def __init__(
        self,
        store: Store,
        kinds: Mapping[str, StepKind[Any]],
        around: Surroundings,
        *,
        policy: PollPolicy,
        clock: Callable[[], datetime],
        found: Callable[[RunId, ev.PollFound], Awaitable[None]],
    ) -> None:
        """`found` journals what the poller saw."""
        self._store, self._kinds, self._around = store, kinds, around
        self._policy, self._clock, self._found = policy, clock, found
        self._changed = asyncio.Event()

    def notice(self) -> None:
        """A wait was added or is to be polled earlier."""
        self._changed.set()

    async def run(self) -> None:
        """Poll until cancelled. A failed poll is tried later; it never fails a job."""
        while True:
            self._changed.clear()
            next_at = await self._store.next_poll_at()
            delay_s = None if next_at is None else (next_at - self._clock()).total_seconds()
            if delay_s is None or delay_s > 0:
                try:
                    async with asyncio.timeout(delay_s):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                else:
                    continue
            await self._poll_due()

    async def _poll_due(self) -> None:
        waits = await self._store.due_waits(self._clock(), _BATCH)
        for kind_name, group in groupby(
            sorted(waits, key=lambda wait: wait.kind), key=lambda wait: wait.kind
        ):
            batch = list(group)
            over: Mapping[str, str] = {}
            try:
                if (kind := self._kinds.get(kind_name)) is not None:
                    over = await kind.poll(self._around, batch)
            except OrchestratorError as error:
                log.warning("poll failed", kind=kind_name, waits=len(batch), error=error.message)
            except Exception:  # a defect in one kind must not end the polling of all others
                log.exception("step kind failed unexpectedly", kind=kind_name)
            # Postponed also when found: should the hint not end the wait, it is polled again.
            now = self._clock()
            await self._store.postpone([self._postponed(wait, now) for wait in batch])
            for wait in batch:
                if wait.correlation in over:
                    await self._found(wait.run_id, ev.PollFound(wait.correlation, over[wait.correlation]))

    def _postponed(self, wait: Wait, now: datetime) -> Wait:
        return replace(wait, polls=wait.polls + 1, poll_at=self._policy.next_at(wait.polls + 1, now))
