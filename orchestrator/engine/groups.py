"""Concurrency groups: whose turn it is to begin, of the runs that share places. First come, first served.

Those in line are rows of the store, found when a place gets free; what is kept here are the few that were called and
have not begun yet.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from orchestrator.domain import events as ev
from orchestrator.domain import expressions, secrets
from orchestrator.domain.expressions import ExpressionError
from orchestrator.domain.ids import RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState
from orchestrator.domain.values import whole
from orchestrator.engine.changes import Change
from orchestrator.errors import UsageError
from orchestrator.store.base import Queued, Store

#: Characters of a group's name.
_NAME_LIMIT: Final = 200
#: How many of those in line are looked at together.
_PAGE: Final = 100
#: What may change who has a place, or who stands in line.
_MOVES = (
    *(ev.RunCreated, ev.RunStarted, ev.RunSucceeded, ev.RunFailed),
    *(ev.RunPaused, ev.RunCancelling, ev.RunCancelled, ev.RunResumed),
)


class GroupNameError(UsageError):
    """A run's concurrency group has no usable name."""


def group_of(
    pipeline: Pipeline, inputs: Mapping[str, Any], row: Mapping[str, Any] | None = None
) -> str | None:
    """The group that a run of the pipeline queues in, None for none. Raises GroupNameError."""
    if pipeline.group is None:
        return None
    try:
        value = expressions.render(pipeline.group.name, {"inputs": inputs, "row": row or {}})
        if isinstance(value, str):
            whole(value)  # the name may be written with one beside its expressions
    except ExpressionError as error:
        raise GroupNameError(f"concurrency.group: {error.message}", hint=error.hint) from error
    if secrets.marked(value):
        raise GroupNameError(
            f"The concurrency group of {pipeline.name} is named after a secret.",
            hint="Name it after something else.",
        )
    usable = isinstance(value, str | int | float) and not isinstance(value, bool)
    name = str(value).strip() if usable else ""
    if not 0 < len(name) <= _NAME_LIMIT:
        what = (
            "is empty"
            if value is None or name == "" == value
            else f"is no text of 1 to {_NAME_LIMIT} characters"
        )
        raise GroupNameError(
            f"The concurrency group of {pipeline.name} {what}.",
            hint=f"It is {pipeline.group.name}: give the input or the column a value.",
        )
    return name


class Groups:
    """Calls those in line, as many as there are free places."""

    def __init__(
        self,
        store: Store,
        *,
        admit: Callable[[RunId], None],
        carries: Callable[[RunId], bool],
        failed: Callable[[BaseException], None],
    ) -> None:
        """`admit` gives a run its turn; `carries` tells whether it can; `failed` is told of a store that is lost."""
        self._store, self._admit, self._carries, self._failed = store, admit, carries, failed
        #: Those of each group that were called and have not begun.
        self._called: dict[str, set[RunId]] = {}
        #: Those that cannot go on: nobody waits behind them.
        self._stuck: set[RunId] = set()
        self._looks: dict[str, asyncio.Task[None]] = {}
        #: Groups in which something has changed since their look began.
        self._changed: set[str] = set()
        self._stopped = False

    def has_to_wait(self, state: RunState) -> bool:
        """Whether the run stands in line and was not called."""
        return state.queued_at is not None and state.id not in self._called.get(state.group or "", ())

    def settle(self, change: Change) -> None:
        """After a turn: places were taken or given away, or somebody stands in line."""
        state = change.state
        if state.group is None:
            return
        called = self._called.get(state.group, set())
        moved = any(isinstance(event.body, _MOVES) for event in change.events)
        if state.queued_at is None and state.id in called:
            called.discard(state.id)
            moved = True
        if moved or self.has_to_wait(state):
            self.look([state.group])

    def drop(self, run_id: RunId) -> None:
        """The run is gone, or cannot go on."""
        self._stuck.add(run_id)
        for group, called in self._called.items():
            if run_id in called:
                called.discard(run_id)
                self.look([group])

    def look(self, groups: Iterable[str | None]) -> None:
        """Call those whose turn it is."""
        for group in groups:
            if group is None or self._stopped:
                continue
            self._changed.add(group)
            if group not in self._looks:
                task = asyncio.get_running_loop().create_task(self._look(group))
                self._looks[group] = task
                task.add_done_callback(self._ended)

    async def recover(self) -> None:
        """Call those whose turn it is in every group that has a line, as after a crash."""
        self.look(await self._store.queues())

    async def stop(self) -> None:
        """Call nobody any more."""
        self._stopped = True
        for task in self._looks.values():
            task.cancel()
        if self._looks:
            await asyncio.wait(self._looks.values())

    async def _look(self, group: str) -> None:
        try:
            while group in self._changed:
                self._changed.discard(group)
                await self._call(group)
        finally:
            del self._looks[group]
            if not self._called.get(group):
                self._called.pop(group, None)

    async def _call(self, group: str) -> None:
        called = self._called.setdefault(group, set())
        last: Queued | None = None
        while True:
            # Those that begin while the store is asked count all the same: it may have been asked before they did.
            before = frozenset(called)
            queue = await self._store.queue(group, after=last, limit=_PAGE)
            for one in queue.line:
                if one.run_id in before | self._stuck or not self._carries(one.run_id):
                    continue
                if queue.taken + len(before | called) >= one.limit:
                    return
                called.add(one.run_id)
                self._admit(one.run_id)
            if len(queue.line) < _PAGE:
                return
            last = queue.line[-1]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
