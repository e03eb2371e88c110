"""The child runs that a run has made itself: its rows, and those that its steps wait for. What it is told, they are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

import structlog

from orchestrator.domain.ids import RunId
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.engine.control import ControlError
from orchestrator.errors import OrchestratorError
from orchestrator.store.base import RunFilter, Store, StoreError, Summary

log = structlog.get_logger(__name__)

Verb = Callable[[RunId], Awaitable[None]]

#: Child runs that are told at once, so that their writes are grouped.
_AT_ONCE = 100


async def tell_children(store: Store, state: RunState, which: Collection[RunStatus], verb: Verb) -> None:
    """Do the same with each of them; one that has moved on meanwhile, or cannot be read, is left alone.

    Raises StoreError.
    """
    chunk: list[RunId] = []
    async for child in _own_children(store, state, which):
        chunk.append(child)
        if len(chunk) == _AT_ONCE:
            await _tell_all(verb, chunk)
            chunk.clear()
    await _tell_all(verb, chunk)


async def tell_items(store: Store, state: RunState, verb: Verb) -> None:
    """As `tell_children`, for the runs that its steps wait for, which are paused or of whose items some have stopped."""
    stopped = [
        one
        async for one in _waited_for(store, state)
        if one.children_failed or one.children_paused or one.status is RunStatus.PAUSED
    ]
    await _tell_all(verb, [one.id for one in stopped])


async def _tell_all(verb: Verb, children: Collection[RunId]) -> None:
    for outcome in await asyncio.gather(*(_tell(verb, one) for one in children), return_exceptions=True):
        if outcome is not None:
            raise outcome


async def _tell(verb: Verb, child: RunId) -> None:
    try:
        await verb(child)
    except ControlError:
        pass  # it has moved on
    except StoreError:
        raise
    except OrchestratorError as error:
        log.warning("a child run cannot be told", run=child, error=error.message)


def items_of(state: RunState) -> Iterator[RunId]:
    """The runs that steps wait for: those of items, and those of sub-pipelines."""
    for step in state.all_steps:
        waiting = state.steps[step.id]
        if step.has_child_run and waiting.status is StepStatus.WAITING and waiting.correlation:
            yield RunId(waiting.correlation)


async def _waited_for(store: Store, state: RunState) -> AsyncIterator[Summary]:
    for child in items_of(state):
        if (summary := await store.summary(child)) is not None:
            yield summary


async def _own_children(store: Store, state: RunState, which: Collection[RunStatus]) -> AsyncIterator[RunId]:
    """Those in one of the statuses, newest first; rows that another run has made are left out."""
    async for items in _waited_for(store, state):
        # Those of its items that are paused rest below it.
        if items.status in which or (RunStatus.PAUSED in which and items.children_paused):
            yield items.id
    if state.rows_total is None:
        return
    cursor = ""
    while page := await store.summaries(RunFilter(frozenset(which), parent=state.id), cursor=cursor):
        for child in page:
            if child.parent == state.id:
                yield child.id
        cursor = page[-1].id


class Telling:
    """Tells child runs while the run itself goes on, once a process for each run and wish."""

    def __init__(self, store: Store, failed: Callable[[BaseException], None]) -> None:
        """`failed` is called when the store does not bear it."""
        self._store, self._failed = store, failed
        self._tasks: dict[tuple[RunId, str], asyncio.Task[None]] = {}
        self._stopped = False

    def begin(self, state: RunState, wish: str, which: Collection[RunStatus], verb: Verb) -> None:
        """Tell those in one of the statuses."""
        if (state.id, wish) not in self._tasks and not self._stopped:
            task = asyncio.get_running_loop().create_task(tell_children(self._store, state, which, verb))
            task.add_done_callback(self._ended)
            self._tasks[state.id, wish] = task

    def forget(self, run_id: RunId, wish: str) -> None:
        """The wish is fulfilled, or taken back: the next one is told again."""
        task = self._tasks.get((run_id, wish))
        if task is not None and task.done():
            del self._tasks[run_id, wish]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    async def stop(self) -> None:
        """Stop telling: the wishes are in the journal."""
        self._stopped = True
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
