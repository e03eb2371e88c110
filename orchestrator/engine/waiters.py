"""Those who wait for a run's end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from orchestrator.domain.ids import RunId
from orchestrator.engine.control import unknown
from orchestrator.errors import OrchestratorError
from orchestrator.store.base import Store, Summary


class Waiters:
    """Woken whenever a run comes to an end or to a rest."""

    def __init__(self, store: Store, failed: asyncio.Future[None]) -> None:
        """`failed` ends with the error that keeps all runs from going on."""
        self._store, self._failed = store, failed
        self._changed: dict[RunId, asyncio.Event] = {}
        #: Runs that cannot go on, and why.
        self.damaged: dict[RunId, OrchestratorError] = {}

    def wake(self, run_id: RunId) -> None:
        """Something that may be waited for has happened to the run."""
        if (changed := self._changed.pop(run_id, None)) is not None:
            changed.set()

    def stuck(self, run_id: RunId, problem: OrchestratorError) -> None:
        """The run cannot go on, and neither may those that wait for it."""
        self.damaged[run_id] = problem
        for waited_for in list(self._changed):
            self.wake(waited_for)

    async def wait(self, run_id: RunId, enough: Callable[[Summary], Awaitable[bool]]) -> Summary:
        """The run's summary once it is `enough`.

        Raises UnknownRunError, what keeps the run from going on, and what ended `failed`.
        """
        while True:
            changed = self._changed.setdefault(run_id, asyncio.Event())
            summary = await self._store.summary(run_id)
            if summary is None:
                raise unknown(run_id)
            if await enough(summary):
                return summary
            if run_id in self.damaged:
                raise self.damaged[run_id]
            awaited = asyncio.ensure_future(changed.wait())
            waiting: set[asyncio.Future[Any]] = {awaited, self._failed}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                awaited.cancel()
            if self._failed.done():
                self._failed.result()
