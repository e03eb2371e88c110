"""Finds what no callback told, with quota that nobody else wants.

Two ways of asking, because the first costs as much as has ended, however much waits, and the second misses nothing:

- a sweep asks a kind's list for all that ended since the last sweep, and looks up who waits for it;
- a look asks for some waits by themselves, each on its own schedule, and paced over all of them.

A failed one is made later. What is found is a hint: the step asks the API before it believes it.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import structlog

from orchestrator.domain import events as ev
from orchestrator.domain.ids import RunId
from orchestrator.errors import OrchestratorError
from orchestrator.steps.base import Ended, StepKind, Surroundings
from orchestrator.store.base import Store, StoreError, Wait, WaitLine

#: Ended things that are matched with waits at once: a page of the API's lists.
_PAGE = 100
#: Waits that one look is about, and how far apart they may have begun.
_MOST_WAITS = 1000
_WITHIN_S = 3600.0
#: Waits that are looked at in a second: the schedules of 100,000 add up to no more than this.
_LOOKS_PER_S = 5.0
#: Between two looks, so that waits that are due one after the other are asked for together.
_GAP_S = 5.0
#: What ended may come onto the list so much later. The first sweep allows for clocks that differ, too.
_LAG = timedelta(minutes=1)
_SKEW = timedelta(minutes=5)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """Seconds after which a wait is polled first, and the longest pause between two polls (it doubles)."""

    first_s: float = 15.0
    max_s: float = 300.0

    def next_at(self, polls: int, now: datetime) -> datetime:
        """When to poll again after `polls` fruitless polls."""
        return now + timedelta(seconds=self.pause_s(polls))

    def pause_s(self, times: int) -> float:
        """The pause after `times` times in vain."""
        return min(self.first_s * 2.0 ** min(times, 30), self.max_s)

    def together_at(self, polls: int, now: datetime) -> datetime:
        """As `next_at`, or up to half of the pause sooner: at a time that others share, to be asked for with them."""
        step_s = self.pause_s(polls) / 2
        at_s = now.timestamp() + self.pause_s(polls)
        return datetime.fromtimestamp(math.floor(at_s / step_s) * step_s, UTC)

    @property
    def gap_s(self) -> float:
        """Between two calls for the same, at least."""
        return min(_GAP_S, self.first_s / 3)


@dataclass(slots=True)
class _Line:
    """How the polling of one kind goes."""

    sweep_at: datetime
    pause_s: float
    #: No look before.
    look_from: datetime
    #: All that ended by then, by the API's clock, has been seen.
    covered: datetime | None = None
    #: What ended after that or shortly before, and was told already.
    told: dict[str, datetime] = field(default_factory=dict)
    #: Waits that the next look is about at most: fewer after a failure, so that a bad one stands alone in the end.
    size: int = _MOST_WAITS
    failed_sweeps: int = 0
    failed_looks: int = 0


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
        self._lines: dict[str, _Line] = {}
        self._noticed = asyncio.Event()
        self._hurried = False

    def notice(self, *, hurried: bool = False) -> None:
        """A wait was added; `hurried`: or there is reason to think that one is over."""
        self._hurried |= hurried
        self._noticed.set()

    async def run(self) -> None:
        """Poll until cancelled. A failed poll is tried later; it never fails a job. Raises StoreError."""
        while True:
            if self._noticed.is_set():
                self._noticed.clear()
                self._bring_forward()
            next_at = await self._round()
            delay_s = None if next_at is None else (next_at - self._clock()).total_seconds()
            if delay_s is None or delay_s > 0:
                await self._pause(delay_s)

    async def _pause(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._noticed.wait()
        except TimeoutError:
            return
        # Nothing new is due at once, and whatever else is noticed now is part of the same round.
        await asyncio.sleep(self._policy.gap_s / 5)

    def _bring_forward(self) -> None:
        within_s = self._policy.gap_s if self._hurried else self._policy.first_s
        self._hurried = False
        for line in self._lines.values():
            line.pause_s = self._policy.first_s
            if not line.failed_sweeps:
                line.sweep_at = min(line.sweep_at, self._in(within_s))

    async def _round(self) -> datetime | None:
        """Ask for all that is due; when to do so again, None: nothing waits."""
        lines = {line.kind: line for line in await self._store.wait_lines() if line.kind in self._kinds}
        self._lines = {kind: line for kind, line in self._lines.items() if kind in lines}
        return min([await self._serve(line) for line in lines.values()], default=None)

    async def _serve(self, waits: WaitLine) -> datetime:
        kind, now = self._kinds[waits.kind], self._clock()
        line = self._lines.get(waits.kind)
        if line is None:
            first_s = self._policy.first_s
            line = _Line(sweep_at=waits.since_at + timedelta(seconds=first_s), pause_s=first_s, look_from=now)
            self._lines[waits.kind] = line
        if kind.sweeps and line.sweep_at <= now:
            await self._sweep(kind, line, waits)
        look_at = max(waits.poll_at, line.look_from)
        if look_at <= now:
            await self._look(kind, line)
            look_at = line.look_from  # only then is it known what is due next
        return min(look_at, line.sweep_at) if kind.sweeps else look_at

    # Sweeps

    async def _sweep(self, kind: StepKind[Any], line: _Line, waits: WaitLine) -> None:
        since = waits.since_at - _SKEW if line.covered is None else line.covered - _LAG
        newest, told = line.covered, 0
        page: dict[str, Ended] = {}
        try:
            async for ended in kind.sweep(self._around, since):
                newest = ended.at if newest is None else max(newest, ended.at)
                page.setdefault(ended.correlation, ended)
                if len(page) == _PAGE:
                    told += await self._match(kind, line, page)
                    page = {}
            told += await self._match(kind, line, page)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect in one kind must not end the polling of all others
            line.failed_sweeps += 1
            line.sweep_at = self._after_failure(kind, "sweep", line.failed_sweeps, error)
            return
        if newest is not None:
            # A time to come, by a wrong clock, must not make us blind for what ends until then.
            line.covered = min(newest, self._clock())
            line.told = {id_: at for id_, at in line.told.items() if at >= line.covered - _LAG}
        line.failed_sweeps = 0
        line.pause_s = self._policy.first_s if told else min(2 * line.pause_s, self._policy.max_s)
        line.sweep_at = self._in(line.pause_s)

    async def _match(self, kind: StepKind[Any], line: _Line, page: Mapping[str, Ended]) -> int:
        """Tell those who wait for what ended, unless that has been done; how many those are."""
        fresh = [correlation for correlation in page if correlation not in line.told]
        waits = await self._store.waits_by_correlation(kind.name, fresh) if fresh else []
        line.told.update({wait.correlation: page[wait.correlation].at for wait in waits})
        await self._tell([(wait, page[wait.correlation].result) for wait in waits])
        return len(waits)

    # Looks

    async def _look(self, kind: StepKind[Any], line: _Line) -> None:
        waits = await self._store.due_waits(
            kind.name, self._clock(), within_s=_WITHIN_S, limit=min(line.size, _MOST_WAITS)
        )
        line.look_from = self._in(max(self._policy.gap_s, len(waits) / _LOOKS_PER_S))
        if not waits:
            return
        try:
            over = await kind.poll(self._around, waits)
            found = [(wait, over[wait.correlation]) for wait in waits if wait.correlation in over]
        except Exception as error:  # noqa: BLE001 - as in `_sweep`
            line.failed_looks += 1
            line.look_from = self._after_failure(kind, "look", line.failed_looks, error)
            line.size = max(1, len(waits) // 2)
            if len(waits) == 1:
                await self._postpone(waits)
            return
        line.failed_looks, line.size = 0, min(2 * line.size, _MOST_WAITS)
        # Also when found: should the hint not end the wait, it is looked at again.
        await self._postpone(waits)
        await self._tell(found)

    async def _postpone(self, waits: Sequence[Wait]) -> None:
        now = self._clock()
        await self._store.postpone(
            [
                replace(wait, polls=wait.polls + 1, poll_at=self._policy.together_at(wait.polls + 1, now))
                for wait in waits
            ]
        )

    # What both share

    async def _tell(self, found: Sequence[tuple[Wait, str]]) -> None:
        """All at once, so that they share a write. A run that cannot take it keeps nobody else from it."""
        told = [self._found(wait.run_id, ev.PollFound(wait.correlation, result)) for wait, result in found]
        for (wait, _), outcome in zip(
            found, await asyncio.gather(*told, return_exceptions=True), strict=True
        ):
            if isinstance(outcome, StoreError):
                raise outcome
            if isinstance(outcome, BaseException):
                log.warning("a run does not take what was found", run=wait.run_id, error=str(outcome))

    def _after_failure(self, kind: StepKind[Any], what: str, failures: int, error: Exception) -> datetime:
        """When to try again: doubling, between half of the pause and all of it."""
        if isinstance(error, OrchestratorError):
            log.warning("poll failed", kind=kind.name, way=what, error=error.message)
        else:
            log.error("step kind failed unexpectedly", kind=kind.name, way=what, exc_info=error)
        # From the time, so that the same history takes the same course.
        chance = Random(f"{kind.name}/{what}/{self._clock().timestamp()}").random()  # noqa: S311 - spreads callers, guards no secret
        return self._in(self._policy.pause_s(failures) * (0.5 + 0.5 * chance))

    def _in(self, seconds: float) -> datetime:
        return self._clock() + timedelta(seconds=seconds)
