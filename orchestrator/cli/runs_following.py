"""What happens to a run and to the runs of its rows, as it happens: told by a daemon, or read from the state again and again."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from orchestrator.cli import output
from orchestrator.cli.daemon_client import DaemonClient
from orchestrator.cli.history import all_runs
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunStatus
from orchestrator.engine.control import unknown
from orchestrator.errors import UnreachableError
from orchestrator.server.reads import EventView, RunDetail, RunQuery, RunReader

#: Pause before the state is read again, where nobody tells that something happened.
LOOK_AGAIN_S = 0.5
#: A daemon that was started anew is there again after so many tries.
_TRIES = 20


class Following:
    """Follows one run. Where no daemon tells what happens, the state is read again and again."""

    def __init__(
        self,
        reads: RunReader,
        daemon: DaemonClient | None,
        run_id: RunId,
        *,
        look_again_s: float = LOOK_AGAIN_S,
    ) -> None:
        self._reads, self._daemon, self._run_id = reads, daemon, run_id
        self._look_again_s = look_again_s
        #: Names of the run and of its rows' runs.
        self.names: dict[RunId, str] = {}
        self._seen: dict[RunId, int] = {}

    async def detail(self) -> RunDetail:
        """The run as it is now. Raises UnknownRunError."""
        detail = await self._reads.run(self._run_id)
        if detail is None:
            raise unknown(self._run_id)
        self.names[self._run_id] = detail.summary.name
        return detail

    async def events(self, *, history: bool, rows: bool) -> AsyncGenerator[EventView, None]:
        """The journal's events as they come, until the run is over; with `rows`, its rows' runs' too.

        `history`: also what has happened before. An event comes once.
        """
        detail = await self.detail()
        if not history and (past := await self._reads.events(self._run_id, 0)):
            self._seen[self._run_id] = past[-1].seq
        if rows and detail.summary.children_total:
            async for child in all_runs(self._reads, RunQuery(parent=self._run_id)):
                self.names[child.id] = child.name
        async with aclosing(self._told() if self._daemon is not None else self._looked()) as told:
            async for event in told:
                if event.run_id == self._run_id or (rows and self._belongs(event)):
                    yield event

    def _belongs(self, event: EventView) -> bool:
        if event.type == "run.created" and event.payload.get("parent") == self._run_id:
            self.names[event.run_id] = str(event.payload.get("name", ""))
        return event.run_id in self.names

    async def _told(self) -> AsyncGenerator[EventView, None]:
        """By the daemon; when it ends and comes back, what happened meanwhile to the run itself is caught up with."""
        assert self._daemon is not None
        lost = 0
        while True:
            try:
                async with self._daemon.subscribe() as live:
                    lost = 0
                    async for event in self._until_over(live):
                        yield event
                    if await self._over():
                        return
            except UnreachableError:
                lost += 1
                if lost == 1:
                    output.note("the daemon does not answer; waiting for it")
                if lost >= _TRIES:
                    raise
            await asyncio.sleep(self._look_again_s)

    async def _until_over(self, live: AsyncIterator[EventView]) -> AsyncGenerator[EventView, None]:
        # Subscribed before the journal is read: nothing is missed, and what comes twice is dropped.
        for event in await self._new():
            yield event
        if await self._over():
            # Its end may be younger than what was read.
            for event in await self._new():
                yield event
            return
        async for event in live:
            if event.run_id != self._run_id:
                yield event
            elif self._take(event):
                yield event
                if event.type.startswith("run.") and await self._over():
                    return

    async def _looked(self) -> AsyncGenerator[EventView, None]:
        """Read from the state, which whoever works on it writes."""
        told = False
        while True:
            over = await self._over()
            for event in await self._new():
                yield event
            if over:
                return
            if not told:
                output.note("no daemon answers for this state: it is looked at again and again until Ctrl-C")
                told = True
            await asyncio.sleep(self._look_again_s)

    async def _new(self) -> Sequence[EventView]:
        found = await self._reads.events(self._run_id, self._seen.get(self._run_id, 0))
        return [event for event in found if self._take(event)]

    def _take(self, event: EventView) -> bool:
        if event.seq <= self._seen.get(event.run_id, 0):
            return False
        self._seen[event.run_id] = event.seq
        return True

    async def _over(self) -> bool:
        return (await self.detail()).summary.status.over


async def settled(daemon: DaemonClient, run_id: RunId, done: frozenset[RunStatus]) -> RunStatus:
    """The run's status once it is one of `done` or over. Raises UnreachableError when the daemon ends first."""

    async def status() -> RunStatus:
        detail = await daemon.run(run_id)
        if detail is None:
            raise unknown(run_id)
        return detail.summary.status

    async with daemon.subscribe() as live:
        if (now := await status()) in done or now.over:
            return now
        async for event in live:
            if event.run_id == run_id and event.type.startswith("run."):
                now = await status()
                if now in done or now.over:
                    return now
    raise UnreachableError(
        f"The daemon at {daemon.url} ended before run {run_id} did.",
        hint="It goes on when the daemon does; `orchestrator runs watch` waits for that.",
    )
